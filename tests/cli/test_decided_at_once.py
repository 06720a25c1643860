"""Two people decide at once, one at the page with a passkey and one at a terminal: one is first, the other learns who."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.scene import PIN, Terminal, phase, template
from tests.dashboard.browser import Browser
from tests.dashboard.soft_key import Signer, SoftKey
from tests.server.conftest import HUMAN
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.approvals.approvers import approvers_path
from wfe_mcp.workspace.system.location import project_at

TWO = template("deal", phase("sign", {"kind": "approval", "people": 2}), phase("tell"))
PART = "1 of 2 people approved: {}; one more person is needed"


@pytest.fixture
def bob(cli: Terminal) -> Iterator[tuple[Signer, SoftKey]]:
    """Bob at the page of a project in which ada, who has the PIN, pinned her key and his."""
    engine = create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)
    assert cli.json("approvers", "add", "ada", "--key", "mine", pin=PIN).code == 0
    with serve_page(engine, 0) as page:
        assert isinstance(page, Page)
        signer, key = Signer(Browser(page.port), "/" + approvers_path(engine)), SoftKey("bob")
        assert signer.pin(key).status == 200
        yield signer, key
    engine.close()


def asked(cli: Terminal) -> tuple[str, str]:
    cli.save(TWO)
    run = cli.start("deal")
    cli.submit_work(run, "sign")
    return run, str(cli.json("approve", run, "sign", pin="wrong").data["request"])


def test_the_page_says_who_was_first_and_takes_the_second_approval(cli: Terminal, bob: tuple[Signer, SoftKey]) -> None:
    signer, key = bob
    run, request = asked(cli)
    seen, sign = signer.asked(request)
    assert cli("approve", run, "sign", pin=PIN).code == 0
    late = signer.send(seen, request, sign["ceremony"], key.get(sign["options"], signer.origin))
    assert late.status == 409
    assert PART.format("ada") in late.words
    inbox = cli("inbox").out
    assert inbox.startswith("Nothing waits for you.")
    assert PART.format("ada") in inbox
    assert "You approved it, and it needs another person. bob can decide it." in inbox
    assert signer.decide(key, request).status == 200
    assert "tell" in cli("status", run).out
    assert [each["actor"] for each in cli.json("show", run).data["decisions"]] == ["ada", "bob"]
    assert cli("verify", run).code == 0


def test_the_terminal_says_who_decided_and_when(cli: Terminal, bob: tuple[Signer, SoftKey]) -> None:
    signer, key = bob
    run, request = asked(cli)
    assert signer.decide(key, request).status == 200
    shown = cli("approve", run, "sign", pin="wrong")
    assert PART.format("bob") in shown.out + shown.err
    assert cli("approve", run, "sign", pin=PIN).code == 0
    assert "tell" in cli("status", run).out
    for late in (("approve", run, "sign"), ("reject", run, "sign", "--feedback", "no")):
        no = cli.json(*late, pin=PIN)
        assert (no.code, "ada approved it at" in no.out) == (1, True)
    again = signer.browser.get(f"/decide/{request}")
    assert "approved by" in again.words.lower()


def test_who_approves_at_a_terminal_what_is_sent_back_after_the_question_learns_by_whom(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.save(template("alone", phase("sign", {"kind": "approval"})))
    run, ask = cli.start("alone"), approvals.ask
    cli.submit_work(run, "sign")

    def ask_and_send_back(engine: Engine, *words: Any, **named: Any) -> approvals.ApprovalRequest:
        answer = ask(engine, *words, **named)
        approvals.reject(engine, HUMAN, run, "sign", "not so")
        return answer

    monkeypatch.setattr(approvals, "ask", ask_and_send_back)
    no = cli.json("approve", run, "sign", pin=PIN)
    assert (no.code, no.refusal) == (1, "illegal_transition")
    assert "ada rejected it at" in no.out


def test_of_two_keys_of_one_name_one_is_removed_by_its_id(cli: Terminal, bob: tuple[Signer, SoftKey]) -> None:
    signer, key = bob
    assert signer.pin(SoftKey("bob"), by=key).status == 200
    no = cli.json("approvers", "remove", "bob", pin=PIN)
    assert (no.refusal, "2 keys are called 'bob'" in no.out) == ("bad_argument", True)
    keys = [each["id"] for each in cli.json("approvers", "list").data["keys"] if each["name"] == "bob"]
    assert cli.json("approvers", "remove", keys[0], pin=PIN).code == 0
    assert [each["name"] for each in cli.json("approvers", "list").data["keys"]] == ["ada", "bob"]
