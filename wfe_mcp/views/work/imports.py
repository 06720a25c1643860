"""What an import of a file did to the work items, and what started of those that are ready; or what would be."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item
from wfe_mcp.core.model import By
from wfe_mcp.core.texts import one_line
from wfe_mcp.core.units import plural
from wfe_mcp.delivery.forges.issues import STATES, entries_of
from wfe_mcp.delivery.forges.pull_request_text import issue_of
from wfe_mcp.engine.delivery.site import project_tracker, refusing
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.item_runs import start_ready
from wfe_mcp.engine.work.importing import STORED, How, ImportedEntries, import_entries, items_from
from wfe_mcp.importers import read_entries
from wfe_mcp.importers.entries import Entries
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.templates.imports import read_given
from wfe_mcp.views.values.model import JsonObject, PathNote, view_model

_LOOKED_UP = 50
"""Items whose issue was not listed, such as one that was closed since: the newest are looked up one by one."""


def imported_items(engine: Engine, by: By, source: Path, wanted: str = "", how: How = STORED) -> Envelope:
    """Import a file or folder; what became of each entry, and what of the file became nothing.

    Refuses ``bad_argument`` where nothing is there, and what ``read_entries`` and ``import_entries`` refuse.
    """
    if not source.exists():
        hint = "Name a plan, a backlog, or a file or folder of another tool."
        raise Refused("bad_argument", f"{source} is not there.", hint)
    return _import_entries(engine, by, file_name(engine, source), read_entries(source, wanted), how)


def imported_issues(
    engine: Engine, by: By, forge: str, label: str = "", state: str = "open", how: How = STORED
) -> Envelope:
    """The same of the issues at the forge of the project's remote. An item whose issue is not among them is looked up there.

    Refuses what ``project_tracker`` and ``import_entries`` refuse, and ``unavailable`` where the forge does not answer.
    """
    if state not in STATES:
        raise Refused("bad_argument", f"{state!r} is no state of issues.", f"One of: {', '.join(STATES)}.")
    tracker = project_tracker(engine, forge)
    with engine.store.read() as tx:
        items = [item for item in items_from(engine, tx, f"{tracker.address}/") if not item.is_over]
        numbers = [item.source.rpartition("/")[2] for item in items]
    with refusing():
        issues, has_more = tracker.list_issues(label, state)
        listed = {str(issue.number) for issue in issues}
        others = [int(number) for number in numbers if number.isdecimal() and number not in listed][-_LOOKED_UP:]
        issues += filter(None, map(tracker.get, others))
    entries = entries_of(issues, tracker.address, has_more=has_more)
    return _import_entries(engine, by, tracker.address, entries, how)


@view_model
class ImportLine:
    """What became of one item. ``why`` it is kept; ``values``: what changed."""

    id: str
    title: str
    kind: str = ""
    status: str = ""
    parent: str = ""
    why: str = ""
    values: JsonObject = field(default_factory=dict[str, Any])


_Line: TypeAlias = Annotated[JsonObject, ImportLine]


@view_model
class ItemImport:
    """What an import did to the items, or would do. ``kept``: what stays as it is here and why; ``gone``: items that are no
    more in what is imported; ``not_carried``: what of it became nothing.
    """

    format: str
    file: str
    dry_run: bool
    unchanged: int
    added: tuple[_Line, ...]
    changed: tuple[_Line, ...]
    kept: tuple[_Line, ...]
    gone: tuple[_Line, ...]
    not_carried: tuple[PathNote, ...]


def import_given(
    engine: Engine,
    by: By,
    file: str,
    content: str,
    label: str = "",
    state: str = "open",
    *,
    ready: bool = False,
    dry_run: bool = True,
) -> Envelope:
    """Import the text of ``file``; without a file the issues of the project's tracker. Refuses as the imports above do."""
    how = How(ready=ready, dry_run=dry_run)
    if file:
        return _import_entries(engine, by, file, read_given(file, content, read_entries), how)
    return imported_issues(engine, by, "", label, state, how)


def issue_address(engine: Engine, item: str, address: str) -> str:
    """The address of the issue that ``item`` is to be linked to. Refuses one that is not there, and one that another item has."""
    tracker = project_tracker(engine)
    number = issue_of(address, tracker.api.place)
    with refusing():
        issue = tracker.get(number) if number else None
    if issue is None:
        why = (
            f"{tracker.api.place.repository} has no issue {number}" if number else "it is no address of an issue there"
        )
        raise Refused(
            "bad_argument",
            f"{address!r} cannot be linked: {why}.",
            f"Give the address of one: {tracker.address}/NUMBER",
        )
    with engine.store.read() as tx:
        other = next(
            (issue_item for issue_item in items_from(engine, tx, issue.url) if issue_item.source == issue.url), None
        )
        if other is not None and other.id != tx.items.get(engine.project_id, item).id:
            has = f"{other.id} {other.title!r} has that issue."
            raise Refused("conflict", has, f"See it: wfe-mcp work show {other.id}")
    return issue.url


def _import_entries(engine: Engine, by: By, file: str, found: Entries, how: How) -> Envelope:
    entries = import_entries(engine, by, file, found, how)
    view = ItemImport(
        format=found.format,
        file=file,
        dry_run=how.dry_run,
        unchanged=entries.unchanged,
        added=tuple(
            _line(item) | {"kind": item.kind, "status": item.status, "parent": item.parent} for item in entries.added
        ),
        changed=tuple(_line(item) | {"values": values} for item, values in entries.changed),
        kept=tuple(_line(item) | {"why": why} for item, why in entries.kept),
        gone=tuple(map(_line, entries.gone)),
        not_carried=tuple(
            PathNote(path=detail.path, message=detail.message) for detail in (*found.not_carried, *entries.left)
        ),
    )
    return Envelope(True, summary=summary_of(file, entries, found.origin, dry_run=how.dry_run), view=view)


def started_items(engine: Engine, by: By, most: int, *, dry_run: bool = False) -> dict[str, Any]:
    """Start what is ready; what started, what waits and why, and what was refused."""
    runs = start_ready(engine, by, most, dry_run=dry_run)
    counts = {"waiting": len(runs.waiting), "refused": len(runs.refused)}
    more = "".join(f", {count} {what}" for what, count in counts.items() if count)
    begun = "would start" if dry_run else "started"
    return {
        "dry_run": dry_run,
        "summary": f"{plural(len(runs.started), 'run')} {begun}{more}",
        "started": [_line(item) | ({"run": run} if run else {}) for item, run in runs.started],
        "waiting": [_line(item) | {"why": why, "next": step} for item, (why, step) in runs.waiting],
        "refused": [
            _line(item) | {"code": no.code, "why": no.message, "next": no.hint or ""} for item, no in runs.refused
        ],
    }


def file_name(engine: Engine, source: Path) -> str:
    """What items of ``source`` name as their file: its path in the project, else its name."""
    whole = source.resolve()
    root = engine.root.resolve()
    return one_line(whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name)


def summary_of(file: str, entries: ImportedEntries, origin: str = "the file", *, dry_run: bool) -> str:
    """The import in a line."""
    counts = {
        "added": len(entries.added),
        "changed": len(entries.changed),
        "kept as here": len(entries.kept),
        f"in {origin} no more": len(entries.gone),
    }
    parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    same = plural(entries.unchanged, "item") + " unchanged" if entries.unchanged or not parts else ""
    would = "Nothing was stored; it would be: " if dry_run else ""
    return f"{file}: {would}{', '.join(filter(None, (parts, same)))}"


def _line(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title}
