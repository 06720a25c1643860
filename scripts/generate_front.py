"""Writes wfe_mcp/server/front.json: the live server's handshake and lists, in both protocol eras.

python scripts/generate_front.py          write it
python scripts/generate_front.py --check  write nothing; exit 1 when it differs from what the server answers
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse
from mcp_types.jsonrpc import jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from scripts.generated import write_or_check
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.fast_start import CACHE, CAPABILITIES_KEY, LISTS, VERSION_KEY
from wfe_mcp.server.project_session import ProjectSession

CLIENT = {"name": "front", "version": "1"}


def text() -> str:
    """The generated text of the file."""
    return json.dumps(anyio.run(live), indent=1, ensure_ascii=False) + "\n"


async def live() -> dict[str, Any]:
    """The server's present answers: one set for all handshake versions, one for the stateless version."""
    every = {version: await _answers(_handshake(version)) for version in HANDSHAKE_PROTOCOL_VERSIONS}
    for version, answers in every.items():
        assert answers["initialize"].pop("protocolVersion") == version
    handshake = every[LATEST_HANDSHAKE_VERSION]
    assert all(answers == handshake for answers in every.values()), "the versions differ: front.py must tell them apart"
    return {
        "versions": list(every),
        "handshake": handshake,
        "stateless": await _answers(_stateless(LATEST_MODERN_VERSION)),
    }


def _handshake(version: str) -> list[dict[str, Any]]:
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}
    return [
        {"method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        *({"method": method} for method in LISTS),
    ]


def _stateless(version: str) -> list[dict[str, Any]]:
    meta: dict[str, Any] = {VERSION_KEY: version, CAPABILITIES_KEY: {}}
    return [{"method": method, "params": {"_meta": meta}} for method in ("server/discover", *LISTS)]


async def _answers(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Send ``messages`` to a server without a project, with its own database; method → result of each request."""
    with tempfile.TemporaryDirectory(prefix="wfe-front-", ignore_cleanup_errors=True) as folder:
        database = {"WFE_DATABASE_URL": f"sqlite:///{Path(folder, 'wfe.db').as_posix()}"}
        return await _served(WfeServer(ProjectSession(None, database, Path(Path.cwd().anchor))), messages)


async def _served(server: WfeServer, messages: list[dict[str, Any]]) -> dict[str, Any]:
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](100)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](100)
    found: dict[str, Any] = {}
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, incoming, outgoing)
        for number, message in enumerate(messages):
            request = {} if message["method"].startswith("notifications/") else {"id": number}
            frame = {"jsonrpc": "2.0", **request, **message}
            await to_server.send(SessionMessage(jsonrpc_message_adapter.validate_python(frame)))
            if request:
                answer = (await from_server.receive()).message
                assert isinstance(answer, JSONRPCResponse), answer
                found[message["method"]] = answer.result
        to_server.close()
    from_server.close()
    return found


def main(arguments: Sequence[str], path: Path = Path(CACHE)) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(arguments, __file__, __doc__, lambda: {path: text()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
