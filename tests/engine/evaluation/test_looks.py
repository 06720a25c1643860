"""How often a submission looks at the files, and that fewer looks hide no change (ADR 0047)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.engine.scene import Scene, command, phase
from wfe_mcp.engine.evaluation import gate_jobs
from wfe_mcp.workspace.git.command import Repository
from wfe_mcp.workspace.git.working_tree import Look, WorkingTree

FILES = {"kind": "files", "within": ["app.py"], "unchanged": ["docs/**"]}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Gets an entry for each look at the files."""
    found: list[None] = []
    real = WorkingTree.look

    def counted(self: WorkingTree, repo: Repository, besides: Sequence[str] = ()) -> Look:
        found.append(None)
        return real(self, repo, besides)

    monkeypatch.setattr(WorkingTree, "look", counted)
    return found


def before_check(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> list[None]:
    """``change`` happens after the files gate and before the program of the next check starts, once; the runs of checks."""
    ran: list[None] = []
    real = gate_jobs.run_check

    def later(*args: Any, **more: Any) -> Any:
        if not ran:
            change()
        ran.append(None)
        return real(*args, **more)

    monkeypatch.setattr(gate_jobs, "run_check", later)
    return ran


def test_a_submission_looks_once_itself_once_per_files_gate_and_once_after_its_command(
    scene: Scene, looks: list[None]
) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    looks.clear()
    scene.submit(run, "plan")
    assert scene.state(run).status == "completed"
    assert len(looks) == 4, "the submission, the files gate, after the command, the checkpoint"


@pytest.mark.parametrize("back", [False, True], ids=["changed", "changed and changed back"])
def test_a_change_between_a_files_gate_and_the_command_after_it_voids_the_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")

    def change() -> None:
        scene.write("app.py", "VALUE = 3\n")
        if back:
            scene.write("app.py", "VALUE = 2\n")

    ran = before_check(monkeypatch, change)
    scene.submit(run, "plan")
    assert (len(ran), scene.state(run).status) == (2, "completed"), "the first result was void"


def test_a_stray_file_that_comes_after_the_files_gate_is_judged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok"), on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    before_check(monkeypatch, lambda: scene.write("stray.py", ""))
    scene.submit(run, "plan")
    assert scene.attempt(run, "plan").status == "failed"
    assert "stray.py" in str(scene.attempt(run, "plan"))
