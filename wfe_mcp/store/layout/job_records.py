"""Records of the tables. Written by scripts/generate_layout.py from tables.py and store_records.py: change those, not this."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.enums import AskedBy, CallPurpose, CallStatus, Effect, JobStatus


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call about to be made. ``reserved_…``: the most that it may use; ``reserved_usd`` None: no known price."""

    project_id: str
    purpose: CallPurpose
    provider: str
    model: str
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None
    job_id: str | None = None
    role: str = ""
    reserved_tokens: int = 0
    reserved_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a call, as counted by the provider; ``cost_usd`` None without a known price."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to a model."""

    id: str
    project_id: str
    purpose: CallPurpose
    provider: str
    model: str
    status: CallStatus
    started_at: datetime
    finished_at: datetime | None
    fault: str | None
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None
    job_id: str | None = None
    role: str = ""
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    reserved_tokens: int = 0
    reserved_usd: float | None = None


@dataclass(frozen=True, slots=True)
class NewToolCall:
    """A tool call about to be made."""

    run_id: RunId
    phase: PhasePath
    attempt: int
    name: str
    input: Mapping[str, Any] | None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """One use of a tool. ``ok`` None: it never ended. ``output`` may be cut; ``output_bytes`` and the hash are of the whole."""

    id: str
    run_id: RunId
    phase: PhasePath
    attempt: int
    name: str
    ok: bool | None
    started_at: datetime
    duration_ms: int | None
    output_sha256: str | None
    output_bytes: int | None
    input: dict[str, Any] | None
    output: str | None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolUseColumns:
    """The columns of ``ToolUse``."""

    id: str
    phase: PhasePath
    attempt: int
    name: str
    ok: bool | None
    started_at: datetime
    duration_ms: int | None
    output_bytes: int | None


@dataclass(frozen=True, slots=True)
class NewJobColumns:
    """The columns of ``NewJob``."""

    kind: str
    queue: str
    payload: Mapping[str, Any]
    limit_key: str | None = None
    priority: int = 100
    max_attempts: int = 5
    effect: Effect = Effect.IDEMPOTENT
    timeout_s: float | None = None
    dedupe_key: str | None = None
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class JobRecordColumns:
    """The columns of ``JobRecord``."""

    id: str
    kind: str
    queue: str
    status: JobStatus
    run_at: datetime
    tries: int
    fence: int
    lease_owner: str | None
    lease_until: datetime | None
    cancel_requested: bool
    cancel_reason: str | None
    child_pid: int | None
    child_started_at: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    limit_key: str | None = None
    priority: int = 100
    max_attempts: int = 5
    effect: Effect = Effect.IDEMPOTENT
    timeout_s: float | None = None
    dedupe_key: str | None = None
    run_id: RunId | None = None
    phase: PhasePath | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class OpinionRecord:
    """A reviewer's opinion. ``value``: a valid ``opinion@1``. ``artifact_sha256``: "" where no artifact was judged.

    ``reviewer``: the role; ``provider`` and ``model``: its assignment at that time.
    ``answered_by``: the model that answered, as its provider reports it; None in records from before. ``question_sha256``: of the whole question.
    """

    id: str
    project_id: str
    run_id: RunId | None
    phase: PhasePath | None
    attempt: int | None
    asked_by: AskedBy
    reviewer: str
    provider: str
    model: str
    question_sha256: str
    artifact_sha256: str
    verdict: str
    at: datetime
    value: dict[str, Any]
    answered_by: str | None = None
