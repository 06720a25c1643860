"""Sessions of the page: a code from a link, once, becomes a token that no other server receives. (T2)"""

import json
import os
import re
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.dashboard.api.client import Program
from tests.dashboard.api.conftest import Connect
from tests.dashboard.browser import PIN, WRONG, Browser
from tests.engine.scene import AGENT, GOOD, Scene, approval, phase
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access import tokens as page_sessions
from wfe_mcp.engine.approvals.decision_page import link


def code_for(scene: Scene, page: Page) -> str:
    return link(scene.engine, page.port).partition("#code=")[2]


def test_a_code_becomes_a_session_once(scene: Scene, page: Page) -> None:
    code = code_for(scene, page)

    first = Program(page.port).post("/session", code=code)
    second = Program(page.port).post("/session", code=code)

    assert first.data["asks_pin"] is True
    assert Program(page.port, first.data["token"]).get("/runs").status == 200
    assert (second.status, second.code) == (401, "unauthorized")
    assert "wfe-mcp ui" in second.body["error"]["hint"]


@pytest.mark.attack("another server on this machine receives the session of the page", "held", "T2")
def test_the_token_is_no_cookie_and_the_code_is_never_sent_in_an_address(scene: Scene, page: Page) -> None:
    opened = link(scene.engine, page.port, "decide/rq-1")

    began = Program(page.port).post("/session", code=opened.partition("#code=")[2])

    assert "set-cookie" not in began.headers
    assert "?" not in opened
    assert opened.startswith(f"http://localhost:{page.port}/open/decide/rq-1#code=")
    cookie = Browser(page.port, cookie=f"wfe_ui_{page.port}={began.data['token']}")
    assert cookie.get("/api/v1/runs").status == 401, "the token counts in its header alone"


@pytest.mark.parametrize("code", ["", ".", "1.2.3", "9999999999.x.y", "\u00e9", "x" * 300])
def test_a_guessed_code_begins_nothing(page: Page, code: str) -> None:
    assert Program(page.port).post("/session", code=code).code == "unauthorized"


def test_a_code_ends_with_its_time(scene: Scene, page: Page) -> None:
    code = code_for(scene, page)
    scene.clock.advance(seconds=page_sessions.CODE_S)

    assert Program(page.port).post("/session", code=code).code == "unauthorized"


def test_a_code_of_another_page_begins_nothing(scene: Scene, page: Page) -> None:
    with serve_page(scene.engine, 0) as other:
        assert isinstance(other, Page)
        assert Program(page.port).post("/session", code=code_for(scene, other)).code == "unauthorized"


def test_a_page_that_ended_takes_its_key_along(scene: Scene) -> None:
    with serve_page(scene.engine, 0) as other:
        assert isinstance(other, Page)
        port = other.port
        assert "#code=" in link(scene.engine, port)

    assert link(scene.engine, port, "decide/rq-1") == f"http://localhost:{port}/decide/rq-1", "the plain page"


@pytest.mark.skipif(sys.platform == "win32", reason="the profile's folder protects files there")
def test_only_its_user_reads_the_key_of_a_page(scene: Scene, page: Page) -> None:
    (file,) = (scene.engine.store.path.parent / f"{scene.engine.store.path.name}.pages").iterdir()

    assert file.name == f"{page.port}.key"
    assert file.stat().st_mode & 0o077 == 0


def test_a_session_survives_its_page_and_ends_with_its_time(scene: Scene, page: Page) -> None:
    token = Program(page.port).post("/session", code=code_for(scene, page)).data["token"]
    with serve_page(scene.engine, 0) as again:
        assert isinstance(again, Page)
        assert Program(again.port, token).get("/runs").status == 200

    scene.clock.advance(seconds=page_sessions.SESSION_S + page_sessions.LOOKS_S)

    assert Program(page.port, token).get("/runs").code == "unauthorized"


def test_a_session_that_is_ended_opens_nothing(person: Program) -> None:
    assert person.get("/session").data["user"]
    assert person.post("/session/end").status == 200

    assert person.get("/runs").code == "unauthorized"


def test_a_program_has_no_session_to_end(scene: Scene, program: Program) -> None:
    about = {"user": "ci", "asks_pin": False, "scope": "work", "project": scene.engine.project_id}
    assert program.get("/session").data == about
    assert program.post("/session/end").code == "forbidden"


