"""What an earlier phase and the base both changed is no change of a phase where it is what a merge without a conflict gives."""

from __future__ import annotations

import os
import re
from subprocess import CalledProcessError
from typing import Any

import pytest

from tests.engine.evaluation.team import KEPT, LONG, OWN, THEIRS, WITHIN, Team, base_files, begin_with_tests, verdict
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.gates import from_base
from wfe_mcp.gates.from_base import files_from_base
from wfe_mcp.gates.scene import Base
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.git.working_tree import changes_between, tree_hash


@pytest.mark.parametrize("how", ["--no-rebase", "--rebase"])
@pytest.mark.parametrize("gate", [KEPT, WITHIN], ids=["unchanged", "within"])
def test_what_an_earlier_phase_and_the_base_changed_is_no_change_as_merging_gives_it(
    scene: Scene, team: Team, how: str, gate: dict[str, Any]
) -> None:
    run = begin_with_tests(scene, team, gate, approval())
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS), "tests/test_new.py": OWN})
    team.pulls(how)
    text = (scene.root / "tests/test_app.py").read_text("utf-8")
    assert OWN in text
    assert THEIRS in text
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "pass"
    assert re.search(
        r"Not counted, from main of origin \((\w{12})\): tests/test_new\.py; "
        r"as merging main of origin \(\1\) gives it: tests/test_app\.py\.",
        message,
    )
    assert base_files(scene, run) == ["tests/test_new.py"]
    assert base_files(scene, run, "merged") == ["tests/test_app.py"]


def test_tests_that_were_never_committed_are_merged_from_the_checkpoint_of_the_start(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team, commit=False)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    scene.git("stash", "-q")
    team.pulls()
    scene.git("stash", "pop", "-q")
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "pass"
    assert re.search(r"Not counted, as merging main of origin \(\w{12}\) gives it: tests/test_app\.py\.", message)


def test_a_start_that_no_one_stored_cannot_be_merged_so_the_file_counts(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team, commit=False, checkpoint=False)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    merged = LONG.replace("AT_START", OWN).replace("AT_END", THEIRS)
    scene.git("checkout", "-q", "tests/test_app.py")
    team.pulls()
    scene.write("tests/test_app.py", merged)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


def test_the_base_counts_for_a_merge_only_as_far_as_it_was_brought_in(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    team.pushes({"tests/test_app.py": LONG})
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"


def test_a_phase_that_started_from_a_merge_takes_what_that_brought_as_its_start(scene: Scene, team: Team) -> None:
    tests = {"kind": "files", "within": ["tests/**", "other.py"]}
    team.pushes({"tests/test_app.py": LONG})
    team.pulls()
    run = scene.start(phase("test", tests), phase("fix", KEPT))
    scene.begin(run, "test")
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN))
    scene.git("commit", "-qam", "tests")
    team.pushes({"other.py": "OTHER = 1\n"})
    team.pulls()
    scene.submit(run, "test")
    scene.begin(run, "fix")
    scene.write("app.py", "VALUE = 2\n")
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"
    assert base_files(scene, run, "merged") == ["tests/test_app.py"]


def test_a_merge_in_a_folder_of_the_repository_is_found_too(scene: Scene, team: Team) -> None:
    inner, path = scene.root / "inner", "inner/tests/test_app.py"
    team.pushes({path: LONG})
    team.pulls()
    scene.write(path, LONG.replace("AT_START", OWN))
    scene.git("commit", "-qam", "tests")
    before, one = scene.git("rev-parse", "HEAD").strip(), tree_hash(inner)
    team.pushes({path: LONG.replace("AT_END", THEIRS)})
    team.pulls()
    two = tree_hash(inner)
    assert one is not None
    assert two is not None
    base = Base("main", scene.git("rev-parse", "origin/main").strip())
    found = files_from_base(inner, lambda: base, [before], changes_between(inner, one, two)[0])
    assert found is not None
    assert (found.paths, found.merged) == ([], ["tests/test_app.py"])


