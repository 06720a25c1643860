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
4. Runs are judged in short transactions, oldest first: with a rollback journal writers wait for the end of each. What a run
   is compared with is read again when the settings have changed meanwhile. Nothing is kept about what was verified.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import Progress, plural, unheard
from wfe_mcp.engine.integrity import run_verification
from wfe_mcp.engine.integrity.anchoring import UNKNOWN, anchors_here
from wfe_mcp.engine.integrity.decision_audit import SignedDecisions
from wfe_mcp.engine.integrity.evidence_audit import evidence_seals
from wfe_mcp.engine.integrity.gate_audit import says_gates
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.identity import perhaps_of
from wfe_mcp.engine.maintenance.restore_log import SetBack, set_backs
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.record_seals import AnchoredEvent
from wfe_mcp.store.records.runs import SettingEvent
from wfe_mcp.workspace.system.anchors import (
    AUDIT_REF,
    BEGUN,
    LOST,
    Anchor,
    anchor_file,
    commits_of,
    lines_of,
    mark_of_database,
    signed_commits,
)

_PAGE = 500
_LONGEST_S = 0.05
"""So long one read transaction takes up runs, one at least; with a rollback journal writers wait for its end."""


@dataclass(frozen=True, slots=True)
class VerificationResult:
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
    left: int = 0
    """Runs that were not checked, because it was stopped."""


@dataclass(slots=True)
class _Anchors:
    """The anchors outside the database, as read."""

    lines: list[Anchor] | None
    commits: list[Anchor] | None
    given: list[Anchor]
    database: str
    unreadable: str = ""

    def at_other_places(self) -> list[Anchor]:
        """The commits of databases at other places: a new one at this place still has to answer for the old one's."""
        ours = {line.commit for line in self.lines or ()}
        return [
            commit
            for commit in self.commits or ()
            if commit.database not in {"", self.database} and commit.commit not in ours
        ]

    def of_project(self, project: str, restores: Iterable[SetBack]) -> list[Anchor]:
        """The anchors of this project in the present database, oldest first."""
        others = {id(place) for place in self.at_other_places()}
        anchors = (
            anchor
            for source in (self.lines or (), self.commits or (), self.given)
            for anchor in _of_present(
                [one for one in source if one.project == project and id(one) not in others], restores
            )
        )
        return sorted(anchors, key=lambda one: one.at)


def _of_present(anchors: Iterable[Anchor], restores: Iterable[SetBack]) -> list[Anchor]:
    """Those of one source, in their order, that speak of the present database: what a restore took back is left out.

    The anchor that a restore writes is the first of the present database: what stands before it was written before, whatever
    the clock said. Where it is missing, as in a copy that was pushed earlier, the time decides.
    """
    unseen = {restore.at: restore for restore in restores}
    present: list[Anchor] = []
    for anchor in anchors:
        if anchor.set_back and (restore := unseen.pop(anchor.at, None)):
            present = [before for before in present if before.at <= restore.to]
        present.append(anchor)
    return [anchor for anchor in present if not any(restore.took_back(anchor.at) for restore in unseen.values())]


