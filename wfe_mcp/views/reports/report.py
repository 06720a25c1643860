"""The full report of a run: every attempt, its evidence, requests and decisions.

It covers the run now or at an earlier event (``Moment``).
"""

from dataclasses import field, replace

from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.loops import attempts_in_order
from wfe_mcp.core.model import AttemptStatus, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history.as_of import Moment, requests_then, revisions_then
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.transaction import origin_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.templates.manifest import manifest
from wfe_mcp.gates.results import origin
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EvidenceRecord, RequestRecord
from wfe_mcp.views.artifacts.artifacts import HeadView, head_view
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.runs import run as run_views
from wfe_mcp.views.runs.attachments import AttachmentLine, DraftLine
from wfe_mcp.views.runs.calls import with_tools
from wfe_mcp.views.runs.checkpoints import NewestCheckpoints, newest_checkpoints
from wfe_mcp.views.runs.models import BundleView, EventView, EvidenceView, MomentView, OriginView, PhaseView, RunView
from wfe_mcp.views.runs.requests import DecisionLine, RequestView, Void, line_notes
from wfe_mcp.views.runs.usage import RunUsage, usage_of_run
from wfe_mcp.views.values.model import INLINE, JsonObject, second, view_model, view_of

_VOID = {AttemptStatus.ROLLED_BACK, AttemptStatus.SUPERSEDED}
_COUNTS = {AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}
_VOID_WORDS: dict[Void, str] = {
    "rejected": "sent back",
    "failed": "failed",
    "superseded": "begun again",
    "rolled_back": "rolled back",
}
_REJECTED, _SENT_BACK = "AttemptFailed", "WentTo"
_DECISIONS = {
    "ApprovalCounted": "co-approved",
    "ApprovalGiven": "approved",
    "PhaseForced": "accepted by force",
    "PhaseSkipped": "skipped",
}


@view_model
class DetailsView:
    """Inputs, every attempt with its evidence, artifacts, requests, decisions, manifest, context and usage."""

    inputs: JsonObject
    manifest: JsonObject
    attempts: tuple[PhaseView, ...]
    artifacts: tuple[HeadView, ...]
    requests: tuple[RequestView, ...]
    decisions: tuple[DecisionLine, ...]
    checkpoints: NewestCheckpoints | None = None
    imported: OriginView | None = None
    context: tuple[BundleView, ...] = ()
    usage: RunUsage | None = None


@view_model
class ReportView:
    """The full report of a run, now or as of an event."""

    run: RunView = field(metadata=INLINE)
    as_of: MomentView | None = None
    details: DetailsView = field(metadata=INLINE)
    drafts: tuple[DraftLine, ...] = ()
    attachments: tuple[AttachmentLine, ...] = ()


def past(engine: Engine, then: Moment) -> Envelope:
    """The run at an earlier moment, whole; nothing is legal in the past, so ``next`` is empty."""
    state = str(then.overview.loaded.state.status)
    at = MomentView(event=then.event.seq, of=then.of, type=then.event.type, at=second(then.event.at))
    view = ReportView(run=run_views.full(then.overview), as_of=at, details=details_of(engine, then.overview, then))
    return Envelope(True, then.overview.loaded.record.id, None, state, state, summary=moment_line(then), view=view)


def moment_line(then: Moment) -> str:
    """One sentence: which event, and how far the run was."""
    return f"As of event {then.event.seq} of {then.of} ({then.event.type}): {run_views.summary(then.overview)}"


def details_of(engine: Engine, overview: Overview, then: Moment | None = None) -> DetailsView:
    """What happened in a run, now or at an earlier moment."""
    record = overview.loaded.record
    spending = (
        None if overview.spending is None else usage_of_run(engine, overview, None if then is None else then.event.at)
    )
    with engine.store.read() as tx:
        if then is None:
            overview = with_tools(tx, overview)
        evidence = [piece for piece in tx.evidence.of_run(record.id) if then is None or piece.at <= then.event.at]
        origin = origin_of(tx, record)
        return DetailsView(
            inputs=tx.documents.load(record.inputs_sha256),
            manifest=manifest(tx, overview.loaded, None if then is None else list(overview.steps)),
            attempts=_attempts(overview, evidence),
            artifacts=tuple(head_view(head) for head in revisions_then(tx, overview.loaded)),
            requests=tuple(_request(request) for request in requests_then(tx, overview.loaded)),
            decisions=decisions_of(tx, overview),
            checkpoints=newest_checkpoints(tx, overview),
            imported=None if origin is None else run_views.origin_view(origin),
            context=tuple(run_views.context_view(bundle, files=True) for bundle in overview.context),
            usage=spending,
        )


