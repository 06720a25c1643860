"""Search hits and pages as plain values, free of SQL."""

from datetime import datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.enums import Kind

__all__ = ["FindHealth", "FindPage", "Hit", "Kind"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One search hit. ``revision``, ``seq`` and ``pointer`` locate it where they apply."""

    kind: Kind
    source: str
    """The kind of row."""
    project_id: str
    run_id: RunId | None
    title: str
    text: str
    """The text around the first match, at most 200 printable characters."""
    at: datetime
    phase: PhasePath | None = None
    attempt: int | None = None
    name: str = ""
    revision: int | None = None
    seq: int | None = None
    pointer: str = ""
    """Into the artifact."""
    is_archived: bool = False
    """Its run is archived."""


@dataclass(frozen=True, slots=True)
class FindPage:
    """Some hits in order; for each, the cursor that continues after it. ``has_more``: there are hits after the last."""

    hits: tuple[Hit, ...] = ()
    cursors: tuple[str, ...] = ()
    has_more: bool = False

    def cursor_after(self, count: int) -> str:
        """The cursor that continues after the first ``count`` hits; "" when there are no more."""
        return self.cursors[count - 1] if count and (self.has_more or count < len(self.hits)) else ""


@dataclass(frozen=True, slots=True)
class FindHealth:
    """Whether SQLite supports full-text search, and what waits for indexing.

    ``waiting``: how many runs, and one more for what is in no run, such as work items, where that waits (``outside_waits``).
    """

    has_fts5: bool
    waiting: int
    outside_waits: bool = False

    @property
    def waiting_runs(self) -> int:
        """How many runs wait."""
        return self.waiting - self.outside_waits
