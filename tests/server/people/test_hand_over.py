"""What waits is shown to the people who can do it: by role, key and approvals, by who was handed it, and who is away."""

import base64
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.chromium import Tab
from tests.server.conftest import House
from tests.server.http.conftest import ADA, other_project as other_project
from tests.server.people.conftest import Client, Team, of_another_project
from tests.server.people.test_access import logged_in, shown
from tests.server.people.test_decide import PIN, asked, terminal
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.approvals.approvers import ApproverKey, pin_person, request_key
from wfe_mcp.engine.kernel.engine import utc_now
from wfe_mcp.engine.people.absence import absences

DAY = (utc_now() + timedelta(days=7)).date()
BEGINS = datetime.combine(DAY, time(tzinfo=UTC))
"""When ``DAY`` begins. Nothing here depends on how far away it is: a test may run after the midnight that follows the import."""


def with_keys(team: Team, *names: str) -> None:
    """As ``pin_keys``, where no PIN is set yet."""
    pin.set_pin(team.running.house.engine(), PIN, ADA)
    pin_keys(team, *names)


def pin_keys(team: Team, *names: str) -> None:
    """Pin a passkey of this server for each of ``names``, by the person at the terminal."""
    engine = team.running.house.engine()
    mine = pin.own_key(engine)
    assert mine is not None
    person = pin.person_at_page(engine, PIN, "owner")
    pin_person(engine, person, pin.person_key("owner", mine.public_key))
    for each in names:
        key = base64.urlsafe_b64encode(each.encode()).decode().rstrip("=")
        pin_person(engine, person, ApproverKey(id=key, name=each, public_key=key, origin=team.origin))


def decisions(browser: Client) -> list[tuple[str, str]]:
    """The requests of the inbox of a person, each with why it is for others."""
    found = browser.api("GET", "/inbox").json()["data"]
    return [(each["request"], each.get("for_others", "")) for each in found["decisions"]]


def hand(browser: Client, request: str, to: str, note: str = "") -> dict[str, Any]:
    answer = browser.api("POST", f"/decisions/{request}/hand-over", {"to": to, "note": note}).json()
    return dict(answer.get("error") or answer.get("data") or answer)


@pytest.fixture
def people(team: Team) -> tuple[str, str, dict[str, Client]]:
    """A run, its request, and who is logged in: ada and bob decide, eve has no key, ron reads."""
    with_keys(team, "ada", "bob")
    run, request = asked(team)
    roles = {"ada": "approver", "bob": "approver", "eve": "approver", "ron": "reader"}
    return run, request, {name: logged_in(team, name, role) for name, role in roles.items()}


People = tuple[str, str, dict[str, Client]]


def test_the_inbox_has_what_a_person_can_decide_and_says_who_can_the_rest(team: Team, people: People) -> None:
    _, request, who = people
    assert decisions(who["ada"]) == decisions(who["bob"]) == [(request, "")]
    assert decisions(who["ron"]) == [(request, "ada and bob can decide it.")]
    ((_, why),) = decisions(who["eve"])
    assert why.startswith("You have no passkey that counts in this project")
    assert why.endswith("ada and bob can decide it.")
    engine = team.running.house.engine()
    request_key(engine, ADA, ApproverKey(id="eve", name="eve", public_key="eve", origin=team.origin))
    assert decisions(who["eve"])[0][1].startswith("Your passkey waits until an approver pins it")
    inbox = who["ron"].api("GET", "/inbox").json()
    assert inbox["summary"] == "0 things for a person"
    kinds = inbox["data"].keys() - {"stuck_in_s"}
    mine = [each for kind in kinds for each in inbox["data"][kind] if not each.get("for_others")]
    assert mine == [], "a reader has nothing to do"


def test_a_decision_that_is_handed_on_is_first_of_who_gets_it(team: Team, people: People) -> None:
    _, request, who = people
    later = asked(team)[1]
    who["bob"] = logged_in(team, "bob", "approver")
    assert [each for each, _ in decisions(who["bob"])] == [request, later]
    found = hand(who["ada"], later, "bob", "You know the tests")
    assert found["handed"]["text"] == "Handed to bob by ada: You know the tests"
    assert decisions(who["bob"]) == [(later, ""), (request, "")]
    assert decisions(who["ada"]) == [(request, ""), (later, "Handed to bob by ada: You know the tests")]
    assert hand(who["bob"], later, "ada")["handed"]["to"] == "ada", "and back"
    assert [each for each, why in decisions(who["ada"]) if not why] == [later, request]
    with team.running.house.engine().store.read() as tx:
        asked_for = tx.approvals.get(later)
        assert asked_for is not None
        events = tx.events.of_types(asked_for.run_id, "ApprovalHanded")
    assert [(each.actor, each.payload["to"], each.payload["note"]) for each in events] == [
        ("ada", "bob", "You know the tests"),
        ("bob", "ada", ""),
    ]
    assert terminal(team, "verify").startswith("0"), terminal(team, "verify")
    assert "ada handed the decision on signed to bob: You know the tests" in terminal(team, "log", asked_for.run_id)


