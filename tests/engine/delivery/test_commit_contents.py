"""A commit has the approved files, and what the approval does not see stays as it was."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.engine.delivery.delivery_scene import (
    BRANCH,
    CLEAN,
    COMMIT,
    MERGE,
    approve,
    approved,
    delivered,
    results,
)
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.engine.step_scene import reopen, rows, steps
from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.git.commits import write_files
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.runs.item_runs import start_item
from wfe_mcp.engine.work.items import add_item, change_item
from wfe_mcp.views.answers.run_status import status
from wfe_mcp.views.runs.models import RunView
from wfe_mcp.workspace.git.objects import Node

TEXTS = {"title": "Two!", "body": "Value is two."}
CHANGED: dict[str, Any] = {"kind": "files", "changed": ["**"]}


def worked_item(
    scene: Scene,
    scopes: list[str],
    params: dict[str, str],
    gates: Sequence[dict[str, Any]] = (approval(),),
    texts: Mapping[str, str] = TEXTS,
) -> tuple[str, str]:
    """A run that works an item of these scopes, with app.py and docs/b.md approved, or judged by ``gates``: item and run."""
    scene.define(phase("build", *gates), steps(BRANCH, {**COMMIT, "params": params}, name="ship"))
    item = add_item(
        scene.engine,
        HUMAN,
        "task",
        {**texts, "scopes": scopes, "criteria": ["It is two."]},
    )
    change_item(scene.engine, HUMAN, item.id, {}, "ready")
    run = start_item(scene.engine, AGENT, item.id, "drill").record.id
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.write("docs/b.md", "b\n")
    scene.submit(run, "build")
    if gates == (approval(),):
        approve(scene, run, "build")
    scene.clock.advance(minutes=1)
    scene.work()
    return item.id, run


@pytest.mark.attack("the text of a work item has the merge of its change skip CI, or close other issues", "held", "#29")
def test_the_text_of_an_item_commands_no_forge_by_the_message_of_its_commit(scene: Scene) -> None:
    delivered(scene)
    texts = {"title": "Two [skip ci]", "body": "Closes #13 for @ada.\n\n\nskip-checks: true"}
    worked_item(scene, [], {}, texts=texts)
    message = scene.git("log", "-1", "--format=%B")
    assert message.startswith("Two [\u200bskip ci]\n\nCloses #\u200b13 for @\u200bada.")
    assert "skip-checks" not in message


@pytest.mark.requirement("S3-18")
def test_a_file_outside_the_scopes_of_the_item_waits_for_a_person_who_widens_them(scene: Scene) -> None:
    delivered(scene)
    item, run = worked_item(scene, ["app.py"], {})
    fault = results(scene, run)["commit"]
    assert f"Files outside the paths of {item} changed: 'docs/b.md'." in fault
    assert rows(scene, run, "ship")["commit"].output == {"blocker": "scopes"}
    assert (
        f"Add their paths: wfe-mcp work edit {item} --scope app.py --scope docs/b.md; then retry this phase." in fault
    )
    change_item(scene.engine, HUMAN, item, {"scopes": ["app.py", "docs/b.md"]})
    reopen(scene, run, "ship")
    assert scene.git("log", "-1", "--format=%B").strip() == (
        f"Two!\n\nValue is two.\n\nWfe-Run: {run}\nWfe-Item: {item}"
    )
    assert scene.git("symbolic-ref", "--short", "HEAD").strip() == f"ai/{item}-two"


def test_what_is_taken_out_after_the_commit_was_held_needs_no_other_change(scene: Scene) -> None:
    delivered(scene)
    item, run = worked_item(scene, ["app.py"], {}, [CHANGED])
    fault = results(scene, run)["commit"]
    kept = f"wfe-mcp work edit {item} --scope app.py --scope docs/b.md; then retry this phase."
    assert f"{kept} Or take them out, and retry 'build'." in fault
    (scene.root / "docs" / "b.md").unlink()
    reopen(scene, run, "ship")
    assert "The working folder is not what was approved: 'docs/b.md'." in results(scene, run)["commit"]

    control.retry(scene.engine, HUMAN, run, "build")
    scene.begin(run, "build")
    assert scene.submit(run, "build").ok, "the work of the attempt before is still there"
    scene.work()
    assert scene.git("show", "--name-only", "--format=", "HEAD").split() == ["app.py"]
    assert scene.state(run).status == "completed"


def test_an_empty_attempt_is_refused_after_all_of_the_work_was_taken_out(scene: Scene) -> None:
    delivered(scene)
    _, run = worked_item(scene, ["app.py"], {}, [CHANGED])
    scene.git("checkout", "-q", "--", "app.py")
    (scene.root / "docs" / "b.md").unlink()
    control.retry(scene.engine, HUMAN, run, "build")
    scene.begin(run, "build")
    assert "no file has changed" in refused_gate(scene, run, "build"), "nothing of it is left"


def test_an_empty_attempt_is_refused_after_another_phase_has_worked(scene: Scene) -> None:
    run = scene.start(phase("build", CHANGED), phase("look", {"kind": "files", "unchanged": ["**"]}))
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    assert scene.submit(run, "build").ok
    scene.clock.advance(minutes=1)
    scene.begin(run, "look")
    assert scene.submit(run, "look").ok
    control.retry(scene.engine, HUMAN, run, "build")
    scene.begin(run, "build")
    assert "no file has changed" in refused_gate(scene, run, "build")


def test_an_empty_fix_is_refused_after_failed_steps_sent_the_work_back(scene: Scene) -> None:
    back = [{"do": "goto", "phase": "build", "max": 2}]
    run = scene.start(
        phase("build", CHANGED), steps({"id": "no", "builtin": "fail", "params": {"message": "no"}}, on_fail=back)
    )
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    assert scene.submit(run, "build").ok
    scene.clock.advance(minutes=1)
    scene.work()
    scene.begin(run, "build")
    assert "no file has changed" in refused_gate(scene, run, "build")


def refused_gate(scene: Scene, run: str, name: str) -> str:
    found = scene.submit(run, name)
    assert found.error is not None and found.error.code == "gate_failed"
    return found.error.message


def test_a_stop_names_its_code_and_what_to_do_next_however_many_files_it_is_about(scene: Scene) -> None:
    delivered(scene)
    for number in range(300):
        scene.write(f"docs/a_folder_with_a_long_name/file-{number:03}.md", "x\n")
    item, run = worked_item(scene, ["app.py"], {})
    whole = status(scene.engine, HUMAN, run, "full").view_as(RunView)
    (stop,) = whole.blockers
    assert stop.startswith(
        "ship failed (Step 'commit' (builtin git.commit) failed [scopes]: Files outside the paths of "
    )
    assert f"wfe-mcp work edit {item} --scope app.py --scope PATH; then retry this phase." in stop
    (commit,) = (step for each in whole.phases for step in each.steps if step.error)
    assert "and 296 more" in commit.error


def test_a_template_may_only_list_what_is_outside(scene: Scene) -> None:
    delivered(scene)
    _, run = worked_item(scene, ["app.py"], {"scopes": "note"})
    assert results(scene, run)["commit"]["outside"] == ["docs/b.md"]


def test_tracked_files_of_wfe_mcp_and_of_other_folders_stay_as_the_base_has_them(scene: Scene) -> None:
    delivered(scene)
    scene.git("add", "-f", ".wfe/config.toml")
    scene.git("commit", "-q", "-m", "configuration")
    scene.git("push", "-q", "origin", "main")
    before = scene.git("rev-parse", "HEAD:.wfe/config.toml")
    run = approved(scene, BRANCH, COMMIT)
    config = scene.root / ".wfe" / "config.toml"
    config.write_text(f"{config.read_text(encoding='utf-8')}# later\n", encoding="utf-8")
    scene.trust_config()
    scene.work()
    assert scene.git("rev-parse", "HEAD:.wfe/config.toml") == before, results(scene, run)
    assert scene.git("show", "--stat", "--format=", "HEAD").split("|")[0].strip() == "app.py"


@pytest.mark.skipif(sys.platform == "win32", reason="no links and no such bit there")
def test_links_executable_files_odd_names_and_deleted_files_are_committed_as_they_are(scene: Scene) -> None:
    delivered(scene)
    scene.write("gone.txt", "x\n")
    scene.git("add", "gone.txt")
    scene.git("commit", "-q", "-m", "more")
    scene.git("push", "-q", "origin", "main")
    odd = "a\nb ü.txt"
    (scene.root / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (scene.root / "run.sh").chmod(0o755)
    (scene.root / "link").symlink_to("app.py")
    (scene.root / "gone.txt").unlink()
    run = approved(scene, BRANCH, COMMIT, files={odd: "odd\n"})
    scene.work()
    listed = scene.git("ls-tree", "-r", "-z", "HEAD").split("\0")
    found = {line.partition("\t")[2]: line.split(" ")[0] for line in listed if line}
    assert found == {".gitignore": "100644", "app.py": "100644", "link": "120000", odd: "100644", "run.sh": "100755"}
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == "", results(scene, run)
    assert scene.git("fsck", "--strict") == ""


def test_a_run_without_approval_and_without_a_gate_on_files_has_nothing_to_commit(scene: Scene) -> None:
    delivered(scene)
    run = scene.start(phase("build"), steps(BRANCH, COMMIT, name="ship"))
    scene.do(run, "build")
    scene.work()
    assert "there is nothing approved to commit" in results(scene, run)["commit"]
    assert rows(scene, run, "ship")["commit"].output == {"blocker": "review"}


def test_a_commit_without_a_change_says_so_and_makes_none(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT, files={"app.py": "VALUE = 1\n"})
    scene.work()
    assert results(scene, run)["commit"]["skipped"] == "nothing changed"
    assert scene.git("rev-list", "--count", "HEAD").strip() == "1"


def test_what_was_staged_before_does_not_get_in_and_the_index_is_the_commits(scene: Scene) -> None:
    delivered(scene)
    run = approved(scene, BRANCH, COMMIT)
    blob = scene.root / "staged.txt"
    blob.write_text("staged\n", encoding="utf-8")
    scene.git("add", "staged.txt")
    blob.unlink()
    scene.work()
    assert "staged.txt" not in scene.git("ls-tree", "-r", "--name-only", "HEAD"), results(scene, run)
    assert scene.git("status", "--porcelain", "--", ".", ":!.wfe") == ""


def merged(scene: Scene) -> tuple[str, str]:
    """A run that merged its branch and will clean up after one more phase; the run and the branch."""
    delivered(scene)
    run = scene.start(
        phase("build", approval()), steps(BRANCH, COMMIT, MERGE, name="ship"), phase("look"), steps(CLEAN, name="tidy")
    )
    scene.begin(run, "build")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "build")
    approve(scene, run, "build")
    scene.work()
    scene.git("switch", "-q", "main")
    return run, results(scene, run)["branch"]["branch"]


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_worktree_of_a_merged_branch_goes_before_it_and_a_locked_one_stays(scene: Scene, is_locked: bool) -> None:
    run, name = merged(scene)
    place = scene.root.parent / "other"
    scene.git("worktree", "add", "-q", str(place), name)
    if is_locked:
        scene.git("worktree", "lock", str(place))
    scene.do(run, "look")
    scene.work()
    cleaned = rows(scene, run, "tidy")["clean"].output
    assert cleaned is not None
    assert cleaned["branches"] == ([] if is_locked else [name])
    assert cleaned["stays"] == ({name: f"its worktree {place} is locked"} if is_locked else {})
    assert place.exists() == is_locked
    assert bool(scene.git("branch", "--list", name)) == is_locked


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.attack(
    "a folder is swapped for a link that leads out, while a revert writes and removes files in it", "held", "T5"
)
@pytest.mark.parametrize("mode", ["100644", "120000", ""])
def test_a_revert_neither_writes_nor_removes_through_a_link(scene: Scene, tmp_path: Path, mode: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.md").write_text("kept\n")
    (scene.root / "docs").symlink_to(outside)
    scene.write("evil", "evil")
    blob = scene.git("hash-object", "-w", "evil").strip()
    with pytest.raises(Refused):
        write_files(scene.root, {"docs/kept.md": Node(mode, blob) if mode else None})
    assert [(file.name, file.is_symlink(), file.read_text()) for file in outside.iterdir()] == [
        ("kept.md", False, "kept\n")
    ]
