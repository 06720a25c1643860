"""Tables of work items and the log of their changes, under the rules of ``tables.py``."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field

from wfe_mcp.core.items import ItemKind, ItemStatus
from wfe_mcp.core.model import Assurance, Channel
from wfe_mcp.store.columns import Number, UtcDateTime, Word
from wfe_mcp.store.schema.base_table import Row


class Item(Row, table=True):
    """A work item as the log of its project makes it. ``content``: its fields, as canonical JSON."""

    __table_args__ = (
        Index(None, "project_id", "status", "priority", "number"),
        Index(None, "project_id", "parent"),
        Index(None, "project_id", "fingerprint"),
    )

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    number: int = Field(primary_key=True)
    kind: ItemKind = Field(sa_column=Column(Word(ItemKind), nullable=False))
    status: ItemStatus = Field(sa_column=Column(Word(ItemStatus), nullable=False))
    priority: int
    parent: str
    fingerprint: str
    last_seq: int
    added_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    content: str = Field(sa_type=Text)


class ItemFile(Row, table=True):
    """The bytes of files attached to the items of a project, by their sha256; the items name them."""

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    sha256: str = Field(primary_key=True)
    content: bytes


class ItemEvent(Row, table=True):
    """One row of a project's log of work items. ``number``: that of the item, also for a signature."""

    __table_args__ = (Index(None, "project_id", "number", "seq"),)

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    seq: int = Field(primary_key=True)
    number: int
    type: str
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))
    prev_hash: str
    hash: str
    payload: str = Field(sa_type=Text)
