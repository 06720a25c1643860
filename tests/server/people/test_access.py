"""People make tokens for their agents at a server, log in their machines, and end both."""

import html
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.dashboard.chromium import Tab
from tests.engine.scene import refused
from tests.loopback import TLS
from tests.server.conftest import House
from tests.server.http.conftest import ADA, other_project as other_project
from tests.server.people.conftest import Client, Team
from tests.server.people.test_decide import terminal
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.access import device
from wfe_mcp.engine.access.people import end_access, known_as
from wfe_mcp.engine.access.tokens import create_token, revoke_token, tokens
from wfe_mcp.views.answers.tool_answers import start_run


def logged_in(team: Team, who: str, *roles: str) -> Client:
    team.provider.person, team.provider.claims = who, {"groups": [f"shop-{role}s" for role in roles]}
    browser = team.browser()
    assert browser.log_in().status_code == 303
    return browser


def shown(answer: httpx2.Response) -> str:
    return html.unescape(answer.text)


def make(browser: Client, name: str = "mine", scope: str = "work", days: str = "7") -> httpx2.Response:
    project = browser.team.running.house.engine().project_id
    return browser.fill("/access", "/access/make", name=name, scope=scope, project=project, days=days)


def text_of(answer: httpx2.Response) -> str:
    found = re.search(r"<pre>(wfe_[^<]+)</pre>", answer.text)
    assert found, shown(answer)
    return found[1]


def status(team: Team, text: str, path: str = "/runs") -> int:
    with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
        headers = {"authorization": f"Bearer {text}", "host": team.origin.partition("://")[2]}
        return http.get(f"{team.running.url}/api/v1{path}", headers=headers).status_code


def test_a_folder_in_which_a_command_only_looked_is_no_project_of_a_person(team: Team, tmp_path: Path) -> None:
    with (tmp_path / "own" / "wfe-mcp" / "config.toml").open("a", encoding="utf-8") as config:
        config.write('[server.roles.all]\nrole = "admin"\ngroups = ["all"]\nprojects = ["*"]\n')
    team.running.end()
    team.running.start(int(team.origin.rpartition(":")[2]))
    team.running.url = f"http://127.0.0.1:{team.running.port}"
    (looked := tmp_path / "looked").mkdir()
    assert terminal(team, "templates", "show", "quick_fix", "--project", str(looked)).startswith("0")
    team.provider.claims = {"groups": ["all"]}
    browser = team.browser()
    browser.log_in()
    assert [name in shown(browser.send("GET", "/access")) for name in ("looked", "project")] == [False, True]
    assert "looked" not in terminal(team, "people", "list")


def test_an_author_makes_a_token_for_an_agent_and_ends_it(team: Team) -> None:
    browser = logged_in(team, "ada", "author")
    text = text_of(make(browser))
    assert status(team, text) == 200
    (token,) = tokens(team.running.house.engine())
    assert (token.scope, token.owner, token.project) == ("work", "ada", team.running.house.engine().project_id)
    page = shown(browser.send("GET", "/access"))
    assert "mine" in page
    assert text not in page, "it is shown once"
    again = make(browser)
    assert (again.status_code, "exists. Choose another name." in shown(again)) == (409, True), (
        "no command at the server"
    )
    assert browser.fill("/access", "/access/end", name="mine").status_code == 303
    assert status(team, text) == 401


@pytest.mark.attack(
    "a person makes a token with the name of one that another person ended, and reads the files that a bridge sent with that",
    "held",
    "#31",
)
def test_the_name_of_a_token_that_ended_is_never_another_persons(team: Team) -> None:
    ada = logged_in(team, "ada", "author")
    make(ada)
    ada.fill("/access", "/access/end", name="mine")
    bob = logged_in(team, "bob", "author")
    refused = make(bob)
    assert (refused.status_code, "Another person had a token 'mine'" in shown(refused)) == (409, True)
    ada = logged_in(team, "ada", "author")
    assert status(team, text_of(make(ada))) == 200, "it is theirs again"


def test_a_machine_gets_no_name_that_a_token_of_another_person_had(team: Team) -> None:
    engine = team.running.house.engine()

    def name_for(who: str) -> str:
        code, request = device.begin(engine, "root", "laptop", "192.0.2.1")
        by = By(who, Channel.DASHBOARD, Assurance.AGENT)
        device.confirm_device(engine, by, request.user_code, engine.project_id)
        taken = device.take(engine, code)
        assert taken is not None
        revoke_token(engine, ADA, taken[0].name)
        return taken[0].name

    assert [name_for(who) for who in ("ada", "bob", "ada", "bob")] == [
        "root-laptop",
        "root-laptop-2",
        "root-laptop",
        "root-laptop-2",
    ]


@pytest.mark.parametrize(
    ("role", "scope"),
    [("reader", "work"), ("author", "manage"), ("approver", "runner"), ("admin", "every"), ("author", "")],
)
@pytest.mark.attack("a person makes a token that may more than they do", "held", "#31")
def test_no_token_may_more_than_its_maker(team: Team, role: str, scope: str) -> None:
    refused = make(logged_in(team, "ada", role), scope=scope)
    assert refused.status_code in {400, 409}
    assert ("makes no token" in shown(refused)) is (
        f"The role {role} makes no token of the scope {scope}" in shown(refused)
    )
    assert tokens(team.running.house.engine()) == []


