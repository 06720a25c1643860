"""Base classes of events."""

from typing import TypedDict

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.paths import PhasePath


class OfAttempt(TypedDict):
    """Names the attempt in a call."""

    phase: PhasePath
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base: nothing but its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEvent(Event):
    """The base of events about one attempt."""

    phase: PhasePath
    attempt: int