@pytest.mark.attack("a person hands a decision to one who may not decide it, or is of another project", "held", "#31")
def test_a_decision_is_handed_to_no_one_who_cannot_decide_it(team: Team, people: People, other_project: House) -> None:
    _, request, who = people
    zoe = of_another_project(team, other_project, "zoe")
    assert hand(zoe, request, "zoe")["code"] == "bad_argument"
    unknown = hand(who["ada"], request, "zoe")
    assert (unknown["code"], unknown["message"]) == ("bad_argument", "No one called 'zoe' has a role in this project.")
    reader = hand(who["ada"], request, "ron")
    assert reader["code"] == "forbidden"
    assert reader["message"] == "ron cannot decide it: ron has the role reader, and needs approver."
    assert reader["hint"] == "Who can: ada, bob."
    assert "no passkey of this address" in hand(who["ada"], request, "eve")["message"]
    assert decisions(who["bob"]) == [(request, "")]


@pytest.mark.attack("a reader, an agent or another page hands a decision on", "held", "#31")
def test_who_does_not_decide_hands_nothing_on(team: Team, people: People) -> None:
    _, request, who = people
    refused = hand(who["ron"], request, "bob")
    assert (refused["code"], refused["message"]) == (
        "forbidden",
        "A reader hands no decision on; it needs the role approver.",
    )
    assert who["ron"].fill(f"/decide/{request}", f"/decide/{request}/hand-over", person="bob").status_code == 403
    fields = {"person": "bob", "note": "", "token": "guessed"}
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    assert who["ada"].send("POST", f"/decide/{request}/hand-over", fields, **headers).status_code == 403
    token = {"authorization": f"Bearer {team.running.token()}"}
    answer = team.browser().send("POST", f"/api/v1/decisions/{request}/hand-over", {"to": "bob"}, **token)
    assert answer.json()["error"]["code"] == "forbidden"
    assert all(not why for _, why in decisions(who["ada"]))


def test_a_request_that_is_closed_is_not_handed_on(team: Team, people: People) -> None:
    run, request, who = people
    terminal(team, "reject", run, "signed", "--feedback", "no", "--pin-fd", "0")
    assert hand(who["ada"], request, "bob")["code"] == "stale_revision"
    assert hand(who["ada"], "rq-unknown", "bob")["code"] == "bad_argument"


def test_a_person_hands_a_decision_on_in_the_browser(team: Team, people: People, tab: Tab, chromium: Browser) -> None:
    _, request, _ = people
    team.provider.person, team.provider.claims = "ada", {"groups": ["shop-approvers"]}
    page = tab.page
    page.goto(f"{team.origin}/app/#/inbox/{request}")
    page.click("summary:has-text('Hand over')")
    page.locator("label:has-text('To') select").last.select_option("bob")
    page.fill("label:has-text('Note') input", "I am away")
    page.click("button:has-text('Hand over')")
    expect(page.locator("body")).to_contain_text("Handed to bob by ada: I am away")
    page.goto(f"{team.origin}/app/#/inbox")
    expect(page.locator("body")).to_contain_text("Nothing waits for you")
    expect(page.locator("[aria-label='What waits for others']")).to_contain_text("Handed to bob by ada: I am away")
    second = Tab.open(chromium)
    team.provider.person = "bob"
    second.page.goto(f"{team.origin}/decide/{request}")
    expect(second.page.locator("body")).to_contain_text("Handed to bob by ada: I am away")
    second.page.click("summary:has-text('Hand over')")
    second.page.click("button:has-text('Hand over')")
    expect(second.page.locator("body")).to_contain_text("Handed to ada by bob.")
    second.page.wait_for_load_state()  # its text is there before its styles
    second.page.set_viewport_size({"width": 400, "height": 800})
    assert second.overflow == 0
    second.close()


def test_a_deputy_gets_what_was_handed_to_a_person_who_is_away(team: Team, people: People) -> None:
    _, request, who = people
    assert hand(who["bob"], request, "ada", "You know it")["handed"]["to"] == "ada"
    assert decisions(who["bob"])[0][1]
    answer = who["ada"].api("POST", "/absences", {"until": str(DAY), "to": "bob"}).json()
    assert answer["data"]["away"] == [{"name": "ada", "until": str(DAY), "to": "bob"}]
    assert decisions(who["bob"]) == [(request, "")]
    ((_, why),) = decisions(who["ron"])
    assert why == f"ada is away until {DAY}, deputy bob. Handed to ada by bob: You know it"
    later = asked(team)[1]
    who["bob"] = logged_in(team, "bob", "approver")
    able = who["bob"].api("POST", f"/decisions/{later}/present", {}).json()["data"]["able"]
    assert able == [{"name": "ada", "away": f"away until {DAY}, deputy bob"}], "the others see it beside the name"
    assert who["ada"].api("POST", "/absences/end", {}).json()["data"]["away"] == []
    assert (request, "Handed to ada by bob: You know it") in decisions(who["bob"])


