"""A completed run says which of its changes are in the working tree alone, wherever it says that it ended."""

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import answer_page
from wfe_mcp.views.reports.handoff import handoff

NOTHING = "Not committed, in the working tree alone: what this run changed (src/app.py, src/new.py)"


def ended(scene: Scene, *gates: dict[str, object]) -> str:
    """A run that changed one file and made another, up to its last gate."""
    scene.write("src/app.py", "VALUE = 1\n")
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "app")
    scene.check("ok", "pass")
    run = scene.start(phase("fix", command("ok"), *gates))
    scene.begin(run)
    scene.write("src/app.py", "VALUE = 2\n")
    scene.write("src/new.py", "VALUE = 3\n")
    return run


def said(scene: Scene, run: str) -> list[bool]:
    """Whether status and the hand-off say it."""
    texts = (scene.status(run).to_text(), handoff(scene.engine, run))
    return ["Not committed" in text for text in texts]


def test_the_last_answer_the_status_and_the_hand_off_name_what_no_commit_has(scene: Scene) -> None:
    run = ended(scene)
    last = scene.submit(run, "fix")
    assert last.summary == f"fix: completed. {NOTHING}"
    assert scene.status(run).data["warnings"] == [NOTHING]
    assert f"- {NOTHING}" in handoff(scene.engine, run)


def test_it_is_said_after_the_approval_that_ends_the_run_and_not_before(scene: Scene) -> None:
    run = ended(scene, approval())
    scene.submit(run, "fix")
    assert said(scene, run) == [False, False]
    request = approvals.ask(scene.engine, AGENT, run, "fix").request.id
    approvals.decide(scene.engine, HUMAN, run, "fix")
    assert answer_page(scene.engine, AGENT, run, "fix", request).summary == f"fix: approved by the user. {NOTHING}"
    assert said(scene, run) == [True, True]


def test_what_is_committed_is_not_named_also_when_it_is_changed_later(scene: Scene) -> None:
    run = ended(scene)
    scene.submit(run, "fix")
    scene.git("add", "src/app.py")
    scene.git("commit", "-q", "-m", "fix")
    assert scene.status(run).data["warnings"] == [
        "Not committed, in the working tree alone: 1 of 2 files that it changed (src/new.py)"
    ]
    scene.git("add", "-A")
    scene.git("commit", "-q", "-m", "more")
    assert said(scene, run) == [False, False]
    scene.write("src/other.py", "VALUE = 4\n")
    assert said(scene, run) == [False, False], "another one made this file"


@pytest.mark.parametrize("gone", ["git", "files"])
def test_where_it_cannot_be_known_nothing_is_said(scene: Scene, gone: str) -> None:
    run = ended(scene)
    scene.submit(run, "fix")
    (scene.root / (".git" if gone == "git" else "src")).rename(scene.root.parent / "elsewhere")
    if gone == "files":
        scene.git("checkout", "-q", "--", ".")
    assert said(scene, run) == [False, False]


def test_a_run_that_changed_nothing_says_nothing(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    assert scene.do(run, "plan").summary == "plan: completed"
    assert answers.status(scene.engine, AGENT, run).data.get("warnings") is None
