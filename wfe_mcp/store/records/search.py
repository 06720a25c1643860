"""What can be found, and what is known of a hit? Plain values, free of SQL."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import PhasePath

__all__ = ["FindHealth", "FindPage", "Hit", "Kind"]


class Kind(StrEnum):
    """What a hit is. A finding is one of a reviewer's, of an artifact's (``findings``), or of a scanner's."""

    RUN = "run"
    ARTIFACT = "artifact"
    EVENT = "event"
    DECISION = "decision"
    FINDING = "finding"
    WORK_ITEM = "work_item"


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found. ``text``: its words around the first match, at most 200 printable characters.

    ``revision``, ``seq`` and ``pointer`` (into the artifact) say where it stands, where it stands in such a place;
    ``source``: which rows it is of; ``is_archived``: its run is off the list.
    """

    kind: Kind
    source: str
    project_id: str
    run_id: RunId | None
    title: str
    text: str
    at: datetime
    phase: PhasePath | None = None
    attempt: int | None = None
    name: str = ""
    revision: int | None = None
    seq: int | None = None
    pointer: str = ""
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class FindPage:
    """Some hits in order; for each the cursor that goes on behind it. ``has_more``: there is something behind the last."""

    hits: tuple[Hit, ...] = ()
    cursors: tuple[str, ...] = ()
    has_more: bool = False

    def cursor_after(self, count: int) -> str:
        """What goes on behind the first ``count`` hits; "" when nothing is there."""
        return self.cursors[count - 1] if count and (self.has_more or count < len(self.hits)) else ""


@dataclass(frozen=True, slots=True)
class FindHealth:
    """Whether SQLite can look for words at all, and how many runs wait to be indexed (opinions outside runs are one)."""

    has_fts5: bool
    waiting: int
