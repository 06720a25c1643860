"""Recovery from a failed attempt: the rules ``compensate`` and ``subflow``, and the blockers they found.

    compensate   the server's steps undo what the attempt did, then the following rule applies
    subflow      another template runs inside the failed phase, ``code[recovery-1].diagnose``; then a new try

Rules:
1. The attempt stays failed meanwhile; no other rule applies and the user is not asked yet.
2. A recovery with a phase that waits for the user, and nothing else at work, has failed: the following rule applies.
3. A failed compensation waits for the user, who alone can judge what is half undone.
4. A recovery that meets the same blocker too often ends, and the following rule applies.
"""

from dataclasses import replace

from wfe_mcp.core import events as e
from wfe_mcp.core.blockers import BlockerFound, Settled, status_of
from wfe_mcp.core.loops import left_for_a_person
from wfe_mcp.core.model import Attempt, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import blocker_is_due
from wfe_mcp.core.spec import FailRule
from wfe_mcp.core.units import ordinal


def repair_begun(state: RunState, attempt: Attempt, index: int, rule: FailRule) -> list[e.Event]:
    """The first event of the rule; none when this iteration has used up its recoveries."""
    if rule.do == "compensate":
        return [e.RepairBegan(what="compensate", rule=index, **attempt.on)]
    tries = state.attempts[attempt.phase]
    if sum(tried.recoveries for tried in tries[attempt.before :]) >= rule.max_uses:
        return []
    # Uses count per iteration, names over the whole run: no path is used twice.
    key = f"recovery-{sum(tried.recoveries for tried in tries) + 1}"
    return [e.RepairBegan(what="recover", key=key, rule=index, **attempt.on)]


def recovery_opened(attempt: Attempt, items: str | None, error: str) -> e.Event:
    """The event that opens the recovery with its inputs, or ends it when they could not be evaluated."""
    if error:
        fault = f"The recovery could not begin: {error}"
        return e.RepairEnded(fault=fault, **attempt.on)
    feedback = attempt.feedback_of(attempt.reason)
    return e.RecoveryOpened(key=attempt.recovery, items=items, feedback=(feedback,), **attempt.on)


def blocker_found(state: RunState, attempt: Attempt, reported: BlockerFound | None) -> list[e.Event]:
    """The report of a blocker by a phase of a recovery, and the early end of that where it was met too often."""
    assert reported is not None, "an answer follows a read artifact"
    times = 1 + sum(blocker.fingerprint == reported.fingerprint for blocker in state.blockers)
    this_blocker = replace(reported, attempt=attempt.made_in, times=times)
    failed = state.current(this_blocker.recovered)
    rule = state.phase(failed.phase).on_fail[failed.fail_rule - 1]
    if times <= rule.same_blocker:
        return [this_blocker]
    fault = (
        f"{failed.recovery} ended early: it met the same blocker for the {ordinal(times)} time: {reported.fingerprint}. "
        f"{reported.cause}"
    )
    return [this_blocker, e.RepairEnded(fault=fault, **failed.on)]


def recovery_fault(state: RunState, attempt: Attempt) -> str | None:
    """Why the recovery inside a failed phase has failed; empty when it succeeded; None while it runs."""
    inner = tuple(state.attempts_in(attempt.phase, state.loops[attempt.phase].open))
    if any(blocker_is_due(state, other) for other in inner):
        return None
    if all(other.is_settled for other in inner):
        return ""
    stopped = left_for_a_person(state, inner)
    if stopped is None:
        return None
    return f"Its recovery failed: {stopped.phase!r} {stopped.reason.partition(chr(10))[0]}"


def open_blockers(state: RunState, path: PhasePath) -> tuple[BlockerFound, ...]:
    """What recoveries of phase ``path`` reported and nothing has settled."""
    attempt = state.current(path)
    reported = (blocker for blocker in state.blockers if blocker.recovered == path)
    return tuple(report for report in reported if status_of(report, attempt.status, forced=attempt.forced) == "open")


def settled_blockers(state: RunState, path: PhasePath, settled: Settled | None) -> tuple[BlockerFound, ...]:
    """The blockers of the run once a person has settled the open ones of phase ``path``; None settles nothing."""
    due = () if settled is None else open_blockers(state, path)
    return tuple(replace(blocker, settled=settled) if blocker in due else blocker for blocker in state.blockers)
