"""Writes the imported work of another tool where a start can read it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.workspace.files.named import named_file

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.invocation import Invocation
    from wfe_mcp.importers import ImportedWork

Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="The tool that wrote a folder: task-master, backlog-md, spec-kit, openspec, spec-workflow or shrimp; else "
        "it is detected.",
    ),
]

_SHOWN = 20
"""Most losses that a terminal shows; ``--json`` has all."""
_OTHER = "Name another folder with --to."


def write_work(invocation: "Invocation", work: "ImportedWork", to: str = "", *, dry_run: bool = False) -> None:
    """Write the inputs and documents. A file with other content is not replaced; an import that is there changes nothing."""
    root = invocation.engine.root
    folder = Path(to) if to else root / ".wfe" / "plans" / work.name
    shown = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
    files = {"inputs.json": _json(work.inputs)} | {name: _json(value) for name, (_, _, value) in work.documents.items()}
    missing = _missing(folder, shown, files)
    if not dry_run:
        for name in missing:
            _write(folder, name, files[name])
    lost = [{"path": each.path, "message": each.message} for each in work.not_carried]
    start = f"wfe-mcp start {work.template} --inputs @{shown}/inputs.json"
    documents = {name: {"phase": at, "schema": schema} for name, (at, schema, _) in work.documents.items()}
    summary = (
        f"{work.format}: {plural(work.open_tasks, 'open task')}, {work.done_tasks} done, for the template {work.template}. "
        + (
            f"Nothing changed: {shown} has this import already."
            if not missing
            else f"Nothing was written; it would go to {shown}."
            if dry_run
            else f"Written to {shown}."
        )
    )
    data: dict[str, Any] = {
        "format": work.format,
        "template": work.template,
        "path": shown,
        "written": [] if dry_run else missing,
        "open": work.open_tasks,
        "done": work.done_tasks,
        "not_carried": lost,
        "start": start,
    } | ({"documents": documents} if documents else {})

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for name, (at, schema, _) in work.documents.items():
            screen.line(f"  {shown}/{name}: {schema}, for the phase {at}")
        for each in lost[:_SHOWN]:
            screen.line(f"! not carried: {each['path']}: {each['message']}", "yellow")
        if len(lost) > _SHOWN:
            screen.line(f"! {len(lost) - _SHOWN} more are not carried; --json lists all", "yellow")
        screen.next(start)

    invocation.answer(summary, render, data=data)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _missing(folder: Path, shown: str, files: dict[str, bytes]) -> list[str]:
    """The files that are not there yet. Refuses ``conflict`` if one has other content."""
    missing: list[str] = []
    for name, content in files.items():
        with named_file(folder / name, "written", _OTHER):
            try:
                found = (folder / name).read_bytes()
            except FileNotFoundError:
                missing.append(name)
                continue
        if found != content:
            raise Refused(
                "conflict",
                f"{shown}/{name} exists already, with other content.",
                "Move that folder, or name another one with --to.",
            )
    return missing


def _write(folder: Path, name: str, content: bytes) -> None:
    from wfe_mcp.workspace.files.project_files import write_atomic

    with named_file(folder / name, "written", _OTHER):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder.resolve(), name, content)
