"""Legal moves in the names of each interface: the MCP call, the line for a terminal, the label of a button.

The names are those of the commands (``Command.call``); this module adds arguments and options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.core.moves import action, phase_moves
from wfe_mcp.core.paths import typed
from wfe_mcp.views.envelope import Next

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.runs.overview import Overview

USER = By("user", Channel.CLI, Assurance.PASSKEY)
"""The user with every proof that a gate can ask for: what is legal for this caller, the user can do."""

_OPTIONS = {
    "submit": " --path FILE",
    "reject": " --feedback TEXT",
    "force-accept": " --reason TEXT",
    "opinion overrule": " --reason TEXT",
}
TOOL_COMMANDS = {
    "start_phase": "submit {run} {phase} --path FILE",
    "submit_artifact": "submit {run} {phase} --path FILE",
    "approve": "approve {run} {phase}",
    "reject": "reject {run} {phase} --feedback TEXT",
    "retry_phase": "retry {run} {phase}",
    "skip_phase": "skip {run} {phase} --reason TEXT",
    "rollback": "rollback {run} {to}",
    "control_run": "{action} {run}",
    "start_run": "start {template} --inputs JSON",
    "status": "watch {run}",
    "list_templates": "templates list",
    "read_artifact": "artifact show {run}",
    "second_opinion": "opinion ask {run} {phase}",
    "find": "find QUERY",
    "save_template": "templates import FILE",
    "work_items": "work_items",
}
"""MCP tool → the command that does the same; names in braces are arguments of the call."""
_UNNAMED = {"run": "RUN", "phase": "PHASE", "template": "TEMPLATE", "to": "TO", "action": "ACTION"}


def tool_call(run: str, move: c.Command, why: str = "") -> Next:
    """``move`` as an MCP call. The command must have a tool."""
    args: dict[str, Any] = {"run": run}
    if isinstance(move, c.PhaseCommand):
        args["phase"] = move.phase
    if action(move):
        args["action"] = action(move)
    return Next(move.call.tool, args, why=why)


def submit_call(run: str, phase: str, attempt: int) -> Next:
    """Submit the artifact that the schema in ``data.output`` describes."""
    args: dict[str, Any] = {"run": run, "phase": phase, "attempt": attempt}
    return Next(c.Submit.call.tool, args, {"artifact": "/data/output/schema"})


def command_line(call: Next) -> str:
    """An MCP call as the command that you type."""
    if call.tool == "status" and "run" not in call.args:
        return "wfe-mcp list"
    given = {
        name: str(value).replace("_", " ") if name == "action" else str(value) for name, value in call.args.items()
    }
    if "phase" in given:
        given["phase"] = typed(given["phase"])
    return f"wfe-mcp {TOOL_COMMANDS[call.tool].format_map(_UNNAMED | given)}"


def user_moves(found: Overview, attempt: Attempt) -> tuple[c.PhaseCommand, ...]:
    """What the user can do with ``attempt`` now."""
    return phase_moves(found.loaded.state, attempt, USER, found.loaded.record.updated_at)


def user_commands(found: Overview, moves: Sequence[c.PhaseCommand]) -> str:
    """Commands of one phase in one line: ``wfe-mcp retry|skip RUN PHASE``; empty for no moves."""
    commands = dict.fromkeys(move.call.command for move in moves)
    names = [name for name in commands if name]
    options = _OPTIONS.get(names[0], "") if len(names) == 1 else ""
    run = found.loaded.record.id
    return f"wfe-mcp {'|'.join(names)} {run} {typed(moves[0].phase)}{options}" if names else ""


def button(move: c.Command) -> str:
    """The label of the button that gives ``move``."""
    return move.call.verb.capitalize()
