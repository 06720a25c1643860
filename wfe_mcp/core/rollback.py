"""Rollback: a run returns to an earlier state.

    now     plan #1 completed                  build #1 awaiting
    then    plan #1 running                    build #1 pending
    after   plan #1 rolled_back, #2 ready      build #1 rolled_back, #2 pending

Rules:
1. Nothing is overwritten: an attempt that differs is ``rolled_back``, and a new one has the status of then.
2. Work restarts without a holder. Gates run and ask again: verdicts, requests and approvals before work are void. What was
   completed, skipped or failed is so again, with the revision it had.
3. The limits never go down: iteration, jumps, attempts with work, invalid artifacts, recoveries. The run stays tainted.
4. A rollback keeps what is set for the run as a whole: pause, automatic mode, caps. An undo reverses that too.
5. An approval that comes back to other files is asked about anew.
6. A phase in a compensation waits for the user: the log does not know how far the compensation went.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.attempt_states import Awaiting, Failed, Gating, Pending, Ready, Running
from wfe_mcp.core.consequences import deadline
from wfe_mcp.core.graph import around
from wfe_mcp.core.loops import GONE, paths_as_stored
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus, Stage, Submission
from wfe_mcp.core.paths import PhasePath

_BEGINS = {AttemptStatus.READY, AttemptStatus.RUNNING}
_JUDGED = {AttemptStatus.GATING, AttemptStatus.AWAITING}
_ENDS = {RunStatus.COMPLETED, RunStatus.BLOCKED, RunStatus.FAILED}


def changed_places(now: RunState, then: RunState, *, files: bool = False) -> tuple[PhasePath, ...]:
    """The phases that differ from ``then``, as stored: a replay comes to another order. ``files``: files go back too, so all work in them ends."""
    return tuple(path for path in paths_as_stored(now) if not _is_unchanged(now, then, path, files=files))


def rolled_back(now: RunState, command: c.Rollback) -> e.RolledBack:
    """The event that leads from ``now`` back to ``command.then``."""
    then, whole = command.then, command.kind != "rollback"
    places = changed_places(now, then, files=command.files)
    back = [path for path in places if _has_place(then, path)]
    asked = command.changed and not then.is_over
    anew = tuple(
        path for path in back if asked and is_approved_by_people(then, then.current(path)) and then.is_open(path)
    )
    opened = tuple(_brought_back(now, path, command, anew) for path in back)
    numbers = {attempt.phase: attempt.number for attempt in opened}
    status, paused_by_human, reason = _status(now, then, whole=whole)
    settings = then if whole else now
    return e.RolledBack(
        to=command.to,
        kind=command.kind,
        opened=opened,
        loops={
            path: replace(loop, attempt=numbers.get(path, now.current(path).number))
            for path, loop in then.loops.items()
        },
        status=status,
        ended=tuple(path for path in places if now.current(path).status not in GONE),
        auto=settings.auto,
        max_cost_usd=settings.max_cost_usd,
        max_tokens=settings.max_tokens,
        paused_by_human=paused_by_human,
        reason=reason,
        safety=command.safety,
        tree=command.tree,
        anew=anew,
    )


def _has_place(then: RunState, path: PhasePath) -> bool:
    """False where the phase did not exist, or its item had been superseded."""
    closed = {AttemptStatus.SUPERSEDED, AttemptStatus.ROLLED_BACK}
    return path in then.attempts and then.current(path).status not in closed


def _is_unchanged(now: RunState, then: RunState, path: PhasePath, *, files: bool) -> bool:
    last = now.current(path)
    if not _has_place(then, path) or then.current(path).status is AttemptStatus.CANCELLED:
        return last.status in GONE
    if files and last.status is AttemptStatus.RUNNING and path not in now.loops:
        return False
    was = then.current(path)
    # Counters never go down (rule 3), so they alone are no difference.
    counted = replace(
        last,
        number=was.number,
        iteration=was.iteration,
        before=was.before,
        invalid=was.invalid,
        recoveries=was.recoveries,
        restores=was.restores,
    )
    return counted == was


def _brought_back(now: RunState, path: PhasePath, command: c.Rollback, anew: tuple[PhasePath, ...]) -> Attempt:
    """The attempt that gives ``path`` the status of then."""
    then, last = command.then, now.current(path)
    was = then.current(path)
    again = taken_up(then, was, command.at)
    again = asked_anew(again) if path in anew else behind(then, again, anew)
    if _begins(then, was) and not command.files:  # changes since then stay visible to ``files`` gates
        tree = was.tree_at_start or last.tree_at_start
        again = replace(again, tree_at_start=tree, head_at_start=was.head_at_start or last.head_at_start)
    # One more artifact can be submitted, or going back would be of no use.
    invalid = min(max(was.invalid, last.invalid), now.spec.max_invalid - 1)
    return replace(again, number=last.number + 1, iteration=now.iteration, invalid=invalid, recoveries=0)


def _begins(state: RunState, attempt: Attempt) -> bool:
    """True where work has not begun, or restarts; False for an opened loop."""
    if attempt.status in _JUDGED:
        return attempt.stage is Stage.BEFORE
    return attempt.status in _BEGINS and attempt.phase not in state.loops


def is_approved_by_people(state: RunState, attempt: Attempt) -> bool:
    """True for a completed attempt whose phase has an approval gate for people."""
    gates = state.phase(attempt.phase).gates
    is_asked = any(gate.kind == "approval" and gate.assurance != "agent" for gate in gates)
    return attempt.status is AttemptStatus.COMPLETED and is_asked


def asked_anew(attempt: Attempt) -> Attempt:
    """A completed attempt whose gates run and ask again."""
    submission = replace(attempt.submission, verdicts=(), tree_changes=0)
    gating = Gating(Stage.AFTER)
    return replace(attempt, state=gating, submission=submission, reason="", forced=False, approved_tree=None)


def behind(state: RunState, attempt: Attempt, anew: Collection[PhasePath]) -> Attempt:
    """``attempt``, without its work where it needs a phase that is asked about again: it begins after that approval."""
    started = attempt.status in {AttemptStatus.READY, AttemptStatus.GATING} and attempt.phase not in state.loops
    if not started or not around(state.spec, attempt.phase).intersection(anew):
        return attempt
    is_asked_first = bool(state.phase(attempt.phase).gates_before)
    return replace(
        attempt, state=Pending(), submission=Submission(), gates_before_passed=not is_asked_first, started_at=None
    )


def taken_up(state: RunState, was: Attempt, at: datetime) -> Attempt:
    """``was`` without its holder and its verdicts."""
    spec = state.phase(was.phase)
    if _begins(state, was):
        judged_first = bool(spec.gates_before)
        return Attempt(
            was.phase,
            was.number,
            was.iteration,
            was.before,
            Pending() if judged_first else Ready(),
            feedback=was.feedback,
            tree_at_start=was.tree_at_start,
            head_at_start=was.head_at_start,
            when=was.when,
            entered=was.entered,
            locks=was.locks,
            role=was.role,
            gates_before_passed=not judged_first,
        )
    match was.state:
        case Pending():
            return was
        case Running():
            return replace(was, state=replace(was.state, deadline=deadline(state, spec, at)))
        case Gating(stage=stage) | Awaiting(stage=stage):
            sha256 = was.sha256 if was.revision else None  # the outputs of a loop are collected again
            again = Submission(was.revision, sha256, was.tree)
            return replace(was, state=Gating(stage), submission=again, reason="", restores=was.made_in)
        case Failed(failure=failure) if was.repair == "compensate":
            stopped = replace(was.state, failure=replace(failure, then="user"), claim=None)
            return replace(was, state=stopped, restores=was.made_in)
        case _:
            return replace(was, state=was.unclaimed, restores=was.made_in)


def _status(now: RunState, then: RunState, *, whole: bool) -> tuple[RunStatus, bool, str]:
    """Status, whether a person paused it, and why."""
    # An end comes back; a pause of now stays, except that an undo brings back that of then (rule 4).
    if then.status in _ENDS:
        return then.status, False, then.reason
    paused = then if whole else now
    if paused.status is RunStatus.PAUSED:
        return RunStatus.PAUSED, paused.paused_by_human, paused.reason
    return RunStatus.RUNNING, False, ""