@pytest.mark.parametrize("stored", ["\n", "\r\n"])
def test_a_merge_of_lines_that_end_in_crlf_is_found(scene: Scene, team: Team, stored: str) -> None:
    ends = stored.replace("\n", "\r\n") if stored == "\n" else stored
    scene.git("config", "core.autocrlf", "true" if stored == "\n" else "false")
    place = scene.root / "tests/test_app.py"
    team.pushes({"tests/test_app.py": LONG.replace("\n", stored)})
    team.pulls()
    assert place.read_bytes() == LONG.replace("\n", ends).encode()
    run = scene.start(phase("test", {"kind": "files", "within": ["tests/**"]}), phase("fix", KEPT))
    scene.begin(run, "test")
    place.write_bytes(LONG.replace("AT_START", OWN).replace("\n", ends).encode())
    scene.git("commit", "-qam", "tests")
    scene.submit(run, "test")
    scene.begin(run, "fix")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS).replace("\n", stored)})
    team.pulls()
    assert place.read_bytes() == LONG.replace("AT_START", OWN).replace("AT_END", THEIRS).replace("\n", ends).encode()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"
    assert base_files(scene, run, "merged") == ["tests/test_app.py"]


def test_a_phase_that_did_nothing_but_merge_the_base_has_no_work(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team, {"kind": "files", "within": ["app.py"], "changed": ["**"]})
    scene.write("app.py", "VALUE = 1\n")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    assert "no file has changed since the phase started" in verdict(scene, run)[1]


@pytest.mark.parametrize("content", ["a\0b\n", "#" * 1_000_001 + "\n"], ids=["binary", "large"])
def test_a_binary_or_large_file_that_both_changed_counts(scene: Scene, team: Team, content: str) -> None:
    run = begin_with_tests(scene, team, long=LONG + content)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS) + content})
    scene.git("fetch", "-q")
    scene.git("commit", "-qam", "my work")
    scene.git("merge", "-q", "-s", "ours", "origin/main")
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN).replace("AT_END", THEIRS) + content)
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


def test_the_decision_names_what_a_merge_gave_and_still_warns_of_the_tests_that_the_run_wrote(
    scene: Scene, team: Team
) -> None:
    run = begin_with_tests(scene, team, KEPT, approval())
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    shown = open_approval(scene.engine, overview_of(scene.engine, run), PhasePath("fix"))
    assert shown is not None
    texts = [(entry.weight, entry.text) for entry in shown.unusual if "tests/test_app.py" in entry.text]
    assert [weight for weight, _ in texts] == ["warning", "note"]
    assert texts[0][1] == "tests/test_app.py changed since the run began."
    assert re.fullmatch(r"As merging main of origin \(\w{12}\) gives it: tests/test_app\.py\.", texts[1][1])


def test_without_a_trusted_address_what_merging_gives_is_not_to_be_undone(scene: Scene) -> None:
    team = Team(scene, address=False)
    run = begin_with_tests(scene, team)
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    message = verdict(scene, run)[1]
    assert "do not undo what main of origin brought (tests/test_app.py, " in message
    assert "restore" not in message


def test_where_a_conflict_was_resolved_the_text_does_not_ask_to_take_the_base_out_again(
    scene: Scene, team: Team
) -> None:
    run = begin_with_tests(scene, team)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_START", THEIRS)})
    with pytest.raises(CalledProcessError):
        team.pulls()
    scene.write("tests/test_app.py", LONG.replace("AT_START", OWN + THEIRS))
    scene.git("commit", "-qam", "both")
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "main of origin changed tests/test_app.py too (" in message
    assert "undo the merge or rebase and bring the base in after the run" in message
    assert "restore the files that must not change" not in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mode of a file")
def test_a_file_whose_mode_the_base_changed_too_counts(scene: Scene, team: Team) -> None:
    run = begin_with_tests(scene, team)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    colleague = scene.root.parent / "colleague"
    team.git(colleague, "update-index", "--chmod=+x", "tests/test_app.py")
    team.git(colleague, "commit", "-qm", "executable")
    team.git(colleague, "push", "-q")
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


def test_more_files_than_are_merged_count(scene: Scene, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_base, "_MOST_MERGES", 0)
    run = begin_with_tests(scene, team)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": LONG.replace("AT_END", THEIRS)})
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail"


@pytest.mark.parametrize("theirs", [OWN, None], ids=["added by both", "removed by the base"])
def test_a_file_that_one_side_did_not_have_is_no_merge(scene: Scene, team: Team, theirs: str | None) -> None:
    run = begin_with_tests(scene, team)
    path = "tests/test_app.py" if theirs is None else "tests/test_new.py"
    scene.write(path, THEIRS)
    scene.git("add", "-A")
    scene.git("commit", "-qm", "my work")
    team.pushes({path: theirs})
    with pytest.raises(CalledProcessError):
        team.pulls()
    scene.write(path, THEIRS)
    scene.git("add", "-A")
    scene.git("commit", "-qm", "mine")
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert path in message
