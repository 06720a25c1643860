"""Base classes of events."""

from dataclasses import dataclass

from wfe_mcp.core.spec import PhasePath

__all__ = ["AttemptEvent", "Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base: nothing but its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEvent(Event):
    """The base of events about one attempt."""

    phase: PhasePath
    attempt: int
