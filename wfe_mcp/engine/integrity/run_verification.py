"""Verification of single runs: log, state, decisions, evidence, gates and files, compared with what lies outside them."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.findings import Discrepancy
from wfe_mcp.core.model import RunId
from wfe_mcp.engine.files.drift import changed_files
from wfe_mcp.engine.integrity.decision_audit import SignedDecisions, audit_run, audit_settings
from wfe_mcp.engine.integrity.decision_keys import DecisionKeys, decision_keys
from wfe_mcp.engine.integrity.evidence_audit import audit_evidence, evidence_seals
from wfe_mcp.engine.integrity.gate_audit import says_gates, unlike_answers, weaker_gates
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.transaction import IMPORTED, imported_name
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.record_seals import AnchoredEvent
from wfe_mcp.store.records.runs import RULES_BEGAN, UNCAUSED, UNREADABLE, EvidenceRecord, SettingEvent
from wfe_mcp.workspace.files.mirror import content_digest
from wfe_mcp.workspace.files.project_files import read_if_there
from wfe_mcp.workspace.system.anchors import Head, SignedCommit

_MOST_LOG_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Outside:
    """What is outside the database, by run: its anchors, oldest first; the newest; since when the file beside the database
    names it; the commits that it made.
    """

    named: dict[str, list[AnchoredEvent]] = field(default_factory=dict[str, "list[AnchoredEvent]"])
    newest: dict[str, Head] = field(default_factory=dict[str, "Head"])
    here: dict[str, datetime] = field(default_factory=dict[str, "datetime"])
    commits: dict[str, list[SignedCommit]] = field(default_factory=dict[str, "list[SignedCommit]"])


@dataclass(slots=True)
class DatabaseFacts:
    """What runs are compared with inside the database: the log of settings up to ``head``, and what follows from it.

    ``imports``: the events of imports, by run. ``since``: when the first run was made that says how its gates differ from
    its template's. ``rules_began``: since when events are those of the present rules.
    """

    head: tuple[int, str]
    changes: tuple[SettingEvent, ...]
    pruned: dict[str, tuple[int, str]]
    imports: dict[str, dict[str, datetime]]
    keys: DecisionKeys
    decisions: SignedDecisions
    since: datetime | None = None
    rules_began: datetime | None = None


_UNREADABLE = (Refused, *UNREADABLE)


@dataclass(frozen=True, slots=True)
class RunFindings:
    """What was found in a run. ``before``: pieces of evidence from before evidence was signed. ``is_behind``: no anchor names
    its newest events yet.
    """

    findings: list[Discrepancy]
    decisions: SignedDecisions = field(default_factory=SignedDecisions)
    before: int = 0
    is_behind: bool = False


def known_now(
    engine: Engine, tx: Tx, anchored: Iterable[str], approver: str, since: datetime | None = None
) -> DatabaseFacts:
    """That of this transaction. ``anchored``: the fingerprints of persons' keys in anchors; ``approver``: the only one that counts."""
    changes = tuple(tx.settings_log.events())
    imports: dict[str, dict[str, datetime]] = {}
    for event in changes:
        if event.type == IMPORTED:
            imports.setdefault(event.name.partition(" ")[0], {})[event.name] = event.at
    keys = decision_keys(engine, tx, anchored, approver)
    pruned, decisions = _pruned_runs(changes, engine.project_id), audit_settings(engine, tx, keys)
    began = next((event.at for event in changes if (event.type, event.name) == RULES_BEGAN), None)
    return DatabaseFacts(tx.settings_log.tail(), changes, pruned, imports, keys, decisions, since, began)


def judge_run(
    engine: Engine,
    tx: Tx,
    run: RunId,
    facts: DatabaseFacts,
    outside: Outside,
    also: Callable[[Engine, Tx, RunId], Iterable[Discrepancy]] | None = None,
) -> RunFindings:
    """Compare ``run``, which did not begin before those judged with ``facts``. ``also``: one more comparison."""
    tail = tx.events.tails([run]).get(run)
    if tail is None and run in facts.pruned:
        return RunFindings([])
    try:
        anchors = outside.named.get(run, ())
        problems = tx.verification.problems(run, anchors, rules_began=facts.rules_began)
        findings = [replace(problem, run=run) for problem in problems]
    except _UNREADABLE as fault:
        return RunFindings(
            [Discrepancy("log_unreadable", "event", f"the log cannot be read: {fault}", run)], is_behind=True
        )
    findings += _origins(tx, run, facts, None if run in facts.pruned else outside.here.get(run))
    findings += _unlike_commits(tx, run, outside.commits.get(run, ()))
    is_behind = outside.newest.get(run) != tail
    try:
        decisions = audit_run(engine, tx, run, facts.keys)
        seals = evidence_seals(facts.changes)
        audit_evidence(tx, run, seals, findings)
        facts.since = facts.since or says_gates(engine, tx, [run])
        weaker = weaker_gates(engine, tx, run, facts.decisions.settings, facts.since)
        others = also(engine, tx, run) if also is not None else ()
        answers = unlike_answers(engine, tx, run, facts.rules_began)
        log_findings = [*decisions.findings, *weaker, *answers, *others, *seals.findings]
    except _UNREADABLE:
        if not findings:
            raise
        # Rows that were tampered with can fail in any way; the log has named them.
        return RunFindings(findings, is_behind=is_behind)
    # What lacks the key of a person is named once, by what it lacks.
    named = {discrepancy.seq for discrepancy in decisions.findings}
    findings = [fault for fault in findings if fault.code != UNCAUSED or fault.seq not in named]
    return RunFindings([*findings, *log_findings], decisions, seals.before, is_behind)


