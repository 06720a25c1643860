"""A run that merged more than once is undone as a whole: everything that it merged goes out of the base."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, CLEAN, COMMIT, PUSH, approve, delivered, operations, results
from tests.engine.delivery.forge_scene import MERGE_IT, OPEN, UP_TO_PUSH, at_forge
from tests.engine.delivery.test_git_steps import newer
from tests.engine.delivery.test_reverting import STEPS, merged, played, reverted
from tests.engine.scene import HUMAN, Scene, approval, phase, refused
from tests.engine.step_scene import steps
from wfe_mcp.engine.delivery.operations import REVERTED
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.views.answers import rollback, run_status

pytestmark = pytest.mark.usefixtures("home")

MERGES = 'strategy = "merge"'


def begun(scene: Scene, *last: dict[str, Any], first: Sequence[dict[str, Any]] = STEPS) -> tuple[str, str]:
    """A run of two milestones, which has no work yet, and what ``main`` was before. ``first``, ``last``: the steps of each."""
    scene.check("test", "import sys; sys.exit(0)")
    began = scene.git("rev-parse", "main^{tree}").strip()
    phases = (phase("one", approval()), steps(*first, name="first"), phase("two", approval()))
    return scene.start(*phases, steps(*(last or STEPS), name="second")), began


def worked(scene: Scene, run: str, name: str, **files: str) -> None:
    """The files of one milestone are written and approved, and its steps are at their end."""
    scene.clock.advance(minutes=1)
    scene.begin(run, name)
    for path, text in files.items():
        scene.write(f"{path}.py", text)
    scene.submit(run, name)
    approve(scene, run, name)
    scene.work()


def undo_left(scene: Scene, run: str) -> str:
    """What an undo would do, as the page and the full status say."""
    return str(run_status.status(scene.engine, HUMAN, run, "full").data.get("undo_left", ""))


def test_all_merges_of_a_run_go_out_of_the_base_at_once(scene: Scene) -> None:
    remote = delivered(scene, MERGES)
    run, _ = begun(scene)
    worked(scene, run, "one", app="VALUE = 2\n")
    worked(scene, run, "two", app="VALUE = 3\n", more="MORE = 1\n")
    assert [one.kind for one in operations(scene, run)].count("git.merge") == 2
    newer(scene, remote)
    view = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
    assert view.summary.startswith("2 changes were merged into main, the last is ")
    played(scene, reverted(scene, run))
    main = scene.git("ls-remote", str(remote), "main").split()[0]
    assert scene.git("show", f"{main}:app.py") == "VALUE = 1\n"
    assert scene.git("ls-tree", "--name-only", main, "more.py") == ""
    assert scene.git("show", f"{main}:other.txt") == "other\n", "what came between stays"
    assert refused(reverted, scene, run).code == "illegal_transition"
    assert list(verify(scene.engine).findings) == []


def test_a_person_who_merged_the_last_of_several_pull_requests_at_the_forge_has_all_of_them_reverted(
    scene: Scene,
) -> None:
    with at_forge(scene) as forge:
        run, began = begun(scene, *UP_TO_PUSH, OPEN, first=(*UP_TO_PUSH, OPEN, MERGE_IT, CLEAN))
        worked(scene, run, "one", app="VALUE = 2\n")
        scene.git("pull", "-q", "--ff-only", "origin", "main")
        worked(scene, run, "two", more="MORE = 1\n")
        forge.merge(forge.pulls[0], "squash", "by a person")
        rollback.undo_delivery(scene.engine, HUMAN, run)
        played(scene, reverted(scene, run))
        assert forge.git("rev-parse", "main^{tree}") == began


def test_what_a_run_merges_after_it_was_reverted_is_reverted_by_the_next_undo(scene: Scene) -> None:
    delivered(scene, MERGES)
    run, began = begun(scene)
    worked(scene, run, "one", app="VALUE = 2\n")
    first = played(scene, reverted(scene, run))
    scene.git("pull", "-q", "--ff-only", "origin", "main")
    worked(scene, run, "two", more="MORE = 1\n")
    assert scene.git("show", "main:more.py") == "MORE = 1\n"
    assert played(scene, reverted(scene, run)) != first
    assert scene.git("rev-parse", "main^{tree}").strip() == began


def test_after_its_merges_went_out_an_undo_reverses_what_the_run_did_not_merge(scene: Scene) -> None:
    remote = delivered(scene, MERGES)
    run, _ = begun(scene, BRANCH, COMMIT, PUSH)
    worked(scene, run, "one", app="VALUE = 2\n")
    worked(scene, run, "two", more="MORE = 1\n")
    before = len(operations(scene, run))
    played(scene, reverted(scene, run))
    assert undo_left(scene, run) == "reverse"
    began = operations(scene, run)[before - 3].before["commit"]
    view = rollback.undo_delivery(scene.engine, HUMAN, run)
    assert view.summary.startswith("Reversed 3 operations: git.push ")
    assert scene.git("rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD", "main has gone on"
    assert scene.git("rev-parse", "HEAD").strip() == began
    assert {one.state for one in operations(scene, run)[before - 3 : before]} == {"undone"}
    assert scene.git("ls-remote", str(remote), "refs/heads/*").split()[1::2] == ["refs/heads/main"]
    no = refused(rollback.undo_delivery, scene.engine, HUMAN, run)
    assert (no.code, "has reverted what" in no.message) == ("illegal_transition", True)


def test_a_change_that_came_back_by_the_undo_of_its_revert_is_reverted_again(scene: Scene) -> None:
    delivered(scene)
    run, began = merged(scene)
    with_it, without = scene.git("rev-parse", "main^{tree}"), scene.git("rev-parse", f"{began}^{{tree}}")
    assert undo_left(scene, run) == "revert"
    made = reverted(scene, run)
    assert undo_left(scene, run) == "", "that run is at work"
    first = played(scene, made)
    assert scene.git("rev-parse", "main^{tree}") == without
    assert (undo_left(scene, run), undo_left(scene, first)) == ("", "revert")
    played(scene, reverted(scene, first))
    assert scene.git("rev-parse", "main^{tree}") == with_it
    assert (undo_left(scene, run), undo_left(scene, first)) == ("revert", "")
    assert played(scene, reverted(scene, run)) != first
    assert scene.git("rev-parse", "main^{tree}") == without
    assert refused(reverted, scene, run).code == "illegal_transition"
    assert [one.kind for one in operations(scene, run)].count(REVERTED) == 2


def test_the_branch_of_the_next_milestone_asks_for_no_judgement_of_what_was_merged(scene: Scene) -> None:
    remote = delivered(scene, MERGES)
    run = scene.start(phase("one", approval()), steps(*STEPS, name="first"), phase("two"), steps(BRANCH, name="ship"))
    worked(scene, run, "one", app="VALUE = 2\n")
    newer(scene, remote)
    scene.write("note.txt", "a note\n")
    scene.begin(run, "two")
    scene.submit(run, "two")
    scene.work()
    assert "git fetch origin main && git merge --ff-only --autostash" in results(scene, run)["branch"]
    assert results(scene, run)["branch"].endswith("; then retry the phase.")
