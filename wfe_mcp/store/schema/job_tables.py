"""Tables of background jobs, of the processes that do them, of calls to models and tools, of opinions, and of sums over calls.

run ── attempt ── job ── model_call       written before the call, so that one in flight at a crash is recorded
                      ├─ tool_call
                      └─ opinion      keyed by the question, so that the same one is not paid for twice
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Text, text
from sqlmodel import Field

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.columns import JsonText, UtcDateTime, Word
from wfe_mcp.store.enums import AskedBy, CallPurpose, CallStatus, Effect, JobStatus
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


class PhaseSum(Row, table=True):
    """The tasks of a phase over the counted runs of a template: of those that began on ``day`` (UTC), and of all where it is empty.

    With an empty ``spent`` the counts; else how many tasks spent about ``bucket_s`` seconds on it, and their exact sum
    ``total_s``. ``place``: of the phase among those of its run. ``run.counted`` says which runs are within.
    """

    day: str = Field(primary_key=True)
    project_id: str = Field(primary_key=True, foreign_key="project.id")
    template: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    spent: str = Field(primary_key=True)
    bucket_s: float = Field(primary_key=True)
    place: int = 0
    runs: int = 0
    tasks: int = 0
    attempts: int = 0
    judged: int = 0
    passed_first: int = 0
    over: int = 0
    passed: int = 0
    forced: int = 0
    total_s: float = 0.0


class UsageSum(Row, table=True):
    """What calls to models used, see ``jobs/usage_sums.py``: of a phase, of a role and model, or of a day; empty is all else.

    ``day`` as above: of the run for a phase, of the call for the others. ``model_call.counted`` says which calls are within.
    """

    of: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    project_id: str = Field(primary_key=True, foreign_key="project.id")
    template: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    calls: int = 0
    failed: int = 0
    unpriced: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0


class ModelCall(Row, table=True):
    """One call to a model. ``reserved_…``: the most that it may use; this counts until its use is known.

    ``counted``: ``usage_sum`` has it.
    """

    __table_args__ = (
        Index(None, "run_id", "phase", "attempt"),
        Index(None, "project_id", "started_at"),
        Index(None, "provider", "started_at"),
        Index(None, "started_at"),
        Index(None, "project_id", "status", "started_at", sqlite_where=text("counted IS NULL")),
    )

    id: str = Filled(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: RunId | None = Field(default=None, foreign_key="run.id", sa_type=String)
    phase: PhasePath | None = Field(default=None, sa_type=String)
    attempt: int | None = None
    job_id: str | None = Field(default=None, index=True)
    purpose: CallPurpose = Field(sa_column=Column(Word(CallPurpose), nullable=False))
    role: str = ""
    provider: str
    model: str
    status: CallStatus = Filled(sa_column=Column(Word(CallStatus), nullable=False))
    started_at: datetime = Filled(sa_type=UtcDateTime)
    finished_at: datetime | None = Filled(sa_type=UtcDateTime)
    requests: int = Filled(default=0)
    input_tokens: int = Filled(default=0)
    output_tokens: int = Filled(default=0)
    cache_read_tokens: int = Filled(default=0)
    cache_write_tokens: int = Filled(default=0)
    cost_usd: float | None = Filled(default=None)
    reserved_tokens: int = 0
    reserved_usd: float | None = None
    counted: bool | None = Filled(default=None)
    fault: str | None = Filled(sa_type=Text)


class ToolCall(Row, table=True):
    """One use of a tool by a model. The output is the last column, so that lists need not read it."""

    __table_args__ = (Index(None, "run_id", "phase", "attempt", "started_at"),)

    id: str = Filled(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    job_id: str | None = None
    name: str
    ok: bool | None = Filled()
    started_at: datetime = Filled(sa_type=UtcDateTime)
    duration_ms: int | None = Filled()
    output_sha256: str | None = Filled()
    output_bytes: int | None = Filled()
    input: dict[str, Any] | None = Field(sa_type=JsonText)
    output: str | None = Filled(sa_type=Text)


class Opinion(Row, table=True):
    """A reviewer's opinion of one artifact, see ``records/calls.py``."""

    __table_args__ = (Index(None, "project_id", "reviewer", "question_sha256"), Index(None, "run_id", "at"))

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: RunId | None = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath | None = Field(sa_type=String)
    attempt: int | None
    asked_by: AskedBy = Field(sa_type=String)
    reviewer: str
    provider: str
    model: str
    question_sha256: str
    artifact_sha256: str
    verdict: str
    at: datetime = Field(sa_type=UtcDateTime)
    value: dict[str, Any] = Field(sa_type=JsonText)
    answered_by: str | None = None
