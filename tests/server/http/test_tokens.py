"""What a token opens over HTTP, and what it never does: another project, a tool above its scope, a person's decision."""

import json
import socket
from typing import Any

import pytest

from tests.server.conftest import House, call, drill, submitted
from tests.server.http.conftest import ADA, Running
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.access.tokens import Scope, begin_session, revoke_token, tokens
from wfe_mcp.server.http import NEEDS
from wfe_mcp.server.tools import ENTRIES, tools

SECRET = "zephyr-of-the-other-project"
ARGUMENTS: dict[str, Any] = {
    "phase": "plan",
    "artifact": {"title": "A good title"},
    "reason": "because",
    "action": "cancel",
    "to": "plan",
    "query": SECRET,
    "question": "Why?",
    "sha256": "",
    "feedback": "no",
}


def request(tool: str, **arguments: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def answer_in(response: Any) -> dict[str, Any]:
    """The envelope in the only event of a response."""
    data = next(line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: "))
    return json.loads(data)["result"]["structuredContent"]


@pytest.mark.attack("a token that is unknown, revoked, expired or a page's opens MCP over HTTP", "held", "#31")
def test_only_a_valid_token_of_a_project_opens_it(running: Running) -> None:
    engine = running.house.engine()
    revoked, expired = running.token("gone"), running.token("old", expires_s=0.001)
    revoke_token(engine, ADA, "gone")
    session = begin_session(engine, ADA)
    for text in ("", "Bearer", "Bearer x", f"Bearer {revoked}", f"Bearer {expired}", f"Basic {running.token('b')}"):
        found = running.post(request("status"), Authorization=text)
        assert found.status_code == 401, text
        assert found.headers["www-authenticate"] == "Bearer"
    for text in (session, running.token("all", everywhere=True)):
        found = running.post(request("status"), Authorization=f"Bearer {text}")
        assert found.status_code == 403
        assert "wfe-mcp token create" in found.text


@pytest.mark.attack("a token works on after it was revoked", "held", "#31")
def test_a_token_that_is_revoked_opens_nothing_any_more(running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.token()}"}
    opened = answer_in(running.post(request("status"), **headers))
    assert opened["ok"], opened
    revoke_token(running.house.engine(), ADA, "bot")
    assert running.post(request("status"), **headers).status_code == 401


@pytest.mark.parametrize("tool", sorted(tools()))
@pytest.mark.attack("a token reads or changes another project through a tool of MCP", "held", "#31")
async def test_no_tool_shows_or_changes_another_project(running: Running, other_project: House, tool: str) -> None:
    async with running.agent(running.token(scope="manage")) as agent:
        run = await drill(agent, title=SECRET)
        await submitted(agent, run, "plan", SECRET)
    before = state(running.house, run)
    other = Running(other_project)
    other.url = running.url
    accepted = tools()[tool].parameters["properties"]
    arguments = {name: value for name, value in ARGUMENTS.items() if name in accepted}
    if "run" in accepted:
        arguments["run"] = run
    async with other.agent(other.token("stranger", "manage")) as stranger:
        found = await stranger.call_tool(tool, arguments)
    text = found.model_dump_json().replace(json.dumps(SECRET), "") if tool == "find" else found.model_dump_json()
    assert SECRET not in text.replace(f"'{SECRET}'", "")
    if "run" in accepted:
        assert '"ok":false' in text
    assert state(running.house, run) == before


def state(house: House, run: str) -> tuple[RunStatus, int]:
    engine = house.engine()
    with engine.store.read() as tx:
        record = engine.load(tx, run).record
    return record.status, record.last_seq


@pytest.mark.parametrize("tool", sorted(NEEDS))
@pytest.mark.attack("a token calls a tool above its scope", "held", "#31")
async def test_a_token_calls_only_tools_of_its_scope(running: Running, tool: str) -> None:
    reads = {each.body.__name__ for each in ENTRIES if each.reads}
    assert {name for name, scope in NEEDS.items() if scope == "read"} == reads
    scopes: dict[Scope, bool] = {"read": tool in reads, "work": tool != "save_template", "manage": True}
    for scope, is_allowed in scopes.items():
        async with running.agent(running.token(f"of-{scope}", scope)) as agent:
            found = await call(agent, tool)
        assert (found["ok"] or found["error"]["code"] != "forbidden") is is_allowed, (scope, found)


@pytest.mark.attack("a program sends the answer of a user whom no one asked, over HTTP", "held", "#31")
async def test_an_answer_that_a_program_brings_decides_nothing(running: Running) -> None:
    async with running.agent(running.token()) as agent:
        run = await drill(agent)
        await submitted(agent, run, "asked")
        asked = await call(agent, "approve", run=run, phase="asked")
    assert asked["error"]["code"] == "needs_human"
    brought = {
        f"wfe-approval:{asked['data']['request']}": {
            "action": "accept",
            "content": {"decision": "approve", "typed": "yes"},
        }
    }
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "evil", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    }
    body = request("approve", run=run, phase="asked")
    body["params"] = {**body["params"], "inputResponses": brought, "_meta": meta}
    found = running.post(
        body,
        Authorization=f"Bearer {running.token('evil')}",
        **{"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "approve"},
    )
    assert "needs_human" in found.text, found.text
    with running.house.engine().store.read() as tx:
        assert tx.approvals.decision(asked["data"]["request"]) is None


@pytest.mark.attack("a web page elsewhere, or a name that leads to this host, reaches MCP over HTTP", "held", "#31")
def test_another_host_or_origin_is_refused_and_so_is_a_large_body(running: Running) -> None:
    allowed = {"Authorization": f"Bearer {running.token()}"}
    assert running.post(request("status"), **allowed, Host="evil.example").status_code == 421
    assert running.post(request("status"), **allowed, Origin="https://evil.example").status_code == 403
    assert running.post(request("status"), **allowed, **{"Content-Type": "text/plain"}).status_code == 415
    assert running.post({"x": "x" * 20_000_000}, **allowed).status_code == 413
    # What anyone sends to a bridge is answered without waiting for all of it, however it is nested.
    lines = f"POST /bridge HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Type: application/json\r\n"
    for size in (4_000, 20_000_000):
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as sender:
            sender.sendall(f"{lines}Content-Length: {size}\r\n\r\n".encode() + b"[" * min(size, 5_000))
            assert sender.recv(12) == b"HTTP/1.1 401", size


def test_a_token_says_who_made_it_and_when_it_was_used_last(running: Running) -> None:
    engine, token = running.house.engine(), running.token()
    (made,) = tokens(engine)
    assert (made.owner, made.used_at) == ("ada", None)
    running.post(request("status"), Authorization=f"Bearer {token}")
    (used,) = tokens(engine)
    assert used.used_at is not None
    with engine.store.read() as tx:
        assert not tx.settings_log.problems()
    revoke_token(engine, ADA, "bot")
    running.token()
    assert [each.used_at for each in tokens(engine)] == [None]