def test_a_deputy_who_can_decide_nothing_is_named_with_who_could(people: People) -> None:
    who = people[2]
    answer = who["ada"].api("POST", "/absences", {"until": str(DAY), "to": "ron"}).json()
    assert answer["summary"] == (
        "1 away. ron can decide nothing that ada can: ron has the role reader, and needs approver. Change that, or name another deputy (bob)."
    )
    assert who["ada"].api("POST", "/absences", {"until": str(DAY), "to": "bob"}).json()["summary"] == "1 away"


def test_an_absence_ends_by_itself_with_its_day(team: Team, people: People) -> None:
    who = people[2]
    who["ada"].api("POST", "/absences", {"until": str(DAY)})
    with team.running.house.engine().store.read() as tx:
        assert [*absences(tx, BEGINS - timedelta(seconds=1))] == ["ada"]
        assert [*absences(tx, BEGINS)] == []


@pytest.mark.attack(
    "a person says of another one that they are away, or learns who is in another project", "held", "#31"
)
def test_only_an_admin_says_it_of_others_and_of_people_of_their_projects(
    team: Team, people: People, other_project: House
) -> None:
    who = people[2]
    body = {"until": str(DAY), "name": "bob"}
    refused = who["ada"].api("POST", "/absences", body).json()["error"]
    assert (refused["code"], refused["message"]) == (
        "forbidden",
        "You say only of yourself that you are away, and not of bob.",
    )
    assert who["ada"].fill("/access", "/access/away", who="bob", until=str(DAY), deputy="").status_code == 409
    of_another_project(team, other_project, "zoe").api("POST", "/absences", {"until": str(DAY)})
    admin = logged_in(team, "max", "admin")
    assert admin.api("POST", "/absences", body).json()["data"]["away"] == [{"name": "bob", "until": str(DAY)}]
    assert f"bob is away until {DAY}." in shown(who["ron"].send("GET", "/access"))
    for name in ("zoe", "nobody"):
        refused = admin.api("POST", "/absences", body | {"name": name}).json()["error"]
        assert refused["message"] == f"No one called '{name}' has a role in a project of yours."
    for until in ("2020-01-01", "tomorrow", "9999-12-31", str(utc_now().date())):
        assert who["ada"].api("POST", "/absences", {"until": until}).json()["error"]["code"] == "bad_argument"
    assert (
        who["ada"].api("POST", "/absences", {"until": str(DAY), "to": "ada"}).json()["error"]["code"] == "bad_argument"
    )


def test_the_choice_of_a_deputy_says_who_takes_over_nothing(team: Team, people: People) -> None:
    page = shown(people[2]["ada"].send("GET", "/access"))
    assert "Meanwhile a deputy has the decisions that wait for you, where they can decide them themselves." in page
    assert '<option value="ron">ron (decides nothing: no effect)</option>' in page
    assert '<option value="bob">bob</option>' in page


def test_a_person_is_away_and_back_on_the_page_of_their_access(team: Team, people: People) -> None:
    who = people[2]
    assert who["ada"].fill("/access", "/access/away", who="ada", until=str(DAY), deputy="bob").status_code == 303
    assert f"ada is away until {DAY}, deputy bob." in shown(who["ada"].send("GET", "/access"))
    assert who["ada"].fill("/access", "/access/back", who="ada").status_code == 303
    assert "ada is away" not in shown(who["ada"].send("GET", "/access"))
    assert "person away" in terminal(team, "audit"), terminal(team, "audit")


def test_the_terminal_of_the_server_hands_over_and_says_who_is_away(team: Team, people: People) -> None:
    run, request, who = people
    done = terminal(team, "people", "hand-over", run, "signed", "--to", "bob", "--note", "ada is ill")
    assert done.startswith("0"), done
    assert decisions(who["bob"]) == [(request, "")]
    assert "ada is ill" in decisions(who["ada"])[0][1]
    assert "has the role reader" in terminal(team, "people", "hand-over", run, "signed", "--to", "ron")
    assert "No request of 'plan' is open" in terminal(team, "people", "hand-over", run, "plan", "--to", "bob")
    assert terminal(team, "people", "away", "bob", "--until", str(DAY), "--to", "ada").startswith("0")
    assert f"away until {DAY}, deputy ada" in terminal(team, "people", "list")
    for deputy, lacks in (("ron", "has the role reader"), ("eve", "has no passkey of this address")):
        said = terminal(team, "people", "away", "bob", "--until", str(DAY), "--to", deputy)
        assert f"{deputy} can decide nothing that bob can: {deputy} {lacks}" in " ".join(said.split())
        assert "name another deputy (ada)" in " ".join(said.split())
    assert decisions(who["ada"]) == [(request, "")]
    assert terminal(team, "people", "back", "bob").startswith("0")
    assert "No one called 'bobb' has logged in" in terminal(team, "people", "back", "bobb")