@pytest.mark.attack("a person makes a token for a project without a role in it", "held", "#31")
def test_no_token_opens_a_project_without_a_role(team: Team, other_project: House) -> None:
    browser = logged_in(team, "ada", "admin")
    hidden = other_project.engine().project_id
    for project in (hidden, "", "*"):
        answer = browser.fill("/access", "/access/make", name="x", scope="read", project=project, days="7")
        assert (answer.status_code, "There is no project" in shown(answer)) == (400, True)
    create_token(team.running.house.engine(), ADA, "theirs", "read", project=hidden)
    assert "theirs" not in browser.send("GET", "/access").text
    assert browser.fill("/access", "/access/end", name="theirs").status_code in {400, 403}
    assert [each.name for each in tokens(team.running.house.engine())] == ["theirs"]


@pytest.mark.parametrize("days", ["0", "366", "-1", "", "1e9"])
def test_a_token_of_a_person_ends_within_a_year(team: Team, days: str) -> None:
    answer = make(logged_in(team, "ada", "author"), days=days)
    assert (answer.status_code, "From 1 to 365" in shown(answer)) == (400, True)


@pytest.mark.attack("a token still opens after its maker lost the role for it", "held", "#31")
def test_a_token_ends_with_the_role_of_its_maker(team: Team) -> None:
    text = text_of(make(logged_in(team, "ada", "author")))
    logged_in(team, "ada", "reader")
    assert status(team, text) == 401
    logged_in(team, "ada", "author")
    assert status(team, text) == 200, "the role is back"


@pytest.mark.attack("a token still opens after its maker lost every role", "held", "#31")
def test_a_token_ends_with_a_login_that_is_refused_since_no_role_is_left(team: Team) -> None:
    text = text_of(make(logged_in(team, "ada", "author")))
    team.provider.claims = {"groups": ["elsewhere"]}
    assert team.browser().log_in().status_code == 403
    assert status(team, text) == 401
    assert "ada" in terminal(team, "people", "list")
    logged_in(team, "ada", "author")
    assert status(team, text) == 200, "the role is back"


@pytest.mark.attack("an older session of a person keeps a role that their last login does not give", "held", "#31")
def test_a_role_ends_in_every_session_with_a_login_without_it(team: Team) -> None:
    older = logged_in(team, "ada", "admin")
    project = team.running.house.engine().project_id
    change = "POST", "/webhooks/redeliver", {"project": project, "failed": True}
    assert older.api(*change).status_code == 200
    cookie = "; ".join(f"{name}={value}" for name, value in older.cookies.items())
    headers = {"cookie": cookie, "host": team.origin.partition("://")[2]}
    with (
        httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http,
        http.stream("GET", f"{team.running.url}/api/v1/events", headers=headers) as news,
    ):
        assert news.status_code == 200, news.read()
        lines = news.iter_lines()
        assert "ready" in next(lines) + next(lines)
        logged_in(team, "ada", "reader")
        assert older.api(*change).status_code == 403
        assert older.api("GET", "/runs").status_code == 200
        start_run(team.running.house.engine(), By("claude"), "drill", {"goal": "after"})
        assert "RunStarted" not in "".join(lines), "what another role opened has ended"
    team.provider.claims = {"groups": ["elsewhere"]}
    assert team.browser().log_in().status_code == 403
    assert older.api("GET", "/runs").status_code == 401
    assert "reader in" not in terminal(team, "people", "list"), "the last login gave no role"


def test_ending_a_persons_access_ends_their_tokens(team: Team) -> None:
    text = text_of(make(logged_in(team, "ada", "author")))
    assert end_access(team.running.house.engine(), ADA, "ada") == (1, 1)
    assert status(team, text) == 401


def test_a_machine_that_a_person_confirmed_gets_no_token_once_their_access_has_ended(team: Team) -> None:
    engine = team.running.house.engine()
    logged_in(team, "ada", "author")
    with engine.store.read() as tx:
        ada = known_as(tx, "ada")
    code, asked = device.begin(engine, "ada", "box", "192.0.2.1")
    device.confirm_device(engine, ada.by, asked.user_code, engine.project_id, ada.row)
    end_access(engine, ADA, "ada")
    assert refused(device.take, engine, code).code == "unauthorized"
    assert tokens(engine) == []


def test_a_token_whose_time_is_over_says_so_on_the_page(team: Team) -> None:
    admin, engine = logged_in(team, "eve", "admin"), team.running.house.engine()
    for name, expires_s in (("over", 0.0), ("valid", 3_600.0)):
        create_token(engine, ADA, name, "read", project=engine.project_id, expires_s=expires_s)
    assert shown(admin.send("GET", "/access")).count("expired 20") == 1


