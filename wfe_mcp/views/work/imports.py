"""What an import of a file did to the work items, and what started of those that are ready; or what would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.texts import one_line
from wfe_mcp.core.units import plural
from wfe_mcp.engine.runs.item_runs import start_ready
from wfe_mcp.engine.work.importing import ImportedEntries, import_entries
from wfe_mcp.importers import read_entries

if TYPE_CHECKING:
    from pathlib import Path

    from wfe_mcp.core.errors import Detail
    from wfe_mcp.core.items import Item
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine


def imported_items(
    engine: Engine,
    by: By,
    source: Path,
    wanted: str = "",
    *,
    finished: bool = False,
    ready: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Import a file or folder; what became of each entry, and what of the file became nothing.

    Refuses what ``read_entries`` and ``import_entries`` refuse.
    """
    found = read_entries(source, wanted)
    file = file_name(engine, source)
    made = import_entries(engine, by, file, found, finished=finished, ready=ready, dry_run=dry_run)
    return {
        "format": found.format,
        "file": file,
        "dry_run": dry_run,
        "summary": summary_of(file, made, dry_run=dry_run),
        "added": [
            _line(item) | {"kind": item.kind, "status": item.status, "parent": item.parent} for item in made.added
        ],
        "changed": [_line(item) | {"values": _plain(values)} for item, values in made.changed],
        "kept": [_line(item) | {"why": why} for item, why in made.kept],
        "gone": [_line(item) for item in made.gone],
        "unchanged": made.unchanged,
        "not_carried": _places((*made.left, *found.not_carried)),
    }


def started_items(engine: Engine, by: By, most: int, *, dry_run: bool = False) -> dict[str, Any]:
    """Start what is ready; what started, what waits and why, and what was refused."""
    made = start_ready(engine, by, most, dry_run=dry_run)
    counts = {"waiting": len(made.waiting), "refused": len(made.refused)}
    more = "".join(f", {count} {what}" for what, count in counts.items() if count)
    begun = "would start" if dry_run else "started"
    return {
        "dry_run": dry_run,
        "summary": f"{plural(len(made.started), 'run')} {begun}{more}",
        "started": [_line(item) | ({"run": run} if run else {}) for item, run in made.started],
        "waiting": [_line(item) | {"why": why, "next": step} for item, (why, step) in made.waiting],
        "refused": [
            _line(item) | {"code": no.code, "why": no.message, "next": no.hint or ""} for item, no in made.refused
        ],
    }


def file_name(engine: Engine, source: Path) -> str:
    """What items of ``source`` name as their file: its path in the project, else its name."""
    whole = source.resolve()
    root = engine.root.resolve()
    return one_line(whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name)


def summary_of(file: str, made: ImportedEntries, *, dry_run: bool) -> str:
    """The import in a line."""
    counts = {
        "added": len(made.added),
        "changed": len(made.changed),
        "kept as here": len(made.kept),
        "in the file no more": len(made.gone),
    }
    parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    same = plural(made.unchanged, "item") + " unchanged" if made.unchanged or not parts else ""
    would = "Nothing was stored; it would be: " if dry_run else ""
    return f"{file}: {would}{', '.join(filter(None, (parts, same)))}"


def _line(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}


def _places(details: tuple[Detail, ...]) -> list[dict[str, str]]:
    return [{"path": each.path, "message": each.message} for each in details]
