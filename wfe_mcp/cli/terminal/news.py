"""What is new since the user's last visit, at their terminal; showing it there is a look."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.views.project.news import NewsView

_SHOWN = 3


def news_of(invocation: Invocation, projects: Sequence[str]) -> NewsView:
    """What is new in ``projects``. It is a look where the user sees it: at a terminal that no agent's client started."""
    from wfe_mcp.engine.approvals.pin import refuse_clients_terminal
    from wfe_mcp.engine.people.looks import visited_before
    from wfe_mcp.views.project.news import news

    looks = False
    if invocation.screen.is_terminal:
        with suppress(Refused):
            refuse_clients_terminal(invocation.engine)
            looks = True
    return news(invocation.engine, visited_before(invocation.engine, projects, looks=looks))


def show_news(invocation: Invocation, projects: Sequence[str] = ()) -> None:
    """The first lines of what is new in ``projects`` (none named: in this one); nothing where the output is no terminal."""
    if invocation.screen.is_terminal:  # only then: the engine loads SQLAlchemy
        engine = invocation.engine
        render_news(invocation.screen, news_of(invocation, projects or [engine.project_id]), engine.clock(), _SHOWN)


def render_news(screen: Screen, view: NewsView, now: datetime, most: int | None = None) -> None:
    """The runs of ``view``, and the command that lists all of them."""
    if not view.runs:
        return
    screen.line(f"New since you looked {screen.time(view.since, now)}: {plural(len(view.runs), 'run')}", "bold")
    screen.table((), [(run.run, screen.time(run.at, now), run.title, run.text) for run in view.runs[:most]], "  ")
    if most is not None and len(view.runs) > most:
        screen.line(f"  {len(view.runs) - most} more: wfe-mcp status --new")
