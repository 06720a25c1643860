"""How is a person asked through a form of the client?

    2026-07-28        the call ends with "input required" and comes again with the answer: nothing is kept meanwhile
    handshake eras    the client is asked while the call waits, at most ``FORM_WAIT_S``

The form has a field to type into: a client that accepts by itself sends an empty form, which decides nothing. What an
answer counts for, ``views.answers.answer_form`` says.
"""

from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from wfe_mcp.server.call import Ctx
from wfe_mcp.views.envelope import Envelope

__all__ = [
    "FORM_WAIT_S",
    "KEY",
    "Answered",
    "Asked",
    "answer_brought",
    "ask_now",
    "asked_in",
    "later",
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
    content: dict[str, Any]


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
            return Answered(key.removeprefix(KEY), found.action, dict(found.content or {}))
    return None


async def ask_now(context: Ctx, asked: Asked) -> Answered | None:
    """Ask while the call waits. None when the client cannot, or nobody answers in time."""
    with anyio.move_on_after(FORM_WAIT_S):
        try:
            found = await context.session.elicit_form(asked.message, _form(asked), context.request_context.request_id)
        except (MCPError, ValueError):
            return None
        return Answered(asked.request, found.action, dict(found.content or {}))
    return None
