"""``wfe-mcp export``: a run as one JSON file."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural, size
from wfe_mcp.workspace.files.named import named_file

if TYPE_CHECKING:
    from wfe_mcp.engine.transfer.exporting import Exported

Target = Annotated[
    str, typer.Argument(metavar="[FILE|-]", help="Where to write it, - for standard output; else RUN.wfe.json here.")
]


def export(invocation: Invocation, run: Run, target: Target = "") -> None:
    """Write a run to one JSON file, with its log and evidence."""
    from wfe_mcp.engine.transfer.exporting import export_run

    run = invocation.at(run)
    found = export_run(invocation.engine, run)
    if target == "-":
        sys.stdout.flush()
        for line in found.lines():  # one JSON document, with --json and without it
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
        return
    path = Path(target or f"{run}.wfe.json")
    _write(found, path)
    length = path.stat().st_size
    rows = {name: len(lines) for name, lines in found.rows.items() if lines}
    summary = f"Exported {run} to {path}: {plural(rows.get('events', 0), 'event')}, {plural(rows.get('revisions', 0), 'revision')}, {size(length)}"
    invocation.answer(summary, run=run, data={"path": str(path), "bytes": length, "rows": rows})


def _write(found: "Exported", path: Path) -> None:
    """Write the whole file or none: half a file after a crash would look like the run."""
    if path.exists():
        raise Refused("conflict", f"{path} exists already.", "Name another file, or move that one.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with named_file(path, "written"):
        try:
            with part.open("xb") as file:
                file.writelines(found.lines())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
