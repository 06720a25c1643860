"""The application at a server whose database is away says so, and comes back by itself."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.postgres import Cluster
from tests.server.conftest import House
from tests.server.people.conftest import Team


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
