"""The tables and their keys.

    project ── run ── attempt                 state: rewritten in place, rebuilt by replay; hold: an index of it
                 ├── event                    append-only log, one hash chain per run
                 ├── revision, refused_submission, evidence, attachment
                 ├── request ── decision
                 ├── step_run                 state of the steps that the server executes
                 └── job                      (``job_tables.py``)
    document                                  content by sha256: definitions, specifications, inputs, frozen settings
    model_call, tool_call                     purpose and cost of model calls (``job_tables.py``)
    template, template_mark, idempotency      per project
    secret, trust, setting_event              users' settings; setting_event is a hash chain of its own
    item, item_event                          work items of a project and the hash chain of their changes (``item_tables.py``)
    find_run, find_entry, find_waiting        the search index (``run_tables.py``), with find_text, which is FTS5
    process                                   running wfe-mcp processes on this host
    phase_sum                                 sums over ended runs (``job_tables.py``)
    pruned_run, kept_run                      removed runs, runs marked to keep (``run_tables.py``)

Rules:
1. A column that repeats a value of ``state`` (JSON) is for searching; ``verify`` compares both.
2. Nothing is counted with count(*): counters live on the run. Every list has an index in its order.
3. A class here is the only place where a column is typed: ``scripts/generate_layout.py`` writes ``store/layout`` from it, and
   a change needs a migration with the same effect. A test compares both.
4. ``Filled``: the store sets the value; every other column is given (``docs/adr/0035-one-generated-package.md``).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Text, UniqueConstraint, text
from sqlmodel import Field

from wfe_mcp.core.model import Assurance, AttemptStatus, Channel, RunId, RunStatus, Stage
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.store.columns import JsonText, Number, UtcDateTime, Word
from wfe_mcp.store.enums import RARE_TYPES, UNCOUNTED, RequestStatus, StepStatus
from wfe_mcp.store.schema import item_tables, job_tables, run_tables
from wfe_mcp.store.schema.base_table import METADATA, Filled, Row

__all__ = ["METADATA", "item_tables", "job_tables", "run_tables"]


class Project(Row, table=True):
    """A project. ``key``: its git common directory, else its real path, as last confirmed; ``root``: its folder.

    ``name``: as a person named it, else None. ``first_commit``: of its history, a hint for clones. ``forgotten_at``: out of
    lists since then.
    """

    id: str = Field(primary_key=True)
    key: str = Field(unique=True)
    root: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    name: str | None = None
    first_commit: str | None = None
    forgotten_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Document(Row, table=True):
    """Canonical JSON text by its sha256; written once, shared by all rows that name it."""

    sha256: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    content: str = Field(sa_type=Text)


class Template(Row, table=True):
    """A stored template version. ``parent_sha256`` names the content it was made from."""

    __table_args__ = (UniqueConstraint("project_id", "name", "version"),)

    id: int = Filled(primary_key=True)
    project_id: str = Field(foreign_key="project.id")
    source: str
    name: str
    version: str
    sha256: str = Field(foreign_key="document.sha256", index=True)
    parent_sha256: str | None = Filled(foreign_key="document.sha256")
    title: str = ""
    description: str = ""
    requires: dict[str, Any] = Field(default_factory=dict[str, Any], sa_type=JsonText)
    created_at: datetime = Filled(sa_type=UtcDateTime)


class TemplateMark(Row, table=True):
    """A user's mark on a template, by name (shipped ones too), see ``records/templates.py``."""

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    name: str = Field(primary_key=True)
    mark: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str