def test_sessions_that_are_over_are_forgotten_and_the_number_is_bounded(
    scene: Scene, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_sessions, "_MOST", 3)
    tokens: list[str] = []
    for _ in range(4):
        tokens.append(Program(page.port).post("/session", code=code_for(scene, page)).data["token"])
        scene.clock.advance(seconds=1)

    assert Program(page.port, tokens[0]).get("/runs").code == "unauthorized"
    assert Program(page.port, tokens[3]).get("/runs").status == 200
    scene.clock.advance(seconds=page_sessions.SESSION_S + page_sessions.LOOKS_S)
    Program(page.port).post("/session", code=code_for(scene, page))
    with scene.store.read() as tx:
        assert len(tx.secrets.with_prefix("session:")) == 1


def test_the_database_has_only_the_hash_of_a_session(scene: Scene, page: Page, tmp_path: Path) -> None:
    token = Program(page.port).post("/session", code=code_for(scene, page)).data["token"]

    scene.close()

    held = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"session:" in held
    assert token.encode() not in held


@pytest.mark.attack("an agent uses the session of the page to decide", "held", "B-30")
def test_a_session_alone_identifies_no_one(scene: Scene, person: Program) -> None:
    scene.define(phase("plan", approval()))
    run = person.post("/runs", template="drill").body["run"]
    person.post("/runs/{run}/start_phase", {"run": run})
    person.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)

    assert person.post("/runs/{run}/approve", {"run": run}, phase="plan").code == "needs_human"
    assert scene.attempt(run, "plan").status == "awaiting"


def looking(scene: Scene, page: Page) -> Program:
    """A tab that was opened half a day ago."""
    token = Program(page.port).post("/session", code=code_for(scene, page)).data["token"]
    scene.clock.advance(seconds=page_sessions.SESSION_S)
    return Program(page.port, token)


def test_a_session_that_was_left_open_only_looks(scene: Scene, page: Page) -> None:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan"))
    tab = looking(scene, page)

    assert tab.get("/runs/{run}", {"run": run}).status == 200
    for path, fill, body in (
        ("/runs/{run}/control", {"run": run}, {"action": "pause"}),
        ("/runs/{run}/start_phase", {"run": run}, {"phase": "plan"}),
        ("/settings/checks/{name}/try", {"name": "ok"}, {}),
        ("/settings/providers/{name}/test", {"name": "anthropic"}, {}),
        ("/projects", {}, {"folder": str(scene.root)}),
        ("/settings/roles/{name}", {"name": "reviewer"}, {"provider": "manual", "pin": PIN}),
        ("/settings/policy", {}, {"evidence": "checkout", "shown": "0" * 64, "pin": PIN}),
        ("/templates/import", {}, {"file": "a.json", "content": "{}", "dry_run": False}),
    ):
        no = tab.post(path, fill, **body)
        assert (no.code, no.data_of_refusal) == ("forbidden", {"read_only": True}), path
    assert scene.state(run).status == "running"


def test_the_pin_lets_such_a_session_do_more_until_it_ends(scene: Scene, page: Page) -> None:
    run = scene.start(phase("plan"))
    tab = looking(scene, page)

    assert tab.post("/session/confirm", pin=WRONG).code == "wrong_pin"
    assert tab.get("/session").data["scope"] == "read"
    assert tab.post("/session/confirm", pin=PIN).data["scope"] == "manage"
    assert tab.post("/runs/{run}/control", {"run": run}, action="pause").status == 200
    assert looking(scene, page).post("/runs/{run}/control", {"run": run}, action="resume").code == "forbidden"


def test_a_page_that_a_server_started_never_takes_the_pin_for_it(scene: Scene) -> None:
    with serve_page(scene.engine, on_demand=True) as made:
        assert isinstance(made, Page)
        assert looking(scene, made).post("/session/confirm", pin=PIN).code in {"forbidden", "needs_human"}


def test_a_session_of_an_earlier_version_only_looks(scene: Scene, page: Page) -> None:
    token = Program(page.port).post("/session", code=code_for(scene, page)).data["token"]
    name = f"session:{sha256(token.encode()).hexdigest()}"
    with scene.store.tx() as tx:
        kept = json.loads(str(tx.secrets.get(name)))
        assert kept.pop("scope") == "manage"
        tx.secrets.set(name, json.dumps(kept), AGENT, scene.clock())

    assert Program(page.port, token).get("/session").data["scope"] == "read"


