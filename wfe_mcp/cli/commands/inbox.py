"""``wfe-mcp inbox``: all that waits for you, over all projects of the database, as the page's inbox shows it."""

from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.news import show_news
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import folder_names
from wfe_mcp.core.texts import in_short
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.system.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.views.runs.requests import InboxLine

_TEXT_CHARS = 240


def inbox(invocation: Invocation) -> None:
    """Show what waits for you in all your projects, oldest first.

    Each line has its command. Decisions, tasks, questions to you as a reviewer, phases that failed or are held, runs that you paused or that stopped,
    and changes that need your trust; below them the runs without progress, which wait for an agent or the server, and, at your own terminal,
    what is new since your last visit. The page shows the same. Nothing is decided here.
    """
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.dashboard.pages import everything_waiting
    from wfe_mcp.views.pages.inbox_of_person import yours
    from wfe_mcp.views.runs.requests import inbox_lines

    engine = invocation.engine
    view = everything_waiting(Engines(engine))
    lines = inbox_lines(yours(view))
    projects = dict.fromkeys(line.project for line in lines)
    where = f" in {plural(len(projects), 'project')}, oldest first." if lines else "."
    waiting = plural(len(lines), "thing waits", "things wait") if lines else "Nothing waits"
    summary = f"{waiting} for you{where}"

    with engine.store.read() as tx:
        known = tx.projects.all()

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        # A project that was begun where this one was moved to is forgotten, and has the same folder.
        names = {project.root: project.name or "" for project in known if project.forgotten_at is None}
        _table(invocation, screen, lines, folder_names(projects, names))
        for decision in view.decisions:
            if decision.for_others:
                screen.line(f"{decision.question} {decision.for_others}")
        if view.stuck is not None:
            screen.line(f"{view.stuck.text}: {view.stuck.names}.")
            screen.line(f"  {view.stuck.command}", is_pasted=True)

    invocation.answer(summary, render, view=view)
    show_news(invocation, [project.id for project in known])


def _table(invocation: Invocation, screen: Screen, lines: "Sequence[InboxLine]", names: dict[str, str]) -> None:
    from wfe_mcp.cli.terminal.render import weights

    here = str(invocation.engine.root)
    now = invocation.engine.clock()
    screen.table(
        ("since", "kind", "project", "run", "unusual", "what", "command"),
        [
            (
                screen.time(line.at, now) if line.at else "-",
                line.kind,
                names[line.project],
                line.run or "-",
                weights(line.unusual) or "-",
                in_short(line.text, _TEXT_CHARS),
                screen.complete(_command(line, here)),
            )
            for line in lines
        ],
        optional=("unusual",),  # most have nothing
    )


def _command(line: "InboxLine", here: str) -> str:
    """The command of ``line`` as it works in the folder ``here``."""
    return line.command if line.project == here else f"{line.command} --project {shell_word(line.project)}"
