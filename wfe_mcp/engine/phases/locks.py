"""Locks of a phase by name, and waiting for one that another run holds."""

from datetime import timedelta
from typing import cast

from wfe_mcp.core.model import Attempt
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.engine.kernel.leases import BUSY_S, lock_elsewhere
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.workflow.expressions import ExpressionError, source_of


def lock_names(change: RunChange, attempt: Attempt) -> tuple[str, ...]:
    """The names with their values filled in; an entry that is a list names several. Raises ExpressionError."""
    written = change.plan.phase(attempt.phase).locks
    seen = roots(change, attempt, "\n".join(written))
    names: list[str] = []
    for text in written:
        value = change.plan.expressions.evaluate(text, seen)
        for name in cast("list[object]", value) if isinstance(value, list) else [value]:
            if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
                raise ExpressionError(source_of(text) or text, "a lock is named by text or a number")
            names.append(str(name))
    return tuple(names)


def waits_for_lock(change: RunChange, attempt: Attempt) -> bool:
    """True while another run holds a lock of the loop that is to open; a job checks again."""
    if lock_elsewhere(change.engine, change.tx, change.run, change.state, attempt.phase) is None:
        return False
    from wfe_mcp.store.records.jobs import JobStatus

    # No event comes from the other run when it frees the lock, so this run looks again by itself.
    queued = change.tx.jobs.filter(
        change.run.id, statuses=(JobStatus.QUEUED,), phase=attempt.phase, attempt=attempt.number
    )
    if not any(job.kind == "timer" and job.payload["timer"] == "locks" for job in queued):
        later = change.at + timedelta(seconds=BUSY_S)
        change.set_timer("locks", later, attempt)
    return True
