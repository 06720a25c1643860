"""The address of a decision that an agent gives counts as long as its request is open, and shows no field that is not accepted."""

import re
import socket
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.dashboard.api.client import Program
from tests.dashboard.browser import PIN, WRONG, Answer, Browser, asked
from tests.dashboard.chromium import Tab, is_live
from tests.engine.scene import AGENT, Scene, approval, command, phase
from wfe_mcp.dashboard import serving
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access import tokens
from wfe_mcp.engine.approvals import decision_page as pages, pin as pins, pin_reset
from wfe_mcp.views.approvals.answers import ask_approval

DAY_S = 24 * 3600


def waiting(scene: Scene) -> str:
    scene.check("ok", "print('fine')")
    run = scene.start(phase("plan", command("ok"), approval()), inputs={"goal": "more"})
    scene.do(run, "plan")
    return run


def linked(scene: Scene, run: str) -> str:
    """The address in the answer of the agent's ``approve``."""
    return str(ask_approval(scene.engine, AGENT, run, "plan").data["url"])


def followed(url: str, browser: Browser | None = None) -> tuple[Browser, Answer]:
    """What a browser without a script shows at ``url``, and that browser."""
    for _ in range(5):
        parts = urlsplit(url)
        assert parts.hostname == "localhost"
        browser = browser if browser is not None and browser.port == parts.port else Browser(parts.port or 0)
        found = browser.get(parts.path)
        refresh = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', found.text)
        onward = found.headers.get("location") or (refresh and refresh[1])
        if not onward:
            return browser, found
        url = onward if "://" in onward else f"http://localhost:{browser.port}{onward}"
    raise AssertionError("it leads in a circle")


def fields(shown: Answer) -> list[str]:
    """The names of what can be filled in."""
    controls = re.findall(r"<(?:input|textarea|select)\b[^>]*>", shown.text)
    return [each for each in controls if 'type="hidden"' not in each]


def test_the_address_is_short_and_has_no_code(scene: Scene, page: Page) -> None:
    url = linked(scene, waiting(scene))

    assert len(url) <= 60
    assert "#" not in url
    assert "?" not in url
    assert page.port == urlsplit(url).port


def test_the_address_decides_a_day_later(scene: Scene, page: Page) -> None:
    run = waiting(scene)
    url = linked(scene, run)
    scene.clock.advance(seconds=DAY_S)

    browser, shown = followed(url)
    request = url.rpartition("/")[2]

    assert (shown.status, 'type="password"' in shown.text) == (200, True)
    assert "Approved by" in browser.approve(request).words
    assert scene.state(run).status == "completed"
    assert page.port


@pytest.mark.attack("an agent opens the link in the answer of a tool, and runs checks with the session", "held", "T2")
def test_the_address_that_an_agent_reads_opens_one_decision_and_no_session(scene: Scene, page: Page) -> None:
    url = linked(scene, waiting(scene))
    browser, _ = followed(url)

    assert "What waits for you" not in browser.get("/").words, "the list asks for the PIN"
    for code in ("", url.rpartition("/")[2], url):
        assert Program(page.port).post("/session", code=code).code == "unauthorized"
    assert Browser(page.port).get("/decide/rq-0000000000000000").status == 404


def test_a_page_that_a_server_started_shows_everything_and_no_field(scene: Scene) -> None:
    run = waiting(scene)
    with serve_page(scene.engine, 0, on_demand=True) as made:
        assert isinstance(made, Page)
        _, shown = followed(linked(scene, run))
        answer = ask_approval(scene.engine, AGENT, run, "plan")

    assert fields(shown) == []
    assert "<form" not in shown.text
    assert f'<code class="copy">wfe-mcp approve {run} plan</code>' in shown.text
    assert f"wfe-mcp reject {run} plan --feedback TEXT" in shown.words
    for text in ("takes no PIN", "wfe-mcp ui", "goal more", "ok: pass"):
        assert text in shown.words
    assert answer.error is not None
    assert "it takes a passkey but no PIN" in answer.error.hint
    assert "call approve again" in answer.error.hint
    assert answer.error.hint.endswith(f"wfe-mcp approve {run} plan"), "to copy"


