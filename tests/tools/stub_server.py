"""A small MCP server for the tests: it counts its calls in a file (first argument) and speaks stdio, or HTTP on a port.

python stub_server.py CALLS [PORT]
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

CALLS = Path(sys.argv[1])
server = MCPServer("stub", version="1.2.3")


def count(tool: str, **seen: Any) -> int:
    with CALLS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"tool": tool, **seen}) + "\n")
    return sum(1 for line in CALLS.read_text(encoding="utf-8").splitlines() if json.loads(line)["tool"] == tool)


def text(value: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=value)], is_error=is_error)


@server.tool()
def get_issue(number: int, ctx: Context[Any, Any]) -> CallToolResult:
    """The issue, as JSON in a text, like many servers answer."""
    meta = ctx.request_context.meta or {}
    count("get_issue", number=number, key=meta.get("wfe/idempotency-key"))
    labels = [{"name": "bug"}] if number == 7 else []
    return text(
        json.dumps({"number": number, "title": "Crash: ${inputs.goal} ${1 + 1}", "labels": labels, "state": "OPEN"})
    )


@server.tool()
def create_branch(branch: str, base: str = "main") -> dict[str, Any]:
    """A branch, as structured content."""
    count("create_branch", branch=branch)
    return {"ref": f"refs/heads/{branch}", "base": base}


@server.tool()
def create_pull_request(title: str, head: str) -> dict[str, Any]:
    """A pull request."""
    number = count("create_pull_request", title=title, head=head)
    return {"number": number, "html_url": f"https://example.org/pr/{number}", "title": title}


@server.tool()
def echo(value: Any) -> CallToolResult:
    """What was sent, and its type."""
    count("echo", value=value)
    return text(json.dumps({"value": value, "type": type(value).__name__}))


@server.tool()
def say(words: str) -> CallToolResult:
    """Plain words."""
    count("say", words=words)
    return text(words)


@server.tool()
def nothing() -> CallToolResult:
    """No content at all."""
    return CallToolResult(content=[])


@server.tool()
def refuse(words: str) -> CallToolResult:
    """An error of these words; each ``?`` is a NUL."""
    return text(words.replace("?", "\0"), is_error=True)


@server.tool()
def flaky(times: int) -> dict[str, Any]:
    """Fails until it was called ``times`` times."""
    tried = count("flaky")
    if tried < times:
        raise ToolError(f"try {tried} is no good")
    return {"tries": tried}


@server.tool()
def hang(seconds: float = 60) -> dict[str, Any]:
    """Counts, then answers too late."""
    count("hang", pid=os.getpid())
    time.sleep(seconds)
    return {"done": True}


@server.tool()
def die() -> dict[str, Any]:
    """Counts, then ends the process without an answer."""
    count("die")
    os._exit(3)


@server.tool()
def large() -> CallToolResult:
    """More than anyone wants."""
    return text("x" * 1_000_001)


@server.tool()
def environment() -> dict[str, str]:
    """What this process sees."""
    return dict(os.environ)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
