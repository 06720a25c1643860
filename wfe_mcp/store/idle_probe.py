"""Idle probe: whether a project has no run that is open or stopped, no decision page, and no PIN was ever reset. Works without SQLAlchemy (150 ms to load).

Status calls for projects without an open run are by far the most frequent. Only "idle" is a final answer: in every other
case, errors included, the caller opens the store.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from wfe_mcp.store.driver import HEAD, driver

_PLAIN = "sqlite:///"
_WAIT_S = 1.0
_QUESTION = """
SELECT (SELECT count(*) FROM item JOIN project ON project.id = item.project_id
         WHERE project.key = :key AND item.status = 'ready')
 WHERE (SELECT version_num FROM alembic_version) = :head
   AND (:may_be_new OR EXISTS (SELECT 1 FROM project WHERE key = :key AND :mark IN ('', id)))
   AND NOT EXISTS (SELECT 1 FROM process WHERE kind = 'ui')
   AND NOT EXISTS (SELECT 1 FROM secret WHERE name = 'pin_resets')
   AND NOT EXISTS (
       SELECT 1 FROM run JOIN project ON project.id = run.project_id
        WHERE project.key = :key AND run.status NOT IN ('completed', 'cancelled')
          AND run.archived_at IS NULL AND run.origin_sha256 IS NULL)
   AND NOT EXISTS (SELECT 1 FROM json_each(:with_files) WHERE value NOT IN (SELECT id FROM run))
"""
"""The same as ``runs.open_ids`` with the runs that only the user can reopen, and ``processes.on_host``; a test compares them."""


def ready_items(
    url: str, project_key: str, *, may_be_new: bool = True, mark: str = "", with_files: Sequence[str] = ()
) -> int | None:
    """How many work items are ready where no run of the project is open or stopped, and no decision page is registered.

    None in any other case. ``may_be_new``: whether a project that is not known counts as idle; else ``mark`` is the id that
    the folder says it has, if any. ``with_files``: runs that the database must have. Writes nothing.
    """
    if not url.startswith(_PLAIN) or set(url) & set("?%#"):
        return None
    library, place = driver(), Path(url.removeprefix(_PLAIN))
    if not place.is_absolute():
        return None
    try:
        asked = library.connect(f"{_uri(place)}?mode=ro", uri=True, timeout=_WAIT_S, isolation_level=None)
        with closing(asked):
            values = {"head": HEAD, "key": project_key, "may_be_new": may_be_new}
            values |= {"mark": mark, "with_files": json.dumps(with_files)}
            row = asked.execute(_QUESTION, values).fetchone()
            return None if row is None else int(row[0])
    except library.Error:
        return None


def _uri(place: Path) -> str:
    """``place`` for SQLite. Not ``as_uri``, with which Python 3.14 loads ``http.client``: 20 ms on the way to the first answer."""
    path = place.as_posix()
    return f"file://{path}" if path.startswith("/") else f"file:///{path}"
