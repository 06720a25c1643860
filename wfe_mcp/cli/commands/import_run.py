"""``wfe-mcp import``: store a run of another machine or system as read-only history."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER",
        help="A file of wfe-mcp export; a session of ai-workflow-engine (its folder or session.json); role reports of "
        "Workflow Hub (JSON).",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything; store nothing.")]


def import_run(invocation: Invocation, source: Source, dry_run: DryRun = False) -> None:
    """Check a run from elsewhere, and store it as read-only history."""
    from wfe_mcp.cli.terminal.render import origin_lines
    from wfe_mcp.engine.transfer.importing import import_foreign
    from wfe_mcp.engine.transfer.importing import import_run as come_in
    from wfe_mcp.engine.transfer.sources import read_foreign
    from wfe_mcp.views.bundles import ImportedView, imported_answer

    try:
        foreign = read_foreign(Path(source))
        if foreign is not None:
            found = import_foreign(invocation.engine, invocation.by, foreign, dry_run=dry_run)
        else:
            with Path(source).open("rb") as file:
                found = come_in(invocation.engine, invocation.by, file, dry_run=dry_run)
    except OSError as error:
        raise Refused("bad_argument", f"{source} cannot be read: {error.strerror}.", "Name a file of wfe-mcp export, or the folder of a session.") from None  # fmt: skip
    answer = imported_answer(invocation.engine, found, dry_run=dry_run)

    def tell(screen: "Screen") -> None:
        screen.line(answer.summary, "bold")
        for line in origin_lines(answer.shown(ImportedView).imported):
            screen.line(line)
        if not dry_run:
            screen.next(f"wfe-mcp show {found.run}")

    invocation.render(answer, tell)
