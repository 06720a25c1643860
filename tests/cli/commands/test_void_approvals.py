"""What is said about an approval that no longer counts."""

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from wfe_mcp.views.approvals import shown
from wfe_mcp.views.runs.requests import DecisionLine

TWO = template("two", phase("plan", HUMAN), phase("build", HUMAN))


def _sent_back(cli: Terminal) -> str:
    """The run whose approved plan was sent back from its build, and is asked again."""
    cli.save(TWO)
    run = cli.start("two")
    cli.submit_work(run, "plan")
    assert cli("approve", run, "plan", pin=PIN).code == 0
    cli.submit_work(run, "build")
    assert cli("reject", run, "build", "--to", "plan", "--feedback", "another way", pin=PIN).code == 0
    cli.submit_work(run, "plan")
    return run


def test_an_approval_that_was_sent_back_later_is_shown_as_sent_back(cli: Terminal) -> None:
    run = _sent_back(cli)
    decision = cli("show", run, "--decision", "--phase", "plan", "--full").out
    for text in (decision, cli("show", run).out, cli("handoff", run).out):
        assert "(void since: sent back)" in text
        assert "superseded" not in text
    assert cli.json("show", run).data["decisions"][0]["void"] == "rejected"


def test_an_approval_of_a_phase_that_a_rule_began_again_says_so(cli: Terminal) -> None:
    again = {"if": "${true}", "goto": "plan", "max": 1}
    cli.save(template("twice", phase("plan", HUMAN), phase("build", next=[again])))
    run = cli.start("twice")
    cli.submit_work(run, "plan")
    assert cli("approve", run, "plan", pin=PIN).code == 0
    cli.submit_work(run, "build")
    assert "(void since: begun again)" in cli("show", run).out


def _in_earlier_versions(decision: DecisionLine) -> str:
    return " (void since: superseded)" if decision.void else ""


def test_a_decision_that_named_the_state_of_the_attempt_instead_is_still_verified(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _sent_back(cli)
    with monkeypatch.context() as before:
        before.setattr(shown, "void_words", _in_earlier_versions)
        assert cli("approve", run, "plan", pin=PIN).code == 0
    verified = cli("verify", run)
    assert verified.code == 0, verified.out
