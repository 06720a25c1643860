"""The MCP tools, one module per noun, in the order in which clients list them."""

from functools import cache

from mcp.server.mcpserver.tools import Tool

from wfe_mcp.server.tool import ToolEntry, sdk_tool
from wfe_mcp.server.tools.artifacts import find, list_templates, read_artifact, save_template, submit_artifact
from wfe_mcp.server.tools.decisions import approve, reject, second_opinion
from wfe_mcp.server.tools.runs import control_run, retry_phase, rollback, skip_phase, start_phase, start_run, status
from wfe_mcp.server.tools.work import work

__all__ = ["ENTRIES", "tools"]

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


@cache
def tools() -> dict[str, Tool]:
    """Name → tool, made once per process: the argument models take 20 ms."""
    return {tool.name: tool for tool in map(sdk_tool, ENTRIES)}