class Run(Row, table=True):
    """A run: its start arguments, its state, its counters and the tail of its chain.

    ``going_back``: the event whose state a rollback is restoring. ``counted``: the last event that ``phase_sum`` has of it.
    """

    __table_args__ = (
        Index(None, "project_id", "created_at", "id"),
        Index(None, "project_id", "status", "created_at", "id"),
        Index(None, "project_id", "template", "status", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "worktree", "status", "created_at", "id"),
        Index(None, "project_id", "ended_at", "id", "archived_at", sqlite_where=text("ended_at IS NOT NULL")),
        Index(None, "project_id", "created_at", sqlite_where=text(UNCOUNTED)),
    )

    id: RunId = Field(primary_key=True, sa_type=String)
    project_id: str = Field(foreign_key="project.id")
    worktree: str
    template: str
    template_version: str
    template_sha256: str
    definition_sha256: str = Field(foreign_key="document.sha256")
    spec_sha256: str = Filled(foreign_key="document.sha256")
    inputs_sha256: str = Filled(foreign_key="document.sha256")
    frozen_sha256: str = Filled(foreign_key="document.sha256")
    title: str
    driver: str | None = None
    triggered_by: str = ""
    external_id: str = ""
    status: RunStatus = Filled(sa_column=Column(Word(RunStatus), nullable=False))
    iteration: int = Filled()
    auto: bool = Filled()
    tainted: bool = Filled()
    reached: str | None = Filled(default=None)
    going_back: int | None = Filled(default=None)
    revision: int = Filled()
    last_seq: int = Filled()
    last_hash: str = Filled()
    artifact_count: int = Filled()
    created_at: datetime = Filled(sa_type=UtcDateTime)
    updated_at: datetime = Filled(sa_type=UtcDateTime)
    ended_at: datetime | None = Filled(sa_type=UtcDateTime)
    archived_at: datetime | None = Filled(sa_type=UtcDateTime)
    origin_sha256: str | None = Filled(default=None)
    counted: int | None = Filled(default=None)
    state: str = Filled(sa_type=Text)


class Idempotency(Row, table=True):
    """The run created with a start_run key, and a hash of its arguments."""

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    key: str = Field(primary_key=True)
    args_sha256: str
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Attempt(Row, table=True):
    """One attempt at a phase. ``repair``: what runs after its failure, a recovery or its compensation."""

    __table_args__ = (Index(None, "status", "run_id"),)

    run_id: RunId = Field(primary_key=True, foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(primary_key=True, sa_type=String)
    attempt: int = Field(primary_key=True)
    iteration: int
    status: AttemptStatus = Field(sa_column=Column(Word(AttemptStatus), nullable=False))
    stage: Stage | None = Field(sa_column=Column(Word(Stage), nullable=True))
    holder: str | None
    exclusive: bool
    lease_until: datetime | None = Field(sa_type=UtcDateTime)
    deadline: datetime | None = Field(sa_type=UtcDateTime)
    not_before: datetime | None = Field(sa_type=UtcDateTime)
    repair: str | None = None
    state: str = Field(sa_type=Text)


class Hold(Row, table=True):
    """An attempt that may hold the working tree ``scope`` or, in the project ``scope``, the lock ``name``.

    ``rank``: when its lease ends, ``~`` without a lease. Triggers write the rows (``sqlite.HOLDS``).
    """

    __table_args__ = (Index(None, "scope", "name", "rank"),)

    run_id: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    rank: str


class Event(Row, table=True):
    """One row of the log of a run. The index is of types that not each run has: ``activity`` finds the others at once."""

    __table_args__ = (Index(None, "type", sqlite_where=text(RARE_TYPES)),)

    run_id: RunId = Field(primary_key=True, foreign_key="run.id", sa_type=String)
    seq: int = Field(primary_key=True)
    type: str
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))
    prev_hash: str
    hash: str
    payload: str = Field(sa_type=Text)


