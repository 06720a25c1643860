"""A person at a browser logs in, makes a passkey at the server's address, and decides with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.chromium import Tab
from tests.dashboard.soft_key import SoftKey
from tests.server.http.conftest import ADA
from tests.server.http.processes import InTurn
from tests.server.people.conftest import HOST, Client, Team
from wfe_mcp.core.model import Channel, RunId
from wfe_mcp.engine.approvals.approvers import ApproverKey, pinned_here, request_key
from wfe_mcp.engine.approvals.pin import set_pin

PIN = "correct horse"


def asked(team: Team, template: str = "drill") -> tuple[str, str]:
    """A run whose phase waits for a person, and the request."""
    author = team.browser()
    team.provider.person, team.provider.claims = "bob", {"groups": ["shop-authors"]}
    author.log_in()
    run = author.api("POST", "/runs", {"template": template, "inputs": {"goal": "g"}}).json()["run"]
    author.api("POST", f"/runs/{run}/start_phase", {"phase": "signed"})
    author.api("POST", f"/runs/{run}/submit_artifact", {"phase": "signed", "artifact": {"title": "A good title"}})
    found = author.api("POST", f"/runs/{run}/approve", {"phase": "signed"}).json()
    assert found["error"]["code"] == "needs_human", found
    team.provider.person, team.provider.claims = "ada", {"groups": ["shop-approvers"]}
    return run, found["data"]["request"]


def terminal(team: Team, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wfe_mcp", *argv],
        cwd=team.running.house.root,
        env=team.running.house.environment,
        input=f"{PIN}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"{done.returncode} {done.stdout}{done.stderr}"


def test_a_person_logs_in_and_decides_with_a_passkey_of_the_server(team: Team, tab: Tab) -> None:
    engine = team.running.house.engine()
    set_pin(engine, PIN, ADA)
    run, request = asked(team)
    page = tab.page
    page.goto(f"{team.origin}/app/")
    expect(page.locator("main")).to_contain_text("signed")
    tab.add_key()
    page.goto(f"{team.origin}/approvers/{engine.project_id}")
    with page.expect_navigation():
        page.click("button:has-text('Make a passkey')")
    expect(page.locator("body")).to_contain_text("Waiting to be pinned")
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    (key,) = pinned_here(engine, engine.root).keys.values()
    assert (key.name, key.origin) == ("ada", team.origin)
    page.goto(f"{team.origin}/app/#/inbox/{request}")
    page.click("text=Decide with your passkey")
    page.check("#c-yes")
    with page.expect_navigation():
        page.click("button:has-text('Approve with a passkey')")
    expect(page.locator("body")).to_contain_text("Approved by ada")
    with engine.store.read() as tx:
        events = tx.events.of_run(RunId(run))
    approved = next(each for each in events if each.type == "PhaseApproved" or each.type == "ApprovalGiven")
    assert (approved.actor, approved.channel) == ("ada", Channel.PASSKEY)
    assert terminal(team, "verify").startswith("0"), terminal(team, "verify")
    assert "passkey used" in terminal(team, "audit")
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{team.origin}/decide/{request}")
    assert tab.overflow == 0


def test_a_link_to_a_page_of_the_application_leads_there_over_the_login(team: Team, tab: Tab) -> None:
    _, request = asked(team)
    tab.page.goto(f"{team.origin}/app/#/inbox/{request}")
    expect(tab.page.locator("h1")).to_contain_text("signed")
    assert tab.page.url == f"{team.origin}/app/#/inbox/{request}"
    assert len(team.provider.requests) == 2, "the author who asked, and this login"


def test_who_may_only_look_sees_what_is_asked_and_which_role_decides(team: Team, tab: Tab) -> None:
    _, request = asked(team)
    team.provider.person, team.provider.claims = "bob", {"groups": ["shop-readers"]}
    tab.page.goto(f"{team.origin}/decide/{request}")
    bar = tab.page.get_by_label("Your decision")
    expect(bar).to_have_text(
        "Your role here is reader. To decide needs the role approver, which [server.roles] of the server gives. No one can decide it yet."
    )


@pytest.mark.usefixtures("real_processes")
def test_a_server_without_the_package_of_passkeys_offers_none_and_names_no_command(team: Team, tmp_path: Path) -> None:
    _, request = asked(team)
    team.running.end()
    (tmp_path / "sitecustomize.py").write_text('import sys\n\nsys.modules["webauthn"] = None\n', encoding="utf-8")
    environment = team.running.house.environment
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    team.running.start(int(team.origin.rpartition(":")[2]))
    team.running.url = f"http://127.0.0.1:{team.origin.rpartition(':')[2]}"
    ada = team.browser()
    ada.log_in()
    keys = ada.send("GET", f"/approvers/{team.running.house.engine().project_id}").text
    assert "Tell an admin of this server" in keys
    for page in (keys, ada.send("GET", f"/decide/{request}").text):
        assert "tool install" not in page
        assert "<button" not in page


def at_approvers(team: Team, tab: Tab, who: str) -> None:
    """``who`` logs in, makes a passkey and asks for it to be pinned."""
    team.provider.person, team.provider.claims = who, {"groups": ["shop-approvers"]}
    tab.add_key()
    tab.page.goto(f"{team.origin}/approvers/{team.running.house.engine().project_id}")
    with tab.page.expect_navigation():
        tab.page.click("button:has-text('Make a passkey')")
    expect(tab.page.locator("body")).to_contain_text("Waiting to be pinned")


def approves(team: Team, tab: Tab, request: str) -> None:
    tab.page.goto(f"{team.origin}/decide/{request}")
    tab.page.check("#c-yes")
    with tab.page.expect_navigation():
        tab.page.click("button:has-text('Approve with a passkey')")


def test_two_people_approve_at_the_server_each_with_a_passkey_of_theirs(
    team: Team, tab: Tab, chromium: Browser
) -> None:
    engine, second = team.running.house.engine(), Tab.open(chromium)
    set_pin(engine, PIN, ADA)
    own = Path(team.running.house.environment["XDG_CONFIG_HOME"], "wfe-mcp", "config.toml")
    own.write_text(own.read_text(encoding="utf-8") + "[policy]\npeople = 2\n", encoding="utf-8")
    run, request = asked(team)
    at_approvers(team, tab, "ada")
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    at_approvers(team, second, "bob")
    tab.page.reload()
    with tab.page.expect_navigation():
        tab.page.click("button:has-text('Pin bob')")
    assert {each.name for each in pinned_here(engine, engine.root).keys.values()} == {"ada", "bob"}

    approves(team, tab, request)
    expect(tab.page.locator("body")).to_contain_text("1 of 2 people approved: ada")
    tab.page.goto(f"{team.origin}/app/#/inbox")
    others = tab.page.locator("[aria-label='What waits for others']")
    yes = "You approved it, and it needs another person. bob can decide it."
    expect(others).to_contain_text(yes)
    for at in (f"/app/#/inbox/{request}", f"/decide/{request}"):
        tab.page.goto(f"{team.origin}{at}")
        expect(tab.page.locator(".pill.s-waiting")).to_have_text("Waiting for others")
        expect(tab.page.locator(".decision")).to_contain_text(yes)
        expect(tab.page.locator(".decide")).to_contain_text("Send")
        expect(tab.page.locator(".decide")).not_to_contain_text("Approve")
    approves(team, second, request)

    with engine.store.read() as tx:
        events = tx.events.of_run(RunId(run))
    given = [(each.actor, each.channel) for each in events if each.type in {"ApprovalCounted", "ApprovalGiven"}]
    assert given == [("ada", Channel.PASSKEY), ("bob", Channel.PASSKEY)]
    assert terminal(team, "verify").startswith("0"), terminal(team, "verify")
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no socket is shared there")
def test_a_login_a_new_passkey_and_a_decision_take_each_step_in_another_process(team: Team) -> None:
    engine, in_turn = team.running.house.engine(), InTurn(team.running)
    set_pin(engine, PIN, ADA)
    team.running.end()
    in_turn.start(team.origin)
    _, request = asked(team)
    ada, key = team.browser(), SoftKey("ada", party=HOST)
    assert ada.log_in().status_code == 303
    page, form = f"/approvers/{engine.project_id}", f"/approvers/{engine.project_id}/request"
    began = ada.fill(page, form, f"{form}/key").json()
    made = {"ceremony": began["ceremony"], "key": key.create(began["options"], team.origin)}
    ada.send("GET", "/passkey.js")  # so that the next form does not go where the challenge was made
    assert ada.fill(page, form, **made).status_code == 303
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    page, form = f"/decide/{request}", f"/decide/{request}/approve"
    before = len(in_turn.turns)
    began = ada.fill(page, form, f"{form}/sign").json()
    signed = {"ceremony": began["ceremony"], "assertion": key.get(began["options"], team.origin)}
    ada.send("GET", "/passkey.js")
    assert ada.fill(page, form, **signed).status_code == 303
    assert "Approved by ada" in ada.send("GET", page).text
    first, second, *_ = in_turn.turns[before:]
    assert in_turn.turns[before:] == [first, second] * 3
    assert first != second
    in_turn.close()


def test_the_passkey_of_a_person_who_left_is_removed_on_the_page_by_another_approver(team: Team) -> None:
    engine = team.running.house.engine()
    page, keys = f"/approvers/{engine.project_id}", {name: SoftKey(name, party=HOST) for name in ("ada", "bob")}
    set_pin(engine, PIN, ADA)

    def logged_in(who: str) -> Client:
        team.provider.person, team.provider.claims = who, {"groups": ["shop-approvers"]}
        browser = team.browser()
        assert browser.log_in().status_code == 303
        return browser

    def asks(browser: Client, key: SoftKey) -> None:
        began = browser.fill(page, f"{page}/request", f"{page}/request/key").json()
        made = {"ceremony": began["ceremony"], "key": key.create(began["options"], team.origin)}
        assert browser.fill(page, f"{page}/request", **made).status_code == 303

    def signs(browser: Client, key: SoftKey, do: str) -> int:
        began = browser.fill(page, f"{page}/{do}", f"{page}/{do}/sign").json()
        signed = {"ceremony": began["ceremony"], "assertion": key.get(began["options"], team.origin)}
        return browser.fill(page, f"{page}/{do}", **signed).status_code

    ada, bob = logged_in("ada"), logged_in("bob")
    asks(ada, keys["ada"])
    assert terminal(team, "approvers", "accept", "ada", "--pin-fd", "0").startswith("0"), terminal(team, "status")
    assert f"{page}/remove" not in ada.send("GET", page).text, "the last key stays"
    asks(bob, keys["bob"])
    assert signs(ada, keys["ada"], "accept") == 303
    assert f"{team.origin}{page}" in terminal(team, "approvers", "remove", "ada"), "no page of this machine could sign"
    assert signs(bob, keys["bob"], "remove") == 303
    assert [key.name for key in pinned_here(engine, engine.root).keys.values()] == ["bob"]
    assert f"{page}/remove" not in ada.send("GET", page).text, "her key signs nothing any more"
    assert terminal(team, "verify").startswith("0"), terminal(team, "verify")


def test_the_terminal_names_who_waits_to_be_pinned_and_where_approvers_do_it(team: Team) -> None:
    engine = team.running.house.engine()
    for name in ("ada", "bob"):
        request_key(engine, ADA, ApproverKey(id=name, name=name, public_key=name, origin=team.origin))
    listed, page = terminal(team, "approvers", "list"), f"{team.origin}/approvers/{engine.project_id}"
    for name in ("ada", "bob"):
        assert f"Waits to be pinned: {name}, by an approver at {page}, or:" in listed
    set_pin(engine, PIN, ADA)
    terminal(team, "approvers", "accept", "ada", "--pin-fd", "0")
    listed = terminal(team, "approvers", "list")
    assert f"Waits to be pinned: bob, by an approver at {page}\n" in listed, "the key of the PIN pins no more"
    refused = terminal(team, "approvers", "accept", "bob", "--pin-fd", "0")
    assert "a passkey signs at the server" in refused
    assert "these wait: bob." in terminal(team, "approvers", "accept", "eve", "--pin-fd", "0")
