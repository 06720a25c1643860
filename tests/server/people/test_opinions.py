"""A person reviews in place of a model at a server: who can give the opinion has it in the inbox, and signs it there."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.jobs.conftest import until
from tests.server.people.conftest import Team
from tests.server.people.test_access import logged_in
from tests.server.people.test_decide import terminal
from tests.server.people.test_hand_over import pin_keys
from tests.server.people.test_moves import LONG, house as house, with_passkey
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.integrity.verification import verify


@pytest.fixture
def asked_run(team: Team) -> str:
    """A run whose plan waits for the opinion of a person, at a server that knows of one."""
    house = team.running.house
    own = Path(house.environment["XDG_CONFIG_HOME"], "wfe-mcp", "config.toml")
    own.write_text(own.read_text(encoding="utf-8") + '[roles.me]\nprovider = "manual"\n', encoding="utf-8")
    assert terminal(team, "trust", "--yes", "--pin-fd", "0").startswith("0"), terminal(team, "trust")
    team.provider.person, team.provider.claims = "bob", {"groups": ["shop-authors"]}
    bob = team.browser()
    bob.log_in()
    begun = bob.api("POST", "/runs", {"template": "reviewed"}).json()
    assert begun["ok"], begun
    run = begun["run"]
    bob.api("POST", f"/runs/{run}/start_phase", {"phase": "plan"})
    bob.api("POST", f"/runs/{run}/submit_artifact", {"phase": "plan", "artifact": {"title": LONG}})
    until(lambda: bob.api("GET", f"/runs/{run}").json()["waiting_on"] == "human")  # the gate's job asks
    return str(run)


def test_a_person_reviews_in_place_of_a_model_on_a_page_of_the_server(team: Team, tab: Tab, asked_run: str) -> None:
    engine, page = with_passkey(team, tab), tab.page
    page.goto(f"{team.origin}/app/#/inbox")
    page.click("text=Your opinion on plan")
    expect(page.locator("h1")).to_contain_text("Your opinion on plan, as one")
    expect(page.locator("pre")).to_contain_text(LONG)
    page.select_option("#verdict", "pass")
    page.fill("#summary", "I have read it")
    page.set_viewport_size({"width": 400, "height": 800})
    assert tab.overflow == 0
    with page.expect_navigation():
        page.click("button:has-text('Sign and give the opinion')")
    with engine.store.read() as tx:
        (kept,) = tx.opinions.of_run(RunId(asked_run))
    assert (kept.reviewer, kept.verdict, kept.value["summary"]) == ("one", "pass", "I have read it")
    assert list(verify(engine).findings) == []


def test_an_opinion_that_waits_alone_is_in_the_inbox_of_who_can_give_it(team: Team, asked_run: str) -> None:
    pin_keys(team, "ada")
    who = {"ada": "approver", "ron": "reader"}
    inboxes = [logged_in(team, name, role).api("GET", "/inbox").json() for name, role in who.items()]
    (mine,), (others,) = (inbox["data"]["opinions"] for inbox in inboxes)
    assert [inbox["summary"] for inbox in inboxes] == ["1 thing for a person", "0 things for a person"]
    assert (mine["run"], mine.get("for_others")) == (asked_run, None)
    assert others["for_others"] == "ada can answer it."


@pytest.mark.attack("an author at a server gives the opinion of a reviewer", "held")
def test_an_author_gives_no_opinion_of_a_reviewer(team: Team, asked_run: str) -> None:
    bob = team.browser()
    bob.log_in()
    path = f"/opinion/{asked_run}/one"
    shown = bob.send("GET", f"{path}?phase=plan")
    assert (shown.status_code, LONG in shown.text) == (200, True)
    for step in ("", "/sign"):
        refused = bob.fill(f"{path}?phase=plan", f"{path}?phase=plan", f"{path}{step}?phase=plan", verdict="pass")
        assert (refused.status_code, "Your role here is author" in refused.text) == (403, True)
    team.provider.person, team.provider.claims = "eve", {"groups": []}
    eve = team.browser()
    eve.log_in()
    assert eve.send("GET", f"{path}?phase=plan").status_code in {303, 404}
