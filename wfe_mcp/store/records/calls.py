"""Model calls, tool calls, their use, and opinions as plain values, free of SQL.

started ──→ done | failed          lost: the caller ended first, and its use is unknown
"""

from dataclasses import fields

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.enums import AskedBy, CallPurpose, CallStatus
from wfe_mcp.store.layout.job_records import (
    CallRecord,
    NewCall,
    NewToolCall,
    OpinionRecord,
    ToolCallRecord,
    ToolUseColumns,
    Used,
)

__all__ = [
    "MANUAL_MODEL",
    "SOURCE",
    "AskedBy",
    "CallPurpose",
    "CallRecord",
    "CallStatus",
    "NewCall",
    "NewToolCall",
    "OpinionRecord",
    "ToolCallRecord",
    "ToolTotal",
    "ToolUse",
    "UsageRecord",
    "Used",
]

MANUAL_MODEL = "manual"
"""The model of an opinion that a person gave."""

SOURCE = "source"
"""Beside the keys of ``opinion@1``: ``address`` and ``proxy`` of the one that answered, or its files → SHA-256."""


@dataclass(frozen=True, slots=True)
class ToolUse(ToolUseColumns):
    """One use of a tool without its full input and output. ``given``: the beginning of its input, in JSON."""

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
    """Total use of some calls."""

    calls: int = 0
    in_flight: int = 0
    """They have no use of their own yet: the most that they may have used is ``reserved_…``."""
    failed: int = 0
    lost: int = 0
    """Like ``in_flight``."""
    unpriced: int = 0
    """Calls that used tokens of a model without a known price."""
    requests: int = 0
    input_tokens: int = 0
    """With the cached ones."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    reserved_tokens: int = 0
    reserved_usd: float = 0.0

    def __add__(self, other: "UsageRecord") -> "UsageRecord":
        """Both together."""
        return UsageRecord(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(UsageRecord)))

    @property
    def tokens(self) -> int:
        """Input and output tokens, including reserved ones."""
        return self.input_tokens + self.output_tokens + self.reserved_tokens

    @property
    def spent_usd(self) -> float:
        """Cost including reserved cost; calls without a known price count as zero."""
        return self.cost_usd + self.reserved_usd
