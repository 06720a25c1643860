"""Events about loops: their items, and the passes of each."""

from datetime import datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.event import AttemptEvent


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
