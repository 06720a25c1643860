"""No request of any caller is answered with an error of ours.

``WFE_ACCEPTANCE=whole`` makes 40 requests of every operation by each caller; else a sample.
"""

import http.client
import json
import re
from contextlib import closing

import pytest

from tests.acceptance.scene import WHOLE
from tests.dashboard.api.client import Program
from tests.dashboard.browser import PIN
from tests.dashboard.conftest import page
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.security.hostile_api import WAIT_S, assault, operations, properties_of
from wfe_mcp.dashboard.api.app import ROOT
from wfe_mcp.dashboard.serving import Page, serve_page
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.approvals.decision_page import link
from wfe_mcp.engine.approvals.pin import set_pin

__all__ = ["page"]
EACH = 40 if WHOLE else 4


@pytest.mark.attack("fuzzed requests of every operation of the API, by five callers", "held", "T7")
def test_every_request_is_answered_and_none_with_500(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    with serve_page(scene.engine, 0) as page:
        assert isinstance(page, Page)
        code = link(scene.engine, page.port).partition("#code=")[2]
        callers = {
            "nobody": "",
            "a false token": "wfe_" + "a" * 43,
            "a reader": create_token(scene.engine, AGENT, "reader", "read")[1],
            "a program": create_token(scene.engine, AGENT, "ci", "work")[1],
            "the page": Program(page.port).post("/session", code=code).data["token"],
        }
        known = {"run": [run], "phase": ["plan"], "name": ["drill"], "template": ["drill", "quick_fix"]}
        answers = assault(page.port, callers, known, EACH)
    assert answers.faults == []
    assert {200, 400, 401, 403, 404} <= set(answers.statuses), answers.statuses
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.attack("an empty phase, and text that is no Unicode, make the API fail", "held", "T7")
def test_an_empty_phase_and_a_lone_surrogate_are_refused_by_name(scene: Scene, page: Page) -> None:
    run = scene.start(phase("plan", approval()))
    program = Program(page.port, create_token(scene.engine, AGENT, "ci", "work")[1])
    with_phase = [
        path
        for method, path, operation in operations()
        if method == "POST" and "phase" in properties_of(operation) and "{" not in path.replace("{run}", "")
    ]
    assert len(with_phase) > 6
    for path in with_phase:
        for value, said in (("", "/body"), ("\ud800", "lone surrogate")):
            sent = json.dumps({"phase": value, "feedback": "x", "artifact": {}, "reason": "x"})
            answer = program.raw("POST", ROOT + path.format(run=run), sent, {"Content-Type": "application/json"})
            assert answer.status in (400, 403, 404, 409), (path, answer)
            assert answer.status != 400 or said in json.dumps(answer.body), (path, answer.body)


SECRET = "correct horse battery"
MALFORMED = (
    {"pin": SECRET},
    {"pin": SECRET, "lone": "\ud800"},
    {"pin": [SECRET]},
    {"pin": {"text": SECRET}},
    {"pin": SECRET * 11},
    {"pim": SECRET},
    {"key": SECRET, "code": [SECRET]},
    [SECRET],
    SECRET,
)
"""Bodies that no operation takes whole, with a secret in the place where one belongs, beside it, or instead of a body."""


@pytest.mark.attack("a malformed request is answered with the PIN or key that it holds", "held", "T7")
def test_no_refusal_repeats_a_secret_that_was_sent(scene: Scene, page: Page) -> None:
    run = scene.start(phase("plan", approval()))
    code = link(scene.engine, page.port).partition("#code=")[2]
    tab = Program(page.port, Program(page.port).post("/session", code=code).data["token"])
    for method, path, operation in operations():
        if properties_of(operation) and operation["operationId"] != "end_session":
            address = ROOT + re.sub(r"\{\w+\}", run, path)
            for body in MALFORMED:
                answer = tab.raw(method, address, json.dumps(body), {"Content-Type": "application/json"})
                assert SECRET not in json.dumps(answer.body), (path, body, answer.body)


def test_a_malformed_request_still_learns_which_value_was_wrong(scene: Scene, page: Page) -> None:
    program = Program(page.port, create_token(scene.engine, AGENT, "ci", "work")[1])
    (fault,) = program.get("/runs", limit="many").body["error"]["details"]
    assert (fault["path"], fault["got"]) == ("/query/limit", "many")


@pytest.mark.attack("a text with NUL makes the API fail", "held", "T7")
def test_a_text_with_nul_is_refused_in_every_body(scene: Scene, page: Page) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    program = Program(page.port, create_token(scene.engine, AGENT, "ci", "work")[1])
    bodies = [(method, path, [*properties_of(operation)]) for method, path, operation in operations()]
    assert sum(bool(names) for *_, names in bodies) > 40
    given = {"phase": "plan", "reason": "x", "feedback": "x", "template": "drill"}
    for method, path, names in bodies:
        for name in names:
            for value in ("a\x00b", ["\x00"], {"a": ["\x00"]}):
                sent = json.dumps({key: given[key] for key in names if key in given} | {name: value})
                answer = program.raw(
                    method, ROOT + re.sub(r"\{\w+\}", run, path), sent, {"Content-Type": "application/json"}
                )
                assert answer.status in (400, 401, 403, 404, 409), (path, name, answer)
    sent = json.dumps({"phase": "plan", "artifact": {"title": "as \\u0000 in a text"}})
    again = program.raw("POST", f"{ROOT}/runs/{run}/submit_artifact", sent, {"Content-Type": "application/json"})
    assert "NUL" not in json.dumps(again.body), "what only looks like it is a text"


@pytest.mark.attack("a duration or a date that no clock reaches makes the API fail", "held", "T7")
@pytest.mark.parametrize("text", ["999999999d", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_clock_reaches_is_refused(scene: Scene, page: Page, text: str) -> None:
    program = Program(page.port, create_token(scene.engine, AGENT, "ci", "read")[1])
    asked = [
        (path, each["name"])
        for method, path, operation in operations()
        for each in operation.get("parameters", ())
        if method == "GET" and each["in"] == "query" and "{" not in path and path not in {"/events", "/activity/export"}
    ]
    assert ("/runs", "since") in asked
    assert [(path, name) for path, name in asked if program.get(path, None, **{name: text}).status >= 500] == []
    assert program.get("/runs", since=text).code == "bad_argument"


@pytest.mark.attack("a position of thousands of digits makes the stream of events fail", "held", "T7")
def test_a_position_that_is_no_number_of_ours_begins_the_stream_from_now(scene: Scene, page: Page) -> None:
    token = create_token(scene.engine, AGENT, "ci", "read")[1]
    for position in ("9" * 5_000, "9" * 30, "-1", "\xb2"):
        with closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)) as connection:
            headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": position}
            connection.request("GET", f"{ROOT}/events", headers=headers)
            assert connection.getresponse().status == 200, position[:40]


@pytest.mark.attack("a person's request names a phase that the run does not have", "held", "T7")
def test_a_phase_that_the_run_does_not_have_is_refused_also_for_a_person(scene: Scene, page: Page) -> None:
    set_pin(scene.engine, PIN, HUMAN)
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    code = link(scene.engine, page.port).partition("#code=")[2]
    tab = Program(page.port, Program(page.port).post("/session", code=code).data["token"])
    for method, path, operation in operations():
        keys = properties_of(operation)
        if "phase" in keys and "{" not in path.replace("{run}", ""):
            given: dict[str, object] = {
                "phase": "plam",
                "to": "plam",
                "pin": PIN,
                "feedback": "x",
                "reason": "x",
                "text": "x",
                "artifact": {},
            }
            sent = json.dumps({key: value for key, value in given.items() if key in keys})
            answer = tab.raw(method, ROOT + path.format(run=run), sent, {"Content-Type": "application/json"})
            assert answer.status < 500, (path, answer)
            assert answer.code != "unknown_phase" or "'plan'" in json.dumps(answer.body), (path, answer)
