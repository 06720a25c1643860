"""Base classes of events, and the events about loops, prompts, records, checkpoints, rollbacks and forks."""

from datetime import datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOpened(AttemptEvent):
    """The items of a loop are known, in order; ``items`` names the document with their values."""

    keys: tuple[str, ...]
    started_at: datetime
    items: str | None = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOpened(AttemptEvent):
    """Every phase of the item ``key`` has a new attempt, pending."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemClosed(AttemptEvent):
    """The item ``key`` is over: its phases are settled, or it is left as it ``failed``."""

    key: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFinished(AttemptEvent):
    """The condition of ``until`` is true: no further pass opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEdited(AttemptEvent):
    """A person edited the prompt; the gates before work judge it anew. ``prompt``: the document with its text."""

    sha256: str
    prompt: str
