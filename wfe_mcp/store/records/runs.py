"""Runs with what they hold (steps, artifacts, requests, events), work items and settings as plain values, free of SQL.

Importing these types loads no database library. ``New…`` goes into the store, ``…Record`` comes out. Those whose fields
follow from the tables are in ``store/layout``. Times are aware UTC. JSON values are plain dicts and lists; treat them as
frozen, they may be shared.

A step: ready ──→ queued ──→ running ──→ done | failed | unknown        skipped: its ``if`` was false
          ↑                     │ a retry, a pause            cancelled: its attempt ended first
          └─────────────────────┘ waiting: for trust
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId, RunState
from wfe_mcp.store.enums import RequestStatus, StepStatus
from wfe_mcp.store.layout.project_records import (
    ItemEventRecord,
    ItemRow,
    ProcessRecord,
    ProjectRecord,
    SettingEvent,
    TrustRecord,
)
from wfe_mcp.store.layout.run_records import (
    AttachmentHead,
    AttachmentRecord,
    DecisionRecord,
    EventRecordColumns,
    EvidenceRecord,
    NewRequest,
    NewRunColumns,
    OpenAttempt,
    RefusedSubmissionColumns,
    RequestRecord,
    RevisionHead,
    RevisionRecord,
    RunRecord,
    StepRecord,
)

__all__ = [
    "IN_DOUBT",
    "NO_GATE",
    "AttachmentHead",
    "AttachmentRecord",
    "DecisionRecord",
    "EventRecord",
    "EvidenceRecord",
    "Health",
    "ItemEventRecord",
    "ItemRow",
    "LoadedRun",
    "NewRequest",
    "NewRun",
    "OpenAttempt",
    "ProcessRecord",
    "ProjectRecord",
    "RefusedSubmission",
    "RequestRecord",
    "RequestStatus",
    "RevisionHead",
    "RevisionRecord",
    "RunPage",
    "RunRecord",
    "SettingEvent",
    "StepRecord",
    "StepStatus",
    "TrustRecord",
]


@dataclass(frozen=True, slots=True)
class NewRun(NewRunColumns):
    """A run to create. ``definition_sha256`` names a stored document; ``frozen`` holds checks, roles, servers, context.

    ``triggered_by``: the cause of its start, such as a push; ``external_id``: its name there. Both may be empty.
    """

    _: KW_ONLY
    inputs: Mapping[str, Any]
    frozen: Mapping[str, Any]
    idempotency_key: str | None = None
    args_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first; ``cursor`` continues the list, None at its end."""

    runs: tuple[RunRecord, ...]
    cursor: str | None
    damaged: Mapping[RunId, Refused]
    """The refusals of those among them whose row cannot be read."""


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as it was when read; ``tx.runs.save`` refuses when it has changed since."""

    record: RunRecord
    state: RunState


@dataclass(frozen=True, slots=True)
class EventRecord(EventRecordColumns):
    """One row of the append-only log, with its place in the chain."""

    payload: dict[str, Any]


UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What rows raise that were tampered with."""


UNCAUSED = "event_uncaused"
"""The code of an event that no command and no state could cause where it stands."""
RULES_BEGAN = ("RulesBegan", "2")
"""The settings event since which events are judged by the rules of a run, and the number of these rules: a change after which
an honest log of before would not be caused any more takes the next number.
"""


@dataclass(frozen=True, slots=True)
class RefusedSubmission(RefusedSubmissionColumns):
    """An invalid submission as received, capped; ``size_bytes`` is its full length."""

    errors: list[dict[str, Any]]


IN_DOUBT = "It may have had its effect: "
"""Prefix of a parked job's error."""

NO_GATE = -1
"""Gate number of evidence that belongs to no gate."""


@dataclass(frozen=True, slots=True)
class Health:
    """The figures for ``doctor``. ``wal_is_safe`` False with ``journal_mode`` wal is a risk to report.

    ``path``: the file, or the address of the server without a password. ``is_owner``: its role could drop our triggers.
    """

    path: str
    journal_mode: str
    version: str
    wal_is_safe: bool
    revision: str
    library: str = "SQLite"
    is_owner: bool = False
