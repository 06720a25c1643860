"""A delivery is undone at the branch to which it went, whatever the configuration names as the base."""

import io
from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import BRANCH, CLEAN, COMMIT, MERGE, PUSH, approve, delivered, operations
from tests.engine.delivery.forge_scene import OPEN, at_forge
from tests.engine.delivery.test_reverting import CHANGE, foreseen, merged, played, reverted
from tests.engine.scene import AGENT, HUMAN, Scene, refused
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs.start import start_run
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.importing import import_run
from wfe_mcp.views.answers import rollback
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.reports.envelopes import overview_of

pytestmark = pytest.mark.usefixtures("home")

OLDER = {"base": "older"}
INTO_OLDER: tuple[dict[str, Any], ...] = (BRANCH | {"params": OLDER}, COMMIT, PUSH, MERGE | {"params": OLDER}, CLEAN)


def with_older(scene: Scene) -> str:
    """A branch of an older version, with a file that ``main`` has not, is checked out and on the remote; its commit."""
    scene.git("switch", "-q", "-c", "older")
    scene.write("old.txt", "of the older version\n")
    scene.git("add", "old.txt")
    scene.git("commit", "-qm", "older")
    scene.git("push", "-q", "origin", "older")
    return scene.git("rev-parse", "HEAD").strip()


def test_what_went_to_a_branch_that_the_template_names_is_taken_out_there(scene: Scene) -> None:
    remote = delivered(scene)
    before, main = with_older(scene), scene.git("rev-parse", "main").strip()
    run, _ = merged(scene, *INTO_OLDER)
    assert scene.git("symbolic-ref", "--short", "HEAD").strip() == "older", "where the branch of the run was cleaned"
    at = scene.git("rev-parse", "older").strip()
    would = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
    assert would.summary == f"{at[:12]} was merged into older: an undo of the delivery would open a run that reverts it"

    made = reverted(scene, run)
    scene.work()
    scene.begin(made.record.id, "check")
    assert scene.git("ls-files", "old.txt", "new").split() == ["new/b.txt", "old.txt"]
    played(scene, made)

    assert scene.git("rev-parse", "older^{tree}") == scene.git("rev-parse", f"{before}^{{tree}}")
    assert scene.git("ls-remote", str(remote), "older").split()[0] == scene.git("rev-parse", "older").strip()
    assert scene.git("rev-parse", "main").strip() == main
    assert refused(reverted, scene, run).message == f"Run {made.record.id} has reverted what {run} merged."


def test_what_went_to_two_branches_is_taken_out_of_each_by_a_run_of_its_own(scene: Scene) -> None:
    delivered(scene, 'strategy = "merge"')
    scene.git("branch", "older")
    scene.git("push", "-q", "origin", "older")
    main = MERGE | {"id": "on"}
    run, _ = merged(scene, *INTO_OLDER[:-1], main)
    for base in ("main", "older"):
        assert scene.git("show", f"{base}:app.py") == "VALUE = 2\n"
        would = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True).summary
        assert would.endswith(f"was merged into {base}: an undo of the delivery would open a run that reverts it")
        scene.git("switch", "-q", "--detach", base)
        made = reverted(scene, run).record.id
        scene.work()
        scene.begin(made, "check")
        scene.submit(made, "check", CHANGE)
        approvals.ask(scene.engine, HUMAN, made, "check")
        would = leads_to(scene.engine, overview_of(scene.engine, made), "approve", "check")
        assert f"merges them into {base}" in would
        approve(scene, made, "check")
        scene.work()
        assert scene.git("show", f"{base}:app.py") == "VALUE = 1\n"
    assert foreseen(scene, run)[0] == "illegal_transition"


def test_where_it_went_a_branch_is_protected_since_or_gone_nothing_is_pushed_there(scene: Scene) -> None:
    remote = delivered(scene)
    with_older(scene)
    run, _ = merged(scene, *INTO_OLDER)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(config.read_text().replace('mode = "merge"', 'mode = "merge"\nprotected = ["old*"]'))
    scene.trust_config()
    code, message = foreseen(scene, run)
    assert code == "conflict"
    assert message.startswith("Nothing is merged into 'older': ['old*'] in [delivery] protected covers it.")
    assert f"then undo it again: wfe-mcp undo {run} --delivery" in message

    scene.git("push", "-q", str(remote), "--delete", "older")
    assert foreseen(scene, run) == ("illegal_transition", f"Nothing of what run {run} merged is on 'main'.")


def test_a_pull_request_that_a_person_merged_into_another_branch_is_reverted_there(scene: Scene) -> None:
    with at_forge(scene) as forge:
        scene.git("push", "-q", "origin", "main:refs/heads/older")
        run, _ = merged(scene, BRANCH, COMMIT, PUSH, OPEN)
        forge.pulls[0].base = "older"
        commit = forge.merge(forge.pulls[0], "squash", "by a person")
        would = rollback.undo_delivery(scene.engine, HUMAN, run, dry_run=True)
        assert would.summary.startswith(f"{commit[:12]} was merged into older")
        rollback.undo_delivery(scene.engine, HUMAN, run)
        played(scene, reverted(scene, run))
        assert [(pull.base, pull.state) for pull in forge.pulls] == [("older", "merged"), ("older", "merged")]
        assert forge.git("show", "older:app.py") == "VALUE = 1"


def test_what_a_bundle_says_of_a_merge_chooses_no_branch(scene: Scene, other: Scene) -> None:
    remote = delivered(scene)
    with_older(scene)
    run, _ = merged(scene, *INTO_OLDER)
    delivered(other, remote=False)
    other.check("test", "import sys; sys.exit(0)")
    other.git("remote", "add", "origin", str(remote))
    other.git("fetch", "-q", "origin")
    other.git("switch", "-q", "older")
    import_run(other.engine, HUMAN, io.BytesIO(b"".join(export_run(scene.engine, run).lines())))
    made = start_run(other.engine, AGENT, "revert", {"run": run}).record.id
    other.work()
    assert [step.done and step.done["base"] for step in operations(other, made)] == ["main"]
