"""The log over all runs, in the order in which it was committed.

The position is SQLite's row number: there is one writer at a time, so no event appears before a position that was read. VACUUM
may number the rows anew; a position from before is then wrong, and a reader whose position is past the end starts over.
"""

from typing import Any

from sqlalchemy import Integer, bindparam, desc, literal_column, or_, select

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunId
from wfe_mcp.store.layout.tables import EVENT, RUN
from wfe_mcp.store.records.runs import EventRecord
from wfe_mcp.store.repository import Repository, columns_for
from wfe_mcp.store.runs.events import event_record

_POSITION = literal_column("event.rowid", Integer)
_FILTERS = {"run": EVENT.c.run_id, "type": EVENT.c.type, "actor": EVENT.c.actor}
_ROWS = (
    select(_POSITION, EVENT.c.run_id, RUN.c.project_id, RUN.c.title, *columns_for(EventRecord, EVENT))
    .join(RUN, RUN.c.id == EVENT.c.run_id)
    .where(or_(bindparam("project") == "", RUN.c.project_id == bindparam("project")))
    .limit(bindparam("limit"))
)
_AFTER = _ROWS.where(bindparam("after") < _POSITION).order_by(_POSITION)
_BEFORE = (
    _ROWS.where(bindparam("before") > _POSITION)
    .where(*(or_(bindparam(name) == "", column == bindparam(name)) for name, column in _FILTERS.items()))
    .order_by(desc(_POSITION))
)
_LAST = select(_POSITION).select_from(EVENT).order_by(desc(_POSITION)).limit(1)


@dataclass(frozen=True, slots=True)
class Activity:
    """One event of one run, and its position in the log over all runs."""

    position: int
    run: RunId
    project_id: str
    title: str
    event: EventRecord


class ActivityRepository(Repository):
    """The log over all runs. ``project``: only its events; empty: those of every project."""

    def last_position(self) -> int:
        """The position of the newest event; 0 without one."""
        return int(self._connection.execute(_LAST).scalar() or 0)

    def after(self, position: int, *, project: str = "", limit: int = 500) -> list[Activity]:
        """The events after a position, oldest first."""
        return self._all(_activity, _AFTER, {"after": position, "project": project, "limit": limit})

    def before(
        self, position: int, *, project: str = "", run: str = "", type_: str = "", actor: str = "", limit: int = 100
    ) -> list[Activity]:
        """The events before a position, newest first; of one run, type or actor where it is named."""
        named = {"run": run, "type": type_, "actor": actor}
        return self._all(_activity, _BEFORE, {"before": position, "project": project, "limit": limit, **named})


def _activity(position: int, run: RunId, project: str, title: str, *event: Any) -> Activity:
    return Activity(position, run, project, title, event_record(*event))
