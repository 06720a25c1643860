"""Steps survive kills, cancellation, pauses and configuration changes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, phase, refused
from tests.engine.step_scene import configure, reopen, rows, step_states, steps, tool, until, with_child
from tests.tools.stub import Stub, calls_in
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.background.daemon import new_worker, tend_open_runs
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases import step_calls
from wfe_mcp.engine.phases.step_jobs import wait_s, work_step
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.jobs.job_context import JobContext, Stop
from wfe_mcp.store.records.jobs import JobRecord, JobStatus
from wfe_mcp.store.records.runs import StepStatus
from wfe_mcp.workflow.model.rules import StepRetry
from wfe_mcp.workspace.system.location import project_at

WORKER = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.background.daemon import start_worker
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.location import project_at

clock = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
store = Store.open(sys.argv[1], clock=clock)
start_worker(create_engine(project_at(Path(sys.argv[2])), clock=clock, store=store))
threading.Event().wait()
"""
HI: dict[str, Any] = {"params": {"words": "hi"}}
SET: dict[str, Any] = {"id": "set", "builtin": "set", "params": {"n": 1}}


def jobs(scene: Scene, run: str) -> list[JobRecord]:
    with scene.store.read() as tx:
        return [job for job in tx.jobs.filter(tx.runs.find(scene.engine.project_id, run).id) if job.kind == "step"]


@pytest.mark.requirement("B-28")
def test_a_call_of_a_worker_killed_with_kill_9_is_never_made_again_by_itself(scene: Scene, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    with_child(scene, calls)
    run = scene.start(
        steps(
            SET,
            tool("effect", "stub.hang"),
            {"id": "after", "builtin": "log"},
            on_fail=[{"do": "retry", "max_attempts": 9}],
        )
    )
    url = scene.url
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(scene.root)], env=scene.environment, cwd=Path.cwd()
    ) as worker:
        until(lambda: calls_in(calls) or worker.poll() is not None)
        assert worker.poll() is None
        worker.kill()
    server = psutil.Process(calls_in(calls)[0]["pid"])
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.number, tried.human_only) == (AttemptStatus.FAILED, 1, True)
    assert step_states(scene, run) == {"set": "done", "effect": "unknown"}
    assert "Step 'effect' (tool stub.hang) may have completed" in tried.reason
    assert "the process that worked on it ended" in tried.reason
    assert sorted(job.status for job in jobs(scene, run)) == [JobStatus.DONE, JobStatus.PARKED]
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "the server that it had started is ended"
    assert scene.status(run).waiting_on == "human"
    assert refused(control.retry, scene.engine, AGENT, run, "ci").code == "needs_human"
    tend_open_runs(scene.engine)
    scene.work()
    assert len(calls_in(calls)) == 1

    # A person has looked, and wants it again: from the call in doubt on, what was finished is not repeated.
    control.retry(scene.engine, HUMAN, run, "ci")
    assert step_states(scene, run) == {"set": "done", "effect": "queued"}
    assert rows(scene, run)["set"].carried == 1
    control.skip(scene.engine, HUMAN, run, "ci", "done by hand")
    assert step_states(scene, run) == {"set": "done", "effect": "cancelled"}
    assert (scene.work(), len(calls_in(calls))) == (0, 1)


def test_a_job_that_died_before_its_call_began_simply_begins_again(scene: Scene, stub: Stub) -> None:
    neighbour, _ = scene.neighbour()
    run = scene.start(steps(tool("say", **HI)))
    with scene.store.tx() as tx:
        claimed = tx.jobs.claim(neighbour.holder, (jobs(scene, run)[0].queue,), 30.0, scene.clock())
    assert claimed is not None
    neighbour.process.kill()
    neighbour.process.wait()
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(stub.called()) == 1


