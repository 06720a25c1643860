"""``wfe-mcp import``: store a run from elsewhere as read-only history, or take over the work of another tool."""

from pathlib import Path
from typing import Annotated

import typer

from wfe_mcp.cli.commands.import_work import Format, write_work
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.workspace.files.named import named_file

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER",
        help="A file of wfe-mcp export; a session of ai-workflow-engine (its folder or session.json); role reports of "
        "Workflow Hub (JSON). Or open work: the folder of Task Master, Backlog.md, spec-kit, OpenSpec, spec-workflow or shrimp.",
    ),
]
Folder = Annotated[str, typer.Option("--to", metavar="FOLDER", help="Where open work goes; else .wfe/plans/NAME.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything; store nothing.")]


def import_run(
    invocation: Invocation, source: Source, dry_run: DryRun = False, wanted: Format = "", to: Folder = ""
) -> None:
    """Import a run as read-only history, or the work of another tool."""
    from wfe_mcp.cli.terminal.render import origin_lines
    from wfe_mcp.engine.transfer.importing import import_foreign
    from wfe_mcp.engine.transfer.importing import import_run as come_in
    from wfe_mcp.engine.transfer.sources import read_foreign
    from wfe_mcp.importers import is_work, read_work
    from wfe_mcp.views.bundles import ImportedView, imported_answer

    if wanted or is_work(Path(source)):
        write_work(invocation, read_work(Path(source), wanted, "bad_argument"), to, dry_run=dry_run)
        return
    with named_file(source, "read", "Name a file of wfe-mcp export, or the folder of a session."):
        foreign = read_foreign(Path(source))
        if foreign is not None:
            found = import_foreign(invocation.engine, invocation.by, foreign, dry_run=dry_run)
        else:
            with Path(source).open("rb") as file:
                found = come_in(invocation.engine, invocation.by, file, dry_run=dry_run)
    answer = imported_answer(invocation.engine, found, dry_run=dry_run)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        for line in origin_lines(answer.shown(ImportedView).imported):
            screen.line(line)
        if not dry_run:
            screen.next(f"wfe-mcp show {found.run}")

    invocation.render(answer, render)
