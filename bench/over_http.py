"""A call of a tool over MCP at a server, as an agent with a token sends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2

from wfe_mcp.core.bridge import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping


async def call(
    http: httpx2.AsyncClient, url: str, token: str, tool: str, arguments: Mapping[str, Any], *, bridged: bool = False
) -> tuple[dict[str, Any], str]:
    """The envelope, and why the call was not made: a code, an HTTP status, or a connection that broke; empty where it was.

    ``bridged``: in the work folder of the token.
    """
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": dict(arguments)}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    if bridged:
        headers["Wfe-Bridge"] = PROTOCOL
    try:
        answer = await http.post(f"{url}/mcp", json=body, headers=headers)
    except httpx2.HTTPError as broken:
        return {}, type(broken).__name__
    # JSON over a bridge; else a stream of events, which may begin with comments that keep the connection open.
    lines = (line.removeprefix("data: ") for line in answer.text.splitlines())
    text = next((line for line in lines if line.startswith("{")), "{}")
    found: dict[str, Any] = json.loads(text).get("result", {}).get("structuredContent", {})
    return found, "" if found.get("ok") else str(found.get("error", {}).get("code", f"HTTP {answer.status_code}"))
