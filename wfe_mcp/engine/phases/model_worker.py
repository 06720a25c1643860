"""Phases that a model works for the server.

    ready ──► claimed by "server" ──► a job: the model and its tools ──► artifact submitted ──► gates
                                        │
               failed ──► on_fail       └─ no answer, a limit: what there is stays readable as a draft

Rules:
1. Decisions read the state, never an event: the next change continues what a pause or crash left open (like steps.py).
2. Who works: the role of the attempt, else the phase's, else the run's driver (design §7a).
3. One CLI agent at a time works in a folder, over all runs: its phase has the tree to itself, and its jobs share a key.
4. The artifact is treated like any other: the same schema, the same gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, RunStatus
from wfe_mcp.engine.phases.steps import claim_by_server
from wfe_mcp.store.records.jobs import Effect, JobRecord, provider_key, tree_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.workspace.config.provider_tables import FrozenProvider
    from wfe_mcp.workspace.config.settings import LoadedSettings

JOB = "work"
TRIES = 3
"""How often a provider that does not answer is asked by one job, before its fallbacks and then the pause."""

_GOES_ON = {RunStatus.RUNNING, RunStatus.WAITING}
_LIMIT_S = 3_600.0
"""The longest that one job may work; a phase's own ``timeout`` is the usual bound."""

_CLAIMS = 10
"""Claims of one job: a take-over after a crash is one more. At most this many."""


def is_driven(state: RunState, path: PhasePath) -> bool:
    """True when a model works the current attempt at ``path``."""
    return state.phase(path).kind != "steps" and state.is_served(path)


def role_of(change: RunChange, attempt: Attempt) -> str:
    """The configured role that works ``attempt``."""
    return attempt.role or worker_of(change.plan, attempt.phase, change.run.driver or "")


def worker_of(plan: CompiledTemplate, path: PhasePath, driver: str) -> str:
    """The configured role that works a phase from its first attempt on."""
    phase = plan.phase(path)
    role = plan.template_of(path).roles.get(phase.role or "")
    return (role.provider if role is not None else None) or driver or phase.role or ""


def is_cli_agent(settings: LoadedSettings, role: str, frozen: Mapping[str, Any]) -> bool:
    """True where ``role`` is a program that works in the project's folder with tools of its own."""
    from wfe_mcp.workspace.config.provider_kinds import facts_of

    provider = _filled_by(settings, role, frozen)
    return provider is not None and provider.kind != "manual" and not facts_of(provider.kind).is_network


def start_model_work(change: RunChange) -> bool:
    """Do what is due in phases that models work. True when a command was given: then more may be due."""
    _leave(change)
    if change.state.status not in _GOES_ON:
        return False
    driven = [attempt for attempt in change.state.moving_attempts if is_driven(change.state, attempt.phase)]
    for attempt in driven:
        if attempt.status is AttemptStatus.RUNNING:
            _enqueue(change, attempt)
    return any(attempt.status is AttemptStatus.READY and claim_by_server(change, attempt) for attempt in driven)


def _leave(change: RunChange) -> None:
    """Stop the job of an attempt that is over."""
    before = change.loaded.state
    for path in change.state.changed_since(before):
        was = before.attempts.get(path, (None,))[-1]
        if was is None or was.status is not AttemptStatus.RUNNING or not is_driven(before, path):
            continue
        now = change.state.attempts[path][-1]
        if now.number != was.number or now.status is not AttemptStatus.RUNNING:
            change.tx.jobs.request_cancel(run_id=change.run.id, phase=path, attempt=was.number)
            change.tx.after_commit(change.engine.wake)


def _enqueue(change: RunChange, attempt: Attempt) -> None:
    """One job per attempt; another only where a pause ended it."""
    jobs = [job for job in change.tx.jobs.filter(change.run.id, attempt.phase, attempt.number) if job.kind == JOB]
    if any(not was_suspended(job) for job in jobs):
        return
    role = role_of(change, attempt)
    queue, limit_key = _place(change, role)
    change.enqueue(
        JOB,
        queue=queue,
        payload={"role": role},
        effect=Effect.IDEMPOTENT,
        max_attempts=_CLAIMS,
        timeout_s=None if queue == "manual" else _LIMIT_S,
        limit_key=limit_key,
        dedupe_key=f"{JOB}:{change.run.id}:{attempt.phase}:{attempt.number}:{len(jobs) + 1}",
        **attempt.on,
    )


def was_suspended(job: JobRecord) -> bool:
    """True for a job that ended because its run was stopped under it, or because its work was not needed then."""
    result = job.result or {}
    # Of dropped results only what a stopped run refused: anything else would be refused again, after another paid call.
    is_dropped = result.get("dropped") == "illegal_transition"
    return is_dropped or any(word in result for word in ("suspended", "outage", "stale"))


def _filled_by(settings: LoadedSettings, role: str, frozen: Mapping[str, Any]) -> FrozenProvider | None:
    """The provider that fills ``role``; None without one: the job reports it."""
    from wfe_mcp.engine.models.roles import fill_role

    try:
        return fill_role(settings, role, frozen, declared=True).provider
    except Refused:
        return None


def _place(change: RunChange, role: str) -> tuple[str, str | None]:
    """The queue of a job, and what it shares limits with besides.

    CLI agents have a queue of their own: they take minutes, and the machine. So have people: they only wait.
    """
    from wfe_mcp.workspace.config.provider_kinds import facts_of

    provider = _filled_by(change.engine.settings(change.tx), role, change.frozen)
    if provider is None:
        return "llm", None
    if provider.kind == "manual":
        return "manual", provider_key(provider.name)
    if facts_of(provider.kind).is_network:
        return "llm", provider_key(provider.name)
    return "agent", tree_key(change.run.worktree)
