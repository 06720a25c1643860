"""The MCP tools, one module per noun, in the order in which clients list them, as the SDK's tools with slim schemas.

Every token of a schema costs in each session, so a schema contains only what a model needs: no titles, no empty
defaults, no ``T | null`` (``null`` for an optional argument counts as absent).
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, cast

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.server.tools.artifacts import find, list_templates, read_artifact, save_template, submit_artifact
from wfe_mcp.server.tools.decisions import approve, reject, second_opinion
from wfe_mcp.server.tools.runs import control_run, retry_phase, rollback, skip_phase, start_phase, start_run, status
from wfe_mcp.server.tools.work import work
from wfe_mcp.views.moves.envelope import ENVELOPE_SCHEMA, LIMIT_BYTES

__all__ = ["BY_ACTION", "ENTRIES", "tools"]

ALWAYS: dict[str, Any] = {"anthropic/alwaysLoad": True}
SIZE: dict[str, Any] = {"anthropic/maxResultSizeChars": 2 * LIMIT_BYTES}
"""Claude Code passes a result of this size on whole, and does not put it into a file. Ours are smaller."""


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """The declaration of a tool. The docstring of ``body`` is the description that models read.

    ``always``: clients that load tools on demand are asked to load this one at once. ``long``: its results may be as
    long as results are.
    """

    body: Callable[..., Awaitable[object]]
    title: str
    reads: bool = False
    destroys: bool = False
    repeatable: bool = False
    always: bool = False
    long: bool = False


ENTRIES = (
    ToolEntry(list_templates, "List templates", reads=True),
    ToolEntry(start_run, "Start a run", always=True),
    ToolEntry(status, "State of a run", reads=True, always=True),
    ToolEntry(start_phase, "Start a phase", repeatable=True, always=True, long=True),
    ToolEntry(submit_artifact, "Submit an artifact", repeatable=True, always=True),
    ToolEntry(approve, "Ask for approval", repeatable=True),
    ToolEntry(reject, "Withdraw a submission", destroys=True),
    ToolEntry(retry_phase, "Retry a phase"),
    ToolEntry(skip_phase, "Skip a phase"),
    ToolEntry(rollback, "Roll back", destroys=True),
    ToolEntry(control_run, "Pause, resume or cancel a run", destroys=True),
    ToolEntry(second_opinion, "Ask other models", repeatable=True),
    ToolEntry(read_artifact, "Read an artifact", reads=True, long=True),
    ToolEntry(find, "Find what was said", reads=True),
    ToolEntry(save_template, "Save a template", repeatable=True),
    ToolEntry(work, "Work items"),
)

BY_ACTION: Mapping[str, Mapping[str, frozenset[str]]] = {
    tool: {action: frozenset(arguments.split()) for action, arguments in actions.items()}
    for tool, actions in {
        "control_run": {
            **dict.fromkeys(("pause", "resume", "cancel"), "run reason"),
            "proceed": "run reason phase",
            **dict.fromkeys(("auto_on", "auto_off", "checkpoint"), "run reason"),
        },
        "work": {
            "list": "kind status cursor",
            "show": "id",
            "add": "kind item",
            "change": "id status item",
            "next": "",
        },
    }.items()
}
"""Tool → action → the arguments that it takes. Another one would have no effect, so it is refused; a reason is no wish."""


@cache
def tools() -> dict[str, Tool]:
    """Name → tool, made once per process: the argument models take 20 ms."""
    return {tool.name: tool for tool in map(sdk_tool, ENTRIES)}


def sdk_tool(entry: ToolEntry) -> Tool:
    """The SDK's tool for ``entry``."""
    description = " ".join((entry.body.__doc__ or "").split())
    hints = ToolAnnotations(
        read_only_hint=entry.reads,
        # of no meaning for a tool that only reads, says the protocol
        destructive_hint=None if entry.reads else entry.destroys,
        idempotent_hint=None if entry.reads else entry.repeatable,
        open_world_hint=False,
    )
    tool = Tool.from_function(
        entry.body,
        title=entry.title,
        description=description,
        annotations=hints,
        context_kwarg="call",
        meta=(ALWAYS if entry.always else {}) | (SIZE if entry.long else {}) or None,
        structured_output=False,
    )
    tool.parameters = slim(tool.parameters) | {"additionalProperties": False}
    tool.fn_metadata.output_schema = ENVELOPE_SCHEMA
    return tool


def slim(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` without uninformative parts."""
    kept = dict(schema)
    arms = [cast("dict[str, Any]", arm) for arm in kept.get("anyOf", ()) if arm.get("type") != "null"]
    if len(arms) == 1:
        del kept["anyOf"]
        kept = arms[0] | kept
    if isinstance(kept.get("title"), str):
        del kept["title"]
    if "default" in kept and kept["default"] in (None, "", [], {}):
        del kept["default"]
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]
    if "properties" in kept:
        kept["properties"] = {name: slim(part) for name, part in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = slim(kept["items"])
    return kept
