"""Verification: compare stored runs with a replay of their logs and with anchors outside the database.

    log       each run's chain, those of the settings and of the work items, followed from nothing; state rows against a replay
    origins   runs that were imported still say so, and from where
    anchors   refs/wfe/audit, the file beside the database, commits that a run made: each names events that must be there
    schema    the file has our tables, columns, indexes and triggers, and nothing else
    gates     how they differ from the template's, and that the user had trusted each difference
    files     mirrors of sealed artifacts, prompts whose hash was asked for, logs of checks

Rules:
1. The anchors are read before the database: what is written meanwhile makes the log newer, never the anchor.
2. An anchor of another database says nothing about this one; it is counted and shown, not judged. In the ref that is one
   of another project, or of a database at another place that the file beside this one does not name.
3. Anchors written between a backup and its restore are not judged; the restore itself is reported.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.files.drift import changed_files
from wfe_mcp.engine.integrity.decision_audit import SignedDecisions, audit_decisions
from wfe_mcp.engine.integrity.discrepancy import Discrepancy
from wfe_mcp.engine.integrity.evidence_audit import audit_evidence
from wfe_mcp.engine.integrity.gate_audit import weaker_gates
from wfe_mcp.engine.kernel.transaction import IMPORTED, imported_name
from wfe_mcp.engine.maintenance.restore_log import SetBack, set_backs
from wfe_mcp.store.integrity.record_seals import Anchored
from wfe_mcp.workspace.files.mirror import content_digest
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.system.anchors import (
    AUDIT_REF,
    BEGUN,
    Anchor,
    Signed,
    anchor_file,
    commits_of,
    lines_of,
    mark_of_database,
    signed_commits,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import EvidenceRecord, Problem, SettingEvent

_PAGE = 500
_MOST_LOG_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked, and what was found. ``behind``: runs whose newest events no anchor names yet."""

    runs: tuple[RunId, ...]
    findings: tuple[Discrepancy, ...]
    settings: tuple[SettingEvent, ...]
    anchors: int
    last_anchor: datetime | None
    behind: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    set_backs: tuple[SetBack, ...] = ()
    pruned: int = 0
    decisions: SignedDecisions = field(default_factory=SignedDecisions)


@dataclass(slots=True)
class _Anchors:
    """The anchors outside the database, as read."""

    lines: list[Anchor] | None
    commits: list[Anchor] | None
    given: list[Anchor]
    database: str
    unreadable: str = ""

    def others(self) -> list[Anchor]:
        """The commits of databases at other places: a new one at this place still has to answer for the old one's."""
        ours = {one.commit for one in self.lines or ()}
        return [one for one in self.commits or () if one.database not in {"", self.database} and one.commit not in ours]

    def of(self, project: str, restores: Iterable[SetBack]) -> list[Anchor]:
        """The anchors of this project in the present database, oldest first."""
        every = [*(self.lines or ()), *(self.commits or ()), *self.given]
        # The anchor that a restore writes is the first of the present database.
        gone = {
            id(one)
            for each in restores
            for one in every
            if each.took_back(one.at) and not (one.set_back and one.at == each.at)
        } | {id(one) for one in self.others()}
        ours = (one for one in every if one.project == project and id(one) not in gone)
        return sorted(ours, key=lambda one: one.at)


def verify(engine: Engine, run: str = "", anchors: str = "", approver: str = "") -> Verified:
    """Compare everything of ``run``, else of all runs of the project. ``anchors``: one more ref to compare with.

    ``approver``: the only person's key that counts, by the first characters of its fingerprint.
    """
    outside = _read(engine, anchors)
    project = engine.project_id
    with engine.store.read() as tx:
        restores = set_backs(tx.settings_log.events())
    ours = outside.of(project, restores)
    signed = signed_commits(engine.root) if engine.project.is_git else []
    findings: list[Discrepancy] = []
    with engine.store.read() as tx:
        runs = _meant(tx, project, run, ours) if run else list(_all_runs(tx, project))
        tails = tx.events.tails(runs)
        changes = tuple(tx.settings_log.events())
        findings += _discrepancies(
            "", tx.settings_log.problems([_chain(one.settings, one.at) for one in ours if one.settings])
        )
        work = [_chain(one.work, one.at) for one in ours if one.work]
        findings += _discrepancies("", tx.items.problems(project, work))
        findings += _discrepancies("", tx.verification.schema_problems())
        for each in runs:
            named = [_chain(one.runs[each], one.at) for one in ours if each in one.runs]
            findings += _discrepancies(each, tx.verification.problems(each, named))
        pruned = _pruned(changes, project)
        beside = {id(one) for one in outside.lines or ()}
        here = {each: one.at for one in reversed(ours) if id(one) in beside for each in one.runs if each not in pruned}
        findings += _origins(tx, runs, changes, here)
        findings += _unlike_commits(tx, set(runs), [one for one in signed if not _is_taken_back(one.at, restores)])
        findings += _deleted(ours, set(runs), run, pruned)
        findings += [
            Discrepancy(
                "run_deleted", "run", "the log of settings does not know that it was pruned", one.run_id, one.events
            )
            for one in tx.retention.pruned(project)
            if pruned.get(one.run_id) != (one.events, one.last_hash)
        ]
        decisions = audit_decisions(engine, tx, runs, {one.key for one in ours}, approver)
        findings += decisions.findings
        seals = audit_evidence(tx, runs, changes, findings)
        findings += seals.findings
        begun = tx.settings_log.first_noted(BEGUN, project)
        findings += _missing(outside, project, begun, is_git=engine.project.is_git, restored=bool(restores))
    newest = {name: head for one in ours for name, head in one.runs.items()}
    behind = tuple(each for each in runs if newest.get(each) != tails.get(each))
    findings += [finding for each in runs for finding in _files(engine, each)]
    findings += weaker_gates(engine, runs, decisions.settings)
    last = ours[-1].at if ours else None
    notes = (*_notes(outside, project), *seals.notes())
    return Verified(
        tuple(runs), tuple(findings), changes, len(ours), last, behind, notes, tuple(restores), len(pruned), decisions
    )


