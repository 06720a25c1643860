"""A disk on which a gate cannot write what it needs: the refusal says so, in words that a person can act on."""

from tests.engine.scene import Scene, command, phase
from tests.workspace.git.test_restore_faults import mount, mounted, mounting


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
