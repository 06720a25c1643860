"""The approvers commands: open the signing page and list pinned keys."""

import os
from collections.abc import Iterator

import pytest

from tests.cli.scene import HUMAN, PIN, Terminal, phase, template
from tests.dashboard.browser import Browser
from tests.dashboard.soft_key import Signer, SoftKey, nothing_installed
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.approvals.approvers import APPROVERS, PinnedChain, chain_of, trust_key
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at

ADA = By("ada", Channel.CLI, Assurance.HUMAN)
SIGNED = template("deal", phase("sign", HUMAN | {"assurance": "passkey"}))


@pytest.fixture
def page(cli: Terminal) -> Iterator[Page]:
    engine = create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)
    with serve_page(engine, 0) as made:
        assert isinstance(made, Page)
        yield made
    engine.close()


def pinned(cli: Terminal, page: Page, *names: str) -> list[SoftKey]:
    keys = [SoftKey(name) for name in names]
    for key in keys:
        url: str = cli.json("approvers", "add", key.name, "--no-browser").data["url"]
        signer = Signer(Browser(page.port), url.removeprefix(page.url.removesuffix("/")))
        assert signer.pin(key, by=keys[0]).status == 200
    return keys


def finding(cli: Terminal, topic: str) -> dict[str, str]:
    return next(each for each in cli.json("doctor").data["findings"] if each["topic"] == topic)


def test_add_opens_the_page_of_this_project_with_the_name_filled_in(cli: Terminal, page: Page) -> None:
    answer = cli("approvers", "add", "ada's laptop", "--no-browser")
    assert answer.code == 0
    assert page.url + "approvers/p-" in answer.out
    path = answer.out.strip().partition(page.url)[2]
    assert Browser(page.port).get(f"/{path}").text.count("ada&#x27;s laptop") == 1


def test_a_given_pin_is_checked_before_the_page_opens(cli: Terminal, page: Page) -> None:
    assert cli.json("approvers", "add", "laptop", "--no-browser", pin="wrong").refusal == "wrong_pin"
    assert cli.json("approvers", "add", "laptop", "--no-browser", pin=PIN).code == 0


def test_a_key_that_cannot_be_pinned_is_refused_before_the_pin_is_asked(cli: Terminal) -> None:
    assert cli.json("approvers", "add", "ada", "--key", "none of 43 characters").refusal == "bad_argument"
    added = cli.json("approvers", "add", "ada", "--key", "mine", pin=PIN).data
    for key in ("mine", added["public_key"]):
        assert cli.json("approvers", "add", "bob", "--key", key).refusal == "conflict"


def test_list_says_who_let_each_key_in(cli: Terminal, page: Page) -> None:
    assert "0 keys" in cli("approvers", "list").out
    pinned(cli, page, "laptop", "phone")
    keys = cli.json("approvers", "list").data["keys"]
    assert [(key["name"], key["let_in_by"]) for key in keys] == [("laptop", "PIN"), ("phone", "laptop")]
    header, *rows = cli("approvers", "list").out.splitlines()
    assert header.startswith("NAME") and [row[header.index("PINNED BY") :].split()[0] for row in rows[:2]] == [
        "PIN",
        "laptop",
    ]


def test_a_key_that_is_not_pinned_cannot_go(cli: Terminal, page: Page) -> None:
    pinned(cli, page, "laptop", "phone")
    no = cli.json("approvers", "remove", "lapto", "--no-browser")
    assert (no.refusal, "Did you mean 'laptop'?" in no.out) == ("bad_argument", True)
    assert "approvers/" in cli.json("approvers", "remove", "phone", "--no-browser").data["url"]