def _read(engine: Engine, ref: str) -> _Anchors:
    """The file first: a commit that it names must be in the ref, which may have grown meanwhile."""
    lines, database = lines_of(anchor_file(engine.store.path, engine.project_id)), mark_of_database(engine.store.path)
    given: list[Anchor] = []
    if ref:
        if ref.startswith("-") or (found := commits_of(engine.root, ref)) is None:
            raise Refused(
                "bad_argument",
                f"There is no ref {ref!r} in this repository.",
                f"Fetch it first: git fetch origin {AUDIT_REF}:refs/wfe/pushed",
            )
        given = found
    if not engine.project.is_git:
        return _Anchors(lines, None, given, database)
    try:
        return _Anchors(lines, commits_of(engine.root), given, database)
    except Refused as refused:
        return _Anchors(lines, None, given, database, refused.message)


def _missing(
    outside: _Anchors, project: str, begun: datetime | None, *, is_git: bool, restored: bool
) -> Iterator[Discrepancy]:
    """Missing anchors: the ref, commits of it, the file. ``restored``: the database may be new on this machine."""
    lines = [one for one in outside.lines or () if one.project == project]
    in_git = [one for one in lines if one.commit]
    if outside.unreadable:
        yield Discrepancy("anchors_unreadable", AUDIT_REF, outside.unreadable)
    elif is_git and outside.commits is None and (in_git or (begun and not restored)):
        yield Discrepancy(
            "anchors_deleted", AUDIT_REF, "the ref with the anchors is gone", since=_last(in_git) or begun
        )
    elif outside.commits is not None:
        there = {one.commit for one in outside.commits}
        lost = [one for one in in_git if one.commit not in there]
        if lost:
            message = f"it no longer holds {len(lost)} anchor(s), the first is commit {lost[0].commit[:12]}"
            yield Discrepancy("anchors_moved", AUDIT_REF, message, since=lost[0].at)
    if outside.lines is None and begun:
        yield Discrepancy(
            "anchors_deleted", "anchors beside the database", "the file with the anchors is gone", since=begun
        )


def _is_taken_back(at: datetime, restores: Iterable[SetBack]) -> bool:
    return any(one.took_back(at) for one in restores)


def _origins(
    tx: Tx, runs: Iterable[RunId], changes: Iterable[SettingEvent], here: Mapping[str, datetime]
) -> Iterator[Discrepancy]:
    """Runs whose import mark is missing or wrong. ``here``: since when the file beside the database knows a run."""
    noted: dict[str, dict[str, datetime]] = {}
    for event in changes:
        if event.type == IMPORTED:
            noted.setdefault(event.name.partition(" ")[0], {})[event.name] = event.at
    for run in runs:
        origin, imports = tx.bundles.origin_sha256(run), noted.get(run, {})
        if origin is None and imports:
            message = "it was imported, and no longer says so"
            yield Discrepancy("origin_edited", "origin", message, run, since=max(imports.values()))
        elif origin is not None and imported_name(run, origin) not in imports:
            yield Discrepancy(
                "origin_edited", "origin", "it says where it was imported from, and no import was recorded", run
            )
        elif run in here and here[run] < (at := min(imports.values(), default=here[run])):
            # Decisions and evidence of an imported run are judged where they were made: a run of here must not become one.
            message = f"it is said to be imported, and was here before that, at {here[run]:%Y-%m-%d %H:%M:%S}Z"
            yield Discrepancy("origin_edited", "origin", message, run, since=at)


def _unlike_commits(tx: Tx, runs: set[RunId], signed: Iterable[Signed]) -> Iterator[Discrepancy]:
    """Commits of a run that name a position its log does not have."""
    for one in signed:
        run = RunId(one.run)
        if run in runs and not tx.events.has_hash(run, one.hash_begins):
            message = f"it says that it was made at {one.hash_begins}, which is no event of the run"
            yield Discrepancy("commit_disagrees", f"commit {one.commit[:12]}", message, run, since=one.at)


