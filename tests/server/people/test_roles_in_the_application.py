"""The application at a server offers a person what their role does, and names who does the rest."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.server.conftest import HUMAN
from tests.server.people.conftest import Team
from tests.server.people.test_access import logged_in
from tests.server.people.test_decide import asked
from tests.server.people.test_hand_over import with_keys
from wfe_mcp.engine.work.items import add_item


def at(team: Team, tab: Tab, who: str, *roles: str) -> None:
    """``who`` opens the application in ``tab``."""
    team.provider.person, team.provider.claims = who, {"groups": [f"shop-{each}s" for each in roles]}
    tab.page.goto(f"{team.origin}/app/")
    expect(tab.page.locator("header.topbar")).to_contain_text(who)


def test_a_reader_sees_that_they_look_and_no_button_that_is_not_theirs(team: Team, tab: Tab) -> None:
    with_keys(team, "ada", "bob")
    run, request = asked(team)
    logged_in(team, "ada", "approver")
    logged_in(team, "bob", "approver")
    at(team, tab, "ron", "reader")
    page = tab.page
    expect(page.locator(".only-looks")).to_have_text("only looks")
    assert page.locator("button.only-looks").count() == 0, "no PIN and no passkey changes a role"
    expect(page.locator("main")).not_to_contain_text("wfe-mcp")
    page.goto(f"{team.origin}/app/#/inbox/{request}")
    bar = page.get_by_label("Your decision")
    expect(bar).to_contain_text("Your role here is reader.")
    expect(bar).to_contain_text("ada and bob can decide it.")
    expect(page.locator("main")).to_contain_text("Waiting for others")
    assert bar.get_by_role("link").count() == 0
    page.goto(f"{team.origin}/app/#/runs/{run}")
    expect(page.locator(".runhead")).to_contain_text("signed: for others to decide")
    expect(page.locator(".runhead")).not_to_contain_text("waiting for you")
    for name in ("Pause", "Cancel…", "Undo the last command…", "Fork…", "Roll back…"):
        assert page.get_by_role("button", name=name).count() == 0, name


@pytest.mark.parametrize(("role", "starts", "clones"), [("reader", 0, 0), ("author", 1, 0), ("admin", 1, 1)])
def test_the_list_of_templates_offers_what_a_role_does(
    team: Team, tab: Tab, role: str, starts: int, clones: int
) -> None:
    at(team, tab, "ron", role)
    tab.page.goto(f"{team.origin}/app/#/templates")
    line = tab.page.locator("tr", has=tab.page.get_by_role("link", name="drill", exact=True))
    expect(line).to_contain_text("A drill")
    expect(line.get_by_role("link", name="Start")).to_have_count(starts)
    expect(line.get_by_role("button", name="Clone")).to_have_count(clones)
    assert tab.page.get_by_label("Import a template").count() == clones


def test_how_to_decide_without_a_pin_is_a_line_of_its_own(team: Team, tab: Tab) -> None:
    with_keys(team, "ada")
    _, request = asked(team)
    at(team, tab, "ada", "approver")
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.page.goto(f"{team.origin}/decide/{request}")
    for answer in ("Approve", "Send back"):
        tab.page.get_by_role("radio", name=answer).check(force=True)
        note = tab.page.get_by_text("Sign with a passkey, or run").and_(tab.page.locator(":visible")).bounding_box()
        assert note is not None
        assert note["width"] > 900, answer


def test_an_author_steers_a_run_and_decides_nothing(team: Team, tab: Tab) -> None:
    with_keys(team, "ada")
    run, request = asked(team)
    logged_in(team, "ada", "approver")
    at(team, tab, "aut", "author")
    page = tab.page
    page.goto(f"{team.origin}/app/#/runs/{run}")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".runhead")).to_contain_text("Paused")
    page.goto(f"{team.origin}/app/#/inbox/{request}")
    expect(page.get_by_label("Your decision")).to_contain_text("ada can decide it.")


def test_an_approver_without_a_pinned_passkey_is_led_to_where_one_is_made(team: Team, tab: Tab) -> None:
    with_keys(team, "ada")
    _, request = asked(team)
    logged_in(team, "ada", "approver")
    at(team, tab, "eve", "approver")
    keys = f"/approvers/{team.running.house.engine().project_id}"
    for path in (f"/app/#/inbox/{request}", f"/decide/{request}"):
        tab.page.goto(f"{team.origin}{path}")
        bar = tab.page.get_by_label("Your decision")
        expect(bar).to_contain_text("No passkey of yours")
        expect(bar).to_contain_text("ada can decide it.")
        expect(bar).not_to_contain_text("wfe-mcp")
        expect(bar.get_by_role("link", name="Make a passkey")).to_have_attribute("href", keys)


@pytest.mark.parametrize(("move", "able"), [("control", "bob"), ("fork", "bob")])
def test_what_a_reader_may_not_do_names_who_can(team: Team, move: str, able: str) -> None:
    run, _ = asked(team)
    ron = logged_in(team, "ron", "reader")
    refused = ron.api("POST", f"/runs/{run}/{move}", {"action": "pause"} if move == "control" else {}).json()["error"]
    assert refused["message"] == "This needs the role author; yours is reader."
    assert re.match(rf"^.*{able}.* can do it\.$", refused["hint"])


def test_a_fork_is_asked_about_before_it_is_made(team: Team, tab: Tab) -> None:
    run, _ = asked(team)
    at(team, tab, "aut", "author")
    page = tab.page
    page.goto(f"{team.origin}/app/#/runs/{run}")
    page.get_by_role("button", name="Fork…").first.click()
    page.get_by_role("button", name="Start no run").click()
    page.get_by_role("button", name="Fork…").first.click()
    page.get_by_role("button", name="Start the fork").click()
    expect(page.locator("h1")).to_contain_text(f"fork of {run}")
    aut = logged_in(team, "aut", "author")
    assert len(aut.api("GET", "/runs").json()["data"]["runs"]) == 2


def test_refusals_of_a_server_name_the_address_that_is_right(team: Team) -> None:
    browser = team.browser()
    unknown = browser.send("GET", "/api/v1/runs", authorization="Bearer wfe_unknown").json()["error"]
    assert f"{team.origin}/access" in unknown["hint"]
    assert browser.send("GET", "/app/", host="127.0.0.1:1").text == f"This page answers at {team.origin} only."


def test_a_request_is_not_offered_to_the_one_who_has_it(team: Team) -> None:
    with_keys(team, "ada", "bob", "cleo")
    _, request = asked(team)
    ada = logged_in(team, "ada", "approver")
    for name in ("bob", "cleo"):
        logged_in(team, name, "approver")
    here = f"/decisions/{request}/present"
    assert [each["name"] for each in ada.api("POST", here, {}).json()["data"]["able"]] == ["bob", "cleo"]
    ada.api("POST", f"/decisions/{request}/hand-over", {"to": "bob"})
    assert [each["name"] for each in ada.api("POST", here, {}).json()["data"]["able"]] == ["cleo"]


@pytest.mark.parametrize("role", ["reader", "admin"])
def test_pages_that_change_a_project_are_for_looking_without_the_role(team: Team, tab: Tab, role: str) -> None:
    is_admin = role == "admin"
    project = team.running.house.engine().project_id
    add_item(team.running.house.engine(), HUMAN, "idea", {"title": "Show the moon"})
    at(team, tab, "ron", role)
    page = tab.page

    def to(address: str, heading: str) -> None:
        page.evaluate("(to) => { location.hash = to; }", address)
        expect(page.locator("h1")).to_have_text(heading)

    to("/templates/drill", "A drill")
    expect(page.get_by_label("Title of the template")).to_be_editable(editable=is_admin)
    for name in ("Clone…", "Make it the default", "Save a version", "Add a phase", "Add an input"):
        expect(page.get_by_role("button", name=name)).to_have_count(int(is_admin))
    to("/templates/drill/json", "A drill")
    expect(page.get_by_label("Definition as JSON")).to_be_editable(editable=is_admin)
    to("/settings", "Settings")
    for name in ("Add a provider", "Fill a role", "Add a credential", "Change the policy"):
        expect(page.get_by_role("button", name=name)).to_have_count(int(is_admin))
    to(f"/projects/{project}", team.running.house.root.name)
    expect(page.locator("#facts")).to_be_visible()
    expect(page.get_by_role("button", name="Add a fact")).to_have_count(int(is_admin))
    to("/projects", "Projects")
    expect(page.get_by_role("form", name="Add a project")).to_have_count(int(is_admin))
    to("/items", "Work")
    expect(page.locator("main header").first.get_by_role("link", name="Add an item")).to_have_count(int(is_admin))
    to(f"/items/{project}/W-1", "Show the moon")
    expect(page.get_by_role("button", name="Drop…")).to_have_count(int(is_admin))
    expect(page.get_by_role("link", name="Edit")).to_have_count(int(is_admin))
    to("/start/drill", "Start: A drill")
    expect(page.get_by_role("button", name="Start the run")).to_be_enabled(enabled=is_admin)
