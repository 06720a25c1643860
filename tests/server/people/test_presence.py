"""Who has the page of a decision open is shown to the others, and ends by itself."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.chromium import Tab
from tests.server.conftest import House
from tests.server.http.conftest import Running, other_project as other_project
from tests.server.people.conftest import Team, free_port, of_another_project
from tests.server.people.test_access import logged_in
from tests.server.people.test_decide import asked
from wfe_mcp.engine.kernel.engine import Engine, utc_now
from wfe_mcp.engine.people.presence import LASTS_S, present


def later(engine: Engine, seconds: float) -> Engine:
    engine.clock = lambda: utc_now() + timedelta(seconds=seconds)
    return engine


def names(engine: Engine, request: str) -> list[str]:
    return [each.name for each in present(engine, request)]


def test_the_page_of_a_decision_shows_who_else_has_it_open(team: Team, tab: Tab, chromium: Browser) -> None:
    _, request = asked(team)
    tab.page.goto(f"{team.origin}/app/#/inbox/{request}")
    expect(tab.page.locator("h1")).to_contain_text("signed")
    expect(tab.page.locator("body")).not_to_contain_text("open, too")
    second = Tab.open(chromium)
    team.provider.person, team.provider.claims = "bob", {"groups": ["shop-readers"]}
    second.page.goto(f"{team.origin}/decide/{request}")
    says = second.page.locator("[data-present]")
    expect(says).to_have_text(re.compile(r"^ada \(since \d\d:\d\d UTC\) has this decision open, too\.$"))
    tab.page.reload()
    expect(tab.page.locator("body")).to_contain_text("bob (since")
    second.close()


def test_presence_ends_shortly_after_the_page_and_with_the_session(team: Team) -> None:
    _, request = asked(team)
    worker, port = Running(team.running.house), free_port()
    worker.start(port)
    worker.url = f"http://127.0.0.1:{port}"
    team.workers.append(worker)
    ada, bob = logged_in(team, "ada", "approver"), logged_in(team, "bob", "reader")
    assert ada.api("POST", f"/decisions/{request}/present", {}).json()["data"] == {"present": []}
    found = bob.api("POST", f"/decisions/{request}/present", {}).json()["data"]
    assert [each["name"] for each in found["present"]] == ["ada"]
    shown = bob.api("GET", f"/decisions/{request}").json()["data"]["present"]
    assert shown == found["present"], "at another process"
    engine = team.running.house.engine()
    assert names(engine, request) == ["ada", "bob"]
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    assert ada.send("POST", "/logout", **headers).status_code == 200
    assert names(engine, request) == ["bob"], "a session that ended has nothing open"
    assert names(later(engine, LASTS_S + 1), request) == []


def test_presence_of_a_page_does_not_keep_its_session_in_use(team: Team) -> None:
    _, request = asked(team)
    ada = logged_in(team, "ada", "approver")
    engine = team.running.house.engine()
    with engine.store.tx() as tx:
        before = tx.secrets.with_prefix("credential-used:person-session:")
        for row in before:
            tx.secrets.note_use(row, (utc_now() - timedelta(minutes=5)).isoformat(), utc_now())
        aged = tx.secrets.with_prefix("credential-used:person-session:")
    ada.api("POST", f"/decisions/{request}/present", {})
    with engine.store.read() as tx:
        assert tx.secrets.with_prefix("credential-used:person-session:") == aged
    ada.api("GET", f"/decisions/{request}")
    with engine.store.read() as tx:
        assert tx.secrets.with_prefix("credential-used:person-session:") != aged


@pytest.mark.attack("a person sees or says who is at a decision of a project without a role in it", "held", "#31")
def test_presence_of_another_project_is_not_shown(team: Team, other_project: House) -> None:
    _, request = asked(team)
    ada = logged_in(team, "ada", "approver")
    ada.api("POST", f"/decisions/{request}/present", {})
    eve = of_another_project(team, other_project, "eve")
    for method, path in (("GET", ""), ("GET", "/page"), ("POST", "/present")):
        found = eve.api(method, f"/decisions/{request}{path}", None if method == "GET" else {})
        assert (found.status_code, "ada" in found.text) == (400, False), path
    assert eve.send("GET", f"/decide/{request}").status_code == 404
    assert names(team.running.house.engine(), request) == ["ada"]