def test_the_address_outlives_the_page_that_served_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    monkeypatch.setattr(serving, "PORT", port)
    monkeypatch.setattr(pages, "PORT", port)
    run = waiting(scene)
    with serve_page(scene.engine) as own:
        assert isinstance(own, Page)
        assert own.port != port, "a page that takes the PIN is at a port of its own"
        url = linked(scene, run)
        _, shown = followed(url)
        assert (urlsplit(url).port, 'type="password"' in shown.text) == (port, True)
    with serve_page(scene.engine, on_demand=True) as made:
        assert isinstance(made, Page)
        _, shown = followed(url)
        assert (made.port, shown.status, fields(shown)) == (port, 200, [])
        assert linked(scene, run) == url
    with serve_page(scene.engine) as own:
        assert isinstance(own, Page)
        browser, shown = followed(url)
        assert (browser.port, 'type="password"' in shown.text) == (own.port, True)
        posted = Browser(port).post(f"/decide/{url.rpartition('/')[2]}/approve", {"pin": PIN})
        assert posted.headers["location"] == f"http://localhost:{own.port}/decide/{url.rpartition('/')[2]}"
        assert Browser(port).get("/").headers["location"] == f"http://localhost:{own.port}/"
    assert scene.attempt(run, "plan").status == "awaiting"


