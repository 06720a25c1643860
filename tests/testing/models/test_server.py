"""The fake models answer by script, in each API, streamed and whole."""

import http.client
import json
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fake_models.script import Call, Turn, turns_of
from tests.fake_models.server import ModelServer, RecordedRequest

SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["pass", "fail"]}}, "required": ["verdict"]}
READ = {"type": "object", "properties": {"path": {"type": "string"}}}
USER = [{"role": "user", "content": "hi"}]

APIS = {
    "anthropic": ("/v1/messages", {"model": "m", "messages": USER}),
    "responses": ("/v1/responses", {"model": "m", "input": USER}),
    "chat": ("/v1/chat/completions", {"model": "m", "messages": USER}),
    "gemini": ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
}


@pytest.fixture(params=list(APIS))
def api(request: pytest.FixtureRequest) -> str:
    return request.param


def ask(server: ModelServer, api: str, *, stream: bool = False, **more: Any) -> tuple[int, str]:
    path, body = APIS[api]
    if api == "gemini" and stream:
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    return send(server, "POST", path, {**body, **({} if api == "gemini" else {"stream": stream}), **more})


def send(server: ModelServer, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
    web = http.client.HTTPConnection(urlsplit(server.origin).netloc, timeout=60)
    try:
        web.request(method, path, None if body is None else json.dumps(body), headers)
        answer = web.getresponse()
        return answer.status, answer.read().decode()
    finally:
        web.close()


def tools(api: str) -> dict[str, Any]:
    schemas = {"read": READ, "hand_in": SCHEMA}
    match api:
        case "anthropic":
            return {"tools": [{"name": name, "input_schema": schema} for name, schema in schemas.items()]}
        case "responses":
            return {"tools": [{"type": "function", "name": name, "parameters": each} for name, each in schemas.items()]}
        case "chat":
            functions = [{"name": name, "parameters": schema} for name, schema in schemas.items()]
            return {"tools": [{"type": "function", "function": each} for each in functions]}
        case _:
            declared = [{"name": name, "parametersJsonSchema": schema} for name, schema in schemas.items()]
            return {"tools": [{"functionDeclarations": declared}]}


def test_a_closed_server_leaves_no_connection_open() -> None:
    with ModelServer() as server:
        web = http.client.HTTPConnection(urlsplit(server.origin).netloc, timeout=60)
        web.request("GET", "/v1/models")
        assert web.getresponse().read()
        assert web.sock is not None, "it is kept for the next request"

    assert web.sock.recv(1) == b""
    web.close()


def together(answer: str) -> str:
    """An answer and, behind it, its pieces joined: a stream cuts words."""
    pieces = re.findall(r'"(?:partial_json|arguments|delta)": "((?:[^"\\]|\\.)*)"', answer)
    return answer + "".join(pieces)


@pytest.mark.parametrize("stream", [True, False])
def test_text_is_said_streamed_or_whole(api: str, stream: bool) -> None:
    with ModelServer([Turn(text="ä")]) as server:
        status, answer = ask(server, api, stream=stream)

    assert status == 200
    assert "\\u00e4" in answer
    assert ("data: " in answer) == stream
    assert [(each.api, each.model, each.stream) for each in server.asked] == [(api, "m", stream)]


@pytest.mark.parametrize("stream", [True, False])
def test_tools_are_called_with_their_arguments(api: str, stream: bool) -> None:
    with ModelServer([Turn(calls=(Call("read", {"path": "a"}),))]) as server:
        _, answer = ask(server, api, stream=stream, **tools(api))

    assert '"read"' in answer
    assert "path" in together(answer)
    assert "call_1_0" in answer


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_without_a_script_gives_what_the_schema_of_the_output_accepts(api: str, stream: bool) -> None:
    with ModelServer() as server:
        _, answer = ask(server, api, stream=stream, **tools(api))
        _, text = ask(server, api, stream=stream)

    assert '"hand_in"' in answer
    assert "verdict" in together(answer)
    assert "pass" in together(answer)
    assert "ok" in text


FORMS: dict[str, dict[str, Any]] = {
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "chat": {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
    "gemini": {"generationConfig": {"responseJsonSchema": SCHEMA}},
}
CHOSEN: dict[str, dict[str, Any]] = {
    "anthropic": {"tool_choice": {"type": "tool", "name": "read"}},
    "responses": {"tool_choice": {"type": "function", "name": "read"}},
    "chat": {"tool_choice": {"type": "function", "function": {"name": "read"}}},
    "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read"]}}},
}


def test_a_value_is_said_in_the_form_that_was_asked_for(api: str) -> None:
    with ModelServer([Turn(value={"verdict": "fail"})] * 3) as server:
        _, in_json = ask(server, api, **FORMS[api])
        _, by_tool = ask(server, api, **tools(api), **CHOSEN[api])
        _, in_words = ask(server, api)

    assert "verdict" in in_json
    assert "hand_in" not in by_tool
    assert '"read"' in by_tool
    assert "fail" in in_words


