"""``wfe-mcp export`` and ``import``: runs as files, and work from other systems."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wfe_mcp.cli.terminal.changes import detail_views, render_losses
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import VALUE_BYTES
from wfe_mcp.core.units import plural, size
from wfe_mcp.workspace.files.mirror import write_gitignore
from wfe_mcp.workspace.files.project_files import named_file, write_atomic
from wfe_mcp.workspace.system.shell_words import shell_line, shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.engine.transfer.exporting import ExportedRun
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


def write_work(
    invocation: "Invocation", work: "ImportedWork", source: str, to: str = "", *, only_planned: str = ""
) -> None:
    """Write the inputs and documents. A file with other content is not replaced; an import that is there changes nothing.
    Refuses ``too_large`` what no run takes.

    ``only_planned``: nothing is written, and this command would write it.
    """
    dry_run = bool(only_planned)
    root = invocation.engine.root
    folder = Path(to) if to else root / ".wfe" / "plans" / work.name
    shown = path_in(root, folder)
    documents = {"inputs.json": work.inputs} | {name: value for name, (_, _, value) in work.documents.items()}
    for name, value in documents.items():
        if (length := len(canonical_json(value).encode())) > VALUE_BYTES.most:
            raise Refused(
                "too_large",
                f"{name} of this import {VALUE_BYTES.fault(length)}, so no run could start with it.",
                f"Keep its tasks as work items, and start runs from them: wfe-mcp work import {shell_word(source)}",
            )
    files = {folder / name: value for name, value in documents.items()}
    missing = [file.relative_to(folder).as_posix() for file in write_missing(root, files, "folder", dry_run=dry_run)]
    lost = detail_views(work.not_carried)
    start = f"wfe-mcp start {work.template} --inputs {shell_word(f'@{shown}/inputs.json')}"
    described = {name: {"phase": at, "schema": schema} for name, (at, schema, _) in work.documents.items()}
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
    } | ({"documents": described} if described else {})

    def render(screen: Screen) -> None:
        screen.line(summary, "bold")
        for name, (at, schema, _) in work.documents.items():
            screen.line(f"  {shown}/{name}: {schema}, for the phase {at}")
        render_losses(screen, lost, _SHOWN)
        screen.next(only_planned if only_planned and missing else invocation.in_git(work.template, start))

    invocation.answer(summary, render, data=data)


def write_missing(
    root: Path, files: "Mapping[Path, object]", place: Literal["file", "folder"], *, dry_run: bool = False
) -> list[Path]:
    """Write the values as JSON, each file that is missing; returns those. ``place``: what ``--to`` names.

    Refuses ``conflict`` before anything is written, if one has other content.
    """
    missing: dict[Path, bytes] = {}
    for file, value in files.items():
        content = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
        with named_file(file, "written", f"Name another {place} with --to."):
            try:
                before = file.read_bytes()
            except FileNotFoundError:
                missing[file] = content
                continue
        if before != content:
            hint = f"Move that {place}, or name another one with --to."
            raise Refused("conflict", f"{path_in(root, file)} exists already, with other content.", hint)
    if not dry_run:
        write_gitignore(root)
        for file, content in missing.items():
            with named_file(file, "written", f"Name another {place} with --to."):
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file.parent.resolve(), file.name, content)
    return list(missing)


def path_in(root: Path, path: Path) -> str:
    """``path``, relative to the project where it is in it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


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


def import_(
    invocation: Invocation, source: Source, dry_run: DryRun = False, wanted: Format = "", to: Folder = ""
) -> None:
    """Import a run as read-only history, or the work of another tool."""
    from wfe_mcp.cli.terminal.render import origin_lines
    from wfe_mcp.engine.transfer.importing import import_foreign, import_run, read_foreign
    from wfe_mcp.importers import is_work, read_work
    from wfe_mcp.views.answers.tool_answers import ImportedView, imported_answer

    if wanted or is_work(Path(source)):
        options = [*(["--format", wanted] if wanted else []), *(["--to", to] if to else [])]
        planned = shell_line(["wfe-mcp", "import", source, *options]) if dry_run else ""
        write_work(invocation, read_work(Path(source), wanted, "bad_argument"), source, to, only_planned=planned)
        return
    stopped = "The run is here whole, or not at all.", ["import", *(["--dry-run"] if dry_run else []), source]
    with (
        named_file(source, "read", "Name a file of wfe-mcp export, or the folder of a session."),
        invocation.long_work("Checking and importing the run", lambda: stopped) as progress,
    ):
        foreign = read_foreign(Path(source))
        if foreign is not None:
            run = import_foreign(invocation.engine, invocation.by, foreign, dry_run=dry_run, progress=progress)
        else:
            with Path(source).open("rb") as file:
                run = import_run(invocation.engine, invocation.by, file, dry_run=dry_run, progress=progress)
    answer = imported_answer(invocation.engine, run, dry_run=dry_run)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        for line in origin_lines(answer.view_as(ImportedView).imported):
            screen.line(line)
        if not dry_run:
            screen.next(f"wfe-mcp show {run.run}")

    invocation.render(answer, render)


Target = Annotated[
    str, typer.Argument(metavar="[FILE|-]", help="Where to write it, - for standard output; else RUN.wfe.json here.")
]


def export(invocation: Invocation, run: Run, target: Target = "") -> None:
    """Write a run to one JSON file, with its log and evidence.

    The work item that it worked stays here: work export writes the plan that another project imports.
    """
    from wfe_mcp.engine.transfer.exporting import export_run
    from wfe_mcp.engine.work.items import WORK

    run = invocation.resolve_run(run)
    run_export = export_run(invocation.engine, run)
    if target == "-":
        sys.stdout.flush()
        for line in run_export.lines():  # one JSON document, with --json and without it
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
        return
    path = Path(target or f"{run}.wfe.json")
    _write_whole(run_export, path)
    length = path.stat().st_size
    rows = {name: len(lines) for name, lines in run_export.rows.items() if lines}
    item = str(run_export.head.get("external_id") or "") if run_export.head.get("triggered_by") == WORK else ""
    stays = f"; its work item {item} stays here" if item else ""
    summary = f"Exported {run} to {path}: {plural(rows.get('events', 0), 'event')}, {plural(rows.get('revisions', 0), 'revision')}, {size(length)}{stays}"
    data: dict[str, Any] = {"path": str(path), "bytes": length, "rows": rows} | ({"left_here": [item]} if item else {})
    invocation.answer(summary, run=run, data=data)


def _write_whole(run: "ExportedRun", path: Path) -> None:
    """Write the whole file or none: half a file after a crash would look like the run. One that is the same already stays."""
    if path.exists():
        with named_file(path, "read"), path.open("rb") as file:
            if all(file.read(len(line)) == line for line in run.lines()) and not file.read(1):
                return
        raise Refused("conflict", f"{path} exists already.", "Name another file, or move that one.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with named_file(path, "written"):
        try:
            with part.open("xb") as file:
                file.writelines(run.lines())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
