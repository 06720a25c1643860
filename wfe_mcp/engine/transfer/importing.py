"""Import of a run that was worked elsewhere.

    file ──► checked whole ──► is it here? ──► one transaction ──► mirrors and logs

Rules:
1. Nothing is stored before everything was checked, and then all of it or nothing.
2. It is read-only history with decisions made elsewhere. To continue, start
   a new run, which asks again. Its template and checks are not trusted by it.
3. The same run again is no fault: what is missing of its files is written. One with other content is ``conflict``.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from wfe_mcp.artifacts.parse import MAX_BYTES
from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, pointer
from wfe_mcp.core.model import By, RunId
from wfe_mcp.core.units import Progress, unheard
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.transaction import IMPORTED, imported_name, origin_of
from wfe_mcp.engine.transfer.checking import CheckedRun, check
from wfe_mcp.engine.transfer.exporting import export_run
from wfe_mcp.engine.transfer.foreign import Foreign, lines_of
from wfe_mcp.engine.transfer.form import LOGS, BundleLines, parse_row, read_lines, refuse
from wfe_mcp.store import Tx
from wfe_mcp.store.records.bundles import SECTIONS
from wfe_mcp.store.records.runs import RunRecord
from wfe_mcp.store.repository import record_from

KIND = "bundle"
_NO_FORMAT = re.compile(rb"(\xef\xbb\xbf)?\s*[\[{](?!\s*\"format\")")


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """The imported run. ``was_here``: the same run, with the same content, was there; ``mirrors``: files written."""

    run: RunId
    was_here: bool
    events: int
    revisions: int
    origin: dict[str, Any]
    mirrors: int = 0


def import_run(
    engine: Engine, by: By, file: BinaryIO, *, dry_run: bool = False, progress: Progress = unheard
) -> ImportedRun:
    """Check the bundle, and keep its run unless ``dry_run``. Refuses ``invalid_artifact``, ``too_large``, ``conflict``.

    ``progress`` counts rows, once they are checked.
    """
    lines = read_lines(file)
    return _come_in(engine, by, lines, {"kind": KIND, "sha256": lines.sha256}, progress, dry_run=dry_run)


def read_foreign(source: Path) -> Foreign | None:
    """What another system recorded; None for what only a bundle can be. Refuses what is broken; OSError.

    a folder, or a file session.json      a session of ai-workflow-engine
    JSON that names no format             role reports of Workflow Hub
    everything else                       a bundle of ours, or nothing that is known
    """
    from wfe_mcp.engine.transfer.role_reports import read_reports
    from wfe_mcp.engine.transfer.sessions import SESSION, read_session

    if source.is_dir() or source.name == SESSION:
        return read_session(source if source.is_dir() else source.parent)
    with source.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES or not _NO_FORMAT.match(content):
        return None
    return read_reports(content, source)


def import_foreign(
    engine: Engine, by: By, foreign: Foreign, *, dry_run: bool = False, progress: Progress = unheard
) -> ImportedRun:
    """Keep what another system recorded, as ``import_run`` keeps a bundle; its origin says what it claims."""
    return _come_in(engine, by, lines_of(foreign), foreign.origin, progress, dry_run=dry_run)


def _come_in(
    engine: Engine, by: By, lines: BundleLines, claimed: dict[str, Any], progress: Progress, *, dry_run: bool
) -> ImportedRun:
    run = check(lines)
    rows = run.lines.rows
    events, revisions = len(rows["events"]), len(rows["revisions"])
    at = engine.clock().isoformat(timespec="seconds")
    origin = claimed | {"place": run.place, "at": at, "by": by.actor, "channel": str(by.channel)}
    here = _here(engine, run, claimed)
    if here is None:
        with suppress(_OnlyTried):
            _keep(engine, by, run, origin, progress, dry_run=dry_run)
    is_here = here is not None
    files = 0 if dry_run else _write_mirrors(engine, run, only_missing=is_here)
    return ImportedRun(
        run.run, is_here, origin=origin if here is None else here, mirrors=files, events=events, revisions=revisions
    )


class _OnlyTried(Exception):
    """A dry run succeeded and is undone."""


def _here(engine: Engine, checked_run: CheckedRun, claimed: dict[str, Any]) -> dict[str, Any] | None:
    """Where the run comes from that is here already, with the same content. Refuses ``conflict`` for another one."""
    with engine.store.read() as tx:
        loaded = tx.runs.load(checked_run.run)
        if any(run.run_id == checked_run.run for run in tx.retention.pruned_runs(engine.project_id)):
            raise Refused(
                "conflict",
                f"Run {checked_run.run} was here, and a person removed it: wfe-mcp prune.",
                "Import it into another database (WFE_DATABASE_URL).",
            )
        if loaded is None:
            return None
        record = loaded.record
        origin = origin_of(tx, record) or {}
        is_earlier = tx.events.has_hash(record.id, checked_run.head["last_hash"])
    hint = f"Nothing was stored. Compare: wfe-mcp show {checked_run.run} ; wfe-mcp verify {checked_run.run} ; or import it into another database (WFE_DATABASE_URL)."
    if record.project_id != engine.project_id:
        raise Refused("conflict", f"Run {record.id} is here already, in another project.", hint)
    if claimed["kind"] != KIND and claimed["sha256"] == origin.get("sha256"):
        return origin  # the same content of another system; what it does not say, such as times, may have changed
    end, last = (record.last_seq, record.last_hash), checked_run.head["last_seq"]
    if end != (last, checked_run.head["last_hash"]):
        ends = f"is here already, with another history: its event {end[0]} is the last, that of the bundle is {last}."
        if is_earlier:
            ends = f"is here already, up to its event {end[0]}: the bundle ends at event {last}, and has nothing new."
            hint = f"Nothing was stored, and nothing is missing: wfe-mcp show {record.id}"
        elif any((event["seq"], event["hash"]) == end for event in checked_run.rows("events")):
            ends = f"is here already, up to its event {end[0]}: the bundle continues it to event {last}, and what is here stays as it is."
            hint = "Nothing was stored. To read what came later, import it into another database (WFE_DATABASE_URL)."
        raise Refused("conflict", f"Run {record.id} {ends}", hint, run=record.id)
    same = export_run(engine, record.id)
    for name, lines in same.rows.items():
        if lines != checked_run.lines.rows[name] and name != LOGS:
            raise Refused("conflict", f"Run {record.id} is here already, and differs in /{name}.", hint, run=record.id)
    return origin


def _keep(
    engine: Engine, by: By, checked_run: CheckedRun, origin: dict[str, Any], progress: Progress, *, dry_run: bool
) -> None:
    from wfe_mcp.store.maintenance.bundles import values_of

    number, total = count(1), sum(len(lines) for lines in checked_run.lines.rows.values())

    def rows(section: str) -> Iterator[dict[str, Any]]:
        for line in checked_run.lines.rows[section]:
            progress(next(number), total)
            values = values_of(section, parse_row(section, line))
            if section == "evidence" and values["log_path"] is not None:
                values["log_path"] = str(Path(engine.root, values["log_path"]))
            yield values

    with engine.store.tx() as tx:
        if tx.runs.load(checked_run.run) is not None:
            raise Refused(
                "conflict",
                f"Run {checked_run.run} came in meanwhile.",
                "Import it again: it says whether it is the same.",
            )
        here = {"project_id": engine.project_id, "worktree": str(engine.root), "archived_at": None}
        record = record_from(RunRecord, checked_run.head | here | {"origin_sha256": sha256_of(origin)})
        tx.bundles.import_run(record, checked_run.state, {name: rows(name) for name in SECTIONS}, origin)
        tx.settings_log.note(IMPORTED, imported_name(record.id, sha256_of(origin)), by, engine.clock())
        tx.after_commit(partial(engine.has_changed, (record.id,)))
        _refuse_unlike(tx, checked_run)
        if dry_run:
            raise _OnlyTried


def _refuse_unlike(tx: Tx, checked_run: CheckedRun) -> None:
    """The final check, as in ``verify``: above all at the records that the log names with their sha256."""
    problems = tx.verification.problems(checked_run.run)
    if problems:
        kind, _, name = problems[0].where.partition(" ")
        section = _SECTION_OF.get(kind, "events")
        rows = enumerate(checked_run.rows(section))
        at = next(
            (pointer(section, index) for index, row in rows if name in (row.get("id"), row.get("request_id"))),
            pointer(section),
        )
        refuse(at, f"is not what the log says: {problems[0].message}", "what the log says", problems[0].where)


_SECTION_OF = {
    "evidence": "evidence",
    "request": "requests",
    "decision": "decisions",
    "refused": "refused",
    "step": "steps",
    "opinion": "opinions",
    "model": "model_calls",
    "tool": "tool_calls",
    "revision": "revisions",
    "document": "documents",
}


def _write_mirrors(engine: Engine, checked_run: CheckedRun, *, only_missing: bool) -> int:
    """Write the files that people see of the run; how many artifacts and logs."""
    from wfe_mcp.engine.files.mirrors import mirror_again

    with engine.store.read() as tx:
        loaded = engine.load(tx, checked_run.run)
    logs = {row["path"]: row["text"] for row in checked_run.rows(LOGS)}
    return mirror_again(engine, loaded, logs, only_missing=only_missing)