@pytest.mark.parametrize(("stop", "word"), [("length", ("max", "length")), ("refusal", ("refus", "filter", "safety"))])
def test_why_an_answer_ends_is_said_in_the_words_of_the_api(api: str, stop: Any, word: tuple[str, ...]) -> None:
    with ModelServer([Turn(text="so", stop=stop)] * 2) as server:
        lines = [ask(server, api, stream=stream)[1].lower() for stream in (True, False)]

    assert all(any(each in one for each in word) for one in lines)


def test_a_refusal_has_its_status_headers_and_shape(api: str) -> None:
    with ModelServer([Turn(status=429, retry_after="7", message="slow down")]) as server:
        status, answer = ask(server, api)

    assert status == 429
    assert json.loads(answer)["error"]["message"] == "slow down"
    assert server.asked[0].status == 429


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_in_a_namespace_and_a_search_for_tools_are_called_as_codex_expects(stream: bool) -> None:
    calls = (Call("tool_search", {"query": "start run"}), Call("mcp__wfe/start_run", {"template": "t"}))
    with ModelServer([Turn(calls=calls)]) as models:
        sent = urllib.request.Request(
            f"{models.v1}/responses", json.dumps({"model": "m", "input": "x", "stream": stream}).encode()
        )
        with urllib.request.urlopen(sent, timeout=30) as answer:
            text = answer.read().decode()
    if stream:
        ended = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        items = [each["item"] for each in ended if each["type"] == "response.output_item.done"]
    else:
        items = json.loads(text)["output"]

    search, call = items
    assert (search["type"], search["execution"], search["arguments"]) == (
        "tool_search_call",
        "client",
        {"query": "start run"},
    )
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "mcp__wfe", "start_run")
    assert json.loads(call["arguments"]) == {"template": "t"}


def test_turns_are_used_up_per_model_and_then_the_rest_is_said() -> None:
    turns = {"m": [Turn(text="for m")], "*": [Turn(text="for all others")]}
    with ModelServer(turns, otherwise=Turn(text="no more")) as server:
        lines = [ask(server, "chat", model=model)[1] for model in ("m", "n", "m", "o")]

    contents = [json.loads(each)["choices"][0]["message"]["content"] for each in lines]
    assert contents == ["for m", "for all others", "no more", "no more"]


def test_a_turn_may_depend_on_what_was_asked() -> None:
    def echo(asked: RecordedRequest) -> Turn:
        return Turn(text=asked.body["messages"][0]["content"])

    with ModelServer([echo]) as server:
        assert "say this" in ask(server, "chat", messages=[{"role": "user", "content": "say this"}])[1]


def test_a_wrong_key_and_an_unknown_model_use_up_no_turn_and_no_key_is_kept(tmp_path: Path) -> None:
    path, body = APIS["anthropic"]
    log = tmp_path / "asked.jsonl"
    with ModelServer([Turn(text="once")], key="right-key", models=["m"], log=log) as server:
        wrong = send(server, "POST", path, body, **{"x-api-key": "wrong-key"})
        unknown = send(server, "POST", path, {**body, "model": "n"}, authorization="Bearer right-key")
        right = send(server, "POST", path, body, **{"x-goog-api-key": "right-key"})
        models = [send(server, "GET", "/v1/models", None, authorization=f"Bearer {key}") for key in ("right-key", "no")]
        asked = send(server, "GET", "/_asked")[1]

    assert [wrong[0], unknown[0], right[0], models[0][0], models[1][0]] == [401, 404, 200, 200, 401]
    assert "once" in right[1]
    assert json.loads(asked)["count"] == server.count == len(log.read_text(encoding="utf-8").splitlines()) == 3
    assert "right-key" not in asked + log.read_text(encoding="utf-8") + str(server.asked)


def test_models_are_listed_in_the_shape_of_each_vendor() -> None:
    with ModelServer(models=["m-1"]) as server:
        openai = json.loads(send(server, "GET", "/v1/models")[1])
        docker = json.loads(send(server, "GET", "/engines/v1/models")[1])
        gemini = json.loads(send(server, "GET", "/v1beta/models?pageSize=9")[1])

    assert openai["data"][0]["id"] == docker["data"][0]["id"] == "m-1"
    assert gemini["models"][0]["name"] == "models/m-1"


def test_what_is_nowhere_is_not_found() -> None:
    with ModelServer() as server:
        assert [send(server, "GET", "/v1/nothing")[0], send(server, "POST", "/v1/nothing", {})[0]] == [404, 404]


def test_a_whole_answer_can_be_cut_and_dripped_too() -> None:
    with ModelServer([Turn(text="abc", drip_s=0.01), Turn(text="abc", cut=True)]) as server:
        assert "abc" in ask(server, "chat")[1]
        with pytest.raises(http.client.IncompleteRead):
            ask(server, "chat")


def test_a_script_in_json_is_read_and_what_is_no_key_of_a_turn_is_named() -> None:
    given = [{"text": "a", "calls": [{"name": "read", "given": {"path": "x"}}]}, {"status": 429, "retry_after": "3"}]

    assert turns_of(given) == {
        "*": [Turn(text="a", calls=(Call("read", {"path": "x"}),)), Turn(status=429, retry_after="3")]
    }
    assert turns_of({"m": [{"auto": True}]}) == {"m": [Turn(auto=True)]}
    with pytest.raises(ValueError, match="a turn has no colour, size; it has text, calls"):
        Turn.of({"size": 1, "colour": "red"})
