"""What a command would lead to, decided on a copy of the run: nothing is written, started or run.

    command ──► decide, evolve ──► conditions and inline gates, until none is due ──► the state after it ──► Outlook

A gate that needs a program, a model or a person is not judged ahead: the outlook ends at it. Documents and revisions that
an answer needs are kept in memory (``Store.rehearse``).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Unpack

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.core.moves import USER, example, refusal
from wfe_mcp.core.paths import PhasePath, item_of
from wfe_mcp.engine.approvals.requests import with_decision
from wfe_mcp.engine.evaluation.reactions import answer_condition, end_time, end_waits, judge_inline_gate
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.store.records.jobs import NewJobValues
from wfe_mcp.store.records.runs import LoadedRun

_REACTIONS = (end_time, answer_condition, judge_inline_gate, end_waits)
_ACTIVE = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING}
_STOPS = {RunStatus.BLOCKED, RunStatus.FAILED, RunStatus.PAUSED}


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a run is after a command on ``phase``; without one, after a command on the run.

    ``state``: of the phase, where ready and running are one; ``gate``: the number of the gate it is at. ``waits``: it
    waits for a person. ``opens``: phases that begin; ``stays``: those that were open before. ``goes_back``: by a jump.
    ``reason``: why the run stops.
    """

    phase: PhasePath | None
    run: RunStatus
    state: AttemptStatus | None = None
    attempt: int = 0
    gate: int | None = None
    gate_kind: str = ""
    held: bool = False
    waits: bool = False
    repair: str = ""
    goes_back: bool = False
    opens: tuple[PhasePath, ...] = ()
    stays: tuple[PhasePath, ...] = ()
    skips: tuple[PhasePath, ...] = ()
    reason: str = ""


def outlook(engine: Engine, loaded: LoadedRun, phase: PhasePath | None, act: Callable[[RunChange], object]) -> Outlook:
    """Where ``act``, which gives the commands of a person, would lead. Refuses what is refused to a person."""
    with engine.store.rehearse() as tx:
        change = _Rehearsal(engine, tx, loaded, engine.plans.of_run(tx, loaded.record), USER, engine.clock())
        act(change)
        while any(reaction(change) for reaction in _REACTIONS):
            pass
        return outlook_of(loaded.state, change.state, phase)


def outlook_of(before: RunState, after: RunState, phase: PhasePath | None) -> Outlook:
    """What has become of a run: its states before and after a command on ``phase``."""
    active = {
        (open_attempt.phase, open_attempt.number)
        for open_attempt in before.open_attempts
        if open_attempt.status in _ACTIVE
    }
    now = [
        open_attempt for open_attempt in after.open_attempts if _is_open(open_attempt) and open_attempt.phase != phase
    ]
    inner = {around[0] for open_attempt in now if (around := item_of(open_attempt.phase)) is not None}
    leaves = [open_attempt for open_attempt in now if open_attempt.phase not in inner]
    goes_back = after.iteration > before.iteration
    skipped = (
        path
        for path, tries in after.attempts.items()
        if path != phase
        and tries[-1].status is AttemptStatus.SKIPPED
        and (path not in before.attempts or before.current(path).status is not AttemptStatus.SKIPPED)
    )
    attempt = None if phase is None else after.current(phase)
    if attempt is not None and goes_back and _is_open(attempt):
        leaves.append(attempt)
    shared = Outlook(
        phase,
        after.status,
        goes_back=goes_back,
        opens=tuple(leaf.phase for leaf in leaves if (leaf.phase, leaf.number) not in active),
        stays=tuple(leaf.phase for leaf in leaves if (leaf.phase, leaf.number) in active),
        skips=tuple(skipped),
        reason=after.reason if after.status in _STOPS and after.status is not before.status else "",
    )
    return shared if attempt is None else _with_phase(shared, after, attempt)


def approve(change: RunChange, path: PhasePath) -> None:
    """What a person who approves the open revision of ``path`` commands."""
    attempt = change.attempt(path)
    if attempt.asked is None:
        change.give(c.AskApproval(phase=path, request="rehearsal", tree=attempt.tree, **change.given))
    change.give(example(c.Approve, change.attempt(path), change.by, change.at))


def reject(change: RunChange, path: PhasePath, to: str = "") -> None:
    """What a person who rejects the open revision of ``path`` commands. ``to``: the earlier phase to go back to."""
    target = meant_by(change.state.spec, path, to) if to else None
    command = c.Reject(phase=path, feedback="rehearsal", to=target, by=change.by, at=change.at)
    refused = refusal(change.state, command)
    if refused is not None:
        raise with_decision(change, path, refused)
    change.give(command)


class _Rehearsal(RunChange):
    """A run that no transaction saves. It asks for no job."""

    __slots__ = ()

    @property
    def is_rehearsed(self) -> bool:
        return True

    def enqueue(self, kind: str, queue: str, **job: Unpack[NewJobValues]) -> str:
        return ""


def _is_open(attempt: Attempt) -> bool:
    """It is at work or under gates, or comes back later by itself."""
    return attempt.status in _ACTIVE or attempt.not_before is not None


def _with_phase(shared: Outlook, after: RunState, attempt: Attempt) -> Outlook:
    kind = current_gate(after, attempt) if attempt.status in {AttemptStatus.GATING, AttemptStatus.AWAITING} else ""
    return replace(
        shared,
        state=AttemptStatus.READY if attempt.status is AttemptStatus.RUNNING else attempt.status,
        attempt=attempt.number,
        gate=attempt.gate if kind else None,
        gate_kind=kind,
        held=attempt.held,
        waits=attempt.human_only,
        repair=attempt.repair,
    )
