"""The MCP servers that steps can call here, and a test of each.

Only servers of trusted configuration are ever started or asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.tools.client import ServerTools

ASK_TIMEOUT_S = 20.0
"""How long a server may take to start and to list its tools."""


@dataclass(frozen=True, slots=True)
class ServerLine:
    """A configured server. ``missing``: variables it is to see that are not set; ``trusted`` False: it needs trust."""

    name: str
    where: str
    env: tuple[str, ...]
    missing: tuple[str, ...]
    trusted: bool


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What a server answered; ``fault`` when it did not."""

    name: str
    answer: ServerTools | None
    fault: str = ""


def servers(engine: Engine) -> list[ServerLine]:
    """Every configured server by name, including those that need trust."""
    loaded = engine.settings()
    known = loaded.settings.mcp_servers
    waiting = {
        name: each for name, each in (loaded.pending or loaded.settings).mcp_servers.items() if name not in known
    }
    return [
        ServerLine(
            name,
            each.url or " ".join((each.command or "", *each.args)),
            tuple(each.env),
            tuple(variable for variable in each.env if variable not in engine.environment),
            name in known,
        )
        for name, each in sorted((known | waiting).items())
    ]


def ask(engine: Engine, name: str, timeout_s: float = ASK_TIMEOUT_S) -> ServerReply:
    """Connect to the server ``name`` and list its tools. Refuses ``bad_argument`` and ``needs_trust``."""
    from wfe_mcp.jobs.environment import child_env
    from wfe_mcp.tools.client import list_tools
    from wfe_mcp.tools.fault import ToolFault

    found = {line.name: line for line in servers(engine)}
    if name not in found:
        hint = nearest_hint(name, found, f"Configured: {', '.join(found) or 'none'}.")
        raise Refused("bad_argument", f"No MCP server {name!r} is configured.", hint)
    if not found[name].trusted:
        raise Refused(
            "needs_trust",
            f"MCP server {name!r} is defined in configuration that is not trusted yet.",
            "Ask the user to look at it and run: wfe-mcp trust",
        )
    server = engine.settings().settings.mcp_servers[name].frozen(name)
    try:
        env = child_env(server.env, engine.environment)
        return ServerReply(name, list_tools(server, timeout_s=timeout_s, env=env, cwd=engine.root))
    except ToolFault as fault:
        return ServerReply(name, None, str(fault))


def ask_each(engine: Engine, names: Iterable[str], timeout_s: float = ASK_TIMEOUT_S) -> list[ServerReply]:
    """Ask those of ``names`` that trusted configuration has; the others are left out."""
    trusted = {line.name for line in servers(engine) if line.trusted}
    return [ask(engine, name, timeout_s) for name in names if name in trusted]
