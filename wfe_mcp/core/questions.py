"""Which conditions must somebody evaluate before the run can go on?

The core holds conditions as opaque text. The engine evaluates what is due and sends each value as an ``Answer`` in the
same transaction; the answer is in the log, so that a replay needs no expression language.
"""

from dataclasses import dataclass
from typing import Literal

from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.spec import PhasePath

__all__ = ["Question", "needs_are_met", "questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """A condition that is due. ``rule`` is the index in ``next``; 0 for ``when``."""

    kind: Literal["when", "next"]
    phase: PhasePath
    attempt: int
    rule: int
    text: str


def questions(state: RunState) -> tuple[Question, ...]:
    """The conditions due now; none while the run is paused or over."""
    if state.status not in {RunStatus.RUNNING, RunStatus.WAITING}:
        return ()
    due = (_question(state, attempt) for attempt in state.open_attempts)
    return tuple(question for question in due if question is not None)


def needs_are_met(state: RunState, path: PhasePath) -> bool:
    """True when every phase that ``path`` needs is settled."""
    return all(state.current(need).is_settled for need in state.phase(path).needs)


def _question(state: RunState, attempt: Attempt) -> Question | None:
    spec = state.phase(attempt.phase)
    if attempt.status is AttemptStatus.PENDING and spec.when is not None and attempt.when is None:
        if needs_are_met(state, attempt.phase):
            return Question("when", attempt.phase, attempt.number, 0, spec.when)
    elif attempt.status is AttemptStatus.COMPLETED and not attempt.judged and not attempt.held:
        condition = spec.next[attempt.next_rule].condition
        if condition is not None:
            return Question("next", attempt.phase, attempt.number, attempt.next_rule, condition)
    return None
