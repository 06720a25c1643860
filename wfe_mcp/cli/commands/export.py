"""``wfe-mcp export``: how does a whole run leave this machine?"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.engine.transfer.exporting import Exported

__all__ = ["export"]

Target = Annotated[
    str, typer.Argument(metavar="[FILE|-]", help="Where to write it, - for standard output; else RUN.wfe.json here.")
]


def export(door: Door, run: Run, target: Target = "") -> None:
    """Write the run as one JSON file: its log, artifacts, evidence, decisions and logs of checks, with checksums."""
    from wfe_mcp.engine.transfer.exporting import export_run
    from wfe_mcp.views.envelope import Envelope

    run = door.at(run)
    found = export_run(door.engine, run)
    if target == "-":
        sys.stdout.flush()
        for line in found.lines():  # one JSON document, with --json and without it
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
        return
    path = Path(target or f"{run}.wfe.json")
    _write(found, path)
    size = path.stat().st_size
    rows = {name: len(lines) for name, lines in found.rows.items() if lines}
    summary = f"Run {run} written to {path}: {rows.get('events', 0)} events, {rows.get('revisions', 0)} revisions, {size:,} bytes"
    door.tell(Envelope(True, run=run, summary=summary, data={"path": str(path), "bytes": size, "rows": rows}))


def _write(found: "Exported", path: Path) -> None:
    """The file whole, or none: one that a crash left half would be taken for the run."""
    if path.exists():
        raise Refused("conflict", f"{path} exists already.", "Name another file, or move that one away.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.writelines(found.lines())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise Refused("bad_argument", f"{path} cannot be written: {error.strerror}.", "Name another file.") from None