def _attempts(overview: Overview, evidence: list[EvidenceRecord]) -> tuple[PhaseView, ...]:
    """Every attempt, superseded ones too, in the order of the template."""
    by_attempt: dict[tuple[str, int], list[EvidenceView]] = {}
    for record in evidence:
        by_attempt.setdefault((record.phase, record.attempt), []).append(_evidence(record))
    return tuple(
        replace(
            run_views.attempt_view(overview, attempt),
            evidence=tuple(
                view for n in (attempt.restores, attempt.number) for view in by_attempt.get((attempt.phase, n), ())
            ),
        )
        for tries in attempts_in_order(overview.loaded.state)
        for attempt in tries
    )


def _evidence(evidence: EvidenceRecord) -> EvidenceView:
    return view_of(
        EvidenceView,
        evidence,
        gate=evidence.kind,
        step=evidence.data.get("step") or "",
        log=evidence.log_path or "",
        counted_from=origin(evidence.data.get("tests") or {}),
    )


def _request(request: RequestRecord) -> RequestView:
    return view_of(
        RequestView,
        request,
        request=request.id,
        sha256=request.sha256[:12],
        assurance=request.assurance.name.lower(),
        state=str(request.status),
        asked_at=second(request.created_at),
    )


def decisions_of(tx: Tx, overview: Overview) -> tuple[DecisionLine, ...]:
    """What people decided; in a fork also in the runs that it comes from, each with the id of its run."""
    record, origin = overview.loaded.record, overview.loaded.state.origin
    decisions = _decision_lines(tx, record.id, record.last_seq)
    while origin is not None:
        decisions = [replace(line, run=origin.run) for line in _decision_lines(tx, origin.run, origin.seq)] + decisions
        before = tx.runs.load(origin.run)
        origin = None if before is None else before.state.origin
    return tuple(replace(decision, void=_void(overview.loaded.state, decision)) for decision in decisions)


def void_words(decision: DecisionLine) -> str:
    """What a line about a decision says where that is void."""
    return f" (void since: {_VOID_WORDS[decision.void]})" if decision.void else ""


def _void(state: RunState, decision: DecisionLine) -> Void:
    """Why an approval no longer counts: its attempt was sent back, rolled back or restarted; empty while it counts."""
    tries = state.attempts.get(PhasePath(decision.phase), ())
    if decision.decision == "rejected" or not 1 <= decision.attempt <= len(tries):
        return ""
    attempt, newest = tries[decision.attempt - 1], tries[-1]
    counts = newest.made_in == attempt.made_in and newest.status in _COUNTS
    if counts or attempt.status not in _VOID:
        return ""
    if attempt.status is AttemptStatus.ROLLED_BACK:
        return "rolled_back"
    if attempt.fail_kind is None:
        return "superseded"
    return "rejected" if attempt.fail_kind is FailKind.REJECTED else "failed"


def _decision_lines(tx: Tx, run: RunId, upto: int) -> list[DecisionLine]:
    return [
        DecisionLine(
            decision=decision,
            at=event.at,
            actor=payload.get("person") or event.actor,
            channel=event.channel,
            assurance=event.assurance,
            phase=payload.get("phase") or payload.get("source") or "",
            attempt=payload.get("attempt") or 0,
            sha256=payload.get("sha256") or "",
            comment=payload.get("comment") or "",
            reason=reason,
            comments=line_notes(reason),
        )
        for event in map(run_views.event_view, tx.events.of_types(run, _REJECTED, _SENT_BACK, *_DECISIONS))
        if event.seq <= upto and (decision := _decision(event))
        for payload in (event.payload,)
        for reason in (
            payload.get("reason") or "".join(entry["message"] for entry in (payload.get("feedback") or ())[-1:]),
        )
    ]


def _decision(event: EventView) -> str:
    """The decision in an event; empty for other events."""
    if event.payload.get("kind") == "rejected" if event.type == _REJECTED else event.payload.get("rejected"):
        return "rejected"
    # What follows from a condition is no decision, also where a person's command made it due.
    is_ours = event.channel == "system" or event.payload.get("follows")
    return "" if is_ours else _DECISIONS.get(event.type, "")
