"""``wfe-mcp mcp``: which MCP servers may steps call, and do they answer?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.engine.phases.mcp_servers import ServerReply

__all__ = ["list_all", "try_out"]

Server = Annotated[str, typer.Argument(metavar="[NAME]", help="One server; all trusted ones without a name.")]


def list_all(door: Door) -> None:
    """List the MCP servers of the configuration, without starting any."""
    from wfe_mcp.engine.phases.mcp_servers import servers
    from wfe_mcp.views.envelope import Envelope

    found = servers(door.engine)
    told = f"{len(found)} MCP server(s)" if found else "No MCP server is configured; name one in .wfe/config.toml."
    answer = Envelope(True, summary=told, data={"servers": [asdict(each) for each in found]})

    def tell(screen: "Screen") -> None:
        states = [
            (each.name, each.where, "trusted" if each.trusted else "waits for trust", ", ".join(each.missing))
            for each in found
        ]
        screen.table(("name", "command or address", "", "variables not set"), states)
        if not found:
            screen.line(told)

    door.tell(answer, tell)


def try_out(door: Door, name: Server = "") -> None:
    """Start or reach each server, list its tools, and end it again."""
    from wfe_mcp.engine.phases.mcp_servers import ask, ask_each, servers
    from wfe_mcp.views.envelope import Envelope

    with door.screen.busy("Asking MCP servers"):
        trusted = [line.name for line in servers(door.engine) if line.trusted]
        asked = [ask(door.engine, name)] if name else ask_each(door.engine, trusted)
    bad = [each for each in asked if each.answer is None]
    told = (
        f"{len(asked) - len(bad)} of {len(asked)} MCP server(s) answer."
        if asked
        else "No trusted MCP server is configured."
    )
    hint = "Look at its command, its variables and its address in .wfe/config.toml; wfe-mcp mcp list shows them."
    error = Refused("unavailable", bad[0].fault, hint) if bad else None
    answer = Envelope(not bad, summary=told, data={"servers": [_view(each) for each in asked]}, error=error)

    def tell(screen: "Screen") -> None:
        for each in asked:
            _tell(screen, each)
        screen.line(told)

    door.tell(answer, tell)


def _view(asked: "ServerReply") -> dict[str, Any]:
    if asked.answer is None:
        return {"name": asked.name, "ok": False, "fault": asked.fault}
    return {"name": asked.name, "ok": True} | {
        "server": asked.answer.name, "version": asked.answer.version, "protocol": asked.answer.protocol,
        "duration_s": asked.answer.duration_s, "tools": [asdict(tool) for tool in asked.answer.tools],
    }  # fmt: skip


def _tell(screen: "Screen", asked: "ServerReply") -> None:
    if asked.answer is None:
        screen.line(f"{asked.name}: {asked.fault}", "problem")
        return
    found = asked.answer
    screen.line(f"{asked.name}: {found.name} {found.version}, MCP {found.protocol}, {found.duration_s:.1f} s", "ok")
    for tool in found.tools:
        lines = tool.description.strip().splitlines()
        screen.line(f"  {asked.name}.{tool.name}" + (f"  {lines[0]}" if lines else ""))
