"""A server whose database cannot be used says so to everyone, says nothing about it, and comes back by itself."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.postgres import Cluster
from tests.server.conftest import House
from tests.server.people.conftest import FROM_ELSEWHERE, Team


@pytest.fixture
def house(house: House, postgres_url: str) -> House:
    house.environment["WFE_DATABASE_URL"] = postgres_url
    assert house.engine().project_id, "it is known there, so people have a role in it"
    return house


def test_a_page_opened_while_the_database_is_away_says_so_and_opens_once_it_is_back(
    team: Team, tab: Tab, postgres: Cluster
) -> None:
    page = tab.page
    page.goto(f"{team.origin}/app/")
    expect(page.locator("h1")).to_have_text("Inbox")
    postgres.stop()
    page.reload()
    expect(page.locator("h1")).to_have_text("The server cannot answer now")
    expect(page.get_by_role("status")).to_contain_text("This server cannot use its database now.")
    expect(page.locator("body")).not_to_contain_text("wfe-mcp ui")
    postgres.start()
    expect(page.locator("h1")).to_have_text("Inbox")


def test_a_login_while_the_database_is_away_is_asked_to_come_again_and_shows_nothing_of_the_database(
    team: Team, postgres: Cluster
) -> None:
    browser, grant = team.browser(), "urn:ietf:params:oauth:grant-type:device_code"
    form = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    back = browser.provider_answer()
    begun = browser.send("POST", "/login/device", {"user": "ada", "machine": "box"}, **form).json()
    take = {"grant_type": grant, "device_code": begun["device_code"]}
    postgres.stop()
    machines = [
        browser.send("POST", "/login/device", {"user": "ada", "machine": "box"}, **form),
        browser.send("POST", "/login/token", take, **form),
        browser.send("POST", "/login/revoke", {"token": "wfe_x"}, **form),
    ]
    others = [
        browser.send("GET", "/login"),
        browser.send("GET", back, **FROM_ELSEWHERE),
        browser.send("POST", "/logout", {}, **form),
        browser.send("POST", "/runner/v1/jobs/x/back", {}, authorization="Bearer wfe_x"),
    ]
    postgres.start()
    assert [answer.json()["error"] for answer in machines] == ["temporarily_unavailable"] * 3
    for answer in (*machines, *others):
        assert answer.status_code == 503, (answer.url, answer.text)
        assert "This server cannot use its database now." in answer.text
        assert not [word for word in ("127.0.0.1", "postgres", str(postgres.port)) if word in answer.text], answer.text
    assert browser.send("POST", "/login/token", take, **form).json() == {"error": "authorization_pending"}


def test_who_is_logged_in_reads_nothing_of_a_database_that_fails_and_the_log_has_it(
    team: Team, postgres: Cluster
) -> None:
    browser = team.browser()
    browser.log_in()
    name = team.running.house.environment["WFE_DATABASE_URL"].rpartition("/")[2]
    assert name not in browser.api("GET", "/settings").text, "it is named nowhere else either"
    postgres.execute("ALTER TABLE wfe.run RENAME TO elsewhere", database=name)
    answers = [browser.api("GET", "/runs"), browser.api("GET", "/inbox"), browser.send("GET", "/opinion/x/y")]
    postgres.execute("ALTER TABLE wfe.elsewhere RENAME TO run", database=name)
    for answer in answers:
        assert answer.status_code == 503, (answer.url, answer.text)
        assert "This server cannot use its database now." in answer.text
        assert not [word for word in ("127.0.0.1", "postgres", "relation", name) if word in answer.text], answer.text
    assert browser.api("GET", "/runs").status_code == 200
    assert name in team.running.end()