def verify(
    engine: Engine,
    run: str = "",
    anchors: str = "",
    approver: str = "",
    *,
    after: str = "",
    progress: Progress = unheard,
    also: Callable[[Engine, Tx, RunId], Iterable[Discrepancy]] | None = None,
) -> VerificationResult:
    """Compare everything of ``run``, else of all runs of the project, oldest first. ``anchors``: one more ref to compare with.

    ``approver``: the only person's key that counts, by the first characters of its fingerprint. ``after``: leave out this
    run and those before it. ``also``: one more comparison of each run. Ctrl-C ends it after the last whole batch.
    """
    with (
        engine.store.read() as tx
    ):  # before the file is read: it is noted once the file is there, which may begin right now
        begun = tx.settings_log.first_noted(BEGUN, anchors_here(engine))
    read, project = _read(engine, anchors), engine.project_id
    with engine.store.read() as tx:
        restores = set_backs(tx.settings_log.events())
        ours = read.of_project(project, restores)
        ids = _meant(tx, project, run, ours) if run else None
    outside, anchored = _by_run(engine, read, ours, restores), {anchor.key for anchor in ours}
    runs = _all_runs(engine) if ids is None else ids
    todo = _later(runs, after)
    with engine.store.read() as tx:
        facts = run_verification.known_now(engine, tx, anchored, approver)
        decisions = facts.decisions
        findings = [*_beside_the_runs(tx, project, ours, facts.pruned), *decisions.findings]
        findings += _deleted_runs(ours, set(runs), run, facts.pruned)
        findings += _missing(read, project, begun, is_git=engine.project.is_git, restores=restores)
        facts.since = says_gates(engine, tx, runs[: len(runs) - len(todo)])
    findings += [] if run or after else _unlike_sums(engine)
    seals, behind, done = evidence_seals(facts.changes), list[RunId](), 0
    try:
        while done < len(todo):
            progress(done, len(todo))
            batch, end = list[run_verification.RunFindings](), time.monotonic() + _LONGEST_S
            with engine.store.read() as tx:
                if tx.settings_log.tail() != facts.head:  # such as a new key, or a run that was pruned meanwhile
                    facts = run_verification.known_now(engine, tx, anchored, approver, facts.since)
                while done + len(batch) < len(todo) and (not batch or time.monotonic() < end):
                    batch.append(run_verification.judge_run(engine, tx, todo[done + len(batch)], facts, outside, also))
            for judged in batch:
                run_id = todo[done]
                findings += (*judged.findings, *run_verification.unlike_files(engine, run_id))
                decisions.add(judged.decisions)
                seals.before += judged.before
                behind += [run_id] if judged.is_behind else []
                done += 1
    except KeyboardInterrupt:
        pass
    last = ours[-1].at if ours else None
    with engine.store.read() as tx:
        perhaps = perhaps_of(tx, engine.project, project)
    notes = (
        *([perhaps] if perhaps else []),
        *_notes(read, project),
        *_begun_again(engine, facts.changes),
        *seals.notes(),
    )
    return VerificationResult(
        tuple(todo[:done]),
        tuple(findings),
        facts.changes,
        len(ours),
        last,
        tuple(behind),
        notes,
        tuple(restores),
        len(facts.pruned),
        decisions,
        len(todo) - done,
    )


def _beside_the_runs(
    tx: Tx, project: str, ours: Sequence[Anchor], pruned: Mapping[str, tuple[int, str]]
) -> Iterator[Discrepancy]:
    """What differs in the logs of settings and of work items, in the tables, and of runs that were removed without a record."""
    yield from tx.settings_log.problems([_chain(anchor.settings, anchor.at) for anchor in ours if anchor.settings])
    yield from tx.items.problems(project, [_chain(anchor.work, anchor.at) for anchor in ours if anchor.work])
    yield from tx.verification.schema_problems()
    unknown = "the log of settings does not know that it was pruned"
    for run in tx.retention.pruned_runs(project):
        if pruned.get(run.run_id) != (run.events, run.last_hash):
            yield Discrepancy("run_deleted", "run", unknown, run.run_id, run.events)


def _begun_again(engine: Engine, changes: Iterable[SettingEvent]) -> Iterator[str]:
    """When the file of the anchors was lost, which people should know."""
    for change in changes:
        if (change.type, change.name) == (LOST, anchors_here(engine)):
            yield f"The file with the anchors was begun again at {change.at:%Y-%m-%d %H:%M:%S}Z: it does not show what was before."


