"""The answers of the tools that only read. Loads no SDK: the server gives them before it has loaded it.

Each function takes the engine, the caller and the tool's arguments, as ``tool_answers`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.moves.envelope import Envelope, idle_status

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine


def status(engine: Engine, by: By, run: str = "", detail: str = "brief") -> Envelope:
    """The state of ``run``; without it the open runs of the project."""
    idle = None if run else idle_status(engine)
    if idle is not None:
        return idle
    from wfe_mcp.views.answers import run_status

    return run_status.status(engine, by, run, detail)


def list_templates(engine: Engine, by: By, query: str = "", name: str = "") -> Envelope:
    """The templates of this project; with ``name`` the whole definition."""
    from wfe_mcp.views.answers import tool_answers

    return tool_answers.list_templates(engine, by, query, name)
