"""A disk on which a gate cannot write what it needs: the answer says so, in words that a person can act on.

What a full disk does to a check is no attempt of the agent: the run pauses, and the same attempt is judged later.
"""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.engine.scene import Scene, command, phase, refused
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


@mounting
@pytest.mark.parametrize("has_folder", [True, False])
def test_a_read_only_folder_of_the_evidence_uses_up_no_attempt(scene: Scene, *, has_folder: bool) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("fix", command("ok")))
    scene.begin(run)
    runs = runs_folder(scene)
    evidence = runs / run / "fix" / "1" / "evidence"
    with mounted(runs, "-t", "tmpfs", "-o", "size=20m", "none"):
        if has_folder:
            evidence.mkdir(parents=True)
        mount("-o", "remount,ro", str(runs))
        scene.submit(run, "fix")
        assert "Read-only file system" in paused(scene, run)
        assert str(evidence) in paused(scene, run)
        later(scene)
        assert "Read-only file system" in paused(scene, run), "however often"
        mount("-o", "remount,rw", str(runs))
        later(scene)
        assert scene.state(run).status is RunStatus.COMPLETED
    assert scene.attempt(run, "fix").number == 1


@contextmanager
def no_room_for_trees(scene: Scene) -> Generator[Path]:
    """The folder of the stored trees, with a file in it that takes all its room."""
    kept = scene.root / ".git" / "wfe" / "objects"
    kept.mkdir(parents=True, exist_ok=True)
    before = {file.relative_to(kept): file.read_bytes() for file in kept.glob("*/*")}
    with mounted(kept, "-t", "tmpfs", "-o", "size=64k", "none"):
        for name, content in before.items():
            (kept / name).parent.mkdir(exist_ok=True)
            (kept / name).write_bytes(content)
        with suppress(OSError), (kept / "fill").open("wb", buffering=0) as fill:
            while fill.write(bytes(4096)):
                pass
        yield kept


FIX = phase("fix", {"kind": "files", "unchanged": ["tests/**"]})


@mounting
def test_a_phase_whose_files_cannot_be_recorded_at_its_start_does_not_start_until_they_can(scene: Scene) -> None:
    run = scene.start(FIX)
    scene.write("app.py", "VALUE = 0\n")
    with no_room_for_trees(scene) as kept:
        refusal = refused(scene.begin, run)
        assert refusal.code == "unavailable"
        assert f"the files of {scene.root} cannot be recorded: No space left on device." in refusal.message
        (kept / "fill").unlink()
        scene.begin(run)
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "fix")
        assert scene.state(run).status is RunStatus.COMPLETED


@mounting
def test_files_that_cannot_be_recorded_at_the_end_use_up_no_attempt(scene: Scene) -> None:
    run = scene.start(FIX)
    scene.begin(run)
    with no_room_for_trees(scene) as kept:
        scene.write("app.py", "VALUE = 2\n")
        scene.submit(run, "fix")
        assert f"are not stored: {kept} cannot be written (No space left on device)" in paused(scene, run)
        (kept / "fill").unlink()
        later(scene)
        assert scene.state(run).status is RunStatus.COMPLETED
    assert scene.attempt(run, "fix").number == 1


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
