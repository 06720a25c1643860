"""How is a person asked through the client: with the address of the decision page, or with a form?

    2026-07-28        the call ends with "input required" and comes again with the answer: nothing is kept meanwhile
    handshake eras    the client is asked while the call waits, at most ``FORM_WAIT_S``

An address is best: the client only opens it, and the person decides on our page. That they opened it decides nothing.
The form has a field to type into: a client that accepts by itself sends an empty form, which decides nothing. What an
answer counts for, ``views.decisions.answer_form`` and ``answer_page`` say.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)

from wfe_mcp.server.tool_request import Ctx
from wfe_mcp.views.envelope import Envelope

__all__ = [
    "FORM_WAIT_S",
    "KEY",
    "PAGE_KEY",
    "Answered",
    "ElicitationText",
    "answer_brought",
    "ask_now",
    "asked_in",
    "later",
    "say_decided",
]

KEY = "wfe-approval:"
"""Followed by the id of the stored request: it outlives this process, so no state travels through the client."""

PAGE_KEY = "wfe-page:"
"""The same, where the client was asked to open the page: whatever comes back with it is no decision."""

FORM_WAIT_S = 40.0
"""A call ends before the shortest time-out of a client (60 s); the stored request stays open."""

TYPED_CHARS = 4


@dataclass(frozen=True, slots=True)
class ElicitationText:
    """A stored request as a person sees it. ``url``: where they decide; empty where they fill in a form."""

    request: str
    sha256: str
    message: str
    url: str = ""

    @property
    def key(self) -> str:
        """What the answer is named by."""
        return (PAGE_KEY if self.url else KEY) + self.request


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for a stored request. ``on_page``: the person was sent to the page, so it is no decision."""

    request: str
    action: str
    content: dict[str, Any]
    on_page: bool = False


def asked_in(context: Ctx, stored: Envelope) -> ElicitationText | None:
    """What to ask through this client, from the answer that stored the request: the address of the page if the client
    opens pages, else a form where the gate takes one and the client shows it. None where neither is possible.
    """
    if stored.error is None or stored.error.code != "needs_human" or "request" not in stored.data:
        return None
    sha256: str = stored.data["sha256"]
    message = f"{stored.data['question']}\nsha256 of what you approve: {sha256[:12]}"
    url: str = stored.data.get("url", "")
    if url and _opens_pages(context):
        return ElicitationText(stored.data["request"], sha256, message, url)
    if stored.data.get("assurance") == "client" and _shows_forms(context):
        return ElicitationText(stored.data["request"], sha256, message)
    return None


def _form(asked: ElicitationText) -> dict[str, Any]:
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


def _capability(context: Ctx) -> ElicitationCapability | None:
    capabilities = context.client_capabilities
    return None if capabilities is None else capabilities.elicitation


def _shows_forms(context: Ctx) -> bool:
    """True when the client says that it shows forms (a bare ``elicitation: {}`` means forms)."""
    found = _capability(context)
    return found is not None and (found.form is not None or found.url is None)


def _opens_pages(context: Ctx) -> bool:
    found = _capability(context)
    return found is not None and found.url is not None


def later(asked: ElicitationText) -> InputRequiredResult:
    """End the call; the client asks and calls again."""
    if asked.url:
        params = ElicitRequestURLParams(message=asked.message, url=asked.url)
    else:
        params = ElicitRequestFormParams(message=asked.message, requested_schema=_form(asked))
    return InputRequiredResult(input_requests={asked.key: ElicitRequest(params=params)})


def answer_brought(context: Ctx) -> Answered | None:
    """What a call brings along that comes again with an answer."""
    for key, found in (context.input_responses or {}).items():
        for prefix in (KEY, PAGE_KEY):
            if key.startswith(prefix) and isinstance(found, ElicitResult):
                return Answered(key.removeprefix(prefix), found.action, dict(found.content or {}), prefix == PAGE_KEY)
    return None


async def ask_now(context: Ctx, asked: ElicitationText) -> Answered | None:
    """Ask while the call waits. None when the client cannot, or nobody answers in time."""
    session, about = context.session, context.request_context.request_id
    with anyio.move_on_after(FORM_WAIT_S):
        try:
            if asked.url:
                found = await session.elicit_url(asked.message, asked.url, asked.request, about)
            else:
                found = await session.elicit_form(asked.message, _form(asked), about)
        except (MCPError, ValueError):
            return None
        return Answered(asked.request, found.action, dict(found.content or {}), bool(asked.url))
    return None


async def say_decided(context: Ctx, request: str) -> None:
    """Tell a handshake client that what it opened a page for is done. One that has left hears nothing."""
    with suppress(MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError):
        await context.session.send_elicit_complete(request)
