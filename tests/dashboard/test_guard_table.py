"""The guard as a table: every path refuses what is not a request of this page, before anything is handled. (T2, B-30)

facts: one Host of ours 421 · Origin ours or absent 403 · Sec-Fetch-Site same-origin or none 403 · no session 401
       writes of the API are JSON, of the pages forms 415 · no CORS · CSP, nosniff, no frames, no cache
"""

import http.client

import pytest

from tests.dashboard.browser import WAIT_S, Browser
from wfe_mcp.dashboard.serving import Page

PATHS = (
    "/",
    "/app",
    "/app/",
    "/open/",
    "/open/decide/rq-1",
    "/open.js",
    "/style.css",
    "/decide/rq-1",
    "/trust/p",
    "/nothing/there",
    "/api/v1/runs",
    "/api/v1/session",
    "/api/v1/openapi.json",
    "/api/v1/nothing",
    "/api",
    "//api/v1/runs",
    "/API/v1/runs",
)
WRITES = ("POST", "PUT", "PATCH", "DELETE")
FOREIGN: dict[str, tuple[dict[str, str], int]] = {
    "another name (rebinding)": ({"Host": "evil.example:{port}"}, 421),
    "a name without the port": ({"Host": "localhost"}, 421),
    "another port": ({"Host": "localhost:1"}, 421),
    "any address": ({"Host": "0.0.0.0:{port}"}, 421),
    "another origin": ({"Origin": "https://evil.example"}, 403),
    "a sandboxed frame or a file": ({"Origin": "null"}, 403),
    "another port's page": ({"Origin": "http://localhost:1"}, 403),
    "our name over https": ({"Origin": "https://localhost:{port}"}, 403),
    "a page elsewhere": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "a page of another port": ({"Sec-Fetch-Site": "same-site"}, 403),
    "an unknown relation": ({"Sec-Fetch-Site": "new-value"}, 403),
}


def status(page: Page, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, str]]:
    """What a request gets that says exactly ``headers``."""
    answer = {"Host": f"localhost:{page.port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)
    try:
        connection.request(method, path, body, answer)
        found = connection.getresponse()
        found.read()
        return found.status, {name.lower(): value for name, value in found.getheaders()}
    finally:
        connection.close()


@pytest.mark.requirement("B-30")
@pytest.mark.attack("a page elsewhere reaches any path of the page or its API", "held", "T2")
@pytest.mark.parametrize("who", FOREIGN)
def test_no_path_answers_another_page(page: Page, who: str) -> None:
    headers, refused = FOREIGN[who]
    sent = {name: value.format(port=page.port) for name, value in headers.items()}

    for path in PATHS:
        for method in ("GET", "HEAD", "OPTIONS", *WRITES):
            got, _ = status(page, method, path, **sent, **{"Content-Type": "application/json"})
            assert got == refused, (method, path)


@pytest.mark.requirement("B-30")
@pytest.mark.attack("a program on this machine reads or changes something without the session", "held", "T2")
def test_no_path_of_the_api_answers_without_a_session(page: Page) -> None:
    for path in (
        "/api/v1/runs",
        "/api/v1/inbox",
        "/api/v1/session",
        "/api/v1/nothing",
        "/api/v1/decisions/rq-1/approve",
    ):
        for method in ("GET", "HEAD", "OPTIONS", *WRITES):
            if (method, path) != ("POST", "/api/v1/session"):
                assert status(page, method, path, "{}", **{"Content-Type": "application/json"})[0] == 401, (
                    method,
                    path,
                )
    forged = {
        "Content-Type": "application/json",
        "Cookie": f"wfe_ui_{page.port}=wfes_x",
        "Authorization": "Bearer wfes_x",
    }
    assert status(page, "POST", "/api/v1/session", '{"code": "1.2.3"}', **forged)[0] == 401


@pytest.mark.requirement("B-30")
@pytest.mark.attack("a form elsewhere is sent to the API (CSRF without a preflight)", "held", "T2")
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_writes_are_of_one_type(page: Page, kind: str) -> None:
    for method in WRITES:
        for path in ("/api/v1/session", "/api/v1/runs", "/api/v1/nothing"):
            assert status(page, method, path, "{}", **({"Content-Type": kind} if kind else {}))[0] == 415, (
                method,
                path,
            )
    assert status(page, "POST", "/decide/rq-1/approve", "{}", **{"Content-Type": "application/json"})[0] == 415


@pytest.mark.requirement("B-30")
def test_every_answer_and_refusal_is_closed_to_others(page: Page, browser: Browser) -> None:
    del browser
    answers = [status(page, "GET", path)[1] for path in PATHS]
    answers += [status(page, "GET", path, Origin="https://evil.example")[1] for path in PATHS]
    answers.append(status(page, "OPTIONS", "/api/v1/runs", Origin=f"http://localhost:{page.port}")[1])
    for headers in answers:
        assert not [name for name in headers if name.startswith("access-control-")]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] in {"same-origin", "no-referrer"}


OWN: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "http://localhost:{port}"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"},
)


def test_the_page_itself_is_answered(page: Page) -> None:
    for own in OWN:
        sent = {name: value.format(port=page.port) for name, value in own.items()}
        answers = [status(page, "GET", path, **sent)[0] for path in ("/", "/api/v1/openapi.json")]
        assert (own, answers) == (own, [200, 200])
