"""A disk on which a gate cannot write what it needs: the answer says so, in words that a person can act on.

What a full disk does to a check is no attempt of the agent: the run pauses, and the same attempt is judged later.
"""

import tempfile
from pathlib import Path

import pytest

from tests.engine.scene import Scene, command, phase
from tests.workspace.git.test_restore_faults import mount, mounted, mounting
from wfe_mcp.core.model import RunStatus

MEGABYTE = "print('x' * 1_000_000)"
WRITES_MUCH = """
import tempfile
print("it writes", flush=True)
with open(tempfile.gettempdir() + "/much", "wb", buffering=0) as file:
    for _ in range(500):
        if file.write(bytes(4096)) < 4096:
            raise SystemExit(1)
"""


def runs_folder(scene: Scene) -> Path:
    folder = scene.root / ".wfe" / "runs"
    folder.mkdir(exist_ok=True)
    return folder


def paused(scene: Scene, run: str) -> str:
    """Why the run is paused, with its first attempt still judged."""
    state = scene.state(run)
    assert (state.status, state.paused_by_human) == (RunStatus.PAUSED, False), state.status
    assert (scene.attempt(run, "fix").number, scene.attempt(run, "fix").status) == (1, "gating")
    return state.reason


def later(scene: Scene) -> None:
    scene.clock.advance(minutes=3)
    scene.work()


def given_up(scene: Scene, run: str) -> str:
    """Why the phase failed, once its gate has been tried as often as it is."""
    scene.submit(run, "fix")
    for _ in range(5):
        scene.clock.advance(hours=1)
        scene.work()
    return scene.attempt(run, "fix", 1).reason


@mounting
def test_a_check_whose_log_cannot_be_written_names_the_folder_and_the_reason(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    runs = scene.root / ".wfe" / "runs"
    runs.mkdir(exist_ok=True)
    with mounted(runs, "-t", "tmpfs", "-o", "size=64k", "none"):
        mount("-o", "remount,ro", str(runs))
        reason = given_up(scene, run)
    assert f"'{runs}/{run}/fix/1/evidence' could not be written: Read-only file system." in reason
    assert "Check free space and permissions" in reason


@mounting
def test_files_that_cannot_be_recorded_are_not_called_no_longer_stored(scene: Scene) -> None:
    run = scene.start(phase("fix", {"kind": "files", "unchanged": ["tests/**"]}))
    kept = scene.root / ".git" / "wfe" / "objects"
    kept.mkdir(parents=True, exist_ok=True)
    with mounted(kept, "-t", "tmpfs", "-o", "size=64k", "none"):
        (kept / "fill").write_bytes(b"x" * 65_536)
        scene.begin(run)
        scene.write("app.py", "VALUE = 2\n")
        reason = given_up(scene, run)
    assert f"are not stored: {kept} cannot be written (No space left on device)" in reason


@mounting
@pytest.mark.parametrize(
    ("size", "code", "why"),
    [
        ("400k", MEGABYTE, "could not be written: No space left on device"),
        ("64k", "pass", "Check 'ok' did not run: the disk of"),
    ],
)
def test_no_room_for_a_log_uses_up_no_attempt_and_the_run_continues_once_there_is(
    scene: Scene, size: str, code: str, why: str
) -> None:
    scene.check("ok", code)
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    with mounted(runs_folder(scene), "-t", "tmpfs", "-o", f"size={size}", "none"):
        answer = scene.submit(run, "fix")
        assert (answer.ok, answer.state, answer.run_state, answer.waiting_on) == (True, "gating", "paused", "job")
        assert why in paused(scene, run)
        assert "ask the user to make room there" in answer.summary
        mount("-o", "remount,size=20m", str(runs_folder(scene)))
        later(scene)
        assert scene.state(run).status is RunStatus.COMPLETED
    assert scene.attempt(run, "fix").number == 1
    assert "AttemptFailed" not in scene.events(run)


@mounting
def test_a_check_that_fails_on_a_full_disk_is_judged_the_second_time_in_a_row(scene: Scene, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    scene.environment["TMPDIR"] = str(small)
    scene.engine = scene.process()
    scene.check("ok", WRITES_MUCH)
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    with mounted(small, "-t", "tmpfs", "-o", "size=400k", "none"):
        scene.submit(run, "fix")
        assert f"The disk of {small} was full when check 'ok' failed, which may be why." in paused(scene, run)
        later(scene)
        assert f"did not run: the disk of {small} is full" in paused(scene, run)
        (small / "much").unlink()
        later(scene)
    first = scene.attempt(run, "fix", 1)
    assert scene.attempt(run, "fix").number == 2
    assert f"The disk of {small} was full when check 'ok' failed" in first.reason
    assert "it writes" in first.reason


@mounting
def test_no_room_for_a_checkout_uses_up_no_attempt(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write("app.py", "x" * 200_000)
    scene.check("ok", "pass", where="checkout")
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    small = tmp_path / "small"
    small.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(small))
    with mounted(small, "-t", "tmpfs", "-o", "size=64k", "none"):
        scene.submit(run, "fix")
        assert f"could not be given its checkout in {small}" in paused(scene, run)
    later(scene)
    assert scene.state(run).status is RunStatus.COMPLETED


@mounting
def test_no_room_for_the_folder_of_the_evidence_uses_up_no_attempt(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    with mounted(runs_folder(scene), "-t", "tmpfs", "-o", "nr_inodes=1", "none"):
        scene.submit(run, "fix")
        assert "could not be written: No space left on device" in paused(scene, run)
    later(scene)
    assert scene.state(run).status is RunStatus.COMPLETED