def test_a_tab_comes_to_a_decision_from_another_port_of_this_host_and_to_nothing_else(
    scene: Scene, browser: Browser
) -> None:
    request = asked(scene, waiting(scene))
    site = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "document"}

    assert browser.get(f"/decide/{request}", **site).status == 200
    assert browser.get(f"/decide/{request}", **site | {"Sec-Fetch-Dest": "iframe"}).status == 403
    assert browser.get(f"/decide/{request}", **site | {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert browser.get("/", **site).status == 403
    form = browser.get(f"/decide/{request}").forms[f"/decide/{request}/approve"]
    assert browser.post(f"/decide/{request}/approve", form | {"pin": PIN}, **site).status == 403


# -- a page that was left open ---------------------------------------------------------------------------------------------


def test_a_page_that_was_open_for_a_day_decides(scene: Scene, browser: Browser) -> None:
    run = waiting(scene)
    request = asked(scene, run)
    seen = browser.get(f"/decide/{request}")
    scene.clock.advance(seconds=DAY_S)

    assert "Approved by" in browser.send(seen, f"/decide/{request}/approve", pin=PIN).words


def test_a_page_that_was_open_for_a_day_names_what_changed(scene: Scene, browser: Browser) -> None:
    request = asked(scene, waiting(scene))
    seen = browser.get(f"/decide/{request}")
    scene.clock.advance(seconds=DAY_S)
    scene.write("app.py", "VALUE = 2\n")

    late = browser.send(seen, f"/decide/{request}/approve", pin=PIN)

    assert late.status == 409
    assert "Nothing was decided" in late.words
    assert "Changed since then: app.py" in late.words


def test_a_page_of_a_process_that_is_gone_is_shown_again_with_what_was_typed(scene: Scene) -> None:
    request = asked(scene, waiting(scene))
    with serve_page(scene.engine, 0) as first:
        assert isinstance(first, Page)
        port, old = first.port, Browser(first.port)
        seen = old.get(f"/decide/{request}")
    with serve_page(scene.engine, port) as second:
        assert isinstance(second, Page)
        late = old.send(seen, f"/decide/{request}/approve", pin=PIN, comment="well done")
        assert (late.status, "Nothing was decided" in late.words) == (403, True)
        assert 'value="well done"' in late.text
        assert "Approved by" in old.send(late, f"/decide/{request}/approve", pin=PIN).words


def test_a_session_that_is_a_day_old_looks_and_decides(scene: Scene, page: Page, person: Program) -> None:
    run = waiting(scene)
    request = asked(scene, run)
    scene.clock.advance(seconds=DAY_S)

    assert person.get("/session").data["scope"] == "read"
    refused = person.post("/runs/{run}/control", {"run": run}, action="pause")
    assert (refused.code, refused.data_of_refusal) == ("forbidden", {"read_only": True})
    shown = person.get("/decisions/{request}", {"request": request}).data
    body = {"sha256": shown["request"]["sha256"], "shown": shown["shown_sha256"]}
    assert person.post("/decisions/{request}/approve", {"request": request}, **body, pin=PIN).status == 200
    assert person.post("/session/confirm", pin=WRONG).code == "wrong_pin"
    assert person.post("/session/confirm", pin=PIN).data["scope"] == "manage"
    scene.clock.advance(seconds=tokens.SESSION_S - 1)
    assert person.get("/session").data["scope"] == "manage"
    scene.clock.advance(seconds=tokens.LOOKS_S + 1)
    assert person.get("/session").code == "unauthorized"
    assert page.asks_pin


@pytest.fixture
def person(scene: Scene, page: Page) -> Program:
    code = pages.link(scene.engine, page.port).partition("#code=")[2]
    return Program(page.port, Program(page.port).post("/session", code=code).data["token"])


# -- in a browser ------------------------------------------------------------------------------------------------------------


def test_the_address_opens_the_decision_in_a_browser_and_it_is_decided(scene: Scene, page: Page, tab: Tab) -> None:
    run = waiting(scene)
    shown = tab.page
    shown.goto(linked(scene, run))
    expect(shown.locator("h1")).to_contain_text("goal more")
    shown.locator("label", has_text="Approve").click()
    shown.get_by_label("Your PIN").first.fill(PIN)
    shown.get_by_role("button", name="Sign approval").click()
    expect(shown.locator(".note.yes")).to_contain_text("Approved by")
    assert "undefined" not in tab.words
    assert page.port


def test_the_address_opens_the_application_where_a_tab_has_a_session(scene: Scene, page: Page, tab: Tab) -> None:
    run = waiting(scene)
    tab.set_time(scene.clock.now)
    tab.page.goto(pages.link(scene.engine, page.port))
    is_live(tab.page)
    second = tab.page.context.new_page()
    second.goto(linked(scene, run))
    expect(second.locator("h1")).to_contain_text("goal more")
    second.wait_for_selector(".decide .choices")
    second.keyboard.press("a")
    expect(second.get_by_label("PIN")).to_be_focused()
    second.keyboard.type(PIN)
    second.keyboard.press("Enter")
    expect(second.locator(".note.yes")).to_contain_text("Approved by")
    assert "undefined" not in second.inner_text("body")


def test_the_application_of_a_page_that_takes_no_pin_has_no_field_for_one(scene: Scene, tab: Tab) -> None:
    run = waiting(scene)
    request = asked(scene, run)
    with serve_page(scene.engine, 0, on_demand=True) as made:
        assert isinstance(made, Page)
        tab.set_time(scene.clock.now)
        tab.page.goto(pages.link(scene.engine, made.port))
        is_live(tab.page)
        tab.page.evaluate("(to) => { location.hash = to; }", f"/inbox/{request}")
        expect(tab.page.locator(".decide")).to_contain_text(f"wfe-mcp approve {run} plan")
        tab.page.keyboard.press("a")
        assert tab.page.locator(".decide input, .decide textarea").count() == 0


def test_the_page_stays_for_a_week_while_a_request_is_open(scene: Scene, page: Page) -> None:
    request = asked(scene, waiting(scene))

    def quiet(seconds: float) -> None:
        page._visited_at = serving.time.monotonic() - seconds  # pyright: ignore[reportPrivateUsage] - in place of waiting

    quiet(6 * DAY_S)
    assert not page.is_idle(1800)
    quiet(7 * DAY_S)
    assert page.is_idle(1800)
    assert Browser(page.port).approve(request).status == 200
    quiet(301)
    assert page.is_idle(1800), "nothing waits, and no server runs"


# -- the PIN ------------------------------------------------------------------------------------------------------------------


def test_requests_without_a_pin_are_no_wrong_pins(scene: Scene, page: Page, person: Program) -> None:
    request = asked(scene, waiting(scene))
    for _ in range(6):
        for path, fill, body in (
            ("/settings/roles/{name}", {"name": "reviewer"}, {"provider": "manual"}),
            ("/settings/providers", {}, {"name": "mine", "base_url": "http://localhost:1"}),
            ("/settings/providers/{name}/remove", {"name": "mine"}, {}),
            ("/settings/policy", {}, {"evidence": "checkout", "shown": "0" * 64}),
        ):
            no = person.post(path, fill, **body)
            assert (no.status, no.code) == (403, "needs_human"), path
            assert "PIN" in no.body["error"]["message"]
    assert "Approved by" in Browser(page.port).approve(request).words


def test_dialogs_that_are_opened_and_left_are_no_tries(
    scene: Scene, page: Page, tab: Tab, person: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    assert person.post("/settings/providers", name="desk", base_url="http://localhost:9/v1", pin=PIN).status == 200
    tab.set_time(scene.clock.now)
    shown = tab.page
    shown.goto(pages.link(scene.engine, page.port))
    is_live(shown)
    shown.evaluate("() => { location.hash = '/settings'; }")
    asks = shown.get_by_role("dialog", name="Only you decide this")
    for _ in range(6):
        shown.get_by_role("button", name="Remove desk").click()
        expect(asks).to_contain_text("This needs your PIN")
        assert "Wrong PIN" not in asks.inner_text()
        asks.get_by_role("button", name="Back").click()
        expect(asks).to_have_count(0)
    shown.get_by_role("button", name="Remove desk").click()
    asks.get_by_label("PIN").fill(WRONG)
    asks.get_by_role("button", name="Sign").click()
    expect(asks).to_contain_text("4 tries left")
    asks.get_by_label("PIN").fill(PIN)
    asks.get_by_role("button", name="Sign").click()
    expect(shown.get_by_role("button", name="Remove desk")).to_have_count(0)


def test_the_page_names_a_reset_of_the_pin_beside_each_decision(scene: Scene, browser: Browser) -> None:
    request = asked(scene, waiting(scene))
    assert "The PIN was reset" not in browser.get(f"/decide/{request}").words
    pin_reset.reset_pin(scene.engine, "battery staple", "ada")
    assert re.search(r"The PIN was reset on \S+ by ada", browser.get(f"/decide/{request}").words)
    assert "Wrong PIN" in browser.approve(request).words
    assert "Approved by" in browser.approve(request, "battery staple").words


def test_the_time_until_a_pin_is_taken_again_is_in_words(scene: Scene, browser: Browser) -> None:
    request = asked(scene, waiting(scene))
    said = [browser.approve(request, WRONG).words for _ in range(6)]

    assert "4 tries left" in said[0]
    assert "every PIN is refused for 1 minute" in said[4]
    assert "for another 1 minute" in said[5]
    assert not re.search(r"\d{4}-\d\d-\d\dT", said[5].partition("Nothing was decided")[2][:200])
    scene.clock.advance(seconds=20)
    with pytest.raises(Exception, match="another 40 seconds"):
        pins.person_at_page(scene.engine, PIN, "ada")
    scene.clock.now += timedelta(seconds=41)
    assert pins.person_at_page(scene.engine, PIN, "ada").actor == "ada"


def test_without_a_script_the_list_leads_to_a_decision_that_no_agent_has_asked_for(
    scene: Scene, browser: Browser
) -> None:
    run = waiting(scene)
    listed = browser.send(browser.get("/"), "/", pin=PIN)
    assert (listed.forms["/ask"]["run"], "wfe-mcp approve" in listed.words) == (run, False)
    shown = browser.send(listed, "/ask")
    with scene.store.read() as tx:
        (request,) = tx.approvals.open_requests()
    assert (shown.words.count("Sign approval"), "The agent asked" in shown.words) == (1, False)
    assert "Approved by" in browser.approve(request.id).words
    assert scene.state(run).status == "completed"


def test_only_who_sees_the_list_asks_for_a_decision_there(scene: Scene, browser: Browser) -> None:
    run = waiting(scene)
    sent = {"run": run, "phase": "plan", "token": "", "Origin": ""}
    assert browser.post("/ask", sent).status == 403
    listed = browser.send(browser.get("/"), "/", pin=PIN)
    assert browser.post("/ask", listed.forms["/ask"] | {"token": "another"}).status == 403
    assert scene.attempt(run, "plan").asked is None


def test_after_too_many_wrong_pins_the_page_says_at_what_time_one_is_taken_again(
    scene: Scene, page: Page, tab: Tab
) -> None:
    request = asked(scene, waiting(scene))
    tab.set_time(scene.clock.now)
    shown = tab.page
    shown.goto(pages.link(scene.engine, page.port))
    is_live(shown)
    shown.evaluate("(to) => { location.hash = to; }", f"/inbox/{request}")
    shown.get_by_role("button", name="Approve").click()
    for left in ("4 tries left", "3 tries left", "2 tries left", "1 try left", "every PIN is refused for 1 minute"):
        shown.get_by_label("PIN").fill(WRONG)
        shown.get_by_role("button", name="Sign approval").click()
        expect(shown.get_by_role("alert")).to_contain_text(left)
    again = (scene.clock.now + timedelta(minutes=1)).astimezone().strftime("%H:%M:%S")
    expect(shown.get_by_role("alert")).to_contain_text(f"PINs are taken again at {again}.")