def test_a_worker_of_another_project_leaves_our_calls_to_us(scene: Scene, stub: Stub, tmp_path: Path) -> None:
    neighbour, _ = scene.neighbour()
    run = scene.start(steps(tool("say", **HI)))
    with scene.store.tx() as tx:
        assert tx.jobs.claim(neighbour.holder, (jobs(scene, run)[0].queue,), 30.0, scene.clock()) is not None
    neighbour.process.kill()
    neighbour.process.wait()
    (tmp_path / "other").mkdir()
    other = create_engine(
        project_at(tmp_path / "other"), environment=scene.environment, clock=scene.clock, store=scene.store
    )
    assert not new_worker(other).work_one()
    assert jobs(scene, run)[0].status is JobStatus.RUNNING
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_the_time_out_of_the_phase_ends_the_call_and_leaves_it_to_a_person(scene: Scene, stub: Stub) -> None:
    run = scene.start(
        steps(
            tool("late", "stub.hang", params={"seconds": 2}), timeout="1m", on_fail=[{"do": "retry", "max_attempts": 9}]
        )
    )
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: stub.called("hang"))
    scene.clock.advance(minutes=1)
    worker.wake()
    until(lambda: scene.attempt(run, "ci").number == 2)
    worker.stop()
    first, second = scene.attempt(run, "ci", 1), scene.attempt(run, "ci", 2)
    assert (first.fail_kind, second.status, second.human_only) == (FailKind.TIMEOUT, AttemptStatus.FAILED, True)
    assert step_states(scene, run, attempt=1) == step_states(scene, run, attempt=2) == {"late": "unknown"}
    assert len(stub.called("hang")) == 1


def test_cancelling_the_run_ends_the_call(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("late", "stub.hang", params={"seconds": 3})))
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: stub.called("hang"))
    control.control(scene.engine, AGENT, run, "cancel")
    until(lambda: jobs(scene, run)[0].status is not JobStatus.RUNNING)
    worker.stop()
    assert jobs(scene, run)[0].status is JobStatus.CANCELLED
    assert step_states(scene, run) == {"late": "unknown"}


def test_a_server_that_ends_in_the_middle_leaves_the_call_to_a_person(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("late", "stub.hang", params={"seconds": 2})))
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: stub.called("hang"))
    worker.stop()
    assert (step_states(scene, run), scene.attempt(run, "ci").human_only) == ({"late": "unknown"}, True)


def test_a_retry_of_a_phase_whose_call_still_runs_does_not_repeat_it(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("say", **HI)))
    with scene.store.tx() as tx:
        job = tx.jobs.claim("elsewhere:1:1.0", (jobs(scene, run)[0].queue,), 30.0, scene.clock())
        assert job is not None
        tx.steps.save(replace(rows(scene, run)["say"], status=StepStatus.RUNNING, tries=1))
    control.retry(scene.engine, HUMAN, run, "ci")
    scene.work()
    assert (scene.attempt(run, "ci").number, step_states(scene, run)) == (2, {"say": "unknown"})
    assert stub.called() == []
    reopen(scene, run)
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(stub.called()) == 1


def test_a_paused_run_begins_no_step_and_continues_where_it_was(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(SET, tool("say", **HI)))
    control.control(scene.engine, HUMAN, run, "pause")
    scene.work()
    assert step_states(scene, run) == {"set": "ready"}
    control.control(scene.engine, HUMAN, run, "resume")
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(stub.called()) == 1


