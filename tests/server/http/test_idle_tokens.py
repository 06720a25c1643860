"""What serves a token ends once the token is not used any more."""

import json
from typing import Any

import httpx2
import pytest

from tests.server.conftest import House
from tests.server.http.conftest import ADA
from wfe_mcp.engine.access.tokens import Token, create_token
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


@pytest.mark.anyio
async def test_a_token_that_was_used_once_leaves_nothing_behind_and_may_come_back(house: House) -> None:
    engine, now = house.engine(), [0.0]
    tokens: dict[str, Token] = {
        f"bot{n}": create_token(engine, ADA, f"bot{n}", "work", project=engine.project_id)[0] for n in range(4)
    }
    before = len(engine.listeners)
    servers = TokenServers(
        lambda header: tokens[header],
        lambda token, _, threads: TokenPlace(engine, token, lambda _: None, house.root, threads),
        lambda token: pytest.fail(f"{token.name} comes over no bridge"),
        lambda: now[0],
    )
    async with (
        servers.alive(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(servers), base_url="http://127.0.0.1") as http,
    ):
        for name in (*tokens, "bot0"):
            answer = await http.post("/mcp", headers={**HEADERS, "Authorization": name}, content=json.dumps(STATUS))
            assert '"ok":true' in answer.text.replace(" ", ""), answer.text
            now[0] += IDLE_S + 1
        assert len(engine.listeners) == before + 1, "the last one alone is served"
