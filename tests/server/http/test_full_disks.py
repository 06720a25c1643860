"""A full disk of a runner, or of its server: no attempt of the agent, and the same one is judged once there is room."""

import itertools
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.jobs.conftest import until
from tests.server.conftest import House
from tests.server.http.conftest import Running
from tests.server.http.runners import Machine, OwnRunner, serving_runners
from tests.server.http.test_runners import checked
from tests.workspace.git.test_restore_faults import mount, mounted, mounting
from wfe_mcp.core.model import Attempt, RunState, RunStatus
from wfe_mcp.core.paths import PhasePath

WRITES_MUCH = """
import os, tempfile
with open(tempfile.gettempdir() + "/much", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError:
        os._exit(1)
"""


@pytest.fixture
def running(house: House) -> Iterator[Running]:
    yield from serving_runners(house)


@pytest.fixture
def builder(running: Running, tmp_path: Path) -> Iterator[Machine]:
    """A runner on a disk of 1 MB."""
    folder = tmp_path / "builder"
    folder.mkdir()
    made = Machine(running, folder, running.token("builder", "runner"))
    with mounted(folder, "-t", "tmpfs", "-o", "size=1m,nr_inodes=500", "none"):
        yield made
        for process in made.processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.communicate()


def state_of(house: House, run: str) -> RunState:
    engine = house.engine()
    with engine.store.read() as tx:
        return engine.load(tx, run).state


def checked_attempt(running: Running, run: str) -> Attempt:
    return state_of(running.house, run).current(PhasePath("checked"))


def paused(house: House, run: str) -> str:
    """Why the run is paused, with its first attempt still judged."""
    state = state_of(house, run)
    attempt = state.current(PhasePath("checked"))
    assert (state.status, attempt.number, attempt.status) == (RunStatus.PAUSED, 1, "gating"), state.reason
    return state.reason


def resume(running: Running, run: str) -> None:
    token = running.token("resumes")
    answer = running.post({"action": "resume"}, f"/api/v1/runs/{run}/control", Authorization=f"Bearer {token}")
    assert answer.json()["ok"], answer.text


@mounting
def test_no_room_for_a_log_on_a_runner_uses_up_no_attempt(running: Running, builder: Machine) -> None:
    (running.house.root / "check.py").write_text("print('x' * 2_000_000)")
    run = checked(running)
    builder.done()
    assert "could not be written: No space left on device" in paused(running.house, run)
    mount("-o", "remount,size=20m", str(builder.folder))
    resume(running, run)
    builder.done()
    assert (checked_attempt(running, run).number, checked_attempt(running, run).status) == (1, "completed")


@mounting
def test_a_check_that_fails_on_a_full_disk_of_its_runner_uses_up_no_attempt(running: Running, builder: Machine) -> None:
    (running.house.root / "check.py").write_text(WRITES_MUCH)
    run = checked(running)
    builder.done()
    assert "on builder was full when check 'ok' failed, which may be why" in paused(running.house, run)


@mounting
@pytest.mark.parametrize("full_of", ["bytes", "files"])
def test_a_runner_without_room_for_its_folder_gives_the_check_back_and_continues(
    running: Running, builder: Machine, full_of: str
) -> None:
    process = builder.start()
    builder.says(process, "Waiting for checks")
    fill = builder.folder / "fill"
    with suppress(OSError):
        if full_of == "bytes":
            fill.write_bytes(b"")
            while True:
                with fill.open("ab", buffering=0) as file:
                    file.write(bytes(4096))
        for number in itertools.count():
            (fill / str(number)).mkdir(parents=True)
    run = checked(running)
    builder.says(process, "given back")
    fill.unlink() if fill.is_file() else shutil.rmtree(fill)
    until(lambda: checked_attempt(running, run).status == "completed", every_s=0.2)
    assert checked_attempt(running, run).number == 1


@mounting
def test_a_report_for_which_the_server_has_no_room_uses_up_no_attempt(running: Running, tmp_path: Path) -> None:
    own = OwnRunner(running, running.token("builder", "runner"))
    run = checked(running)
    task = own.claim()
    runs = running.house.root / ".wfe" / "runs"
    with mounted(runs, "-t", "tmpfs", "-o", "size=64k", "none"):
        answer = own.post(f"jobs/{task['job']}/end", own.report(task, b"x" * 100_000), task["token"])
        assert answer.status_code == 200, answer.text
        assert "No space left on device" in paused(running.house, run)
