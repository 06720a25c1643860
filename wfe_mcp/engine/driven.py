"""How does a phase go on that a model works for the server?

    ready ──► claimed by "server" ──► a job: the model and its tools ──► artifact handed in ──► gates
                                        │
               failed ──► on_fail       └─ no answer, a limit: what there is stays readable as a draft

Rules:
1. The state is looked at, never an event: whatever a pause or a crash left open, the next turn goes on (like steps.py).
2. Who works: the role of the attempt, else the phase's, else the run's driver (design §7a).
3. The artifact goes the way of every artifact: the same schema, the same gates, no favours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.steps import claim_by_server

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, RunState
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.turn import Turn
    from wfe_mcp.store.records import JobRecord

__all__ = ["JOB", "TRIES", "is_driven", "role_of", "settle_driven"]

JOB = "work"
TRIES = 3
"""How often a provider that does not answer is asked by one job, before its fallbacks and then the pause."""

_GOES_ON = {RunStatus.RUNNING, RunStatus.WAITING}
_LIMIT_S = 3_600.0
"""The longest that one job may work; a phase's own ``timeout`` is the usual bound."""

_CLAIMS = 10
"""Claims of one job: a take-over after a crash is one more. More than this is no bad luck."""


def is_driven(state: RunState, path: PhasePath) -> bool:
    """True when a model works the current try at ``path``."""
    return state.phase(path).kind != "steps" and state.is_served(path)


def role_of(turn: Turn, attempt: Attempt) -> str:
    """The configured role that works ``attempt``."""
    if attempt.role is not None:
        return attempt.role
    phase = turn.plan.phase(attempt.phase)
    role = turn.plan.template_of(attempt.phase).roles.get(phase.role or "")
    return (role.provider if role is not None else None) or turn.run.driver or phase.role or ""


def settle_driven(turn: Turn) -> bool:
    """Whatever is due in phases that models work. True when a command was given: then more may be due."""
    _leave(turn)
    if turn.state.status not in _GOES_ON:
        return False
    driven = [attempt for attempt in turn.state.open_attempts if is_driven(turn.state, attempt.phase)]
    for attempt in driven:
        if attempt.status is AttemptStatus.RUNNING:
            _enqueue(turn, attempt)
    return any(attempt.status is AttemptStatus.READY and claim_by_server(turn, attempt) for attempt in driven)


def _leave(turn: Turn) -> None:
    """The job of an attempt that is over is told to stop."""
    before = turn.loaded.state
    for path in turn.state.changed_since(before):
        was = before.attempts.get(path, (None,))[-1]
        if was is None or was.status is not AttemptStatus.RUNNING or not is_driven(before, path):
            continue
        now = turn.state.attempts[path][-1]
        if now.number != was.number or now.status is not AttemptStatus.RUNNING:
            turn.tx.request_cancel(run_id=turn.run.id, phase=path, attempt=was.number)
            turn.tx.after_commit(turn.engine.wake)


def _enqueue(turn: Turn, attempt: Attempt) -> None:
    """One job per attempt; another only where a pause ended it."""
    from wfe_mcp.store.records import Effect

    on: dict[str, Any] = {"phase": attempt.phase, "attempt": attempt.number}
    jobs = [job for job in turn.tx.jobs(turn.run.id, **on) if job.kind == JOB]
    if any(not was_suspended(job) for job in jobs):
        return
    role = role_of(turn, attempt)
    queue, limit_key = _queue(turn, role)
    turn.enqueue(
        JOB, queue=queue, payload={"role": role}, effect=Effect.IDEMPOTENT, max_attempts=_CLAIMS,
        timeout_s=None if queue == "manual" else _LIMIT_S, limit_key=limit_key,
        dedupe_key=f"{JOB}:{turn.run.id}:{attempt.phase}:{attempt.number}:{len(jobs) + 1}", **on,
    )  # fmt: skip


def was_suspended(job: JobRecord) -> bool:
    """True for a job that ended because its run was paused under it, or because nobody waited just then."""
    result = job.result or {}
    return any(word in result for word in ("suspended", "outage", "stale"))


def _queue(turn: Turn, role: str) -> tuple[str, str | None]:
    """The queue, and what limits it shares with others that call the same provider.

    CLI agents have a queue of their own: they take minutes, and the machine. So have people: they only wait.
    """
    from wfe_mcp.core.errors import Refused
    from wfe_mcp.engine.roles import filled
    from wfe_mcp.store.job_records import provider_key
    from wfe_mcp.workspace.kinds import KIND_FACTS

    try:
        provider = filled(turn.engine.settings(turn.tx), role, turn.frozen, declared=True).provider
    except Refused:  # the job says so, to everybody
        return "llm", None
    queue = "manual" if provider.kind == "manual" else "llm" if KIND_FACTS[provider.kind].is_network else "agent"
    return queue, provider_key(provider.name)