@pytest.mark.attack("a person sees or ends the token of another one", "held", "#31")
def test_only_its_maker_and_an_admin_see_and_end_a_token(team: Team) -> None:
    text = text_of(make(logged_in(team, "ada", "author"), "of-ada"))
    bob = logged_in(team, "bob", "approver")
    assert "of-ada" not in bob.send("GET", "/access").text
    make(bob, "of-bob")
    assert browser_ends(bob, "of-ada") == 400
    assert status(team, text) == 200
    eve = logged_in(team, "eve", "admin")
    assert "of-ada" in eve.send("GET", "/access").text
    assert browser_ends(eve, "of-ada") == 303
    assert status(team, text) == 401


def browser_ends(browser: Client, name: str) -> int:
    return browser.fill("/access", "/access/end", name=name).status_code


@pytest.mark.attack("another page sends the form that makes a token", "held", "#31")
def test_a_form_that_this_browser_was_not_shown_makes_nothing(team: Team) -> None:
    browser = logged_in(team, "ada", "author")
    project = team.running.house.engine().project_id
    fields = {"name": "x", "scope": "work", "project": project, "days": "7", "token": "guessed"}
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    assert browser.send("POST", "/access/make", fields, **headers).status_code == 403
    headers["origin"] = "http://evil.example"
    assert browser.send("POST", "/access/make", fields, **headers).status_code == 403
    assert tokens(team.running.house.engine()) == []


def test_a_person_logs_in_their_machine_on_the_page(team: Team) -> None:
    engine = team.running.house.engine()
    with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
        headers = {"host": team.origin.partition("://")[2]}
        given = http.post(f"{team.running.url}/login/device", data={"user": "ada", "machine": "box"}, headers=headers)
    answer = given.json()
    assert answer["verification_uri"] == f"{team.origin}/access"
    browser = logged_in(team, "ada", "author")
    asked = browser.fill("/access", "/access/machine", code=answer["user_code"].lower())
    assert "A code that another person sent you" in shown(asked)
    assert device.take(engine, answer["device_code"]) is None, "it was only looked at"
    token = re.search(r'action="/access/confirm"><input type="hidden" name="token" value="(\w+)"', asked.text)
    assert token
    fields = {"token": token[1], "code": answer["user_code"], "project": engine.project_id}
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": team.origin}
    assert "may work as you now" in shown(browser.send("POST", "/access/confirm", fields, **headers))
    taken = device.take(engine, answer["device_code"])
    assert taken
    assert (taken[0].owner, taken[0].scope) == ("ada", "work")
    assert status(team, taken[1]) == 200
    logged_in(team, "ada", "reader")
    assert status(team, taken[1]) == 401


def test_machines_that_come_through_the_proxy_of_a_server_have_their_own_addresses(team: Team) -> None:
    begun: list[dict[str, str]] = []
    for number in range(7):
        headers = {"host": team.origin.partition("://")[2], "x-forwarded-for": f"192.0.2.{number}"}
        with httpx2.Client(trust_env=False, verify=TLS, timeout=30) as http:
            fields = {"user": "ada", "machine": "box"}
            begun.append(http.post(f"{team.running.url}/login/device", data=fields, headers=headers).json())
    asked = logged_in(team, "ada", "author").fill("/access", "/access/machine", code=begun[-1].get("user_code", ""))
    assert "from the address 192.0.2.6" in shown(asked), begun[-1]


def test_a_person_finds_their_access_in_the_application(team: Team, tab: Tab) -> None:
    team.provider.person, team.provider.claims = "ada", {"groups": ["shop-admins"]}
    page = tab.page
    page.goto(f"{team.origin}/app/")
    page.click("header a:has-text('ada')")
    page.fill("#name", "mine")
    page.select_option("#scope", "work")
    page.click("button:has-text('Make a token')")
    shown_once = page.locator("pre")
    expect(shown_once).to_contain_text("wfe_")
    assert status(team, shown_once.inner_text()) == 200
    page.click("button:has-text('End')")
    expect(page.locator("body")).to_contain_text("You have none.")
    page.click("a:has-text('Log out')")
    page.click("button:has-text('Log out')")
    expect(page.locator("body")).to_contain_text("logged out")


def test_who_only_looks_logs_in_no_machine(team: Team) -> None:
    browser = logged_in(team, "ada", "reader")
    assert "Log in a machine" not in browser.send("GET", "/access").text


def test_a_login_that_switches_a_provider_is_refused_with_what_is_missing(team: Team) -> None:
    path, body = "/settings/providers/anthropic/enabled", {"enabled": False}
    nobody, author = team.browser(), logged_in(team, "bob", "author")
    assert nobody.api("POST", path, body).json()["error"]["message"] == "You are not logged in."
    needs = "This needs the role admin; yours is author."
    assert author.api("POST", path, body).json()["error"]["message"] == needs
    error = logged_in(team, "ada", "admin").api("POST", path, body).json()["error"]
    assert error["code"] == "needs_human"
    assert error["message"] == "A login does not change the configuration of the server, whatever its role."
    assert error["hint"] == "At the terminal of the server: wfe-mcp providers disable anthropic"
