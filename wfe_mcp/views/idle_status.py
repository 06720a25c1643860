"""The status of a project without an open run. Apart from ``tool_answers``, which it must not load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.envelope import Envelope, Next

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine


def idle_status(engine: Engine) -> Envelope | None:
    """The status of a project in which nothing is open; None when an idle probe cannot tell."""
    return nothing_open(engine) if engine.nothing_is_open() else None


def nothing_open(engine: Engine) -> Envelope:
    """The answer where no run is open. It names the folder: a client may have started the server in another one."""
    first = Next("list_templates", why="choose a template, then start_run")
    return Envelope(True, summary=f"No run is open in this project: {engine.root}", next=(first,), data={"runs": []})
