"""The report of an import: what a file of another system becomes, what is not carried over, and what it needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.engine.templates import versions
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.templates.templates import KeptView, kept_view
from wfe_mcp.views.values.model import JsonObject, PathNote, view_model, view_of
from wfe_mcp.workspace.files.given_files import refuse_name
from wfe_mcp.workspace.system.shell_words import shell_word
from wfe_mcp.workspace.system.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.importers.imported import ImportedPlan, ImportedSettings, ImportedTemplate, ImportedWork

T = TypeVar("T")

Becomes = Literal["template", "plan", "settings"]


@view_model
class ImportReport:
    """``becomes``: only a template can be stored here. ``text``: a plan as JSON, settings as TOML, for you to put in place.

    ``start``: of settings, the command that starts the template with the inputs that were in the file.
    ``not_carried``: what could not be converted; ``added``: what the template has so that the workflow keeps its meaning.
    """

    format: str
    becomes: Becomes
    stored: bool
    command: str
    template: KeptView | None = None
    definition: JsonObject | None = None
    not_carried: tuple[PathNote, ...] = ()
    added: tuple[PathNote, ...] = ()
    text: str = ""
    start: str = ""


def import_text(
    engine: Engine, by: By, file: str, content: str, name: str = "", version: str = "", dry_run: bool = True
) -> Envelope:
    """Read the text of a file as ``wfe-mcp templates import`` reads the file; without ``dry_run`` store the template.

    Refuses ``bad_argument`` for a name with a folder, an unknown format, or a plan or settings to store.
    """
    # only the user's trust lets a run start from it
    from wfe_mcp.importers import read_workflow

    imported = read_given(file, content, lambda place: read_workflow(place, name))
    report = _report(imported, file, version)
    if report.becomes != "template" or report.definition is None:
        if not dry_run:
            raise Refused(
                "bad_argument",
                f"{file} is no template but {report.becomes}: it is not stored as one.",
                f"At a terminal: {report.command}",
            )
        return Envelope(True, summary=f"{file}: {report.format}, {report.becomes}", view=report)
    kept = versions.keep_version(engine, dict(report.definition), "imported", dry_run=dry_run)
    what = f"{kept.name} {kept.version}, from {report.format}"
    summary = f"{what}; nothing is stored yet" if dry_run else f"Stored {what}"
    return Envelope(True, summary=summary, view=replace(report, template=kept_view(kept), stored=not dry_run))


def read_given(file: str, content: str, read: Callable[[Path], T]) -> T:
    """What ``read`` makes of a file with this name and text. Refuses ``bad_argument`` for a name with a folder, or too long."""
    if not file or file != Path(file).name or file in {".", ".."} or "\\" in file or "\0" in file:
        raise Refused("bad_argument", f"{file[:200]!r} is no name of a file.", "Give the name without its folder.")
    refuse_name(file)
    # The name and its ending tell the format, and the importers read files.
    with temporary_folder("import") as folder:
        place = folder / file
        place.write_text(content, encoding="utf-8", newline="")
        try:
            return read(place)
        except Refused as refused:
            message, hint = (text.replace(str(place), file) for text in (refused.message, refused.hint))
            raise Refused(refused.code, message, hint, refused.details) from None


def _report(
    imported: ImportedTemplate | ImportedPlan | ImportedSettings | ImportedWork, file: str, version: str
) -> ImportReport:
    from wfe_mcp.importers.imported import ImportedPlan, ImportedTemplate, ImportedWork

    command = f"wfe-mcp templates import {shell_word(file)}" + (f" --version {version}" if version else "")
    if isinstance(imported, ImportedWork):
        raise Refused(
            "bad_argument",
            f"{file} belongs to the folder of another tool, which is imported as a whole.",
            "At a terminal: wfe-mcp templates import FOLDER",
        )
    report = ImportReport(
        format=imported.format,
        becomes="template",
        stored=False,
        command=command,
        not_carried=_notes(imported.not_carried),
    )
    if isinstance(imported, ImportedTemplate):
        definition = imported.definition | ({"version": version} if version else {})
        return replace(report, definition=definition, added=_notes(imported.added))
    if isinstance(imported, ImportedPlan):
        return replace(report, becomes="plan", text=json.dumps(imported.plan, indent=2, ensure_ascii=False))
    return replace(report, becomes="settings", text=imported.toml(), start=start_command(imported))


def start_command(imported: ImportedSettings) -> str:
    """The command that starts the template of ``imported`` with its inputs; empty without one."""
    pairs = " ".join(f"-i {name}={shell_word(str(value))}" for name, value in imported.inputs.items())
    return f"wfe-mcp start {imported.template} {pairs} …" if pairs else ""


def _notes(details: Sequence[Detail]) -> tuple[PathNote, ...]:
    return tuple(view_of(PathNote, detail) for detail in details)
