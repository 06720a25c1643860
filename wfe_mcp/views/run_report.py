"""The full report of a run: every attempt, its evidence, requests and decisions.

It covers the run now or at an earlier event (``Moment``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history.as_of import requests_then, revisions_then
from wfe_mcp.engine.kernel.read_only_runs import origin_of
from wfe_mcp.engine.templates.manifest import manifest
from wfe_mcp.views import runs as run_views
from wfe_mcp.views.artifacts import head_view
from wfe_mcp.views.checkpoints import newest_checkpoints
from wfe_mcp.views.envelope import Envelope
from wfe_mcp.views.tool_calls import with_tools
from wfe_mcp.views.usage import usage_of_run

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.core.model import Attempt, RunId, RunState
    from wfe_mcp.engine.history.as_of import Moment
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.approvals import RequestRecord
    from wfe_mcp.store.records.runs import EvidenceRecord

__all__ = ["moment_line", "past", "story", "void_words"]

_TOLD = {"phase", "attempt", "sha256", "comment", "reason"}
_VOID = {AttemptStatus.ROLLED_BACK, AttemptStatus.SUPERSEDED}
_COUNTS = {AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}
_DECISIONS = {"ApprovalGiven": "approved", "PhaseForced": "accepted by force", "PhaseSkipped": "skipped"}


def past(engine: Engine, then: Moment) -> Envelope:
    """The run at an earlier moment, whole; nothing is legal in the past, so ``next`` is empty."""
    state = str(then.found.loaded.state.status)
    at = {"event": then.event.seq, "of": then.of, "type": then.event.type, "at": _second(then.event.at)}
    data = run_views.full(then.found) | {"as_of": at} | story(engine, then.found, then)
    return Envelope(True, then.found.loaded.record.id, None, state, state, summary=moment_line(then), data=data)


def moment_line(then: Moment) -> str:
    """One sentence: which event, and how far the run was."""
    return f"As of event {then.event.seq} of {then.of} ({then.event.type}): {run_views.summary(then.found)}"


def story(engine: Engine, found: Overview, then: Moment | None = None) -> dict[str, Any]:
    """Inputs, every attempt with its evidence, artifacts, requests, decisions, manifest, context and usage."""
    record = found.loaded.record
    with engine.store.read() as tx:
        if then is None:
            found = with_tools(tx, found)
        evidence = tx.evidence(record.id)
        told: dict[str, Any] = {
            "inputs": tx.document(record.inputs_sha256),
            "manifest": manifest(tx, found.loaded, None if then is None else list(found.steps)),
            "attempts": _attempts(found, [each for each in evidence if then is None or each.at <= then.event.at]),
            "artifacts": [head_view(head) for head in revisions_then(tx, found.loaded)],
            "requests": [_request(each) for each in requests_then(tx, found.loaded)],
            "decisions": _decisions(tx, found),
            **newest_checkpoints(tx, found),
        }  # fmt: skip
        origin = origin_of(tx, record)
    if origin is not None:
        told["imported"] = run_views.origin_view(origin)
    if found.context:
        told["context"] = [run_views.context_view(bundle, files=True) for bundle in found.context]
    if found.spending is not None:
        told["usage"] = usage_of_run(engine, found, None if then is None else then.event.at)
    return told


def _attempts(found: Overview, evidence: list[EvidenceRecord]) -> list[dict[str, Any]]:
    """Every attempt, superseded ones too, in the order of the template."""
    by_attempt: dict[tuple[str, int], list[EvidenceRecord]] = {}
    for each in evidence:
        by_attempt.setdefault((each.phase, each.attempt), []).append(each)
    return [
        _attempt(
            found,
            attempt,
            [each for n in (attempt.restores, attempt.number) for each in by_attempt.get((attempt.phase, n), ())],
        )
        for tries in found.loaded.state.attempts.values()
        for attempt in tries
    ]


def _attempt(found: Overview, attempt: Attempt, evidence: list[EvidenceRecord]) -> dict[str, Any]:
    own = [
        {key: value for key, value in told.items() if value}
        for each in evidence
        for told in [{"id": each.id, "gate": each.kind, "step": each.data.get("step"), "log": each.log_path, "tree": each.tree, "head": each.head}]
    ]  # fmt: skip
    return run_views.attempt_view(found, attempt) | ({"evidence": own} if own else {})


def _request(asked: RequestRecord) -> dict[str, Any]:
    view = {
        "request": asked.id, "phase": asked.phase, "attempt": asked.attempt, "stage": str(asked.stage),
        "sha256": asked.sha256[:12], "assurance": asked.assurance.name.lower(), "state": str(asked.status),
        "asked_at": _second(asked.created_at),
    }  # fmt: skip
    return view | ({} if asked.closed_at is None else {"closed_at": _second(asked.closed_at)})


def _decisions(tx: Tx, found: Overview) -> list[dict[str, Any]]:
    """What people decided; in a fork also in the runs that it comes from, each with the id of its run."""
    record, origin = found.loaded.record, found.loaded.state.origin
    told = _decided(tx, record.id, record.last_seq)
    while origin is not None:
        told = [{"run": origin.run} | each for each in _decided(tx, origin.run, origin.seq)] + told
        before = tx.load_run(origin.run)
        origin = None if before is None else before.state.origin
    return [each | _void(found.loaded.state, each) for each in told]


def void_words(decision: dict[str, Any]) -> str:
    """What a line about a decision says where that is void."""
    return f" (void since: {decision['void'].replace('_', ' ')})" if "void" in decision else ""


def _void(state: RunState, told: dict[str, Any]) -> dict[str, Any]:
    """``void``: why an approval no longer counts: its attempt was rolled back or restarted."""
    tries = state.attempts.get(PhasePath(told.get("phase", "")), ())
    number = int(told.get("attempt", 0))
    if told["decision"] == "rejected" or not 1 <= number <= len(tries):
        return {}
    one, newest = tries[number - 1], tries[-1]
    counts = newest.made_in == one.made_in and newest.status in _COUNTS
    return {} if counts or one.status not in _VOID else {"void": str(one.status)}


def _decided(tx: Tx, run: RunId, upto: int) -> list[dict[str, Any]]:
    events = [run_views.event_view(each) for each in tx.events(run, limit=upto)]
    return [
        {"decision": _decision(each)}
        | {key: each[key] for key in ("at", "actor", "channel", "assurance")}
        | {key: value for key, value in each["payload"].items() if key in _TOLD and value}
        for each in events
        if _decision(each)
    ]


def _decision(event: dict[str, Any]) -> str:
    """The decision in an event; empty for other events."""
    if event["type"] == "AttemptFailed" and event["payload"].get("kind") == "rejected":
        return "rejected"
    return "" if event["channel"] == "system" else _DECISIONS.get(event["type"], "")


def _second(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