def _by_run(
    engine: Engine, read: _Anchors, ours: Sequence[Anchor], restores: Sequence[SetBack]
) -> run_verification.Outside:
    outside, beside = run_verification.Outside(), {id(line) for line in read.lines or ()}
    for anchor in ours:
        for run, head in anchor.runs.items():
            outside.named.setdefault(run, []).append(_chain(head, anchor.at))
            outside.newest[run] = max(head, outside.newest.get(run, head))
            if id(anchor) in beside:
                outside.here.setdefault(run, anchor.at)
    for commit in signed_commits(engine.root) if engine.project.is_git else ():
        if not any(restore.took_back(commit.at) for restore in restores):
            outside.commits.setdefault(commit.run, []).append(commit)
    return outside


def _later(runs: list[RunId], after: str) -> list[RunId]:
    """The runs after ``after``, which may be the beginning of an id. Refuses ``unknown_run``."""
    if not after:
        return runs
    at = next((number for number, run in enumerate(runs) if run.startswith(after)), None)
    if at is None:
        raise Refused("unknown_run", f"There is no run {after!r} in this project.", "Verify all of it: wfe-mcp verify")
    return runs[at + 1 :]


def _read(engine: Engine, ref: str) -> _Anchors:
    """The file first: a commit that it names must be in the ref, which may have grown meanwhile."""
    lines, database = lines_of(anchor_file(engine.store.place, engine.project_id)), mark_of_database(engine.store.place)
    anchors: list[Anchor] = []
    if ref:
        if ref.startswith("-") or (commits := commits_of(engine.root, ref)) is None:
            raise Refused(
                "bad_argument",
                f"There is no ref {ref!r} in this repository.",
                f"Fetch it first: git fetch origin {AUDIT_REF}:refs/wfe/pushed",
            )
        anchors = commits
    if not engine.project.is_git:
        return _Anchors(lines, None, anchors, database)
    try:
        return _Anchors(lines, commits_of(engine.root), anchors, database)
    except Refused as refused:
        return _Anchors(lines, None, anchors, database, refused.message)


_BRING_BACK = "what git still has of it comes back with: wfe-mcp verify --anchor"


def _missing(
    outside: _Anchors, project: str, begun: datetime | None, *, is_git: bool, restores: Sequence[SetBack]
) -> Iterator[Discrepancy]:
    """Missing anchors: the ref, commits of it, the file. After a restore the machine and its clone may be new: a person
    has accepted what was missing then.
    """
    accepted = max((restore.missing.get(project, 0) for restore in restores), default=0)
    lines = [line for line in outside.lines or () if line.project == project]
    in_git = [line for line in lines if line.commit]
    if outside.unreadable:
        yield Discrepancy("anchors_unreadable", AUDIT_REF, outside.unreadable)
    # Lines that all name no commit are of a folder that was no repository yet: it never had the ref.
    elif is_git and outside.commits is None and (len(in_git) > accepted or (begun and not lines and not restores)):
        message, since = f"the ref with the anchors is gone ({_BRING_BACK})", in_git[-1].at if in_git else begun
        yield Discrepancy("anchors_deleted", AUDIT_REF, message, since=since)
    elif outside.commits is not None:
        there = {commit.commit for commit in outside.commits}
        lost = [anchor for anchor in in_git if anchor.commit not in there]
        if len(lost) > accepted:
            message = f"it lacks {plural(len(lost), 'anchor')} that it held, the first in commit {lost[0].commit[:12]} ({_BRING_BACK})"
            yield Discrepancy("anchors_moved", AUDIT_REF, message, since=lost[0].at)
    if outside.lines is None and begun:
        message = f"{UNKNOWN[0].lower()}{UNKNOWN[1:]} (to begin it again: wfe-mcp verify --anchor)"
        yield Discrepancy("anchors_deleted", "anchors beside the database", message, since=begun)


def _unlike_sums(engine: Engine) -> list[Discrepancy]:
    """The sums of statistics that are not those of the logs and of the calls."""
    from wfe_mcp.engine.statistics.phase_sums import differences
    from wfe_mcp.engine.statistics.usage_sums import usage_differences

    rows = [("phase_sum", difference, "the logs of its runs") for difference in differences(engine)]
    rows += [("usage_sum", difference, "its calls to models") for difference in usage_differences(engine)]
    message = "the sums of {} are not those of {} (to sum them again: wfe-mcp doctor --fix)"
    return [Discrepancy("sums_differ", table, message.format(sums, source)) for table, sums, source in rows]


