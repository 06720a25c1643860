"""Tables of model calls, tool calls and opinions.

run ── attempt ── job ── model_call       written before the call, so that one in flight at a crash is recorded
                      ├─ tool_call
                      └─ opinion      keyed by the question, so that the same one is not paid for twice
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Text, text
from sqlmodel import Field

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.columns import JsonText, UtcDateTime, Word
from wfe_mcp.store.enums import AskedBy, CallPurpose, CallStatus
from wfe_mcp.store.schema.base_table import Filled, Row


class ModelCall(Row, table=True):
    """One call to a model. ``reserved_…``: the most that it may use; this counts until its use is known.

    ``counted``: ``usage_sum`` has it.
    """

    __table_args__ = (
        Index(None, "run_id", "phase", "attempt"),
        Index(None, "project_id", "started_at"),
        Index(None, "provider", "started_at"),
        Index(None, "started_at"),
        Index(None, "project_id", "status", "started_at", sqlite_where=text("counted IS NULL")),
    )

    id: str = Filled(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: RunId | None = Field(default=None, foreign_key="run.id", sa_type=String)
    phase: PhasePath | None = Field(default=None, sa_type=String)
    attempt: int | None = None
    job_id: str | None = Field(default=None, index=True)
    purpose: CallPurpose = Field(sa_column=Column(Word(CallPurpose), nullable=False))
    role: str = ""
    provider: str
    model: str
    status: CallStatus = Filled(sa_column=Column(Word(CallStatus), nullable=False))
    started_at: datetime = Filled(sa_type=UtcDateTime)
    finished_at: datetime | None = Filled(sa_type=UtcDateTime)
    requests: int = Filled(default=0)
    input_tokens: int = Filled(default=0)
    output_tokens: int = Filled(default=0)
    cache_read_tokens: int = Filled(default=0)
    cache_write_tokens: int = Filled(default=0)
    cost_usd: float | None = Filled(default=None)
    reserved_tokens: int = 0
    reserved_usd: float | None = None
    counted: bool | None = Filled(default=None)
    fault: str | None = Filled(sa_type=Text)


class ToolCall(Row, table=True):
    """One use of a tool by a model. The output is the last column, so that lists need not read it."""

    __table_args__ = (Index(None, "run_id", "phase", "attempt", "started_at"),)

    id: str = Filled(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    job_id: str | None = None
    name: str
    ok: bool | None = Filled()
    started_at: datetime = Filled(sa_type=UtcDateTime)
    duration_ms: int | None = Filled()
    output_sha256: str | None = Filled()
    output_bytes: int | None = Filled()
    input: dict[str, Any] | None = Field(sa_type=JsonText)
    output: str | None = Filled(sa_type=Text)


class Opinion(Row, table=True):
    """A reviewer's opinion of one artifact, see ``records/calls.py``."""

    __table_args__ = (Index(None, "project_id", "reviewer", "question_sha256"), Index(None, "run_id", "at"))

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    run_id: RunId | None = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath | None = Field(sa_type=String)
    attempt: int | None
    asked_by: AskedBy = Field(sa_type=String)
    reviewer: str
    provider: str
    model: str
    question_sha256: str
    artifact_sha256: str
    verdict: str
    at: datetime = Field(sa_type=UtcDateTime)
    value: dict[str, Any] = Field(sa_type=JsonText)
    answered_by: str | None = None