def test_without_the_extra_the_way_to_get_it_is_reported(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.engine.approvals.passkeys.find_spec", nothing_installed)
    no = cli.json("approvers", "add", "laptop")
    assert (no.refusal, "wfe-mcp[passkey]" in no.out) == ("unavailable", True)
    assert "wfe-mcp[passkey]" in finding(cli, "passkeys")["message"]
    assert "wfe-mcp[passkey]" in cli("approvers", "list").out


def test_a_page_that_does_not_start_is_reported(cli: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.engine.approvals.decision_page.sys.executable", str(cli.root / "no-python"))
    assert cli.json("approvers", "add", "laptop").refusal == "unavailable"


def test_approve_leads_to_the_page_where_a_passkey_signs(cli: Terminal, page: Page) -> None:
    (key,) = pinned(cli, page, "laptop")
    cli.save(SIGNED)
    run = cli.start("deal")
    cli.submit_work(run, "sign")
    no = cli.json("approve", run, "sign", pin=PIN)
    assert (no.refusal, "a PIN is not enough" in no.out) == ("needs_human", True)
    assert no.data["url"] == f"{page.url}decide/{no.data['request']}"
    assert cli.state(run) == "waiting"
    assert Signer(Browser(page.port), "").decide(key, no.data["request"]).status == 200
    assert cli.state(run) == "completed"
    assert "laptop (passkey" in cli("show", run).out


def test_keys_that_came_with_the_repository_need_trust(cli: Terminal, page: Page) -> None:
    pinned(cli, page, "laptop")
    begun = (cli.root / APPROVERS).read_text()
    pinned_more = begun.replace('"laptop"', '"robot"')
    (cli.root / APPROVERS).write_text(pinned_more)
    assert "wfe-mcp trust approvers" in finding(cli, "passkeys")["message"]
    assert finding(cli, "passkeys")["level"] == "note"
    no = cli("trust", "approvers")
    assert "passkey robot, since" in no.out
    assert "It does not continue from keys that you trust here" in no.out
    assert cli.json("trust", "approvers", "--yes", pin=PIN).code == 0
    assert finding(cli, "passkeys")["level"] == "ok"


def test_keys_that_known_ones_pinned_are_listed_as_such(cli: Terminal, page: Page) -> None:
    pinned(cli, page, "laptop", "phone")
    begun = PinnedChain(chain_of((cli.root / APPROVERS).read_bytes()).changes[:1])
    engine = create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)
    with engine.store.tx() as tx:  # as someone has it who has not seen the newer key yet
        tx.trust.withdraw(engine.project_id, trust_key(), ADA, cli.clock())
        tx.trust.give(engine.project_id, trust_key(), begun.sha256, ADA, cli.clock())
    engine.close()
    answer = cli("trust")
    assert "passkey phone, since" in answer.out
    assert "does not continue" not in answer.out


def test_keys_that_are_void_are_a_problem_and_need_no_one(cli: Terminal, page: Page) -> None:
    pinned(cli, page, "laptop")
    (cli.root / APPROVERS).write_text("{}")
    assert finding(cli, "passkeys")["level"] == "problem"
    assert cli.json("doctor").code == 1
    assert "Nothing needs trust" in cli("trust").out


def test_doctor_and_status_name_the_page_while_it_is_open(cli: Terminal) -> None:
    run = cli.start("note")
    assert "not running" in finding(cli, "decision page")["message"]
    assert "page" not in cli.json("status", run).data
    engine = create_engine(project_at(cli.root), environment=dict(os.environ), clock=cli.clock)
    with serve_page(engine, 0) as page:
        assert isinstance(page, Page)
        assert finding(cli, "decision page")["message"] == page.url
        assert cli.json("status", run).data["page"] == page.url
        assert f"Decision page:\n{page.url}" in cli("status").out
    engine.close()


def test_verify_shows_people_what_is_proven_and_by_whom(cli: Terminal, page: Page) -> None:
    (key,) = pinned(cli, page, "laptop")
    cli.save(SIGNED)
    run = cli.start("deal")
    cli.submit_work(run, "sign")
    request = cli.json("approve", run, "sign").data["request"]
    assert Signer(Browser(page.port), "").decide(key, request).status == 200
    answer = cli("verify", "--approvals")
    assert "1 approval proven" in answer.out
    assert f"{run} sign, attempt 1, by laptop" in answer.out
    assert "Keys: laptop" in answer.out
    answer = cli("verify", "--approvals", "--require", "plan.md")
    assert (answer.code, "[proof_missing]" in answer.out) == (1, True)
    assert cli.json("verify", "--require", "plan.md").refusal == "bad_argument"
    (cli.root / APPROVERS).write_text("{}")
    assert "[approvers_void]" in cli("verify", "--approvals").out


def test_verify_needs_no_extra_for_what_passkeys_signed(
    cli: Terminal, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No key is pinned" in cli("verify", "--approvals").out
    pinned(cli, page, "laptop", "phone")
    monkeypatch.setattr("wfe_mcp.engine.approvals.passkeys.find_spec", nothing_installed)
    found = cli.json("verify", "--approvals")
    assert (found.code, len(found.data["keys"])) == (0, 2)
