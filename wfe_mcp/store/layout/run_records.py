"""Records of the tables. Written by scripts/generate_layout.py from tables.py and store_records.py: change those, not this."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from wfe_mcp.core.attempt_states import AttemptStatus, Stage
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Assurance, Channel, RunId, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.enums import RequestStatus, StepStatus


@dataclass(frozen=True, slots=True)
class NewRequest:
    """An approval request for exactly these bytes, at exactly this gate."""

    run_id: RunId
    phase: PhasePath
    attempt: int
    stage: Stage
    gate: int
    sha256: str
    assurance: Assurance
    tree: str | None = None
    expires_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A stored request; ``status`` shows whether a decision is still possible."""

    id: str
    run_id: RunId
    phase: PhasePath
    attempt: int
    stage: Stage
    gate: int
    sha256: str
    assurance: Assurance
    status: RequestStatus
    created_at: datetime
    closed_at: datetime | None
    tree: str | None = None
    expires_at: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The one decision on a request. ``to``: the earlier phase a rejection goes back to.

    ``ancestors``: the parent processes of the deciding one, nearest first; empty for a browser or form.
    """

    approved: bool
    actor: str
    channel: Channel
    assurance: Assurance
    at: datetime
    comment: str = ""
    to: PhasePath | None = None
    ancestors: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentHead:
    """An attachment without its content. ``number``: counted per run, from 1; ``sha256``: of the content."""

    id: str
    run_id: RunId
    number: int
    phase: PhasePath
    attempt: int
    iteration: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    note: str
    actor: str
    channel: Channel
    at: datetime


@dataclass(frozen=True, slots=True)
class AttachmentRecord(AttachmentHead):
    """An attachment with its content."""

    content: bytes


@dataclass(frozen=True, slots=True)
class NewRunColumns:
    """The columns of ``NewRun``."""

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


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One row of the run list. Each ``…_sha256`` except the template's names a document; only imported runs have an origin."""

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
class OpenAttempt:
    """An attempt that may need action: its holder died, its time is over, its wait has ended."""

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
class EventRecordColumns:
    """The columns of ``EventRecord``."""

    seq: int
    type: str
    at: datetime
    actor: str
    channel: Channel
    assurance: Assurance
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class RevisionHead:
    """A revision of an artifact without its content. ``schema_name``: a shipped name, or ``inline``."""

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

    content: str


@dataclass(frozen=True, slots=True)
class RefusedSubmissionColumns:
    """The columns of ``RefusedSubmission``."""

    run_id: RunId
    phase: PhasePath
    attempt: int
    size_bytes: int
    at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Evidence of a gate: exit codes, counts, hashes, and the tree and revision it is about.

    ``gate``: its number within its stage, or ``NO_GATE`` when a check ran as the step that ``data`` names.
    """

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
class StepRecord:
    """One step of one attempt. ``does``: a description of the call; ``carried``: the attempt that ran it.

    ``served_by``: the name and version that the MCP server reported.
    ``enqueued`` counts its jobs, ``tries`` those that started; ``job_id`` is the job whose answer counts.
    """

    run_id: RunId
    phase: PhasePath
    attempt: int
    step: str
    position: int
    does: str
    status: StepStatus
    tries: int = 0
    enqueued: int = 0
    job_id: str | None = None
    idempotency_key: str | None = None
    carried: int | None = None
    not_before: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    input: Any = None
    output: Any = None
    served_by: str = ""


@dataclass(frozen=True, slots=True)
class PrunedRun:
    """The record of a removed run. ``events``: how many it had; ``at``: when it was removed."""

    run_id: RunId
    project_id: str
    template: str
    title: str
    events: int
    last_hash: str
    created_at: datetime
    ended_at: datetime
    at: datetime
    actor: str
