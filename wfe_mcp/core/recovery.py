"""What can be done about a failure before the next rule looks at it?

    compensate   the server's steps undo what the attempt did, then the following rule applies
    subflow      another template runs inside the failed phase, ``code[recovery-1].diagnose``; then a new try

Rules:
1. The attempt stays failed meanwhile, but no rule and no person's turn has come yet.
2. A recovery that leaves a phase to a person, with nothing else of it at work, has failed: the following rule applies.
3. A compensation that fails waits for a person: what is half undone is nobody else's to judge.
"""

from wfe_mcp.core import events as e
from wfe_mcp.core.loops import left_for_a_person
from wfe_mcp.core.model import Attempt, Feedback, RunState
from wfe_mcp.core.spec import FailRule

__all__ = ["mending_begun", "recovery_fault", "recovery_opened"]


def mending_begun(state: RunState, attempt: Attempt, index: int, rule: FailRule) -> list[e.Event]:
    """The rule begins; none when this iteration has used up its recoveries."""
    if rule.do == "compensate":
        return [e.MendingBegan(what="compensate", phase=attempt.phase, attempt=attempt.number, rule=index)]
    tries = state.attempts[attempt.phase]
    if sum(one.recoveries for one in tries[attempt.before :]) >= rule.max_uses:
        return []
    key = f"recovery-{sum(one.recoveries for one in tries) + 1}"
    return [e.MendingBegan(what="recover", key=key, phase=attempt.phase, attempt=attempt.number, rule=index)]


def recovery_opened(attempt: Attempt, items: str | None, error: str) -> e.Event:
    """The recovery with its inputs; without them it has failed already."""
    if error:
        fault = f"The recovery could not begin: {error}"
        return e.MendingEnded(phase=attempt.phase, attempt=attempt.number, fault=fault)
    told = Feedback(attempt.phase, attempt.number, attempt.reason, attempt.sha256 if attempt.revision else None)
    return e.RecoveryOpened(
        phase=attempt.phase, attempt=attempt.number, key=attempt.recovery, items=items, feedback=(told,)
    )


def recovery_fault(state: RunState, attempt: Attempt) -> str | None:
    """Why the recovery inside a failed phase has failed; empty when it is done; None while it goes on."""
    inner = tuple(state.attempts_in(attempt.phase, state.loops[attempt.phase].open))
    if all(other.is_settled for other in inner):
        return ""
    stopped = left_for_a_person(state, inner)
    if stopped is None:
        return None
    return f"Its recovery failed: {stopped.phase!r} {stopped.reason.partition(chr(10))[0]}"
