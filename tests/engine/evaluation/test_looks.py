"""How often a submission looks at the files, and that fewer looks hide no change (ADR 0047)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, phase
from wfe_mcp.engine.evaluation import gate_jobs
from wfe_mcp.engine.files.checkpoints import take_checkpoint
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.git import working_tree
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


def test_a_submission_looks_once_itself_and_once_after_its_command(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)  # however busy the machine is
    scene.check("ok", "pass")
    run = scene.start(phase("plan", FILES, command("ok")))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    looks.clear()
    scene.submit(run, "plan")
    assert scene.state(run).status == "completed"
    assert len(looks) == 2, (
        "the files gate and the command judge what the submission saw; the checkpoint, what came after"
    )


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


def test_a_claim_looks_once(scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    run = scene.start(phase("plan", FILES))
    looks.clear()
    scene.begin(run)
    assert len(looks) == 1, "the checkpoint saves what the claim has seen"


def test_a_files_gate_that_reads_more_than_the_tree_looks_for_itself(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that exists for the moment of the gate is in the tree that its evidence names."""
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    run = scene.start(phase("plan", {"kind": "files", "exist": ["new.py"]}, on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    looks.clear()
    scene.submit(run, "plan")
    assert len(looks) == 2, "the submission and the gate"


def test_a_look_serves_only_what_follows_in_the_same_run(
    scene: Scene, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "_FRESH_S", 600.0)
    run = scene.start(phase("plan", FILES))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    take_checkpoint(scene.engine, run, HUMAN)
    looks.clear()
    scene.work()
    assert scene.state(run).status == "completed"
    assert len(looks) == 1, "something happened to the run since the submission: the gate looks for itself"