def _meant(tx: Tx, project: str, run: str, ours: Iterable[Anchor]) -> list[RunId]:
    """The run by its id or the beginning of it; none when only an anchor names it."""
    try:
        return [tx.runs.find(project, run).id]
    except Refused as refused:
        if refused.run is not None:  # its row cannot be read
            return [RunId(refused.run)]
        was_pruned = any(run_gone.run_id.startswith(run) for run_gone in tx.retention.pruned_runs(project))
        if not was_pruned and any(name.startswith(run) for anchor in ours for name in anchor.runs):
            return []
        raise


def _deleted_runs(
    ours: Iterable[Anchor], there: set[RunId], run: str, pruned: dict[str, tuple[int, str]]
) -> Iterator[Discrepancy]:
    """Runs that an anchor names and the database does not have; ``run``: only those that begin so.

    A pruned run's last event must not be older than its anchors.
    """
    last: dict[str, Anchor] = {}
    for anchor in ours:
        for name, head in anchor.runs.items():
            end = pruned.get(name, (0, ""))
            if head[0] < end[0] or head == end:
                continue
            if RunId(name) not in there and name.startswith(run) and not (run and there):
                last[name] = anchor
    for name, anchor in last.items():
        message = f"the run was anchored with {plural(anchor.runs[name][0], 'event')}, and is gone"
        yield Discrepancy("run_deleted", "run", message, name, anchor.runs[name][0], anchor.at)


def lost_runs(engine: Engine, among: Collection[str]) -> list[str]:
    """Those of the runs ``among`` that the database had, by its anchors, and lost: it has not pruned them. The oldest first."""
    with engine.store.read() as tx:
        known = {
            *tx.events.tails(sorted(among)),
            *(str(run.run_id) for run in tx.retention.pruned_runs(engine.project_id)),
        }
        restores = set_backs(tx.settings_log.events())
    if known.issuperset(among):
        return []
    ours = _read(engine, "").of_project(engine.project_id, restores)
    names = dict.fromkeys(run for anchor in ours for run in anchor.runs)
    return [run for run in names if run in among and run not in known]


def message_of_lost(runs: Sequence[str]) -> str:
    """The sentence about ``lost_runs``."""
    return f"{plural(len(runs), 'run')} that this database had {'is' if len(runs) == 1 else 'are'} gone, the first: {runs[0]}"


def _notes(outside: _Anchors, project: str) -> Iterator[str]:
    every = (*(outside.commits or ()), *outside.given)
    foreign = [anchor for anchor in every if anchor.project != project]
    projects = {anchor.project for anchor in foreign if anchor.database == outside.database}
    databases = {anchor.database or anchor.project for anchor in foreign if anchor.database != outside.database} | {
        place.database for place in outside.at_other_places() if place.project == project
    }
    numbers = [(len(projects), "other project"), (len(databases), "other database")]
    if others := " and ".join(plural(number, what) for number, what in numbers if number):
        yield f"{AUDIT_REF} also holds anchors of {others}; they say nothing about the runs here."


def _all_runs(engine: Engine) -> list[RunId]:
    """The runs of the project, oldest first, read in short transactions."""
    cursor: str | None = None
    ids: list[RunId] = []
    while True:
        with engine.store.read() as tx:
            page = tx.runs.page(engine.project_id, limit=_PAGE, cursor=cursor)
        ids += (*page.damaged, *(record.id for record in page.runs))
        cursor = page.cursor
        if cursor is None:
            return ids[::-1]


def _chain(head: tuple[int, str], at: datetime) -> AnchoredEvent:
    return AnchoredEvent(*head, at)
