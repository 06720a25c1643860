"""What the base of a project brought into a phase is no change of that phase: only what the server itself fetched from it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.evaluation.team import KEPT, OWN, THEIRS, WITHIN, Team, base_files, begin, verdict
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.delivery import site
from wfe_mcp.gates.from_base import files_from_base
from wfe_mcp.gates.scene import Base
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.workspace.git.working_tree import changes_between, tree_hash


@pytest.mark.parametrize("how", ["--no-rebase", "--rebase"])
@pytest.mark.parametrize("gate", [KEPT, WITHIN], ids=["unchanged", "within"])
def test_a_base_that_was_merged_or_rebased_in_changes_nothing_in_the_phase(
    scene: Scene, team: Team, how: str, gate: dict[str, Any]
) -> None:
    run = begin(scene, gate)
    scene.git("commit", "-qam", "my work")
    team.pushes({"tests/test_app.py": THEIRS, "tests/test_new.py": OWN, "other.py": "OTHER = 1\n"})
    team.pulls(how)
    scene.submit(run, "fix")
    assert scene.attempt(run, "fix").status == "completed"
    outcome, message = verdict(scene, run)
    assert outcome == "pass"
    assert "Not counted, from main of origin (" in message
    assert "): other.py, tests/test_app.py and 1 more." in message
    assert base_files(scene, run) == ["other.py", "tests/test_app.py", "tests/test_new.py"]


def test_a_gate_that_looks_back_to_the_start_of_the_run_takes_the_base_from_there(scene: Scene, team: Team) -> None:
    since_run = {"kind": "files", "since": "run", "within": ["app.py"]}
    run = scene.start(phase("plan"), phase("fix", since_run))
    scene.begin(run, "plan")
    team.pushes({"other.py": "OTHER = 1\n"})
    team.pulls()
    scene.submit(run, "plan")
    scene.begin(run, "fix")
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"
    assert base_files(scene, run) == ["other.py"]


def test_what_the_base_removed_is_no_change_of_the_phase_either(scene: Scene, team: Team) -> None:
    run = begin(scene)
    team.pushes({"tests/test_app.py": None})
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"


def test_the_base_counts_only_as_far_as_it_was_brought_in(scene: Scene, team: Team) -> None:
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    team.pushes({"tests/test_app.py": OWN})
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"


def test_the_project_may_be_a_folder_of_the_repository(scene: Scene, team: Team) -> None:
    inner = scene.root / "inner"
    scene.write("inner/tests/test_app.py", "def test_app():\n    assert True\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a folder")
    scene.git("push", "-q", "origin", "main")
    before = scene.git("rev-parse", "HEAD").strip()
    one = tree_hash(inner)
    team.pushes({"inner/tests/test_app.py": THEIRS})
    team.pulls()
    two = tree_hash(inner)
    assert one is not None
    assert two is not None
    base = Base("main", scene.git("rev-parse", "origin/main").strip())
    found = files_from_base(inner, lambda: base, [before], changes_between(inner, one, two)[0])
    assert found is not None
    assert found.paths == ["tests/test_app.py"]


@pytest.mark.parametrize("is_saved_again", [False, True], ids=["checked out", "saved again"])
def test_line_ends_of_a_checkout_are_no_change(scene: Scene, team: Team, is_saved_again: bool) -> None:
    scene.git("config", "core.autocrlf", "true")
    scene.git("rm", "-q", "--cached", "-r", ".")
    scene.git("reset", "-q", "--hard")
    content = (scene.root / "tests/test_app.py").read_bytes()
    assert b"\r\n" in content
    if is_saved_again:  # then git's index does not know that it is what is stored
        (scene.root / "tests/test_app.py").unlink()
        (scene.root / "tests/test_app.py").write_bytes(content)
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    assert b"\r\n" in (scene.root / "tests/test_app.py").read_bytes()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass"
    assert base_files(scene, run) == ["tests/test_app.py"]


def test_line_ends_count_for_the_bytes_that_are_judged_not_for_those_that_came_later(scene: Scene, team: Team) -> None:
    before, one = scene.git("rev-parse", "HEAD").strip(), tree_hash(scene.root)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    scene.write("tests/test_app.py", OWN)
    judged = tree_hash(scene.root)
    assert one is not None
    assert judged is not None
    changes = changes_between(scene.root, one, judged)[0]
    (scene.root / "tests/test_app.py").write_bytes(THEIRS.replace("\n", "\r\n").encode())
    base = Base("main", scene.git("rev-parse", "origin/main").strip())
    found = files_from_base(scene.root, lambda: base, [before], changes)
    assert found is not None
    assert (found.paths, found.both) == ([], ["tests/test_app.py"])


def test_the_work_of_the_phase_still_counts_beside_the_base(scene: Scene, team: Team) -> None:
    run = begin(scene)
    team.pushes({"tests/test_new.py": OWN})
    team.pulls()
    scene.write("tests/test_app.py", "def test_app():\n    pass\n")
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "tests/test_app.py changed since the phase started" in message
    assert "test_new" not in message


def test_what_the_phase_and_the_base_both_changed_counts(scene: Scene, team: Team) -> None:
    run = scene.start(phase("test", {"kind": "files", "within": ["tests/**"]}), phase("fix", KEPT))
    scene.begin(run, "test")
    scene.write("tests/test_app.py", OWN)
    scene.submit(run, "test")
    scene.begin(run, "fix")
    team.pushes({"tests/test_app.py": THEIRS})
    scene.git("checkout", "-q", "tests/test_app.py")
    team.pulls()
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "fail", "the test that the phase before had added is gone"


def test_a_phase_that_did_nothing_but_bring_the_base_in_has_no_work(scene: Scene, team: Team) -> None:
    run = scene.start(phase("fix", {"kind": "files", "within": ["app.py"], "changed": ["**"]}))
    scene.begin(run, "fix")
    team.pushes({"other.py": "OTHER = 1\n"})
    team.pulls()
    scene.submit(run, "fix")
    assert "no file has changed since the phase started" in verdict(scene, run)[1]


def test_the_decision_names_what_the_base_brought_and_does_not_warn_of_its_tests(scene: Scene, team: Team) -> None:
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    scene.submit(run, "fix")
    shown = open_approval(scene.engine, overview_of(scene.engine, run), PhasePath("fix"))
    assert shown is not None
    texts = [(entry.weight, entry.text) for entry in shown.unusual if "tests/test_app.py" in entry.text]
    assert [weight for weight, _ in texts] == ["note"]
    assert texts[0][1].startswith("As main of origin (")


def test_a_test_of_the_phase_beside_those_of_the_base_is_warned_of(scene: Scene, team: Team) -> None:
    run = begin(scene, {"kind": "files", "within": ["app.py", "tests/test_own.py"]}, approval())
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    scene.write("tests/test_own.py", OWN)
    scene.submit(run, "fix")
    shown = open_approval(scene.engine, overview_of(scene.engine, run), PhasePath("fix"))
    assert shown is not None
    texts = [entry.text for entry in shown.unusual if entry.weight == "warning"]
    assert texts == ["tests/test_own.py changed since the run began."]


# -- what the agent reads where the server cannot ask ------------------------------------------------------------------


def test_without_a_trusted_address_the_agent_x_to_keep_the_base_and_what_the_user_can_do(scene: Scene) -> None:
    team = Team(scene, address=False)
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "do not undo what main of origin brought (tests/test_app.py, " in message
    assert f'base = "main" and address = "{team.remote}" under [delivery]' in message
    assert "restore" not in message
    team.configures(f"address = '{team.remote}'")
    scene.submit(run, "fix")
    assert verdict(scene, run)[0] == "pass", "the next attempt passes with what the message said"


def test_own_changes_beside_such_a_base_are_to_be_restored(scene: Scene) -> None:
    team = Team(scene, address=False)
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    scene.write("tests/test_own.py", OWN)
    scene.submit(run, "fix")
    message = verdict(scene, run)[1]
    assert "restore the files that must not change" in message
    assert "do not undo what main of origin brought (tests/test_app.py, " in message


def test_without_a_remote_another_run_begins_with_these_files(scene: Scene) -> None:
    scene.write("tests/test_app.py", "def test_app():\n    assert app.VALUE\n")
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a test")
    scene.git("switch", "-q", "-c", "work")
    run = begin(scene)
    scene.git("stash", "-q")
    scene.git("switch", "-q", "main")
    scene.write("tests/test_app.py", THEIRS)
    scene.git("commit", "-qam", "of another run")
    scene.git("switch", "-q", "work")
    scene.git("merge", "-q", "main")
    scene.git("stash", "pop", "-q")
    scene.submit(run, "fix")
    message = verdict(scene, run)[1]
    assert "do not undo what main brought (tests/test_app.py, " in message
    assert "start another run" in message


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("gone", "let the server fetch it (origin ("), ("no branch", "it has no 'trunk'")],
)
def test_a_remote_that_does_not_answer_is_named_with_its_reason(
    scene: Scene, team: Team, fault: str, expected: str
) -> None:
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()
    if fault == "gone":
        team.remote.rename(team.remote.with_name("elsewhere.git"))
    else:
        scene.git("branch", "trunk", "main")
        team.configures(f"address = '{team.remote}'", 'base = "trunk"')
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "do not undo what " in message
    assert expected in message


def test_a_remote_that_does_not_answer_in_time_leaves_the_verdict_to_the_files(
    scene: Scene, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(scene)
    team.pushes({"tests/test_app.py": THEIRS})
    team.pulls()

    def too_late(*_: object) -> str:
        raise Refused("unavailable", "git ls-remote did not end within 60 s.", "Try again.")

    monkeypatch.setattr(site, "fetch", too_late)
    scene.submit(run, "fix")
    outcome, message = verdict(scene, run)
    assert outcome == "fail"
    assert "let the server fetch it (git ls-remote did not end within 60 s.)" in message
