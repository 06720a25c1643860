"""Base classes of events."""

from typing import TypedDict

from wfe_mcp.core.dataclass import Message
from wfe_mcp.core.paths import PhasePath


class OfAttempt(TypedDict):
    """Names the attempt in a call."""

    phase: PhasePath
    attempt: int


class Event(metaclass=Message):
    """The base: nothing but its type."""


class AttemptEvent(Event):
    """The base of events about one attempt."""

    phase: PhasePath
    attempt: int
