"""A call of a tool over MCP at a server, as an agent with a token sends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping


async def call(
    http: httpx2.AsyncClient, url: str, token: str, tool: str, arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """The envelope, and why the call was not made: a code, an HTTP status, or a connection that broke; empty where it was."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": dict(arguments)}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    try:
        answer = await http.post(f"{url}/mcp", json=body, headers=headers)
    except httpx2.HTTPError as broken:
        return {}, type(broken).__name__
    # A stream of events, which may begin with comments that keep the connection open.
    text = next((line[6:] for line in answer.text.splitlines() if line.startswith("data: {")), "{}")
    found: dict[str, Any] = json.loads(text).get("result", {}).get("structuredContent", {})
    return found, "" if found.get("ok") else str(found.get("error", {}).get("code", f"HTTP {answer.status_code}"))
