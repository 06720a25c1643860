"""Tables beside a run, under the rules of ``tables.py``: attachments, pruned and kept runs, and the search index.

The indexed text is in ``find_text``, an FTS5 table that ``sqlite.py`` creates and ``search/index.py`` fills.
"""

from datetime import datetime

from sqlalchemy import Column, Index, String, UniqueConstraint
from sqlmodel import Field

from wfe_mcp.core.model import Channel, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.columns import UtcDateTime, Word
from wfe_mcp.store.enums import Kind
from wfe_mcp.store.schema.base_table import Row


class Attachment(Row, table=True):
    """A file attached to an attempt. The content is the last column, so that lists need not read it."""

    __table_args__ = (UniqueConstraint("run_id", "number"), Index(None, "run_id", "phase", "attempt"))

    id: str = Field(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    number: int
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    iteration: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    note: str
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    at: datetime = Field(sa_type=UtcDateTime)
    content: bytes


class PrunedRun(Row, table=True):
    """The record of a run that a person removed. It is written before the removal; the trigger on events requires it."""

    run_id: RunId = Field(primary_key=True, sa_type=String)
    project_id: str = Field(foreign_key="project.id", index=True)
    template: str
    title: str
    events: int
    last_hash: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime = Field(sa_type=UtcDateTime)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str


class KeptRun(Row, table=True):
    """A run marked to keep: never pruned."""

    run_id: RunId = Field(primary_key=True, foreign_key="run.id", sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str


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