def unlike_files(engine: Engine, run: RunId) -> list[Discrepancy]:
    """Changed mirrors of sealed artifacts, and prompts whose hash differs from the log."""
    try:
        with engine.store.read() as tx:
            loaded = engine.load(tx, run)
            evidence = tx.evidence.of_run(loaded.record.id)
        root = Path(loaded.record.worktree)
        if not root.is_dir():  # as a file that is gone: what is not there was not changed
            return []
        changed = changed_files(engine, loaded)
        # Those of an imported run came cut, and without keys: they were compared when it came in.
        ours = evidence if loaded.record.origin_sha256 is None else []
        logs = [piece.log_path for piece in ours if piece.log_path and _is_changed(root, piece)]
        reports = [path for piece in ours for path in _changed_reports(root, piece)]
    except Exception:  # rows that were tampered with can fail in any way; the log has named them
        return []
    messages = {
        "artifact": "the file differs from the accepted artifact",
        "prompt": "the file is not the prompt that was given",
    }
    since = loaded.record.updated_at
    return [
        *(Discrepancy(f"{file.what}_changed", file.path, messages[file.what], run, since=since) for file in changed),
        *(
            Discrepancy("log_changed", path, "the file is not what the check printed", run, since=since)
            for path in logs
        ),
        *(Discrepancy("report_changed", path, "it is not what the check left", run, since=since) for path in reports),
    ]


def _origins(tx: Tx, run: RunId, facts: DatabaseFacts, here: datetime | None) -> Iterator[Discrepancy]:
    """An import mark that is missing or wrong. ``here``: since when the file beside the database knows the run."""
    origin, imports = tx.bundles.origin_sha256(run), facts.imports.get(run, {})
    if origin is None and imports:
        message = "it was imported, and no longer says so"
        yield Discrepancy("origin_edited", "origin", message, run, since=max(imports.values()))
    elif origin is not None and imported_name(run, origin) not in imports:
        yield Discrepancy(
            "origin_edited", "origin", "it says where it was imported from, and no import was recorded", run
        )
    elif here is not None and here < (at := min(imports.values(), default=here)):
        # Decisions and evidence of an imported run are judged where they were made: a run of here must not become one.
        message = f"it is marked as imported, and was here before that, at {here:%Y-%m-%d %H:%M:%S}Z"
        yield Discrepancy("origin_edited", "origin", message, run, since=at)


def _unlike_commits(tx: Tx, run: RunId, signed: Iterable[SignedCommit]) -> Iterator[Discrepancy]:
    """Commits of the run that name a position its log does not have."""
    for commit in signed:
        if not tx.events.has_hash(run, commit.hash_begins):
            message = f"it says that it was made at {commit.hash_begins}, which is no event of the run"
            yield Discrepancy("commit_disagrees", f"commit {commit.commit[:12]}", message, run, since=commit.at)


def _pruned_runs(changes: Iterable[SettingEvent], project: str) -> dict[str, tuple[int, str]]:
    """The runs that a person removed, with the number and the hash of their last events."""
    from wfe_mcp.store.maintenance.retention import PRUNED

    end_by_run: dict[str, tuple[int, str]] = {}
    for event in changes:
        if event.type == PRUNED:
            with suppress(ValueError):  # the chain names what was edited
                of, run, seq, hash_ = json.loads(event.name)
                end_by_run |= {str(run): (int(seq), str(hash_))} if of == project else {}
    return end_by_run


def _is_changed(root: Path, evidence: EvidenceRecord) -> bool:
    """True when the log of a check exists and differs; a missing one was cleaned up."""
    path, wanted = Path(evidence.log_path or ""), evidence.data.get("output", {}).get("sha256")
    if wanted is None or not path.is_relative_to(root):
        return False
    try:
        log = read_if_there(root, path.relative_to(root).as_posix(), _MOST_LOG_BYTES)
    except Refused:  # a link, a folder, something too large: no log that we wrote
        return True
    return log is not None and sha256_hex(log) != wanted


def _changed_reports(root: Path, evidence: EvidenceRecord) -> Iterator[str]:
    """What lies beside the log of a check and differs from its end; what is missing was cleaned up."""
    log, kept = Path(evidence.log_path or ""), evidence.data.get("kept", {})
    for name, digest in kept.items() if log.is_relative_to(root) else ():
        if content_digest(log.with_name(name)) not in {None, digest}:
            yield str(log.with_name(name))
