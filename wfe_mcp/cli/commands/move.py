"""``wfe-mcp move-to``: copy the database to PostgreSQL, or from there to a file."""

from typing import Annotated, Any

import typer

from wfe_mcp.cli.terminal.changes import detail_views
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural

To = Annotated[
    str, typer.Argument(metavar="URL", help="postgresql+psycopg://USER@HOST/DATABASE, or sqlite:///FILE to move back.")
]


def move_to(invocation: Invocation, url: To) -> None:
    """Copy everything to an empty PostgreSQL database, or back to a file.

    The present database stays as it is.
    """
    from wfe_mcp.engine.maintenance.moves import move, shareable

    moved: list[bool] = []

    def stop_message() -> tuple[str, list[str]]:
        if moved:
            return "The new database has everything; its logs were not checked. Set WFE_DATABASE_URL to it.", ["verify"]
        return "The new database is empty.", ["move-to", shareable(url) or "URL"]

    with invocation.stoppable(stop_message):
        done = move(invocation.engine, url, busy=invocation.screen.busy, on_moved=lambda: moved.append(True))
    rows = done.rows
    counts = ((rows.get(name, 0), noun) for name, noun in (("run", "run"), ("event", "event"), ("project", "project")))
    summary = f"Moved {', '.join(plural(*number_and_noun) for number_and_noun in counts)}: {done.target}"
    data: dict[str, Any] = {
        "from": done.source,
        "to": done.target,
        "tables": {name: {"rows": count, "sha256": done.digests[name]} for name, count in rows.items()},
        "files": [str(file) for file in done.files],
        "problems": detail_views(done.problems),
    }
    error = None
    if done.problems:
        first = done.problems[0]
        error = Refused(
            "unavailable",
            f"{summary}. Its rows are those of {done.source}, and their logs are damaged in "
            f"{plural(len(done.problems), 'place')}, the first: {first.path[1:].replace('/', ' ')} {first.message}.",
            "Look at the present database before you use the new one: wfe-mcp verify",
            done.problems[:20],
        )

    def render(screen: Screen) -> None:
        screen.line(summary, "green")
        screen.line(f"Each row of {plural(len(rows), 'table')} was read again and is the same; the logs add up.")
        if done.files:
            screen.line(
                f"{plural(len(done.files), 'file')} with keys and anchors copied to: {done.files[0].parent.parent}"
            )
        screen.line(f"The database before is as it was: {done.source}")
        setting = "Now set WFE_DATABASE_URL for your clients, workers and shells, to"
        screen.line(f"{setting}:" if done.setting else f"{setting} the address that you gave")
        if done.setting:
            screen.line(done.setting, is_pasted=True)

    invocation.answer(summary, None if error else render, data=data, error=error)
