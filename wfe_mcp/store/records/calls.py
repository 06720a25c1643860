"""Model calls, tool calls and their use as plain values, free of SQL.

started ──→ done | failed          lost: the caller ended first, and its use is unknown
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath


class CallPurpose(StrEnum):
    """The purpose of a model call: an opinion, the work of a phase, a step, a user's question, or a connection test."""

    OPINION = "opinion"
    WORK = "work"
    STEP = "step"
    QUESTION = "question"
    TEST = "test"


class CallStatus(StrEnum):
    """Status of a call. ``lost``: its process or job ended first; the most that it may have used counts."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call about to be made. ``reserved_…``: the most that it may use; ``reserved_usd`` None: no known price."""

    # generated: ModelCall, given
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

    # generated: ModelCall, only requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to a model."""

    # generated: ModelCall
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

    # generated: ToolCall, given
    run_id: RunId
    phase: PhasePath
    attempt: int
    name: str
    input: Mapping[str, Any] | None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """One use of a tool. ``ok`` None: it never ended. ``output`` may be cut; ``output_bytes`` and the hash are of the whole."""

    # generated: ToolCall
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
class ToolUse:
    """One use of a tool without its full input and output. ``given``: the beginning of its input, in JSON."""

    # generated: ToolCall, only id, phase, attempt, name, ok, started_at, duration_ms, output_bytes
    id: str
    phase: PhasePath
    attempt: int
    name: str
    ok: bool | None
    started_at: datetime
    duration_ms: int | None
    output_bytes: int | None

    given: str


@dataclass(frozen=True, slots=True)
class ToolTotal:
    """How often one attempt used one tool. ``failed``: of those that ended; ``duration_ms``: the total."""

    phase: PhasePath
    attempt: int
    name: str
    calls: int
    failed: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Total use of some calls. ``unpriced``: calls that used tokens of a model without a known price.

    ``in_flight`` and ``lost`` calls have no use of their own yet: the most that they may have used is ``reserved_…``.
    Cached tokens are part of ``input_tokens``.
    """

    calls: int = 0
    in_flight: int = 0
    failed: int = 0
    lost: int = 0
    unpriced: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    reserved_tokens: int = 0
    reserved_usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Input and output tokens, including reserved ones."""
        return self.input_tokens + self.output_tokens + self.reserved_tokens

    @property
    def spent_usd(self) -> float:
        """Cost including reserved cost; calls without a known price count as zero."""
        return self.cost_usd + self.reserved_usd
