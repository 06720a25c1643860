"""How is a person asked through a form of the client, and what does the answer count for?

    2026-07-28        the call ends with "input required" and comes again with the answer: nothing is kept meanwhile
    handshake eras    the client is asked while the call waits, at most ``FORM_WAIT_S``

Rules:
1. An answer counts only for a stored request that is still open, on the revision that was shown, where the gate takes a
   form. Everything else decides nothing.
2. The form has a field to type into: a client that accepts by itself sends an empty form, which decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from wfe_mcp.core.errors import Code, Refused
from wfe_mcp.core.model import Assurance
from wfe_mcp.engine import approvals
from wfe_mcp.engine.desk import Engine
from wfe_mcp.server.call import Ctx
from wfe_mcp.store.records import RequestRecord, RequestStatus
from wfe_mcp.views.answers import standing_of
from wfe_mcp.views.envelope import Envelope
from wfe_mcp.views.next_moves import next_moves

__all__ = [
    "FORM_WAIT_S",
    "KEY",
    "Answered",
    "Asked",
    "answer_brought",
    "ask_now",
    "asked_in",
    "later",
    "settled",
    "shows_forms",
]

KEY = "wfe-approval:"
"""Followed by the id of the stored request: it outlives this process, so no state travels through the client."""

FORM_WAIT_S = 40.0
"""A call ends before the shortest time-out of a client (60 s); the stored request stays open."""

TYPED_CHARS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored request as a person sees it."""

    request: str
    sha256: str
    message: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for a stored request."""

    request: str
    action: str
    content: Mapping[str, Any]


def asked_in(stored: Envelope) -> Asked | None:
    """What to ask, from the answer that stored the request. None where the gate takes no form."""
    if stored.error is None or stored.error.code != "needs_human" or stored.data.get("assurance") != "client":
        return None
    sha256: str = stored.data["sha256"]
    return Asked(stored.data["request"], sha256, f"{stored.error.message}\nsha256 of what you approve: {sha256[:12]}")


def _form(asked: Asked) -> dict[str, Any]:
    """The JSON Schema of the form: a choice, and something only a reader of the message types."""
    return {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": ["approve", "reject"], "title": "Decision"},
            "sha256": {
                "type": "string",
                "title": "Confirmation",
                "description": f"Type the first {TYPED_CHARS} or more characters of {asked.sha256[:12]}",
                "minLength": TYPED_CHARS,
            },
            "comment": {
                "type": "string",
                "title": "Comment",
                "description": "What should be different, when rejecting",
            },
        },
        "required": ["decision", "sha256"],
    }


def shows_forms(context: Ctx) -> bool:
    """True when the client says that it shows forms (a bare ``elicitation: {}`` means forms)."""
    capabilities = context.client_capabilities
    found = None if capabilities is None else capabilities.elicitation
    return found is not None and (found.form is not None or found.url is None)


def later(asked: Asked) -> InputRequiredResult:
    """End the call; the client asks and calls again."""
    params = ElicitRequestFormParams(message=asked.message, requested_schema=_form(asked))
    return InputRequiredResult(input_requests={KEY + asked.request: ElicitRequest(params=params)})


def answer_brought(context: Ctx) -> Answered | None:
    """What a call brings along that comes again with an answer."""
    for key, found in (context.input_responses or {}).items():
        if key.startswith(KEY) and isinstance(found, ElicitResult):
            return Answered(key.removeprefix(KEY), found.action, found.content or {})
    return None


async def ask_now(context: Ctx, asked: Asked) -> Answered | None:
    """Ask while the call waits. None when the client cannot, or nobody answers in time."""
    with anyio.move_on_after(FORM_WAIT_S):
        try:
            found = await context.session.elicit_form(asked.message, _form(asked), context.request_context.request_id)
        except (MCPError, ValueError):
            return None
        return Answered(asked.request, found.action, found.content or {})
    return None


def settled(engine: Engine, answered: Answered) -> Envelope:
    """What the answer changes. Refuses ``needs_human`` when it decides nothing, ``stale_revision`` when it is too late."""
    with engine.store.read() as tx:
        request = tx.request_by_id(answered.request)
        loaded = engine.load(tx, request.run_id) if request is not None else None
    if request is None or loaded is None:
        raise Refused("stale_revision", "No stored request has this id.", "Call approve again: it stores one.")
    if request.status in {RequestStatus.APPROVED, RequestStatus.REJECTED}:
        return _told(engine, request, f"{request.status} already")
    if request.status is RequestStatus.VOID or loaded.state.current(request.phase).number != request.attempt:
        raise _refused("stale_revision", request, "What the form was about is no longer the open revision.",
                       "Call status, then approve for the open revision.")  # fmt: skip
    if request.assurance > Assurance.CLIENT:
        raise _undecided(request, "This gate takes no form.")
    if answered.action != "accept":
        raise _undecided(request, f"The form came back as {answered.action!r}: no decision.")
    typed = str(answered.content.get("sha256", "")).strip().lower()
    if len(typed) < TYPED_CHARS or not request.sha256.startswith(typed):
        raise _undecided(request, "The form came back without the first characters of the sha256: no decision.")
    return _decided(engine, request, answered)


def _decided(engine: Engine, request: RequestRecord, answered: Answered) -> Envelope:
    comment = str(answered.content.get("comment") or "")
    run, phase, sha256 = request.run_id, request.phase, request.sha256
    match answered.content.get("decision"):
        case "approve":
            approvals.decide(engine, approvals.FORM, run, phase, sha256=sha256, comment=comment)
            return _told(engine, request, "approved")
        case "reject":
            feedback = comment or "Rejected by the user, without a comment."
            approvals.reject(engine, approvals.FORM, run, phase, feedback, sha256=sha256)
            return _told(engine, request, "rejected")
        case _:
            raise _undecided(request, "The form came back without a decision.")


def _told(engine: Engine, request: RequestRecord, what: str) -> Envelope:
    found = standing_of(engine, request.run_id)
    state = found.loaded.state
    return Envelope(
        True, request.run_id, request.phase, str(state.current(request.phase).status), str(state.status),
        found.waiting_on, f"{request.phase}: {what}", next_moves(found), {"request": request.id, "decided_by": "form"},
    )  # fmt: skip


def _undecided(request: RequestRecord, why: str) -> Refused:
    command = f"wfe-mcp approve {request.run_id} {request.phase}"
    return _refused("needs_human", request, f"{why} The request stays open.",
                    f"Ask the user to run in a terminal of their own: {command}; or call approve again.")  # fmt: skip


def _refused(code: Code, request: RequestRecord, message: str, hint: str) -> Refused:
    return Refused(code, message, hint, run=request.run_id, phase=request.phase)
