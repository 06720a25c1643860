"""The closed sets of values that columns hold."""

from enum import StrEnum
from typing import Literal


class RequestStatus(StrEnum):
    """Status of an approval request. ``void``: its revision is no longer the open one."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"


class CallPurpose(StrEnum):
    """The purpose of a model call: an opinion, the work of a phase, a step, a user's question, or a connection test."""

    OPINION = "opinion"
    WORK = "work"
    STEP = "step"
    QUESTION = "question"
    TEST = "test"


class CallStatus(StrEnum):
    """Status of a call. ``lost``: its process or job ended first; the most that it may have used counts."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


class JobStatus(StrEnum):
    """Status of a job. ``parked``: it may not run twice, so a person decides."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"


class Effect(StrEnum):
    """The effect of a second execution: none, none with the same key, or harm."""

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    NON_REPEATABLE = "non_repeatable"


AskedBy = Literal["gate", "call"]
"""Requested by a gate of the template, or by a call. A gate counts only the opinions that it requested."""


class Kind(StrEnum):
    """The kind of a hit. A finding comes from a reviewer, an artifact (``findings``) or a scanner; a blocker from a recovery."""

    RUN = "run"
    ARTIFACT = "artifact"
    EVENT = "event"
    DECISION = "decision"
    FINDING = "finding"
    BLOCKER = "blocker"
    ATTACHMENT = "attachment"
    WORK_ITEM = "work_item"


class StepStatus(StrEnum):
    """Status of a step. ``unknown``: it is unknown whether its effect happened, so a person decides."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


EACH_RUN = (
    "CheckpointTaken",
    "GateJudged",
    "PhaseCompleted",
    "PhaseReady",
    "PhaseStarted",
    "RevisionSubmitted",
    "RunCompleted",
    "RunStarted",
)
"""Types of events that nearly each run has: the newest of them are found without an index."""
UNCOUNTED = "counted IS NULL OR counted <> last_seq"
"""True of a run whose log ``phase_sum`` does not have as it is now: an open one, too."""

ALL_DAYS = ""
"""The ``day`` of sums over all days."""

RARE_TYPES = f"type NOT IN {EACH_RUN}"
"""The condition of the index of the others. SQLite takes the index only for a query with the same condition."""
