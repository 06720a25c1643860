"""The page refuses requests from other web pages and other programs on this machine. (T2)"""

import http.client
import socket

import psutil
import pytest

from tests.dashboard.browser import PIN, WAIT_S, Browser, asked
from tests.engine.scene import Scene, approval, phase
from wfe_mcp.dashboard.guard import HEADERS
from wfe_mcp.dashboard.serving import Page

PATHS = ("/", "/style.css", "/decide/rq-1", "/nothing/there")


@pytest.fixture
def request_id(scene: Scene) -> str:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    return asked(scene, run)


def undecided(scene: Scene, request: str) -> bool:
    with scene.store.read() as tx:
        stored = tx.approvals.get(request)
        return stored is not None and stored.status == "open" and tx.approvals.decision(request) is None


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_answered(browser: Browser, name: str) -> None:
    browser.host = f"{name}:{browser.port}"
    assert browser.get("/").status == 200


def test_the_icon_is_at_the_address_that_browsers_try_by_themselves_too(browser: Browser) -> None:
    """Chromium does now and then, and a 404 is an error on its console."""
    icon, tried = browser.get("/icon.svg"), browser.get("/favicon.ico")
    assert (tried.status, tried.text) == (200, icon.text)


@pytest.mark.requirement("B-30")
@pytest.mark.attack("a web page reaches the decision page through a name of its own (DNS rebinding)", "held", "T2")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost",
        "localhost:1",
        "localhost.:{port}",
        "127.0.0.1:{port}.evil.example",
        "0.0.0.0:{port}",
    ],
)
def test_another_name_for_this_machine_is_not(browser: Browser, host: str, path: str) -> None:
    browser.host = host.format(port=browser.port)
    assert browser.get(path).status == 421


def test_two_names_at_once_are_refused(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), WAIT_S) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{page.port}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw.recv(12) == b"HTTP/1.1 400"


def test_no_name_at_all_is_refused(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), WAIT_S) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert raw.recv(12) == b"HTTP/1.1 421"


@pytest.mark.requirement("B-30")
@pytest.mark.attack("a web page or another port of this machine sends requests to the decision page", "held", "T2")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil.example", "http://localhost:1", "https://localhost:{port}", "http://127.0.0.1:{port}"],
)
def test_requests_of_other_origins_are_refused(browser: Browser, origin: str, path: str) -> None:
    assert browser.get(path, Origin=origin.format(port=browser.port)).status == 403


@pytest.mark.attack("a web page leads the browser to the decision page", "held", "T2")
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_elsewhere_lead_nowhere(browser: Browser, request_id: str, site: str) -> None:
    answer = browser.get(f"/decide/{request_id}", **{"Sec-Fetch-Site": site})
    assert (answer.status, "A good title" in answer.text) == (403, False)


@pytest.mark.attack("a form elsewhere is sent to the decision page (CSRF)", "held", "T2")
def test_a_form_of_another_page_decides_nothing_even_with_the_pin(
    scene: Scene, browser: Browser, request_id: str
) -> None:
    path = f"/decide/{request_id}/approve"
    stored = browser.get(f"/decide/{request_id}")
    fields = {"pin": PIN, "sha256": stored.forms[path]["sha256"]}
    other = Browser(browser.port)
    token = other.get(f"/decide/{request_id}").forms[path]["token"]
    assert browser.post(path, fields).status == 403, "no token"
    assert browser.post(path, fields | {"token": token}).status == 403, "the token of another browser"
    no = stored.forms[f"/decide/{request_id}/reject"]["token"]
    assert browser.post(path, fields | {"token": no}).status == 403, "the token of another form"
    assert Browser(browser.port).post(path, stored.forms[path] | fields).status == 403, "no cookie"
    assert browser.post(path, stored.forms[path] | fields, Origin="https://evil.example").status == 403
    assert undecided(scene, request_id)
    assert browser.approve(request_id).status == 200, "and nothing of this locks the person out"


@pytest.mark.requirement("B-30")
@pytest.mark.attack("an agent fetches the decision page and answers it without the PIN", "held", "T2")
def test_a_reader_of_the_page_without_the_pin_decides_nothing(scene: Scene, browser: Browser, request_id: str) -> None:
    assert browser.approve(request_id, pin="").status == 403
    for method in ("PUT", "DELETE", "PATCH"):
        connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=WAIT_S)
        connection.request(method, f"/decide/{request_id}/approve", headers={"Host": f"localhost:{browser.port}"})
        assert connection.getresponse().status == 405
        connection.close()
    assert browser.get(f"/decide/{request_id}/approve").status == 405
    assert undecided(scene, request_id)


def test_only_forms_are_taken(browser: Browser, request_id: str) -> None:
    path = f"/decide/{request_id}/approve"
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        assert browser.post(path, {"pin": PIN}, **{"Content-Type": kind}).status == 415


def test_a_form_has_bounds(browser: Browser, request_id: str) -> None:
    path = f"/decide/{request_id}/approve"
    assert browser.post("/", {"pin": "x" * 70_000}).status == 413
    assert browser.post("/", {f"f{number}": "x" for number in range(50)}).status == 400
    assert browser.post(path, {"feedback": "x" * 4_100_000}).status == 413  # with room for comments on lines
    assert browser.post(path, {f"f{number}": "x" for number in range(250)}).status == 400
    raw = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=WAIT_S)
    headers = {"Host": f"localhost:{browser.port}", "Content-Type": "application/x-www-form-urlencoded"}
    raw.request("POST", path, b"pin=\xff&token", headers)
    assert raw.getresponse().status == 400
    raw.close()


@pytest.mark.attack("the decision page is shown in a frame, read across origins or kept in a cache", "held", "T2")
def test_every_answer_shows_the_browser_what_it_must_not_do(browser: Browser, request_id: str) -> None:
    answers = [browser.get(path) for path in (*PATHS, f"/decide/{request_id}", f"/whole/{request_id}")]
    browser.host = "evil.example"
    for answer in [*answers, browser.get("/")]:
        assert {key.decode(): value.decode() for key, value in HEADERS}.items() <= answer.headers.items()
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    policy = answers[0].headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in policy


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script(browser: Browser, request_id: str) -> None:
    text = browser.get(f"/decide/{request_id}").text
    assert "<script" not in text
    assert " on" + "click" not in text
    assert "style=" not in text
    assert [part for part in text.split('"') if part.startswith(("http:", "https:", "//"))] == []
    assert all("url(" not in browser.get(f"/{sheet}.css").text for sheet in ("tokens", "common", "style"))


def test_the_cookie_is_for_this_page_alone(browser: Browser) -> None:
    given = browser.get("/").headers["set-cookie"]
    assert given.startswith(f"wfe_ui_{browser.port}=")
    assert "HttpOnly" in given
    assert "samesite=strict" in given.lower()


def test_there_is_nothing_to_upgrade_to(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), WAIT_S) as raw:
        upgrade = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
        )
        raw.sendall(f"GET /nothing HTTP/1.1\r\nHost: localhost:{page.port}\r\n{upgrade}\r\n".encode())
        assert raw.recv(12) == b"HTTP/1.1 404"


def test_the_page_is_reached_from_this_machine_alone(page: Page) -> None:
    listening = [found.laddr for found in psutil.Process().net_connections("tcp") if found.status == "LISTEN"]
    places = {place[0] for place in listening if place[1] == page.port}
    assert places
    assert places <= {"127.0.0.1", "::1"}
