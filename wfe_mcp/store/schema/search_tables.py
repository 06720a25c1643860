"""What can be found, and which runs are not indexed yet? Tables like those of ``tables.py``, under the same rules.

The words themselves are in ``find_text``, an FTS5 table that ``sqlite.py`` makes; ``find_index.py`` says how they get there.
"""

from sqlalchemy import Column
from sqlmodel import Field

from wfe_mcp.store.records.search import Kind
from wfe_mcp.store.schema.base_table import Row
from wfe_mcp.store.schema.columns import Word

__all__ = ["FindEntry", "FindRun", "FindWaiting"]


class FindRun(Row, table=True):
    """A run that is indexed up to its event ``last_seq``; the key is no foreign one, see ``find_index.NO_RUN``."""

    run_id: str = Field(primary_key=True)
    version: int
    last_seq: int


class FindWaiting(Row, table=True):
    """A run that has no row in ``find_run``. Triggers keep it (``sqlite.WAITING_FOR_INDEX``), whoever writes."""

    run_id: str = Field(primary_key=True)


class FindEntry(Row, table=True):
    """One thing that can be found: which row it is of, and the rowid of its words in ``find_text``.

    ``title``: folded, as it is in the index; None in rows of an older process. Hits whose title has the words come first.
    """

    id: int | None = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: str | None = Field(foreign_key="run.id", index=True)
    kind: Kind = Field(sa_column=Column(Word(Kind), nullable=False))
    source: str
    ref: str
    part: int
    title: str | None
