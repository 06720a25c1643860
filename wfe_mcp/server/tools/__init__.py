"""Which tools are there? One file per noun; the order is the one clients list them in."""

from functools import cache

from mcp.server.mcpserver.tools import Tool

from wfe_mcp.server.tool import Entry, sdk_tool
from wfe_mcp.server.tools.artifacts import read_artifact, submit_artifact
from wfe_mcp.server.tools.decisions import approve, reject
from wfe_mcp.server.tools.finding import find
from wfe_mcp.server.tools.history import rollback
from wfe_mcp.server.tools.opinions import second_opinion
from wfe_mcp.server.tools.phases import retry_phase, skip_phase, start_phase
from wfe_mcp.server.tools.runs import control_run, start_run, status
from wfe_mcp.server.tools.templates import list_templates, save_template

__all__ = ["ENTRIES", "tools"]

ENTRIES = (
    Entry(list_templates, "List templates", reads=True),
    Entry(start_run, "Start a run", always=True),
    Entry(status, "Where a run stands", reads=True, always=True),
    Entry(start_phase, "Start a phase", repeatable=True, always=True),
    Entry(submit_artifact, "Submit an artifact", repeatable=True, always=True),
    Entry(approve, "Ask for approval", repeatable=True),
    Entry(reject, "Withdraw a submission", destroys=True),
    Entry(retry_phase, "Retry a phase"),
    Entry(skip_phase, "Skip a phase"),
    Entry(rollback, "Roll back", destroys=True),
    Entry(control_run, "Pause, resume or cancel a run", destroys=True),
    Entry(second_opinion, "Ask other models", repeatable=True),
    Entry(read_artifact, "Read an artifact", reads=True),
    Entry(find, "Find what was said", reads=True),
    Entry(save_template, "Save a template", repeatable=True),
)


@cache
def tools() -> dict[str, Tool]:
    """Name → tool, made once per process: the argument models take 20 ms."""
    return {tool.name: tool for tool in map(sdk_tool, ENTRIES)}
