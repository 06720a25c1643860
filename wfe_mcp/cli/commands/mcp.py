"""``wfe-mcp mcp``: list and test the MCP servers that steps may call."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from wfe_mcp.engine.phases.step_calls import ServerReply

Server = Annotated[str, typer.Argument(metavar="[NAME]", help="One server; without it all trusted ones.")]


def list_all(invocation: Invocation) -> None:
    """List the MCP servers of the configuration; none is started."""
    from wfe_mcp.engine.phases.step_calls import servers

    configured = servers(invocation.engine)
    summary = (
        plural(len(configured), "MCP server") if configured else "No MCP server is configured in .wfe/config.toml."
    )
    heads = ("name", "state", "variables not set", "command or address")
    states = [
        (
            server.name,
            (server.fault or "trusted") if server.trusted else "needs trust",
            ", ".join(server.missing) or "-",
            server.where,
        )
        for server in configured
    ]
    data = {"servers": [asdict(server) for server in configured]}
    invocation.answer(summary, lambda screen: screen.table(heads, states, empty=summary), data=data)


def try_out(invocation: Invocation, name: Server = "") -> None:
    """Start or reach each server, list its tools, and stop it."""
    from wfe_mcp.engine.phases.step_calls import ask, ask_each, servers

    with invocation.screen.busy("Asking MCP servers"):
        trusted = [line.name for line in servers(invocation.engine) if line.trusted]
        replies = [ask(invocation.engine, name)] if name else ask_each(invocation.engine, trusted)
    bad = [reply for reply in replies if reply.answer is None]
    summary = (
        f"{len(replies) - len(bad)} of {plural(len(replies), 'MCP server')} answered."
        if replies
        else "No trusted MCP server is configured."
    )
    hint = "Check its command, variables and address in .wfe/config.toml: wfe-mcp mcp list"
    error = Refused("unavailable", bad[0].fault, hint) if bad else None

    def render(screen: Screen) -> None:
        for reply in replies:
            _render(screen, reply)
        screen.line(summary)

    invocation.answer(summary, render, data={"servers": [_view(reply) for reply in replies]}, error=error)


def _view(reply: "ServerReply") -> dict[str, Any]:
    if reply.answer is None:
        return {"name": reply.name, "ok": False, "fault": reply.fault}
    return {"name": reply.name, "ok": True} | {
        "server": reply.answer.name,
        "version": reply.answer.version,
        "protocol": reply.answer.protocol,
        "duration_s": reply.answer.duration_s,
        "tools": [asdict(tool) for tool in reply.answer.tools],
    }


def _render(screen: Screen, reply: "ServerReply") -> None:
    if reply.answer is None:
        screen.line(f"{reply.name}: {reply.fault}", "problem")
        return
    tools = reply.answer
    screen.line(f"{reply.name}: {tools.name} {tools.version}, MCP {tools.protocol}, {tools.duration_s:.1f} s", "ok")
    for tool in tools.tools:
        lines = tool.description.strip().splitlines()
        screen.line(f"  {reply.name}.{tool.name}" + (f"  {lines[0]}" if lines else ""))
