"""What a run has not done so far: phases that were left out, gates that judged nothing, reviewers that were overruled.

Rules:
1. It is about the whole run: the newest attempt of each phase, whatever phase asks for the decision.
2. Whose doing it was: the caller of a command. A phase that its template leaves out was skipped by no person.
3. What removes or weakens a gate by configuration or force is unusual, and listed there (``unusual.py``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wfe_mcp.core.model import Attempt, AttemptStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.views.approvals.evidence import NO_REVIEWER, gate_name
from wfe_mcp.views.approvals.model import NotDone, NotDoneState
from wfe_mcp.views.runs.models import EventView
from wfe_mcp.views.runs.requests import DecisionLine
from wfe_mcp.views.runs.run import event_view

_OUTCOMES: dict[GateOutcome, NotDoneState] = {GateOutcome.SKIPPED: "skipped", GateOutcome.OVERRULED: "overruled"}


def not_done(
    tx: Tx, overview: Overview, recorded: Sequence[EvidenceRecord], decisions: Sequence[DecisionLine]
) -> tuple[NotDone, ...]:
    """What was not done, newest first. ``recorded``: the evidence of the run; what came after the last approval or rejection is new."""
    events = tx.events.of_types(overview.loaded.record.id, "PhaseSkipped", "OpinionOverruled")
    asked = {(view.payload["phase"], view.payload["attempt"]): view for view in map(event_view, events)}
    times = {(evidence.phase, evidence.attempt, evidence.stage, evidence.gate): evidence.at for evidence in recorded}
    listed: list[NotDone] = []
    for tries in overview.loaded.state.attempts.values():
        newest = tries[-1]
        event = asked.get((newest.phase, newest.number))
        listed += _phase(overview, newest, event) if newest.status is AttemptStatus.SKIPPED else ()
        for gate in _gates(overview, newest, event):
            at = times.get((newest.phase, newest.made_in, gate[0], gate[1]))
            listed.append(gate[2] if at is None else replace(gate[2], at=at.isoformat(timespec="milliseconds")))
    looked = (decision for decision in decisions if not decision.run and decision.decision in {"approved", "rejected"})
    last = max((decision.at for decision in looked), default="")
    listed.sort(key=lambda each: each.at, reverse=True)
    return tuple(
        _count_equal([replace(line, is_new=line.at > last, at=line.at and f"{line.at[:19]}+00:00") for line in listed])
    )


def _phase(overview: Overview, attempt: Attempt, event: EventView | None) -> Iterator[NotDone]:
    if event is not None:
        by = "" if event.payload.get("follows") else f"{event.actor} ({event.channel})"
        yield NotDone(_declared_phase(overview, attempt), "skipped", attempt.reason, by=by, at=event.at)


def _gates(overview: Overview, attempt: Attempt, event: EventView | None) -> Iterator[tuple[Stage, int, NotDone]]:
    """Each gate of ``attempt`` that judged nothing: its stage, its number, and what to say of it."""
    if attempt.status not in {AttemptStatus.COMPLETED, AttemptStatus.AWAITING}:
        return
    phase = overview.plan.phase(attempt.phase)
    for verdict in attempt.verdicts:
        state = _OUTCOMES.get(verdict.outcome)
        if state is not None and verdict.sha256 == attempt.sha256:
            gate = (phase.prompt_gates if verdict.stage is Stage.BEFORE else phase.gates)[verdict.gate]
            by = f"{event.actor} ({event.channel})" if event is not None and state == "overruled" else ""
            is_unconfigured = gate.kind == "opinion" and verdict.outcome is GateOutcome.SKIPPED
            why = NO_REVIEWER if is_unconfigured else verdict.message.strip().partition("\n")[0]
            named = NotDone(_declared_phase(overview, attempt), state, why, gate_name(gate), by)
            yield verdict.stage, verdict.gate, named


def _declared_phase(overview: Overview, attempt: Attempt) -> str:
    """The phase as its template names it: all items of a loop are one line."""
    return str(overview.loaded.state.phase(attempt.phase).path)


def _count_equal(lines: Sequence[NotDone]) -> Iterator[NotDone]:
    """Equal ones once, with how often; the newest of them has the time."""
    places: dict[NotDone, list[NotDone]] = {}
    for line in lines:
        places.setdefault(replace(line, at="", is_new=False), []).append(line)
    for same in places.values():
        yield replace(same[0], times=len(same))
