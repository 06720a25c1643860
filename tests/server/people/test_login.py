"""People log in to a server: who may, and what forged, repeated and foreign answers open."""

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.server.http.conftest import ADA
from tests.server.people.conftest import FROM_ELSEWHERE, Client, Team
from tests.server.people.provider import signing_key
from wfe_mcp.dashboard.guard import COOKIE
from wfe_mcp.dashboard.login import HOME, own_path
from wfe_mcp.engine.access.people import LOGGED_IN, LOGGED_OUT, REFUSED, end_access, people


def entries(team: Team) -> list[tuple[str, str]]:
    with team.running.house.engine().store.read() as tx:
        return [
            (each.type, each.name) for each in tx.settings_log.events() if each.type.startswith(("Person", "Login"))
        ]


def is_in(browser: Client) -> bool:
    return browser.api("GET", "/session").status_code == 200


def test_a_person_logs_in_and_out_and_the_log_says_so(team: Team) -> None:
    browser = team.browser()
    assert browser.send("GET", "/access").headers["location"] == "/login?to=%2Faccess"
    assert browser.send("GET", "/app/").status_code == 200, (
        "its script logs in, with what is behind the # of its address"
    )
    assert browser.api("GET", "/session").json()["data"] == {"login": True}
    found = browser.log_in("/decide/x")
    assert (found.status_code, found.headers["location"]) == (303, "/decide/x")
    cookie = next(each for each in found.headers.get_list("set-cookie") if each.startswith(f"{COOKIE}="))
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in cookie
    session = browser.api("GET", "/session").json()["data"]
    assert (session["user"], session["login"], session["asks_pin"]) == ("ada", True, False)
    assert team.provider.requests[0]["code_challenge_method"] == "S256"
    assert browser.send("POST", "/logout", **{"content-type": "application/x-www-form-urlencoded"}).status_code == 403
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    kept = dict(browser.cookies)
    assert browser.send("POST", "/logout", **headers).status_code == 200
    browser.cookies = kept
    assert not is_in(browser), "the session ended at the server"
    assert entries(team) == [(LOGGED_IN, "ada from 127.0.0.1"), (LOGGED_OUT, "ada from 127.0.0.1")]


@pytest.mark.parametrize(
    "wrong", [{"aud": "other"}, {"iss": "http://evil"}, {"nonce": "other"}, {"exp": 1}, {"sub": None}]
)
@pytest.mark.attack("an ID token of another client, issuer, login or time opens a session", "held", "#31")
def test_an_id_token_that_is_not_for_this_login_opens_nothing(team: Team, wrong: dict[str, object]) -> None:
    team.provider.wrong = wrong
    browser = team.browser()
    assert browser.log_in().status_code == 403
    assert not is_in(browser)
    assert [kind for kind, _ in entries(team)] == [REFUSED]


@pytest.mark.attack("a caller without a login fills the log that is kept for ever", "held", "#31")
def test_refusals_of_one_address_are_one_entry_a_minute(team: Team) -> None:
    for _ in range(5):
        assert team.browser().send("GET", "/login/callback?state=x&code=y").status_code == 403
    assert entries(team) == [(REFUSED, "not_begun_here unknown from 127.0.0.1")]


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
@pytest.mark.attack("an ID token that the provider did not sign opens a session", "held", "#31")
def test_an_id_token_that_the_provider_did_not_sign_opens_nothing(team: Team, algorithm: str) -> None:
    team.provider.algorithm = algorithm
    team.provider.signs_with = signing_key("an attacker")
    browser = team.browser()
    assert browser.log_in().status_code == 403
    assert not is_in(browser)


@pytest.mark.attack(
    "an answer of the provider is brought by another browser, twice, or with another state", "held", "#31"
)
def test_an_answer_counts_once_in_the_browser_that_began(team: Team) -> None:
    victim, attacker = team.browser(), team.browser()
    answer = attacker.provider_answer()
    assert victim.send("GET", answer).status_code == 403, "login CSRF"
    begun = victim.provider_answer()
    state = answer.partition("state=")[2]
    assert victim.send("GET", begun.partition("state=")[0] + f"state={state}").status_code == 403, "another state"
    used = dict(attacker.cookies)
    assert attacker.send("GET", answer).status_code == 303
    attacker.cookies = used
    assert attacker.send("GET", answer).status_code == 403, "a second time"
    assert not is_in(victim)


def test_two_tabs_of_one_browser_log_in_at_the_same_time(team: Team) -> None:
    browser = team.browser()
    first, second = browser.provider_answer("/access"), browser.provider_answer("/decide/x")
    assert browser.send("GET", first, **FROM_ELSEWHERE).headers["location"] == "/access"
    assert browser.send("GET", second, **FROM_ELSEWHERE).headers["location"] == "/decide/x"
    assert is_in(browser)