def _meant(tx: Tx, project: str, run: str, ours: Iterable[Anchor]) -> list[RunId]:
    """The run by its id or the beginning of it; none when only an anchor names it."""
    try:
        return [tx.runs.find(project, run).id]
    except Refused:
        was_pruned = any(one.run_id.startswith(run) for one in tx.retention.pruned(project))
        if not was_pruned and any(name.startswith(run) for one in ours for name in one.runs):
            return []
        raise


def _pruned(changes: Iterable[SettingEvent], project: str) -> dict[str, tuple[int, str]]:
    """The runs that a person removed, with the number and the hash of their last events."""
    from wfe_mcp.store.maintenance.retention import PRUNED

    found: dict[str, tuple[int, str]] = {}
    for event in changes:
        if event.type == PRUNED:
            with suppress(ValueError):  # the chain names what was edited
                of, run, seq, hash_ = json.loads(event.name)
                found |= {str(run): (int(seq), str(hash_))} if of == project else {}
    return found


def _deleted(
    ours: Iterable[Anchor], there: set[RunId], run: str, pruned: dict[str, tuple[int, str]]
) -> Iterator[Discrepancy]:
    """Runs that an anchor names and the database does not have; ``run``: only those that begin so.

    A pruned run's last event must not be older than its anchors.
    """
    last: dict[str, Anchor] = {}
    for one in ours:
        for name, head in one.runs.items():
            end = pruned.get(name, (0, ""))
            if head[0] < end[0] or head == end:
                continue
            if RunId(name) not in there and name.startswith(run) and not (run and there):
                last[name] = one
    for name, one in last.items():
        message = f"the run was anchored with {one.runs[name][0]} event(s), and is gone"
        yield Discrepancy("run_deleted", "run", message, name, one.runs[name][0], one.at)


def _files(engine: Engine, run: RunId) -> list[Discrepancy]:
    """Changed mirrors of sealed artifacts, and prompts whose hash differs from the log."""
    try:
        with engine.store.read() as tx:
            loaded = engine.load(tx, run)
            evidence = tx.evidence.of_run(loaded.record.id)
        changed = changed_files(engine, loaded)
        # Those of an imported run came cut, and without keys: they were compared when it came in.
        ours = evidence if loaded.record.origin_sha256 is None else []
        root = Path(loaded.record.worktree)
        logs = [each.log_path for each in ours if each.log_path and _is_changed(root, each)]
        reports = [path for each in ours for path in _changed_reports(root, each)]
    except Exception:  # rows that were tampered with can fail in any way; the log has named them
        return []
    messages = {
        "artifact": "the file differs from the accepted artifact",
        "prompt": "the file is not the prompt that was given",
    }
    since = loaded.record.updated_at
    return [
        *(Discrepancy(f"{one.what}_changed", one.path, messages[one.what], run, since=since) for one in changed),
        *(
            Discrepancy("log_changed", path, "the file is not what the check printed", run, since=since)
            for path in logs
        ),
        *(Discrepancy("report_changed", path, "it is not what the check left", run, since=since) for path in reports),
    ]


def _is_changed(root: Path, evidence: EvidenceRecord) -> bool:
    """True when the log of a check exists and differs; a missing one was cleaned up."""
    path, wanted = Path(evidence.log_path or ""), evidence.data.get("output", {}).get("sha256")
    if wanted is None or not path.is_relative_to(root):
        return False
    try:
        found = read_if_there(root, path.relative_to(root).as_posix(), _MOST_LOG_BYTES)
    except Refused:  # a link, a folder, something too large: no log that we wrote
        return True
    return found is not None and sha256_hex(found) != wanted


def _changed_reports(root: Path, evidence: EvidenceRecord) -> Iterator[str]:
    """What lies beside the log of a check and differs from its end; what is missing was cleaned up."""
    log, kept = Path(evidence.log_path or ""), evidence.data.get("kept", {})
    for name, digest in kept.items() if log.is_relative_to(root) else ():
        if content_digest(log.with_name(name)) not in {None, digest}:
            yield str(log.with_name(name))


def _notes(outside: _Anchors, project: str) -> Iterator[str]:
    every = (*(outside.commits or ()), *outside.given)
    others = {one.project for one in every if one.project != project} | {
        one.database for one in outside.others() if one.project == project
    }
    if others:
        yield f"{AUDIT_REF} also holds anchors of {len(others)} other database(s); they say nothing about this one."


def _all_runs(tx: Tx, project: str) -> Iterator[RunId]:
    cursor: str | None = None
    while True:
        page = tx.runs.page(project, limit=_PAGE, cursor=cursor)
        yield from (record.id for record in page.runs)
        cursor = page.cursor
        if cursor is None:
            return


def _discrepancies(run: str, problems: Iterable[Problem]) -> list[Discrepancy]:
    return [Discrepancy(one.code or "differs", one.where, one.message, run, one.seq, one.since) for one in problems]


def _chain(head: tuple[int, str], at: datetime) -> Anchored:
    return Anchored(*head, at)


def _last(anchors: list[Anchor]) -> datetime | None:
    return anchors[-1].at if anchors else None