def test_a_page_that_a_server_started_states_that_it_takes_no_pin(scene: Scene) -> None:
    with serve_page(scene.engine, on_demand=True) as made:
        assert isinstance(made, Page)
        began = Program(made.port).post("/session", code=code_for(scene, made))

    assert began.data["asks_pin"] is False


def test_links_lead_to_the_plain_page_where_there_is_no_application(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wfe_mcp.dashboard.application.BUILT", tmp_path / "none.html")

    led = {
        path: browser.get(path)
        for path in ("/app", "/app/", "/open/", "/open/decide/rq-1", "/open/decide/rq-1?split=1")
    }

    assert {answer.status for answer in led.values()} == {303}
    assert [answer.headers["location"] for answer in led.values()] == [
        "/",
        "/",
        "/",
        "/decide/rq-1",
        "/decide/rq-1?split=1",
    ]


@pytest.mark.attack("a link of the page leads to another server", "held", "T2")
@pytest.mark.parametrize(
    "path", ["//evil.example", "/evil.example", "https://evil.example", "decide//evil\\@x", "nothing/here"]
)
def test_a_link_leads_to_no_other_origin(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    monkeypatch.setattr("wfe_mcp.dashboard.application.BUILT", tmp_path / "none.html")

    assert browser.get(f"/open/{path}").headers["location"] == "/"


def test_the_application_runs_exactly_its_own_script_and_style(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = tmp_path / "index.html"
    built.write_text("<html><style>a{}</style><script>go()</script></html>", encoding="utf-8")
    monkeypatch.setattr("wfe_mcp.dashboard.application.BUILT", built)

    page = browser.get("/app/")
    opened = browser.get("/open/decide/rq-1")

    policy = page.headers["content-security-policy"]
    assert page.text == built.read_text(encoding="utf-8")
    assert re.findall(r"sha256-", policy) == ["sha256-"] * 2
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert 'data-to="/inbox/rq-1"' in opened.text
    assert "url=/decide/rq-1" in opened.text, "without a script, the plain page"
    built.write_text("<html><script>other()</script></html>", encoding="utf-8")
    os.utime(built, (1, 1))
    assert browser.get("/app/").headers["content-security-policy"] != policy
    assert "style-src 'none'" in browser.get("/app/").headers["content-security-policy"]


def test_the_script_of_a_link_is_served(browser: Browser) -> None:
    assert browser.get("/open.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("header", ["", "Bearer", "Basic x", "Bearer wfes_guess"])
@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/nothing/there", "/api/v1/session", "/api/v1/decisions/rq-1"])
def test_no_path_of_the_api_answers_without_a_token(page: Page, path: str, header: str) -> None:
    found = Program(page.port).raw("GET", path, headers={"Authorization": header} if header else {})

    assert (found.status, found.code) == (401, "unauthorized")
    assert found.headers["www-authenticate"] == "Bearer"


def test_the_session_of_a_page_is_in_the_settings_log(scene: Scene, person: Program) -> None:
    del person
    with scene.store.read() as tx:
        logged = [
            (each.type, each.actor, each.channel)
            for each in tx.settings_log.events()
            if each.name.startswith("session:")
        ]
        assert tx.settings_log.problems() == []
    assert [(type_, channel) for type_, _, channel in logged] == [("SecretSet", "dashboard")]


def test_a_program_is_no_person_even_with_the_pin(scene: Scene, connect: Connect) -> None:
    scene.define(phase("plan"))
    manager = connect("manage")
    run = manager.post("/runs", template="drill").body["run"]

    assert manager.post("/runs/{run}/control", {"run": run}, action="auto_on", pin=PIN).code == "forbidden"
    assert AGENT.assurance == 0


@pytest.mark.attack("an agent whose token is named page submits what the user claimed on the page", "held", "T2")
def test_the_page_and_a_token_named_page_do_not_hold_each_others_phases(
    scene: Scene, person: Program, connect: Connect
) -> None:
    run = scene.start(phase("plan"))
    agent = connect(name="page")
    assert person.post("/runs/{run}/start_phase", {"run": run}, phase="plan").status == 200
    theirs = agent.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD)
    assert theirs.code == "leased"
    assert person.post("/runs/{run}/submit_artifact", {"run": run}, phase="plan", artifact=GOOD).status == 200