@pytest.mark.attack("a session that was made up, fixed beforehand or revoked opens the server", "held", "#31")
def test_only_a_session_of_a_login_opens_anything(team: Team) -> None:
    browser = team.browser()
    browser.cookies[COOKIE] = fixed = "chosen-by-someone-else"
    assert not is_in(browser)
    browser.log_in()
    assert browser.cookies[COOKIE] != fixed
    assert is_in(browser)
    end_access(team.running.house.engine(), ADA, "ada")
    assert not is_in(browser)


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/%5cevil",
        "/%2f/evil",
        "",
        "/login",
        "javascript:x",
        "/a\nb",
    ],
)
@pytest.mark.attack("a link to the login leads to another site", "held", "#31")
def test_a_login_leads_to_a_path_of_ours_alone(to: str) -> None:
    assert own_path(to) == HOME


def test_a_second_person_of_the_same_name_is_another_one(team: Team) -> None:
    team.browser().log_in()
    team.provider.wrong = {"sub": "another"}
    browser = team.browser()
    browser.log_in()
    assert browser.api("GET", "/session").json()["data"]["user"] == "ada 2"
    assert [each.name for each, _ in people(team.running.house.engine())] == ["ada", "ada 2"]


@pytest.mark.attack("a group of another spelling, or a claim of a name, gives a role", "held", "#31")
def test_a_role_needs_the_group_exactly(team: Team) -> None:
    for groups in (["Shop-Approvers"], ["shop-approvers "], [], "shop", [["shop-approvers"]]):
        team.provider.claims = {"groups": groups, "name": "shop-approvers"}
        assert team.browser().log_in().status_code == 403, groups
    assert {kind for kind, _ in entries(team)} == {REFUSED}


def test_a_server_says_at_its_start_which_of_its_own_settings_do_not_count(team: Team) -> None:
    config = Path(team.running.house.environment["XDG_CONFIG_HOME"], "wfe-mcp", "config.toml")
    text = config.read_text(encoding="utf-8").replace('role = "author"', 'role = "developer"')
    name = team.running.house.root.name
    typo = f'[server.roles.testers]\nrole = "reader"\ngroups = ["testers"]\nprojects = ["{name}s"]\n'
    config.write_text(f"{text}{typo}[server.limits.token]\nrun_per_hour = 2\n", encoding="utf-8")
    assert "does not count" not in team.running.end()
    team.running.start(int(team.origin.rpartition(":")[2]))
    log = team.running.end()
    for fault in (
        "server.roles.authors.role' does not count",
        "unknown key 'server.limits.token.run_per_hour'",
        f"[server.roles.testers] projects: no project is called '{name}s'; did you mean '{name}'?",
    ):
        assert log.count(fault) == 1, log


@pytest.mark.attack("another site sends a change with the cookie of a login", "held", "#31")
def test_a_change_by_the_cookie_needs_our_origin(team: Team) -> None:
    team.provider.claims = {"groups": ["shop-admins"]}
    browser = team.browser()
    browser.log_in()
    body = {"template": "drill", "inputs": {"goal": "g"}}
    assert browser.send("POST", "/api/v1/runs", body).status_code == 403
    assert browser.send("POST", "/api/v1/runs", body, origin="http://evil.example").status_code == 403
    assert browser.send("GET", "/app/", host="evil.example").status_code == 421
    assert browser.api("POST", "/runs", body).status_code == 200
    page = browser.send("GET", "/app/")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/access", "/approvers/p-1", "/decide/x", "/opinion/x/y"])
def test_a_login_leads_back_to_the_page_that_was_asked_for(team: Team, path: str) -> None:
    browser = team.browser()
    assert browser.send("GET", path).headers["location"] == f"/login?to={quote(path, safe='')}"
    assert browser.log_in(path).headers["location"] == path
    assert "Another page" not in browser.send("GET", path, **FROM_ELSEWHERE).text
    assert browser.send("GET", path, **FROM_ELSEWHERE | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert browser.send("POST", path, **FROM_ELSEWHERE).status_code == 403


def test_a_browser_at_the_plain_address_comes_to_the_inbox_over_the_login(team: Team, tab: Tab) -> None:
    tab.page.goto(f"{team.origin}/")
    expect(tab.page.locator("h1")).to_contain_text("Inbox")
    tab.page.goto(f"{team.provider.url}/keys")
    tab.page.evaluate("to => { location.href = to }", f"{team.origin}/")  # as a link of that site
    expect(tab.page.locator("h1")).to_contain_text("Inbox")
    assert len(team.provider.requests) == 1, "it was logged in"


def test_what_a_browser_asks_for_beside_a_login_does_not_end_it(team: Team) -> None:
    browser = team.browser()
    back = browser.provider_answer()
    for name in ("icon.svg", "favicon.ico", "style.css"):
        found = browser.send("GET", f"/{name}")
        assert (found.status_code, "set-cookie" in found.headers) == (200, False), name
    assert browser.send("GET", back, **FROM_ELSEWHERE).status_code == 303
