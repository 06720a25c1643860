"""What an HTTP step answers, and where it may go at all."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.conftest import Web
from wfe_mcp.tools.fault import StepStopped, ToolFault
from wfe_mcp.tools.http import Request, Resolve, send


def fault(*args: Any, **kwargs: Any) -> ToolFault:
    with pytest.raises(ToolFault) as found:
        send(*args, **kwargs)
    return found.value


def answering(*addresses: str) -> Resolve:
    """A name server that says this."""

    def answer(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return answer


def test_a_json_answer_comes_back_as_its_value_and_a_text_as_text(web: Web) -> None:
    body = {"title": "größer", "n": 1.5}
    made = send(Request(f"{web.origin}/pulls?a=b", "POST", {"X-One": 1}, body), allow=[web.origin])
    assert (made["status"], made["headers"]["content-type"]) == (200, "application/json")
    assert made["body"] == {"you": "POST", "sent": '{"title": "größer", "n": 1.5}'}
    method, path, headers, _ = web.asked[0]
    assert (method, path) == ("POST", "/pulls?a=b")
    assert headers["host"] == web.origin.removeprefix("http://")
    assert (headers["x-one"], headers["content-type"], headers["user-agent"]) == ("1", "application/json", "wfe-mcp")
    assert send(Request(f"{web.origin}/text"), allow=[web.origin])["body"] == "größer ${inputs.x}"
    assert send(Request(f"{web.origin}/broken-json"), allow=[web.origin])["body"] == '{"a": 1, "a": 2}'
    assert send(Request(web.origin, "HEAD"), allow=[web.origin])["body"] == ""


def test_a_text_with_its_own_content_type_is_sent_as_it_is(web: Web) -> None:
    send(Request(f"{web.origin}/ü", "PUT", {"content-type": "text/plain"}, "a=1"), allow=[web.origin])
    method, path, headers, body = web.asked[0]
    assert (method, path, headers["content-type"], body) == ("PUT", "/%C3%BC", "text/plain", "a=1")


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://example.org/", "plain http to http://example.org:80 is not allowed"),
        ("file:///etc/passwd", "is no address"),
        ("https://user:pw@example.org/", "is no address"),
        ("https://example.org/a b", "white space"),
    ],
)
def test_an_address_that_may_not_be_reached_is_refused_before_anything_is_asked(url: str, answer: str) -> None:
    def no_one(_host: str, _port: int) -> list[str]:
        raise AssertionError("the name server was asked")

    found = fault(Request(url), resolve=no_one)
    assert answer in str(found)
    assert not found.may_have_happened


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1", "::ffff:127.0.0.1"])
@pytest.mark.attack("a name that leads to a public address and to one inside", "held", "T6")
def test_a_name_that_leads_inside_is_refused_even_when_another_address_is_public(address: str) -> None:
    found = fault(Request("https://example.org/", "POST"), resolve=answering("1.1.1.1", address))
    assert f"resolves to {address}, which is not on the public internet" in str(found)
    assert "[http] allow" in str(found)
    assert not found.may_have_happened


@pytest.mark.attack("a name that answers otherwise the second time (rebinding)", "held", "T6")
def test_the_name_is_asked_once_and_the_connection_goes_to_that_answer(web: Web) -> None:
    answers = iter([["127.0.0.1"], ["1.1.1.1"]])
    origin = web.origin.replace("127.0.0.1", "rebinding.example.org")
    made = send(Request(f"{origin}/x"), allow=[origin], resolve=lambda _host, _port: next(answers))
    assert made["status"] == 200
    assert next(answers) == ["1.1.1.1"], "it was not asked a second time"
    assert web.asked[0][2]["host"] == origin.removeprefix("http://"), "Host stays the name"


def test_a_name_that_does_not_resolve_or_has_no_address_says_so() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror("Name or service not known")

    assert "cannot be resolved: Name or service not known" in str(
        fault(Request("https://nowhere.invalid"), resolve=unknown)
    )
    assert "has no address" in str(fault(Request("https://nowhere.invalid"), resolve=answering()))


@pytest.mark.attack("a redirect to an address inside", "held", "T6")
def test_redirects_are_not_followed(web: Web) -> None:
    found = fault(Request(f"{web.origin}/302", "POST"), allow=[web.origin])
    assert "a redirect to http://169.254.169.254/latest/meta-data, which is not followed" in str(found)
    assert len(web.asked) == 1
    assert not found.may_have_happened


@pytest.mark.parametrize(
    ("method", "path", "status", "in_doubt"),
    [
        ("POST", "404", None, False),
        ("POST", "500", None, True),
        ("GET", "500", None, False),
        ("POST", "200", 201, True),
        ("DELETE", "503", None, True),
    ],
)
def test_another_status_than_expected_is_a_fault_that_says_whether_it_may_have_worked(
    web: Web, method: str, path: str, status: int | None, in_doubt: bool
) -> None:
    found = fault(Request(f"{web.origin}/{path}?token=secret", method, status=status), allow=[web.origin])
    assert f"{method} {web.origin}/{path} answered {path}; {status or '2xx'} was expected: " in str(found)
    assert "secret" not in str(found)
    assert found.may_have_happened is in_doubt


def test_the_very_status_that_is_expected_is_fine(web: Web) -> None:
    assert send(Request(f"{web.origin}/404", status=404), allow=[web.origin])["status"] == 404


def test_an_answer_that_is_too_large_or_too_short_is_refused(web: Web) -> None:
    assert "larger than 1,000,000 bytes" in str(fault(Request(f"{web.origin}/large"), allow=[web.origin]))
    found = fault(Request(f"{web.origin}/short", "POST"), allow=[web.origin])
    assert "the connection broke" in str(found)
    assert found.may_have_happened


@pytest.mark.requirement("B-16")
def test_the_time_limit_holds_for_the_whole_answer(web: Web) -> None:
    found = fault(Request(f"{web.origin}/slow", "POST"), allow=[web.origin], timeout_s=0.2)
    assert "no complete answer within 0.2 s" in str(found)
    assert found.may_have_happened
    assert not fault(Request(f"{web.origin}/slow"), allow=[web.origin], timeout_s=0.2).may_have_happened


def test_work_that_must_stop_stops(web: Web) -> None:
    with pytest.raises(StepStopped):
        send(Request(f"{web.origin}/slow"), allow=[web.origin], should_stop=lambda: bool(web.asked))


@pytest.mark.parametrize("headers", [{"X-Title": "Done ✓"}, {"Ü": "1"}, {"": "1"}, {"X Y": "1"}, {"X:": "1"}])
def test_a_header_that_cannot_be_sent_is_refused_before_the_request(web: Web, headers: dict[str, str]) -> None:
    refused = fault(Request(web.origin, "POST", headers=headers), allow=[web.origin])
    assert "header" in str(refused)
    assert not refused.may_have_happened
    assert web.asked == []


@pytest.mark.parametrize("headers", [{"Host": "evil"}, {"content-length": "5"}, {"X": "a\r\nY: b"}])
def test_headers_that_are_ours_or_break_the_line_are_refused(web: Web, headers: dict[str, str]) -> None:
    assert "header" in str(fault(Request(web.origin, headers=headers), allow=[web.origin]))
    assert web.asked == []


@pytest.fixture
def closed() -> Iterator[str]:
    """An origin where no one listens, and that no one else can take meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_an_address_without_a_listener_has_done_nothing(closed: str) -> None:
    found = fault(Request(closed, "POST"), allow=[closed])
    assert f"could not be reached: 127.0.0.1 port {closed.rpartition(':')[2]}: " in str(found)
    assert not found.may_have_happened
    late = fault(Request(closed, "POST"), allow=[closed], timeout_s=0)
    assert "no address answered" in str(late)


def test_a_server_that_speaks_no_tls_is_not_asked_in_the_clear(web: Web) -> None:
    origin = web.origin.replace("http:", "https:")
    found = fault(Request(f"{origin}/x", "POST", body={"key": "secret"}), allow=[origin])
    assert "could not be reached safely" in str(found)
    assert not found.may_have_happened
    assert web.asked == []
