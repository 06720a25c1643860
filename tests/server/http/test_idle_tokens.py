"""What serves a token: it waits for no other one, and ends once the token is not used any more."""

import json
import threading
from typing import Any

import anyio
import httpx2
import pytest
from anyio import to_thread

from tests.server.conftest import House
from tests.server.http.conftest import ADA
from wfe_mcp.engine.access.tokens import Token, create_token
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.http import IDLE_S, TokenPlace, TokenServers

STATUS: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "status", "arguments": {}},
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "Mcp-Protocol-Version": "2025-06-18",
}


def token(engine: Engine, name: str) -> Token:
    return create_token(engine, ADA, name, "work", project=engine.project_id)[0]


async def ask_status(http: httpx2.AsyncClient, name: str) -> None:
    answer = await http.post("/mcp", headers={**HEADERS, "Authorization": name}, content=json.dumps(STATUS))
    assert '"ok":true' in answer.text.replace(" ", ""), answer.text


@pytest.mark.anyio
async def test_a_token_that_was_used_once_leaves_nothing_behind_and_may_come_back(house: House) -> None:
    engine, now = house.engine(), [0.0]
    tokens = {name: token(engine, name) for name in ("bot0", "bot1", "bot2", "bot3")}
    before = len(engine.listeners)
    servers = TokenServers(
        lambda header: tokens[header],
        lambda owner, _, threads: TokenPlace(engine, owner, lambda _: None, house.root, threads, str),
        lambda owner: pytest.fail(f"{owner.name} comes over no bridge"),
        lambda: now[0],
    )
    async with (
        servers.alive(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(servers), base_url="http://127.0.0.1") as http,
    ):
        for name in (*tokens, "bot0"):
            await ask_status(http, name)
            now[0] += IDLE_S + 1
        assert len(engine.listeners) == before + 1, "the last one alone is served"


@pytest.mark.anyio
async def test_a_token_is_served_while_the_project_of_another_one_opens(house: House) -> None:
    engine, opens, may_open = house.engine(), threading.Event(), threading.Event()
    tokens = {name: token(engine, name) for name in ("known", "new")}

    def place_of(owner: Token, _: object, threads: anyio.CapacityLimiter) -> TokenPlace:
        if owner.name == "new":
            opens.set()
            assert may_open.wait(60)
        return TokenPlace(engine, owner, lambda _: None, house.root, threads, str)

    servers = TokenServers(
        lambda header: tokens[header], place_of, lambda owner: pytest.fail(f"{owner.name} comes over no bridge")
    )
    async with (
        servers.alive(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(servers), base_url="http://127.0.0.1") as http,
        anyio.create_task_group() as group,
    ):
        await ask_status(http, "known")
        group.start_soon(ask_status, http, "new")
        assert await to_thread.run_sync(opens.wait, 60)
        try:
            with anyio.fail_after(20):
                await ask_status(http, "known")
        finally:
            may_open.set()
