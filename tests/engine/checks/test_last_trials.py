"""The last trial of each check is remembered, and what did not work is said where a template needs it."""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.engine.checks.test_readiness import CHECK, configure, warnings
from tests.engine.scene import AGENT, START, Scene, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.checks.last_trials import FILE, LastTrial, last_trial, last_trials, remember
from wfe_mcp.engine.checks.outcomes import Outcome
from wfe_mcp.engine.checks.trial import Trial, not_tried, try_checks
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.discovery.found_checks import FoundCheck

pytestmark = pytest.mark.usefixtures("home")


def trial(outcome: Outcome = "failed", message: str = "no such module", argv: str = sys.executable) -> Trial:
    return Trial(FoundCheck("test", "test", CheckSettings(argv=[argv])), outcome, message)


def test_the_outcome_the_time_and_the_tree_of_the_last_trial_are_kept(scene: Scene) -> None:
    scene.write("a.txt", "a")
    remember(scene.root, [trial()], START)
    first = last_trials(scene.root)["test"]
    assert (first.outcome, first.message, first.at) == ("failed", "no such module", "2026-03-01T12:00:00+00:00")
    assert first.tree and not first.works
    assert first.summary == "tried 2026-03-01 12:00 UTC: no such module"

    scene.write("a.txt", "b")
    remember(scene.root, [trial("red", "1 of 2 tests fail now")], START)
    second = last_trials(scene.root)["test"]
    assert second.works and second.tree not in {"", first.tree}
    assert FILE not in scene.git("status", "--porcelain", "--untracked-files=all")


def test_a_check_that_was_not_tried_keeps_its_last_trial(scene: Scene) -> None:
    remember(scene.root, not_tried([trial().check]), START)
    assert not (scene.root / FILE).exists()
    remember(scene.root, [trial()], START)
    remember(scene.root, not_tried([trial().check]), START)
    assert last_trials(scene.root)["test"].outcome == "failed"


def test_without_git_there_is_no_tree_and_without_a_message_the_outcome_explains(tmp_path: Path) -> None:
    remember(tmp_path, [trial("timed_out", "")], START)
    (found,) = last_trials(tmp_path).values()
    assert (found.tree, found.summary) == ("", "tried 2026-03-01 12:00 UTC: timed out")


def test_where_git_fails_there_is_no_tree(scene: Scene) -> None:
    (scene.root / ".git" / "HEAD").write_text("nonsense")
    remember(scene.root, [trial()], START)
    assert last_trials(scene.root)["test"].tree == ""


def test_a_trial_of_another_command_says_nothing_about_this_one(scene: Scene) -> None:
    remember(scene.root, [trial()], START)
    assert last_trial(scene.root, "test", [sys.executable]) == last_trial(scene.root, "test") != None  # noqa: E711
    assert last_trial(scene.root, "test", ["other"]) is None
    assert last_trial(scene.root, "lint") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"test": 1}',
        '{"test": {"outcome": "failed"}}',
        " " * 300_000,
        '{"test": {"outcome": "failed", "message": "\\u001b[2J", "at": "x", "tree": "", "argv": []}}',
        '{"test": {"outcome": "failed", "message": "", "at": "x", "tree": "", "argv": [1]}}',
    ],
)
def test_what_someone_wrote_there_and_cannot_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / ".wfe").mkdir()
    (tmp_path / FILE).write_text(text)
    assert last_trials(tmp_path) == {}
    remember(tmp_path, [trial()], START)
    assert list(last_trials(tmp_path)) == ["test"]


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    (tmp_path / ".wfe").mkdir()
    row = {"outcome": "failed", "message": "x" * 9_000, "at": "now", "tree": "", "argv": ["a"]}
    (tmp_path / FILE).write_text(json.dumps({"test": row}))
    assert last_trials(tmp_path)["test"] == LastTrial("failed", "x" * 300, "now", "", ("a",))


def test_start_run_says_why_a_check_that_is_not_configured_was_left_out(scene: Scene) -> None:
    scene.define(phase("plan", CHECK), name="needs")
    remember(scene.root, [trial()], START)
    assert warnings(scene, "needs") == [
        "check test is not configured, so its gates cannot pass; the user fixes it with: wfe-mcp init "
        "(tried 2026-03-01 12:00 UTC: no such module)"
    ]


def test_start_run_warns_of_a_check_that_did_not_work_until_it_does(scene: Scene) -> None:
    configure(scene, test=[sys.executable])
    scene.trust_config()
    scene.define(phase("plan", CHECK), name="needs")
    remember(scene.root, [trial()], START)
    assert warnings(scene, "needs") == [
        "check test did not work here, so its gates may not pass; the user tries it again with: wfe-mcp init "
        "(tried 2026-03-01 12:00 UTC: no such module)"
    ]
    remember(scene.root, [trial("passed", "3 tests pass")], START)
    assert warnings(scene, "needs") == []


def test_a_fork_warns_as_a_start_does(scene: Scene) -> None:
    run = scene.start(phase("plan", CHECK))
    made = fork_run(scene.engine, scene.human, run)
    (answer,) = answers.started_answer(scene.engine, AGENT, made).to_dict()["data"]["warnings"]
    assert answer.startswith("check test is not configured, so its gates cannot pass")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sets no limit on the size of files")
def test_a_disk_without_room_for_a_checkout_does_not_make_the_check_run_in_the_worktree(scene: Scene) -> None:
    import resource

    scene.write("test_it.py", "import unittest\nclass TestIt(unittest.TestCase):\n    def test_it(self): pass\n")
    (scene.root / "large.bin").write_bytes(os.urandom(200_000))
    check = FoundCheck("test", "test", CheckSettings(argv=[sys.executable, "-m", "unittest"]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Refused) as refused:
            list(try_checks(scene.root, [check]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.code == "unavailable"
    assert f"could not be given its checkout in {tempfile.gettempdir()}: " in refused.value.message
    assert [tried.place for tried in try_checks(scene.root, [check])] == ["a checkout: the same 1 passed"]
