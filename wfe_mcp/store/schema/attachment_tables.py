"""The table of attachments, under the rules of ``tables.py``."""

from datetime import datetime

from sqlalchemy import Column, Index, String, UniqueConstraint
from sqlmodel import Field

from wfe_mcp.core.model import Channel, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.columns import UtcDateTime, Word
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
