"""Approval requests and decisions as plain values, free of SQL."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Assurance, Channel, RunId, Stage
from wfe_mcp.core.paths import PhasePath


class RequestStatus(StrEnum):
    """Status of an approval request. ``void``: its revision is no longer the open one."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class NewRequest:
    """An approval request for exactly these bytes, at exactly this gate."""

    # generated: Request, given
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

    # generated: Request
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

    # generated: Decision, without request_id
    approved: bool
    actor: str
    channel: Channel
    assurance: Assurance
    at: datetime
    comment: str = ""
    to: PhasePath | None = None
    ancestors: str = ""
