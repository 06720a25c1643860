"""What an artifact says was done, and the server did not see, is marked as claimed at a decision."""

from typing import Any

import pytest

from tests.engine.approvals.people import ada, seen_by
from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from tests.views.test_approval import shown
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import words
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.views.approvals.model import ArtifactShown

TRUE: dict[str, Any] = {
    "summary": "It doubles.",
    "files": ["src/app.py", "tests"],
    "tests": ["tests/test_app.py::test_doubles[3]"],
    "commands": [],
}


def decided(scene: Scene, change: dict[str, Any], *gates: dict[str, Any]) -> ArtifactShown:
    """A change of two files, which reports ``change``."""
    scene.check("ok", "print('==== 2 passed in 0.10s ====')")
    fix = phase("fix", *gates, approval(), output={"artifact": "change", "schema": "change@1"})
    run = scene.start(fix)
    scene.begin(run)
    scene.write("src/app.py", "VALUE = 2\n")
    scene.write("tests/test_app.py", "def test_doubles(): pass\n")
    scene.submit(run, "fix", change)
    artifact = shown(scene, run, "fix").artifact
    assert artifact is not None
    return artifact


def test_what_the_server_saw_is_not_marked(scene: Scene) -> None:
    commit = scene.git("rev-parse", "HEAD").strip()
    artifact = decided(scene, TRUE | {"commit": commit[:9]}, command("ok"))
    assert (artifact.claimed, words.artifact_claimed(artifact)) == ((), "")


def test_invented_files_tests_commits_and_commands_are_claimed(scene: Scene) -> None:
    invented = {
        "files": ["src/app.py", "src/nowhere.py"],
        "tests": ["tests/test_app.py::test_doubles", "tests/test_app.py::test_nothing", "tests/test_none.py::test_x"],
        "commands": ["pytest -q"],
        "commit": "0123456789abcdef",
    }
    artifact = decided(scene, TRUE | invented, command("ok"))
    assert [(claim.name, claim.value) for claim in artifact.claimed] == [
        ("files", ["src/nowhere.py"]),
        ("tests", ["tests/test_app.py::test_nothing", "tests/test_none.py::test_x"]),
        ("commands", ["pytest -q"]),
        ("commit", ["0123456789abcdef"]),
    ]
    assert words.artifact_claimed(artifact) == (
        "Claimed, not seen by the server: files src/nowhere.py; tests tests/test_app.py::test_nothing, "
        "tests/test_none.py::test_x; commands pytest -q; commit 0123456789abcdef."
    )


def test_a_test_that_no_check_ran_is_claimed(scene: Scene) -> None:
    assert [claim.name for claim in decided(scene, TRUE).claimed] == ["tests"]


@pytest.mark.parametrize("name", ["HEAD", "main", "no hash", "--all"])
def test_a_commit_is_its_hash(scene: Scene, name: str) -> None:
    artifact = decided(scene, TRUE | {"commit": name}, command("ok"))
    assert [claim.name for claim in artifact.claimed] == ["commit"]


def test_without_git_no_file_was_seen(scene: Scene) -> None:
    (scene.root / ".git").rename(scene.root.parent / "elsewhere")
    artifact = decided(scene, TRUE | {"commit": "0123456789abcdef"})
    assert [claim.name for claim in artifact.claimed] == ["files", "tests", "commit"]


def test_a_decision_about_claims_is_verified(scene: Scene) -> None:
    person = ada(scene)
    decided(scene, TRUE | {"files": ["src/nowhere.py"]}, command("ok"))
    run = scene.status("").run or ""
    _, seen = seen_by(scene.engine, run, "fix")
    approvals.decide(scene.engine, person, run, "fix", approval=seen)
    assert verify(scene.engine, run).findings == ()


def test_a_commit_that_is_made_after_the_report_was_shown_is_seen(scene: Scene) -> None:
    scene.git("commit", "-q", "--allow-empty", "-m", "later")
    commit = scene.git("rev-parse", "HEAD").strip()
    scene.git("reset", "-q", "--hard", "HEAD~1")
    stored = scene.root / ".git/objects" / commit[:2] / commit[2:]
    away = stored.rename(scene.root.parent / "later")
    assert [claim.name for claim in decided(scene, TRUE | {"commit": commit}, command("ok")).claimed] == ["commit"]
    away.rename(stored)
    scene.git("reset", "-q", "--soft", commit)
    artifact = shown(scene, scene.status("").run or "", "fix").artifact
    assert artifact is not None
    assert artifact.claimed == ()


@pytest.mark.parametrize("draft", [{"files": "src/app.py", "tests": [1, None], "commit": 7}, {}])
def test_a_draft_that_a_person_forced_is_shown_whatever_it_is(scene: Scene, draft: Any) -> None:
    fix = phase("fix", approval(), output={"artifact": "change", "schema": "change@1"})
    run = scene.start(fix, phase("build"), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "fix", artifact=draft)
    control.force_accept(scene.engine, HUMAN, run, "fix", "good enough")
    scene.write("app.py", "VALUE = 666\n")
    artifact = shown(scene, fork_run(scene.engine, HUMAN, run, "").record.id, "fix").artifact
    assert artifact is not None
    assert artifact.content == draft
