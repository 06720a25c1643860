"""The stdio client speaks MCP with a server that it starts."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, Era, NoAnswer, ProtocolError, ServerGone, StdioClient

Stub = Callable[[str], list[str]]

OK = "say(id=frame.get('id'), result={'structuredContent': {'ok': True, 'got': frame}})"
MODERN_FORM = """
if frame['method'] == 'tools/call' and 'inputResponses' not in frame['params']:
    form = {'method': 'elicitation/create', 'params': {'message': 'Sure?', 'requestedSchema': {}}}
    say(id=frame['id'], result={'resultType': 'input_required', 'inputRequests': {'k': form}, 'requestState': 's'})
else:
    say(id=frame['id'], result={'structuredContent': frame['params']})
"""
HANDSHAKE_FORM = """
if frame.get('method') == 'tools/call':
    call = frame['id']
    say(id='q', method='elicitation/create', params={'message': 'Sure?', 'requestedSchema': {}})
elif frame.get('id') == 'q':
    say(id=call, result={'structuredContent': frame['result']})
elif 'id' in frame:
    say(id=frame['id'], result={})
"""


def say_what_was_asked(message: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"said": message}


def decline(message: str, schema: dict[str, Any]) -> None:
    return None


def client(argv: list[str], folder: Path, era: Era = MODERN, **options: Any) -> StdioClient:
    return StdioClient(argv, cwd=folder, env=os.environ, era=era, **options)


def test_every_modern_request_says_who_calls(stub: Stub, tmp_path: Path):
    with client(stub(OK), tmp_path, name="tester") as agent:
        got = agent.call("status", run="r")["got"]

    assert got["params"]["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    assert got["params"]["arguments"] == {"run": "r"}


def test_the_older_era_begins_with_a_handshake_and_calls_plainly(stub: Stub, tmp_path: Path):
    with client(stub(OK), tmp_path, HANDSHAKE) as agent:
        got = agent.call("status")["got"]

    assert got["params"] == {"name": "status", "arguments": {}}
    assert got["id"] == 2


def test_a_question_in_the_answer_is_answered_and_the_call_made_again(stub: Stub, tmp_path: Path):
    with client(stub(MODERN_FORM), tmp_path, answer_form=say_what_was_asked) as agent:
        params = agent.call("approve", run="r")

    assert params["inputResponses"] == {"k": {"action": "accept", "content": {"said": "Sure?"}}}
    assert (params["requestState"], params["arguments"]) == ("s", {"run": "r"})


def test_a_question_during_a_call_is_answered_while_it_waits(stub: Stub, tmp_path: Path):
    with client(stub(HANDSHAKE_FORM), tmp_path, HANDSHAKE, answer_form=decline) as agent:
        assert agent.call("approve") == {"action": "decline"}


def test_a_server_that_asks_without_end_is_not_followed_without_end(stub: Stub, tmp_path: Path):
    endless = MODERN_FORM.replace("'inputResponses' not in frame['params']", "True")

    with client(stub(endless), tmp_path) as agent, pytest.raises(ProtocolError, match="asks and asks"):
        agent.call("approve")


def test_a_server_that_ends_wakes_its_callers_and_leaves_its_last_words(stub: Stub, tmp_path: Path):
    body = f"if frame['method'] == 'tools/call':\n    sys.exit('out of paper')\n{OK}"

    with client(stub(body), tmp_path) as agent:
        with pytest.raises(ServerGone, match="out of paper"):
            agent.call("status")
        with pytest.raises(ServerGone):
            agent.call("status")


def test_a_killed_server_answers_nothing_any_more(stub: Stub, tmp_path: Path):
    body = f"if frame['method'] != 'tools/call':\n    {OK}"

    with client(stub(body), tmp_path) as agent:
        pending = agent.begin("status")
        agent.kill()
        with pytest.raises(ServerGone):
            pending.wait()


def test_a_line_torn_by_the_end_of_the_server_is_no_answer(stub: Stub, tmp_path: Path):
    torn = 'sys.stdout.write(\'{"id": 2, "resu\')\n    sys.exit(0)'
    body = f"if frame['method'] == 'tools/call':\n    {torn}\n{OK}"

    with client(stub(body), tmp_path) as agent, pytest.raises(ServerGone):
        agent.call("status")


def test_a_server_that_stays_silent_is_not_waited_for_without_end(stub: Stub, tmp_path: Path):
    with pytest.raises(NoAnswer):
        client(stub("pass"), tmp_path, patience_s=0.05).__enter__()


def test_an_error_of_the_protocol_is_reported(stub: Stub, tmp_path: Path):
    body = f"if frame['method'] == 'tools/list':\n    say(id=frame['id'], error={{'code': -32601, 'message': 'no'}})\nelse:\n    {OK}"

    with client(stub(body), tmp_path) as agent, pytest.raises(ProtocolError, match="-32601: no"):
        agent.tools()


def test_an_answer_without_an_envelope_is_reported(stub: Stub, tmp_path: Path):
    with client(stub("say(id=frame['id'], result={})"), tmp_path) as agent, pytest.raises(ProtocolError):
        agent.call("status")
