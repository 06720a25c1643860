"""Tables of pruned runs and of runs marked to keep, under the rules of ``tables.py``."""

from datetime import datetime

from sqlalchemy import String
from sqlmodel import Field

from wfe_mcp.core.model import RunId
from wfe_mcp.store.columns import UtcDateTime
from wfe_mcp.store.schema.base_table import Row


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