def test_what_a_step_answers_while_the_run_is_paused_is_kept(scene: Scene) -> None:
    run = scene.start(steps(SET, {"id": "log", "builtin": "log"}))
    worker = new_worker(scene.engine)

    def paused_meanwhile(engine: Engine, call: step_calls.StepCall, context: JobContext) -> step_calls.StepResult:
        control.control(engine, HUMAN, run, "pause")
        return step_calls.make(engine, call, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wfe_mcp.engine.phases.step_jobs.make", paused_meanwhile)
        worker.work_one()
    assert step_states(scene, run) == {"set": "done"}
    control.control(scene.engine, HUMAN, run, "resume")
    assert step_states(scene, run) == {"set": "done", "log": "queued"}


def test_a_check_of_a_killed_worker_is_run_again(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    run = scene.start(steps({"id": "good", "check": "good"}))
    assert new_worker(scene.engine).work_one(), "the files are read"
    neighbour, _ = scene.neighbour()
    with scene.store.tx() as tx:
        job = tx.jobs.claim(neighbour.holder, (jobs(scene, run)[0].queue,), 30.0, scene.clock())
        assert job is not None
        tx.steps.save(replace(rows(scene, run)["good"], status=StepStatus.RUNNING, tries=1))
    neighbour.process.kill()
    neighbour.process.wait()
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_server_that_ends_before_the_call_was_sent_leaves_nothing_in_doubt(scene: Scene) -> None:
    configure(
        scene,
        f"[mcp_servers.stub]\ncommand = {json.dumps(sys.executable)}\nargs = ['-c', 'import time; time.sleep(60)']",
    )
    run = scene.start(steps(tool("say", **HI)))
    worker = new_worker(scene.engine)
    worker.start()
    until(lambda: step_states(scene, run) == {"say": "running"})
    worker.stop()
    row = rows(scene, run)["say"]
    assert (str(row.status), row.tries, row.enqueued) == ("queued", 0, 2)
    assert scene.attempt(run, "ci").status is AttemptStatus.RUNNING


def claimed(scene: Scene, run: str) -> JobContext:
    """The step's job, in the hands of a worker that has not begun."""
    with scene.store.tx() as tx:
        job = tx.jobs.claim(scene.engine.holder, (jobs(scene, run)[0].queue,), 30.0, scene.clock())
    assert job is not None
    return JobContext(job, scene.store, Stop())


def test_a_job_whose_phase_continued_without_it_does_nothing(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("say", **HI)))
    context = claimed(scene, run)
    control.retry(scene.engine, HUMAN, run, "ci")
    assert work_step(scene.engine, context).result == {"stale": True}
    scene.work()
    assert len(stub.called()) == 1


def test_a_call_that_has_begun_is_not_begun_by_a_second_claim(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("say", **HI)))
    context = claimed(scene, run)
    with scene.store.tx() as tx:
        tx.steps.save(replace(rows(scene, run)["say"], status=StepStatus.RUNNING))
    assert work_step(scene.engine, context).result == {"stale": True}
    assert stub.called() == []


def test_an_answer_that_comes_after_the_phase_continued_changes_nothing(scene: Scene, stub: Stub) -> None:
    run = scene.start(steps(tool("say", **HI)))
    outcome = work_step(scene.engine, claimed(scene, run))
    control.skip(scene.engine, HUMAN, run, "ci", "done by hand")
    assert outcome.apply is not None
    with scene.store.tx() as tx:
        outcome.apply(tx)
    assert step_states(scene, run) == {"say": "unknown"}


def test_a_step_whose_job_fails_before_it_begins_is_not_tried_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("our fault")

    monkeypatch.setattr("wfe_mcp.engine.phases.step_jobs._step", broken)
    run = scene.start(steps(tool("say", **HI)))
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.number, rows(scene, run)["say"].enqueued) == (AttemptStatus.FAILED, 1, 25)
    assert "ZeroDivisionError: our fault" in tried.reason
    assert caplog.records


def test_a_place_that_was_taken_meanwhile_is_waited_for(scene: Scene) -> None:
    scene.check("good", "print('fine')")
    run = scene.start(phase("plan"), steps({"id": "good", "check": "good"}, needs=[]), limits={"max_parallel": 1})
    scene.begin(run, "plan")
    scene.work()
    assert scene.attempt(run, "ci").status is AttemptStatus.READY
    scene.submit(run, "plan")
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_run_paused_while_the_files_are_read_submits_when_it_continues(scene: Scene) -> None:
    run = scene.start(steps(SET, gates=[{"kind": "files", "within": ["x"]}]))
    while step_states(scene, run) != {"set": "done"}:
        assert new_worker(scene.engine).work_one()
    control.control(scene.engine, HUMAN, run, "pause")
    scene.work()
    assert scene.attempt(run, "ci").status is AttemptStatus.RUNNING
    control.control(scene.engine, HUMAN, run, "resume")
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_check_that_no_one_has_trusted_yet_is_waited_for(scene: Scene) -> None:
    run = scene.start(steps({"id": "good", "check": "good"}))
    scene.work()
    assert "no trusted check 'good' yet" in rows(scene, run)["good"].error
    scene.check("good", "print('fine')", trusted=False)
    give_trust(scene.engine, HUMAN, [])
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [("none", [0, 0, 0]), ("fixed", [2, 2, 2]), ("linear", [2, 4, 5]), ("exponential", [2, 4, 5])],
)
def test_the_wait_between_tries_grows_as_the_step_says(backoff: str, waits: list[float]) -> None:
    retry = StepRetry.model_validate({"backoff": backoff, "initial": "2s", "max": "5s"})
    assert [wait_s(retry, tries) for tries in (1, 2, 3)] == waits
