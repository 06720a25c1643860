"""A process dies in the middle of a call to a model: the call is known and counted, and no cap is passed by dying."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.call_scene import calls, resume, usage
from tests.engine.scene import Scene, phase
from tests.engine.step_scene import until
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background.queues import queue_names
from wfe_mcp.store.records.calls import CallStatus
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob

PROCESS = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.engine.models.call_log import Recording
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.providers.call import Connection, Estimate, Usage
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.process import this_process

url, root, answers = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "answers"
clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
store = Store.open(url, clock=clock)
engine = create_engine(project_at(root), environment={"HOME": str(root)}, clock=clock, store=store)
model = Connection("openai", "openai", "gpt-4o")

def work(context):
    heard = Recording(engine, context, purpose="work", role="author")
    heard.before_call(model, Estimate(0, 100_000))
    if not answers:
        threading.Event().wait()
    heard.after_call(model, Usage(1, 10, 10, cost_usd=0.1), None)
    return Outcome({"done": True})

worker = Worker(lambda: store, this_process(), {"work": work}, clock, (f"llm:{engine.project_id}",), poll_s=0.02, take_over_s=0.1)
worker.start()
print("up", flush=True)
threading.Event().wait()
"""


@contextmanager
def process(scene: Scene, tmp_path: Path, what: str) -> Generator[subprocess.Popen[str]]:
    """A process that works jobs which call a model; it ``answers``, or ``hangs`` in the call."""
    url = scene.url
    argv = [sys.executable, "-c", PROCESS, url, str(scene.root), what]
    made = subprocess.Popen(argv, cwd=Path.cwd(), stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    try:
        assert made.stdout.readline() == "up\n"
        yield made
    finally:
        made.kill()
        made.communicate()


def enqueue(scene: Scene, run: str) -> str:
    new = NewJob(
        "work", queue_names(scene.engine, ["llm"])[0], {}, run_id=RunId(run), phase=PhasePath("plan"), attempt=1
    )
    with scene.store.tx() as tx:
        return tx.jobs.enqueue(new)


def job(scene: Scene, job_id: str) -> JobRecord:
    with scene.store.read() as tx:
        found = tx.jobs.get(job_id)
    assert found is not None
    return found


def test_a_call_in_flight_at_kill_9_is_visible_and_counted_and_the_job_continues(scene: Scene, tmp_path: Path) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 5})
    made = enqueue(scene, run)
    with process(scene, tmp_path, "hangs") as first:
        until(lambda: calls(scene, run))
        first.kill()
        first.wait(120)
    assert [call.status for call in calls(scene, run)] == [CallStatus.STARTED]
    assert usage(scene, run).spent_usd == pytest.approx(1.0)
    with process(scene, tmp_path, "answers"):
        until(lambda: job(scene, made).status is JobStatus.DONE)
    assert sorted(call.status for call in calls(scene, run)) == [CallStatus.DONE, CallStatus.LOST]
    found = usage(scene, run)
    assert (found.calls, found.lost, found.in_flight) == (2, 1, 0)
    assert found.spent_usd == pytest.approx(1.1), "the lost call still counts what it may have used"


def test_dying_in_a_call_passes_no_cap(scene: Scene, tmp_path: Path) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 1.5})
    made = enqueue(scene, run)
    with process(scene, tmp_path, "hangs") as first:
        until(lambda: calls(scene, run))
        first.kill()
        first.wait(120)
    with process(scene, tmp_path, "answers"):
        until(lambda: job(scene, made).status is JobStatus.DONE)
    result = job(scene, made).result
    assert result is not None and "limits.max_cost" in result["suspended"]
    assert len(calls(scene, run)) == 1 and scene.state(run).status is RunStatus.PAUSED
    resume(scene, run, max_cost_usd=3.0)
    assert scene.state(run).max_cost_usd == 3.0


def test_processes_side_by_side_pass_no_cap_together(scene: Scene, tmp_path: Path) -> None:
    run = scene.start(phase("plan"), limits={"max_cost": 2.5})
    with process(scene, tmp_path, "hangs"), process(scene, tmp_path, "hangs"), process(scene, tmp_path, "hangs"):
        jobs = [enqueue(scene, run) for _ in range(4)]
        until(lambda: sum(job(scene, each).status is JobStatus.DONE for each in jobs) == 2)
        assert [call.status for call in calls(scene, run)] == [CallStatus.STARTED] * 2
    assert usage(scene, run).spent_usd <= 2.5
