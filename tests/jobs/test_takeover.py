"""The jobs and child processes of a dead process are cleaned up."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.jobs.conftest import Scene, until
from wfe_mcp.jobs.completion import Completion
from wfe_mcp.jobs.environment import MARK, child_env
from wfe_mcp.jobs.heartbeat import take_over
from wfe_mcp.jobs.job_context import JobContext, Outcome, mark_of
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import Effect, JobRecord, JobStatus
from wfe_mcp.workspace.system.process import ProcessIdentity, holder_id, start_of, this_process

SERVER = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.workspace.system.process import ProcessIdentity, holder_id, this_process

url, folder = sys.argv[1], Path(sys.argv[2])
clock = lambda: datetime(2030, 1, 1, tzinfo=UTC)

def endless(context):
    code = "import os; print(os.getpid(), flush=True); import time; time.sleep(600)"
    context.run_child([sys.executable, "-c", code], cwd=folder, env=child_env(), timeout_s=600, log_path=folder / "log")
    return Outcome()

store = Store.open(url, clock=clock)
Worker(lambda: store, this_process(), {"endless": endless}, clock, ("command",), poll_s=0.01).start()
threading.Event().wait()
"""


def done(_: JobContext) -> Outcome:
    return Outcome({"ok": True})


@contextmanager
def server(scene: Scene, folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """Another process that works off the same table; inside the block its child is up."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, scene.url, str(folder)], cwd=Path.cwd())
    try:
        log = folder / "log"
        until(lambda: log.exists() and log.read_text().strip())
        yield process
    finally:
        process.kill()
        process.wait(120)


def child_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "log").read_text()))


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.requirement("B-21", "S1-34")
@pytest.mark.requirement("B-27")
def test_the_job_of_a_killed_process_is_done_by_the_next_one(scene: Scene, tmp_path: Path) -> None:
    job = scene.enqueue("endless")
    with server(scene, tmp_path) as process:
        child = child_of(tmp_path)
        assert not scene.worker({"endless": done}).work_one()
        process.kill()
        process.wait(120)
        assert lives(child)
        assert scene.worker({"endless": done}).work_one()
    assert scene.status(job) is JobStatus.DONE and scene.job(job).fence == 2
    assert not lives(child)


def test_the_child_of_a_killed_process_ends_even_when_its_pid_was_never_noted(scene: Scene, tmp_path: Path) -> None:
    scene.enqueue("endless")
    with server(scene, tmp_path) as process:
        child = child_of(tmp_path)
        process.kill()
        process.wait(120)
        with scene.store.tx() as tx:
            (job,) = tx.jobs.running()
            # A pid that is certainly no one's: what would be there had the owner died before noting it.
            assert tx.jobs.set_child(job.id, job.fence, 2**22 + 7, start_of(child.pid))
        assert scene.worker({"endless": done}).work_one()
    assert not lives(child)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system itself notes the start of a process")
def test_a_living_process_keeps_its_job_when_the_clock_of_the_machine_is_set(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.enqueue("endless")
    booted = psutil.boot_time()
    with server(scene, tmp_path) as process:
        child = child_of(tmp_path)
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 10_800)
        assert not scene.worker({"endless": done}).work_one()
        assert lives(child)
        process.kill()
        process.wait(120)
        assert scene.worker({"endless": done}).work_one()
    assert not lives(child)


KEEPER = """
import sys
from wfe_mcp.jobs.handed import hand_variables
with hand_variables({}, {"KEY": "of-a-killed-process"}) as found:
    print(found.folders[0], flush=True)
    sys.stdin.read()
"""


@pytest.mark.requirement("S4-32")
def test_who_takes_a_job_over_removes_the_credentials_that_the_dead_process_laid_out(scene: Scene) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout is not None
        folder = Path(keeper.stdout.readline().strip())
        assert (folder / "KEY").is_file()
        owner = ProcessIdentity(this_process().host, keeper.pid, start_of(keeper.pid))
        scene.enqueue()
        with scene.store.tx() as tx:
            assert tx.jobs.claim(holder_id(owner), ["command"], 30, scene.now) is not None
        endings = Completion(scene.store, scene.clock)
        assert take_over(scene.store, this_process(), scene.clock, endings) == 0, "its process lives"
        assert folder.exists()
        keeper.kill()
        keeper.wait(120)
    assert take_over(scene.store, this_process(), scene.clock, endings) == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"effect": Effect.NON_REPEATABLE}, JobStatus.PARKED),
        ({"max_attempts": 1}, JobStatus.FAILED),
        ({"effect": Effect.PURE}, JobStatus.QUEUED),
    ],
)
def test_what_a_dead_owner_held_is_decided_by_its_effect(
    scene: Scene, change: dict[str, Any], status: JobStatus
) -> None:
    me = this_process()
    dead = f"{me.host}:{2**22 + 7}:1.000"
    lines: list[str] = []
    job = scene.enqueue(**change)
    with scene.store.tx() as tx:
        assert tx.jobs.claim(dead, ("command",), 3600, scene.now) is not None

    def gave_up(_tx: Tx, _job: JobRecord, reason: str) -> None:
        lines.append(reason)

    assert take_over(scene.store, me, scene.clock, Completion(scene.store, scene.clock, gave_up)) == 1
    assert scene.status(job) is status
    assert len(lines) == (status is not JobStatus.QUEUED)


def test_a_job_that_was_to_be_cancelled_is_not_started_again(scene: Scene) -> None:
    me = this_process()
    job = scene.enqueue()
    with scene.store.tx() as tx:
        assert tx.jobs.claim(f"{me.host}:{2**22 + 7}:1.000", ("command",), 3600, scene.now) is not None
        tx.jobs.request_cancel(job_id=job)
    assert not scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.CANCELLED


@pytest.mark.parametrize("is_tried", [False, True], ids=["queued", "tried"])
def test_what_was_put_off_by_a_clock_that_was_ahead_waits_as_long_as_it_should(scene: Scene, *, is_tried: bool) -> None:
    year, now = timedelta(days=365), scene.now
    if not is_tried:
        scene.now += year
    at_once, later = scene.enqueue(), scene.enqueue(run_at=scene.now + timedelta(minutes=1))
    if is_tried:
        scene.now += year
        with scene.store.tx() as tx:
            job = tx.jobs.claim("cli", ("command",), 30, scene.now)
            assert job is not None
            assert tx.jobs.fail(job.id, job.fence, "flaky", scene.now)
            job = tx.jobs.claim("cli", ("command",), 30, scene.now)
            assert job is not None
            assert tx.jobs.fail(job.id, job.fence, "flaky", scene.now + timedelta(minutes=1))
    scene.now = now
    worker = scene.worker({"work": done}, take_over_s=0.0)

    assert (worker.work_one(), worker.work_one()) == (True, False)
    scene.pass_time(61)
    assert (worker.work_one(), worker.work_one()) == (True, False)
    assert [scene.status(job) for job in (at_once, later)] == [JobStatus.DONE, JobStatus.DONE]


@pytest.mark.parametrize("owner", ["elsewhere:17:1.000", "cli"])
def test_a_lease_that_ran_out_frees_what_no_one_here_can_know(scene: Scene, owner: str) -> None:
    job = scene.enqueue()
    with scene.store.tx() as tx:
        assert tx.jobs.claim(owner, ("command",), 30, scene.now) is not None
    assert not scene.worker({"work": done}).work_one()
    scene.pass_time(31)
    assert scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_a_second_execution_ends_what_the_first_one_left(scene: Scene, tmp_path: Path) -> None:
    left: list[Any] = []

    def leave(context: JobContext) -> Outcome:
        mark = mark_of(context.job.id, context.job.fence)
        code = "import time; print('up', flush=True); time.sleep(600)"
        if context.job.tries == 1:
            argv, env = [sys.executable, "-c", code], {**child_env(), MARK: mark}
            left.append(psutil.Popen(argv, env=env, cwd=tmp_path, stdout=subprocess.PIPE))
            assert left[0].stdout.readline()  # a process that the system is still making has no environment yet
            raise OSError("once more")
        return Outcome({"left": lives(left[0])})

    job = scene.enqueue("leave")
    worker = scene.worker({"leave": leave}, backoff_base_s=0.0)
    assert worker.work_one() and worker.work_one()
    assert scene.job(job).result == {"left": False}
    left[0].communicate(timeout=120)
