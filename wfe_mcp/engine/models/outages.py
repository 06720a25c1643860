"""Provider outages: the run pauses and resumes by a timer.

asked a few times ──► fallbacks ──► the run pauses, a timer is set ──► it resumes by itself, or by command
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.moves import refusal
from wfe_mcp.engine.kernel.actors import SYSTEM
from wfe_mcp.engine.kernel.transaction import change_run_in

if TYPE_CHECKING:
    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.jobs import JobRecord


def ends_alone(tx: Tx, run_id: RunId) -> bool:
    """True while a timer is set that resumes the paused run."""
    from wfe_mcp.store.records.jobs import JobStatus

    waiting = tx.jobs.filter(run_id, statuses=(JobStatus.QUEUED, JobStatus.RUNNING))
    return any(job.kind == "timer" and job.payload["timer"] == "resume" for job in waiting)


def pause(engine: Engine, tx: Tx, job: JobRecord, reason: str, after_s: float | None) -> None:
    """Pause the run of ``job`` and set the time at which it resumes. A run that the user paused stays paused."""
    from wfe_mcp.workspace.config.checks import seconds

    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        wait_s = seconds(engine.settings(tx).settings.outage.wait) if after_s is None else after_s
        message = f"A provider does not answer: {reason} The run continues by itself in {round(wait_s)} s, or with: wfe-mcp resume {job.run_id}"
        command = c.Pause(reason=message, by=SYSTEM, at=current.at)
        if refusal(current.state, command) is None:
            current.give(command)
            current.enqueue(
                "timer",
                queue="timer",
                payload={"timer": "resume", "reason": message},
                run_at=current.at + timedelta(seconds=wait_s),
            )


def go_on(engine: Engine, tx: Tx, job: JobRecord) -> None:
    """Resume the run at the set time. Only the pause that set the timer ends; a later pause stays."""
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        command = c.Resume(by=SYSTEM, at=current.at)
        if current.state.reason == job.payload["reason"] and refusal(current.state, command) is None:
            current.give(command)
