"""Several worker processes on one database: no duplicate work, limits hold, and a killed one loses nothing."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.jobs.conftest import until
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobStatus, NewJob

WORKER = """
import json, os, sys, threading, time
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.jobs.limits import WorkLimits
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import ClaimLimits, Limit, provider_key
from wfe_mcp.workspace.system.process import this_process

url, log, at_once = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
clock = lambda: datetime.now(UTC)
store = Store.open(url, clock=clock)

def note(what, job):
    with log.open("a") as out:
        out.write(json.dumps([what, job.id, os.getpid()]) + "\\n")

def work(context):
    note("in", context.job)
    time.sleep(0.02)
    while (log.parent / "hold").exists():
        time.sleep(0.01)
    note("out", context.job)
    return Outcome({"by": os.getpid()})

queues = {"llm": Limit(concurrency=at_once)}
limits = WorkLimits(ClaimLimits(queues, {"openai": Limit(concurrency=1)}))
worker = Worker(lambda: store, this_process(), {"work": work}, clock, ("llm",), slots=4, poll_s=0.02, take_over_s=0.2, limits=lambda: limits)
worker.start()
print("up", flush=True)
threading.Event().wait()
"""


class Scene:
    """A database in real time, and processes that work it."""

    def __init__(self, folder: Path) -> None:
        self.log, self.hold = folder / "log", folder / "hold"
        self.store = Store.open(f"sqlite:///{folder / 'wfe.db'}", clock=lambda: datetime.now(UTC))
        self.url = self.store.environment["WFE_DATABASE_URL"]

    @contextmanager
    def worker(self, at_once: int = 100) -> Generator[subprocess.Popen[str]]:
        argv = [sys.executable, "-c", WORKER, self.url, str(self.log), str(at_once)]
        process = subprocess.Popen(argv, cwd=Path.cwd(), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def enqueue(self, number: int, limit_key: str | None = None) -> list[str]:
        with self.store.tx() as tx:
            return [tx.jobs.enqueue(NewJob("work", "llm", {}, limit_key=limit_key)) for _ in range(number)]

    def are_done(self, jobs: list[str]) -> bool:
        with self.store.read() as tx:
            found = [tx.jobs.get(job) for job in jobs]
        return all(job is not None and job.status is JobStatus.DONE for job in found)

    def lines(self) -> list[tuple[str, str, int]]:
        if not self.log.exists():
            return []
        return [(what, job, pid) for what, job, pid in map(json.loads, self.log.read_text().splitlines())]

    def at_once(self) -> int:
        """The most jobs that were ever worked together."""
        now = most = 0
        for what, _, _ in self.lines():
            now += 1 if what == "in" else -1
            most = max(most, now)
        return most


@pytest.fixture
def scene(tmp_path: Path) -> Generator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


@pytest.mark.requirement("B-27", "S4-27")
def test_three_processes_do_each_job_once(scene: Scene) -> None:
    with scene.worker(), scene.worker(), scene.worker():
        jobs = scene.enqueue(40)
        until(lambda: scene.are_done(jobs), seconds=120)
    begun = [job for what, job, _ in scene.lines() if what == "in"]
    assert sorted(begun) == sorted(jobs)


@pytest.mark.requirement("S4-27")
def test_the_limit_of_a_queue_holds_over_all_processes(scene: Scene) -> None:
    scene.hold.touch()
    with scene.worker(2), scene.worker(2), scene.worker(2):
        jobs = scene.enqueue(12)
        until(lambda: len(scene.lines()) == 2)
        scene.hold.unlink()
        until(lambda: scene.are_done(jobs), seconds=120)
    assert scene.at_once() == 2


@pytest.mark.requirement("S4-27")
def test_the_limit_of_a_provider_holds_over_all_processes(scene: Scene) -> None:
    with scene.worker(), scene.worker():
        jobs = scene.enqueue(8, "provider:openai")
        until(lambda: scene.are_done(jobs), seconds=120)
    assert scene.at_once() == 1


@pytest.mark.requirement("B-27")
def test_the_jobs_of_a_killed_process_are_done_by_another_and_its_place_is_free_again(scene: Scene) -> None:
    scene.hold.touch()
    jobs = scene.enqueue(3)
    with scene.worker(1) as first:
        until(lambda: len(scene.lines()) == 1)
        first.kill()
        first.wait(120)
        scene.hold.unlink()
        with scene.worker(1):
            until(lambda: scene.are_done(jobs), seconds=120)
    begun = [job for what, job, _ in scene.lines() if what == "in"]
    assert len(begun) == 4 and set(begun) == set(jobs), "only what was under way began a second time"
