"""What a gate let through without judging it never reads as a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.kept_scenes import scene
from tests.cli.scene import HUMAN, PIN, phase, template

if TYPE_CHECKING:
    from tests.cli.scene import Terminal

UNREVIEWED = {"kind": "opinion", "reviewers": ["reviewer"], "if_missing": "note"}
UNCHECKED = {"kind": "command", "check": "lint", "if_missing": "note"}
WHY = "no reviewer is configured"


@scene
def unreviewed(cli: Terminal, *gates: dict[str, Any]) -> str:
    """A run whose opinion gate had no reviewer to ask."""
    roles = {} if gates else {"roles": {"reviewer": {"provider": "second"}}}
    cli.save(template("reviewed", phase("draft", *(gates or (UNREVIEWED, HUMAN))), **roles))
    run = cli.start("reviewed")
    assert cli.submit_work(run, "draft").code == 0
    return run


@pytest.mark.requirement("E-11")
def test_a_skipped_opinion_is_called_skipped_wherever_a_run_is_shown(cli: Terminal):
    run = unreviewed(cli)
    seen = [
        cli.json("show", run).data["attempts"][0]["verdicts"][0],
        cli.json("status", run, "--full").data["phases"][0]["verdicts"][0],
        cli.json("status", run).data["last_verdict"],
    ]
    assert [(one["gate"], one["verdict"]) for one in seen] == [("opinion", "skipped")] * 3
    assert any(line.split()[:2] == ["opinion", "skipped"] for line in cli("show", run).out.splitlines())
    assert f"! draft: opinion gate skipped: {WHY}" in cli("status", run).out
    assert any("GateJudged" in line and f"skipped: {WHY}" in line for line in cli("log", run).out.splitlines())
    assert "opinion skipped" in cli("handoff", run).out
    assert "opinion pass" not in cli("handoff", run).out


@pytest.mark.requirement("E-11")
def test_a_completed_run_still_shows_what_was_skipped(cli: Terminal):
    run = unreviewed(cli)
    assert cli.json("approve", run, "draft", pin=PIN).document["run_state"] == "completed"
    assert f"! draft: opinion gate skipped: {WHY}" in cli("status", run).out
    assert any("draft: opinion gate skipped" in one for one in cli.json("status", run).data["unproved"])


def test_the_list_calls_no_run_passed_whose_reviewer_was_skipped(cli: Terminal):
    run = unreviewed(cli)
    (row,) = [line for line in cli("list").out.splitlines() if run in line]
    assert "pass" not in row and row.split()[1:3] == ["waiting", "you"]


def test_a_command_gate_without_its_check_is_called_skipped_too(cli: Terminal):
    run = unreviewed(cli, UNCHECKED)
    (verdict,) = cli.json("show", run).data["attempts"][0]["verdicts"]
    assert (verdict["verdict"], verdict["message"]) == ("skipped", "The project has no check 'lint'.")


@pytest.mark.requirement("E-11")
def test_the_last_verdict_is_the_one_given_last(cli: Terminal):
    cli.save(template("two", phase("build", {"kind": "command", "check": "test"}, HUMAN)))
    run = cli.start("two")
    cli.submit_work(run, "build")
    assert cli.json("status", run).data["last_verdict"]["verdict"] == "fail"
    (cli.root / "ok").touch()
    cli.submit_work(run, "build")
    assert cli.json("status", run).data["last_verdict"] == {
        "phase": "build",
        "attempt": 2,
        "gate": "command",
        "verdict": "pass",
        "level": "worktree",
    }


def test_why_earlier_attempts_ended_is_said_to_the_person_and_what_they_wrote_stays(cli: Terminal) -> None:
    files = {"kind": "files", "exist": ["${['draft.json'][size(artifacts.draft.text) - 5]}"]}
    cli.save(template("listed", phase("draft", files, HUMAN)))
    run = cli.start("listed")
    cli.submit_work(run, "draft", "abc")
    cli.submit_work(run, "draft")
    assert cli("reject", run, "draft", "--feedback", "ask the user to name it", pin=PIN).code == 0
    cli.submit_work(run, "draft", "howdy")
    asked = cli.json("show", run, "--decision").data["decision"]

    words = " ".join(cli("show", run, "--decision").out.split())

    assert "Next: fix the template, or skip the phase." in words
    assert "2 rejected ask the user to name it" in words
    assert asked["attempts"][0]["reason"].endswith("Next: ask the user to fix the template, or to skip the phase.")
