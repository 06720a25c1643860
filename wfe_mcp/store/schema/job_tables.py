"""The tables of background jobs, and of the processes that do them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Text
from sqlmodel import Field

from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.store.columns import JsonText, UtcDateTime, Word
from wfe_mcp.store.enums import Effect, JobStatus
from wfe_mcp.store.schema.base_table import Filled, Row


class Process(Row, table=True):
    """A running wfe-mcp process."""

    host: str = Field(primary_key=True)
    pid: int = Field(primary_key=True)
    started_at: float = Field(primary_key=True)
    kind: str
    client_pid: int | None = None
    client_started_at: float | None = None
    project_id: str | None = None
    port: int | None = None


class Job(Row, table=True):
    """Durable background work."""

    __table_args__ = (
        Index(None, "status", "priority", "run_at"),
        Index(None, "status", "lease_until"),
        Index(None, "created_at", "id"),
        Index(None, "run_id", "phase", "attempt"),
        Index(None, "queue", "started_at"),
    )

    id: str = Filled(primary_key=True)
    kind: str
    queue: str
    limit_key: str | None = None
    status: JobStatus = Filled(sa_column=Column(Word(JobStatus), nullable=False))
    priority: int = 100
    run_at: datetime = Field(sa_type=UtcDateTime)
    tries: int = Filled()
    max_attempts: int = 5
    effect: Effect = Field(default=Effect.IDEMPOTENT, sa_column=Column(Word(Effect), nullable=False))
    fence: int = Filled()
    lease_owner: str | None = Filled()
    lease_until: datetime | None = Filled(sa_type=UtcDateTime)
    cancel_requested: bool = Filled()
    cancel_reason: str | None = Filled()
    timeout_s: float | None = None
    dedupe_key: str | None = Field(default=None, unique=True)
    run_id: RunId | None = Field(default=None, foreign_key="run.id", sa_type=String)
    phase: PhasePath | None = Field(default=None, sa_type=String)
    attempt: int | None = None
    child_pid: int | None = Filled()
    child_started_at: float | None = Filled()
    created_at: datetime = Filled(sa_type=UtcDateTime)
    started_at: datetime | None = Filled(sa_type=UtcDateTime)
    finished_at: datetime | None = Filled(sa_type=UtcDateTime)
    payload: dict[str, Any] = Field(sa_type=JsonText)
    result: dict[str, Any] | None = Filled(sa_type=JsonText)
    error: str | None = Filled(sa_type=Text)
