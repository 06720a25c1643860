"""Runs, attempts, events, artifacts and settings as plain frozen values, free of SQL.

Importing these types loads no database library. ``New…`` goes into the store, ``…Record`` comes out. Lines below
``# generated`` follow from ``tables.py`` (``scripts/generate_layout.py``). Times are aware UTC. JSON
values are plain dicts and lists; treat them as frozen, they may be shared.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from datetime import datetime
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Assurance, AttemptStatus, Channel, RunId, RunState, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to create. ``definition_sha256`` names a stored document; ``frozen`` holds checks, roles, servers, context.

    ``triggered_by``: the cause of its start, such as a push; ``external_id``: its name there. Both may be empty.
    """

    # generated: Run, given
    id: RunId
    project_id: str
    worktree: str
    template: str
    template_version: str
    template_sha256: str
    definition_sha256: str
    title: str
    driver: str | None = None
    triggered_by: str = ""
    external_id: str = ""

    _: KW_ONLY
    inputs: Mapping[str, Any]
    frozen: Mapping[str, Any]
    idempotency_key: str | None = None
    args_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One row of the run list. Each ``…_sha256`` except the template's names a document; only imported runs have an origin."""

    # generated: Run, without state, going_back
    id: RunId
    project_id: str
    worktree: str
    template: str
    template_version: str
    template_sha256: str
    definition_sha256: str
    spec_sha256: str
    inputs_sha256: str
    frozen_sha256: str
    title: str
    status: RunStatus
    iteration: int
    auto: bool
    tainted: bool
    revision: int
    last_seq: int
    last_hash: str
    artifact_count: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    archived_at: datetime | None
    driver: str | None = None
    triggered_by: str = ""
    external_id: str = ""
    reached: str | None = None
    origin_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first; ``cursor`` continues the list, None at its end."""

    runs: tuple[RunRecord, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as it was when read; ``tx.runs.save`` refuses when it has changed since."""

    record: RunRecord
    state: RunState


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that may need action: its holder died, its time is over, its wait has ended."""

    # generated: Attempt, without iteration, repair, state
    run_id: RunId
    phase: PhasePath
    attempt: int
    status: AttemptStatus
    stage: Stage | None
    holder: str | None
    exclusive: bool
    lease_until: datetime | None
    deadline: datetime | None
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One row of the append-only log, with its place in the chain."""

    # generated: Event, without run_id, payload
    seq: int
    type: str
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance
    prev_hash: str
    hash: str

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One difference between the stored data and the log.

    ``code``: the kind of difference, for programs; ``since``: the last known time at which it was still correct.
    """

    where: str
    message: str
    seq: int | None = None
    code: str = field(default="", compare=False)
    since: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RevisionHead:
    """A revision of an artifact without its content. ``schema_name``: a shipped name, or ``inline``."""

    # generated: Revision, without id, content
    run_id: RunId
    phase: PhasePath
    revision: int
    attempt: int
    iteration: int
    name: str
    schema_name: str
    sha256: str
    size_bytes: int
    source: str
    note: str
    at: datetime
    sealed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RevisionRecord(RevisionHead):
    """A revision of an artifact with its content, canonical JSON text."""

    # generated: Revision, only content
    content: str


@dataclass(frozen=True, slots=True)
class RefusedSubmission:
    """An invalid submission as received, capped; ``size_bytes`` is its full length."""

    # generated: RefusedSubmission, without id, errors
    run_id: RunId
    phase: PhasePath
    attempt: int
    size_bytes: int
    at: datetime
    raw: bytes

    errors: list[dict[str, Any]]


NO_GATE = -1
"""Gate number of evidence that belongs to no gate."""


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Evidence of a gate: exit codes, counts, hashes, and the tree and revision it is about.

    ``gate``: its number within its stage, or ``NO_GATE`` when a check ran as the step that ``data`` names.
    """

    # generated: Evidence
    id: str
    run_id: RunId
    phase: PhasePath
    attempt: int
    iteration: int
    stage: Stage
    gate: int
    kind: str
    sha256: str | None
    tree: str | None
    head: str | None
    log_path: str | None
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SettingEvent:
    """One change of a secret or of trust; the value is stored only as sha256 (None: removed)."""

    # generated: SettingEvent
    seq: int
    type: str
    name: str
    value_sha256: str | None
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class TrustRecord:
    """A person trusts exactly these bytes. ``path_key``: whose bytes (a real path, a template name)."""

    # generated: Trust
    project_id: str
    path_key: str
    sha256: str
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project; ``root``: the folder in which it was first seen."""

    # generated: Project
    id: str
    key: str
    root: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A wfe-mcp process: a server with its client, or a page (``ui``) with its port. Start times identify a reused pid."""

    # generated: Process
    host: str
    pid: int
    started_at: float
    kind: str
    client_pid: int | None = None
    client_started_at: float | None = None
    project_id: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The figures for ``doctor``. ``wal_is_safe`` False with ``journal_mode`` wal is a risk to report."""

    path: str
    journal_mode: str
    sqlite_version: str
    wal_is_safe: bool
    revision: str
