"""Tables of the search index, under the rules of ``tables.py``.

The indexed text is in ``find_text``, an FTS5 table that ``sqlite.py`` creates and ``search/index.py`` fills.
"""

from sqlalchemy import Column
from sqlmodel import Field

from wfe_mcp.store.columns import Word
from wfe_mcp.store.enums import Kind
from wfe_mcp.store.schema.base_table import Row


class FindRun(Row, table=True):
    """A run that is indexed up to its event ``last_seq``; not a foreign key, see ``search/index.py`` (``NO_RUN``)."""

    run_id: str = Field(primary_key=True)
    version: int
    last_seq: int


class FindWaiting(Row, table=True):
    """A run without a row in ``find_run``. Triggers maintain it (``sqlite.WAITING_FOR_INDEX``), whichever process writes."""

    run_id: str = Field(primary_key=True)


class FindEntry(Row, table=True):
    """One search entry: the row it describes, and the rowid of its text in ``find_text``.

    ``title``: folded, as in the index; None in rows of an older process. Matches in the title come first.
    """

    id: int | None = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: str | None = Field(foreign_key="run.id", index=True)
    kind: Kind = Field(sa_column=Column(Word(Kind), nullable=False))
    source: str
    ref: str
    part: int
    title: str | None
