"""The word for a verdict: what a gate let through without judging it is ``skipped`` or a ``warning``, never ``pass``."""

from collections.abc import Iterator

from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Verdict
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec

_WORDS = {
    GateOutcome.OVERRULED: "warning",
    GateOutcome.GRANTED: "pass",
    GateOutcome.NEEDS_TRUST: "awaiting",
    GateOutcome.NEEDS_CREDENTIAL: "awaiting",
}
"""The outcomes that have another word; that of every other one is its value."""
_UNPROVED = {
    GateOutcome.SKIPPED: "skipped: ",
    GateOutcome.WARNING: "passed with a warning: ",
    GateOutcome.OVERRULED: "",  # its message says so
    GateOutcome.GRANTED: "approved ",
}


def verdict_word(outcome: GateOutcome) -> str:
    """``pass``, ``fail``, ``awaiting``, ``error``, ``skipped`` or ``warning``."""
    return _WORDS.get(outcome, outcome.value)


def how_it_ended(attempt: Attempt) -> str:
    """How an attempt ended; the attempt after one that failed, or that a person sent back, does not hide that."""
    if attempt.fail_kind is FailKind.REJECTED:
        return "rejected"
    return "failed" if attempt.fail_kind and attempt.status is AttemptStatus.SUPERSEDED else str(attempt.status)


def hidden_end(attempt: Attempt) -> str:
    """The same, where the state of an attempt that failed does not say it; else empty."""
    ended = how_it_ended(attempt) if attempt.status in {AttemptStatus.FAILED, AttemptStatus.SUPERSEDED} else ""
    return "" if ended == attempt.status else ended


def unproved_gates(state: RunState) -> Iterator[str]:
    """The gates of current attempts that let something through without judging it, as phrases."""
    for attempt in state.open_attempts:
        for verdict in attempt.verdicts:
            if verdict.outcome in _UNPROVED:
                why = f"{_UNPROVED[verdict.outcome]}{verdict.message.partition(chr(10))[0]}"
                yield f"{attempt.phase}: {gate_kind(state, attempt, verdict)} gate {why}"


def gate_kind(state: RunState, attempt: Attempt, verdict: Verdict) -> str:
    """The kind of the gate that gave ``verdict``."""
    return gate_spec(state, attempt, verdict).kind


def gate_spec(state: RunState, attempt: Attempt, verdict: Verdict) -> GateSpec:
    """The gate that gave ``verdict``."""
    spec = state.phase(attempt.phase)
    return (spec.gates_before if verdict.stage == "before" else spec.gates)[verdict.gate]


def last_verdict(state: RunState, place: tuple[PhasePath, int] | None) -> tuple[Attempt, Verdict] | None:
    """The verdict that was given last, at ``place``: phase and attempt. None where it is void, or none was given."""
    if place is None or not 1 <= place[1] <= len(state.attempts.get(place[0], ())):
        return None
    attempt = state.attempts[place[0]][place[1] - 1]
    if not attempt.verdicts or attempt.status is AttemptStatus.ROLLED_BACK:
        return None
    return attempt, attempt.verdicts[-1]
