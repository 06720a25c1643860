"""An MCP server on standard input and output whose name has a NUL, and that ends nothing: its list of tools has no last page, and its refusals are megabytes."""

import json
import sys
from typing import Any


def answer(method: str, params: dict[str, Any], number: int) -> dict[str, Any]:
    """What is answered to a request."""
    match method:
        case "initialize":
            info = {"name": "end\0less", "version": "1"}
            return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}}
        case "tools/list":
            tool = {"name": f"t{number}", "inputSchema": {"type": "object"}, "description": "d" * 5_000}
            return {"result": {"tools": [tool], "nextCursor": str(number)}}
        case "tools/call" if params["name"] == "say":
            return {"result": {"content": [{"type": "text", "text": "fine"}]}}
        case "tools/call":
            return {"error": {"code": -32602, "message": "no" * 1_000_000}}
        case _:
            return {"error": {"code": -32601, "message": "unknown"}}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        reply = {
            "jsonrpc": "2.0",
            "id": request["id"],
            **answer(request["method"], request.get("params", {}), request["id"]),
        }
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
