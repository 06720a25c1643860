"""Gemini behaves like the other providers; without its extra, the refusal names it."""

import importlib.util
import sys

import pytest

from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer
from tests.providers.conftest import KEY, VERDICT, Heard
from wfe_mcp.providers.call import Connection, ProviderFault, Question, Task, Tool, ToolResult
from wfe_mcp.providers.questions import ask, work

INSTALLED = importlib.util.find_spec("google") is not None and importlib.util.find_spec("google.genai") is not None
installed = pytest.mark.skipif(not INSTALLED, reason="needs the extra gemini")


def connect(server: ModelServer) -> Connection:
    return Connection("g", "gemini", "gemini-x", KEY, server.origin, response_s=30.0)


def test_the_extra_it_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("pydantic_ai") and "google" in each]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "google.genai", None)
    heard = Heard()
    with pytest.raises(ProviderFault) as fault:
        ask(Connection("g", "gemini", "gemini-x", KEY), Question("?"), heard)

    assert fault.value.kind == "not_installed"
    assert "wfe-mcp[gemini]" in fault.value.hint
    assert heard.before == []


@pytest.mark.requirement("S1-36")
@installed
def test_a_question_gets_its_value_and_a_task_its_output() -> None:
    path = {"type": "object", "properties": {"path": {"type": "string"}}}
    tool = Tool("read", "Read a file.", path, lambda given: ToolResult(f"the content of {given['path']}"))
    turns = [
        Turn(value={"verdict": "fail"}),
        Turn(calls=(Call("read", {"path": "a"}),)),
        Turn(value={"verdict": "pass"}),
    ]
    with ModelServer(turns, key=KEY) as server:
        answer = ask(connect(server), Question("?", schema=VERDICT))
        worked = work(connect(server), Task("Review it", VERDICT, tools=(tool,)))

    assert (answer.value, worked.value, server.count) == ({"verdict": "fail"}, {"verdict": "pass"}, 3)
    assert "the content of a" in str(server.asked[2].body)


@installed
@pytest.mark.parametrize(
    ("turn", "fails"),
    [
        (Turn(status=401), "wrong_key"),
        (Turn(status=404), "wrong_model"),
        (Turn(status=429, retry_after="7"), "rate_limited"),
        (Turn(status=503), "overloaded"),
        (Turn(status=307, location="http://127.0.0.1:9/"), "not_configured"),
        (Turn(malformed=True), "unparsable"),
        (Turn(text="so", stop="refusal"), "refused"),
        (Turn(text="It is good", cut=True), "no_route"),
    ],
)
def test_its_failures_are_the_same_as_everybody_s(turn: Turn, fails: str) -> None:
    with ModelServer([turn]) as server, pytest.raises(ProviderFault) as fault:
        ask(connect(server), Question("?", schema=VERDICT))

    assert fault.value.kind == fails
    assert server.count == 1