class Revision(Row, table=True):
    """A revision of an artifact. The content is the last column, so that lists need not read it."""

    __table_args__ = (Index(None, "run_id", "name", "id"), UniqueConstraint("run_id", "phase", "revision"))

    id: int | None = Field(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    revision: int
    attempt: int
    iteration: int
    name: str
    schema_name: str
    sha256: str
    size_bytes: int
    source: str
    note: str
    at: datetime = Field(sa_type=UtcDateTime)
    sealed_at: datetime | None = Field(sa_type=UtcDateTime)
    content: str = Field(sa_type=Text)


class RefusedSubmission(Row, table=True):
    """An invalid submission."""

    __table_args__ = (Index(None, "run_id", "phase", "attempt"),)

    id: int | None = Field(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    size_bytes: int
    at: datetime = Field(sa_type=UtcDateTime)
    errors: str = Field(sa_type=Text)
    raw: bytes


class Evidence(Row, table=True):
    """The evidence of a gate."""

    __table_args__ = (Index(None, "run_id", "phase", "attempt"), Index(None, "kind", "at"))

    id: str = Field(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    iteration: int
    stage: Stage = Field(sa_column=Column(Word(Stage), nullable=False))
    gate: int
    kind: str
    sha256: str | None
    tree: str | None
    head: str | None
    log_path: str | None
    at: datetime = Field(sa_type=UtcDateTime)
    data: dict[str, Any] = Field(sa_type=JsonText)


class Request(Row, table=True):
    """An approval request."""

    __table_args__ = (Index(None, "run_id", "phase", "attempt"), Index(None, "status", "run_id"))

    id: str = Filled(primary_key=True)
    run_id: RunId = Field(foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(sa_type=String)
    attempt: int
    stage: Stage = Field(sa_column=Column(Word(Stage), nullable=False))
    gate: int
    sha256: str
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))
    tree: str | None = None
    status: RequestStatus = Filled(sa_column=Column(Word(RequestStatus), nullable=False))
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Filled(sa_type=UtcDateTime)
    closed_at: datetime | None = Filled(sa_type=UtcDateTime)
    data: dict[str, Any] = Field(default_factory=dict[str, Any], sa_type=JsonText)


class Decision(Row, table=True):
    """The one decision on a request; the key makes it single-use."""

    request_id: str = Field(primary_key=True, foreign_key="request.id")
    approved: bool
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))
    at: datetime = Field(sa_type=UtcDateTime)
    comment: str = Field(default="", sa_type=Text)
    to: PhasePath | None = Field(default=None, sa_type=String)
    ancestors: str = Field(default="", sa_type=Text)


class StepRun(Row, table=True):
    """One step of an attempt that the server executes."""

    __table_args__ = (Index(None, "run_id", "idempotency_key"),)

    run_id: RunId = Field(primary_key=True, foreign_key="run.id", sa_type=String)
    phase: PhasePath = Field(primary_key=True, sa_type=String)
    attempt: int = Field(primary_key=True)
    step: str = Field(primary_key=True)
    position: int
    does: str
    status: StepStatus = Field(sa_column=Column(Word(StepStatus), nullable=False))
    tries: int = 0
    enqueued: int = 0
    job_id: str | None = None
    idempotency_key: str | None = None
    carried: int | None = None
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)
    input: Any = Field(default=None, sa_type=JsonText, nullable=True)
    output: Any = Field(default=None, sa_type=JsonText, nullable=True)
    served_by: str = ""


class Secret(Row, table=True):
    """A stored secret: the PIN record, counters of wrong PINs."""

    name: str = Field(primary_key=True)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    value: str = Field(sa_type=Text)


class Trust(Row, table=True):
    """Bytes a person trusts."""

    project_id: str = Field(primary_key=True, foreign_key="project.id")
    path_key: str = Field(primary_key=True)
    sha256: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))


class SettingEvent(Row, table=True):
    """One change of a secret or of trust."""

    seq: int = Field(primary_key=True)
    type: str
    name: str
    value_sha256: str | None
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    channel: Channel = Field(sa_column=Column(Word(Channel), nullable=False))
    assurance: Assurance = Field(sa_column=Column(Number(Assurance), nullable=False))
    prev_hash: str
    hash: str
