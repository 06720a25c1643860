"""Steps that the server executes, as plain values, free of SQL.

ready ──→ queued ──→ running ──→ done | failed | unknown        skipped: its ``if`` was false
  ↑                     │ a retry, a pause            cancelled: its attempt ended first
  └─────────────────────┘ waiting: for trust
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath

IN_DOUBT = "It may have had its effect: "
"""Prefix of a parked job's error."""


class StepStatus(StrEnum):
    """Status of a step. ``unknown``: it is unknown whether its effect happened, so a person decides."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of one attempt. ``does``: a description of the call; ``carried``: the attempt that ran it.

    ``served_by``: the name and version that the MCP server reported.
    ``enqueued`` counts its jobs, ``tries`` those that started; ``job_id`` is the job whose answer counts.
    """

    # generated: StepRun
    run_id: RunId
    phase: PhasePath
    attempt: int
    step: str
    position: int
    does: str
    status: StepStatus
    tries: int = 0
    enqueued: int = 0
    job_id: str | None = None
    idempotency_key: str | None = None
    carried: int | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    input: Any = None
    output: Any = None
    served_by: str = ""
