"""One stored approval request: what it shows and which answers it takes.

    open        it takes an answer: ``shown`` is what would be approved
    answered    by whom, when, through which channel
    expired     no answer in time; the agent or the user asks again
    closed      what it asked about is gone; ``newer`` names the request that is open in its place

Made for the decision page, by the request's id alone; plain values, made once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.store.records.approvals import RequestStatus
from wfe_mcp.views.approvals.model import shown_sha256
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.approvers import signers
from wfe_mcp.views.envelopes import overview_of
from wfe_mcp.views.move_calls import button, user_moves

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store.records.approvals import DecisionRecord, RequestRecord
    from wfe_mcp.views.approvals.model import ApprovalView

RequestState = Literal["open", "answered", "expired", "closed"]


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A request as shown to the user. ``shown``: what it asks, only while it is open.

    ``back_to``: earlier phases that a rejection may return the run to. ``gating``: the gates run again now.
    ``passkeys``: names of the keys that may sign; where there is none, ``no_passkey`` says why. ``buttons``: the labels of
    the decisions that are legal now, ``Approve`` and ``Reject``.
    """

    request: RequestRecord
    state: RequestState
    project: str
    title: str
    template: str
    tainted: bool
    gating: bool = False
    newer: str | None = None
    answer: DecisionRecord | None = None
    shown: ApprovalView | None = None
    back_to: tuple[str, ...] = ()
    passkeys: tuple[str, ...] = ()
    no_passkey: str = ""
    buttons: tuple[str, ...] = ()

    @property
    def shown_sha256(self) -> str:
        """The sha256 of what is shown; empty when nothing is asked."""
        return "" if self.shown is None else shown_sha256(self.shown)

    @property
    def command(self) -> str:
        """The same at a terminal."""
        return f"wfe-mcp approve {self.request.run_id} {typed(self.request.phase)}"


def decision_view(engine: Engine, request_id: str) -> DecisionView:
    """Everything about a request of this project. Refuses ``stale_revision`` for an unknown id."""
    with engine.store.read() as tx:
        request = tx.approvals.get(request_id)
        answer = None if request is None else tx.approvals.decision(request_id)
    if request is None:
        raise Refused(
            "stale_revision", f"There is no request {request_id[:80]!r}.", "Call approve again for a new request."
        )
    found = overview_of(engine, request.run_id)
    attempt = found.loaded.state.current(request.phase)
    record = found.loaded.record
    state = state_of_request(engine, request, attempt)
    base = DecisionView(
        request,
        state,
        str(engine.root),
        record.title,
        f"{record.template} {record.template_version}",
        record.tainted,
        gating=attempt.status is AttemptStatus.GATING,
        newer=None if state == "open" else _newer(engine, request, attempt),
        answer=answer,
    )
    return base if state != "open" else _with_all(engine, found, base, attempt)


def takes_answer(engine: Engine, request: RequestRecord) -> bool:
    """True while an answer to ``request`` would count."""
    attempt = overview_of(engine, request.run_id).loaded.state.current(request.phase)
    return state_of_request(engine, request, attempt) == "open"


def state_of_request(engine: Engine, request: RequestRecord, attempt: Attempt) -> RequestState:
    """The state of ``request``, whose phase is at ``attempt``."""
    if request.status in {RequestStatus.APPROVED, RequestStatus.REJECTED}:
        return "answered"
    asked = attempt.status is AttemptStatus.AWAITING and attempt.asked == request.id
    if request.status is not RequestStatus.OPEN or not asked:
        return "closed"
    late = request.expires_at is not None and request.expires_at <= engine.clock()
    return "expired" if late else "open"


def _newer(engine: Engine, request: RequestRecord, attempt: Attempt) -> str | None:
    with engine.store.read() as tx:
        found = tx.approvals.open_request(request.run_id, request.phase, attempt.number)
    is_asked = found is not None and found.id != request.id and state_of_request(engine, found, attempt) == "open"
    return found.id if found is not None and is_asked else None


def _with_all(engine: Engine, found: Overview, base: DecisionView, attempt: Attempt) -> DecisionView:
    shown = open_approval(engine, found, base.request.phase)
    assert shown is not None, "the request is open"
    passkeys, no_passkey = signers(engine, Path(found.loaded.record.worktree))
    return replace(
        base,
        passkeys=passkeys,
        no_passkey=no_passkey,
        shown=shown,
        back_to=_back_to(found, base.request),
        buttons=tuple(button(move) for move in user_moves(found, attempt) if isinstance(move, c.Approve | c.Reject)),
    )


def _back_to(found: Overview, request: RequestRecord) -> tuple[str, ...]:
    state = found.loaded.state
    return tuple(sorted(path for path in outwards(state.spec, request.phase) if path in state.attempts))
