"""Asks the user through the client, with the address of the decision page or with a form (MCP elicitation).

    2026-07-28        the call ends with "input required" and is repeated with the answer, without state in between
    handshake eras    the client is asked while the call waits, at most ``FORM_WAIT_S``

An address is preferred: the client only opens it, and the user decides on the page. Opening it decides nothing. The form
has a text field: a client that accepts automatically sends an empty form, which decides nothing. The functions
``views.approvals.answers.answer_form`` and ``answer_page`` evaluate an answer.
"""

from contextlib import suppress
from typing import Any

import anyio
import mcp_types as mcp_types
from mcp.shared.exceptions import MCPError

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.server.tool_request import Ctx
from wfe_mcp.views.moves.envelope import Envelope

KEY = "wfe-approval:"
"""Prefix of the id of the stored request, which outlives this process, so the client carries no state."""

PAGE_KEY = "wfe-page:"
"""The prefix where the client opens the page: its answer is never a decision."""

FORM_WAIT_S = 40.0
"""A call ends before the shortest time-out of a client (60 s); the stored request stays open."""

TYPED_CHARS = 4


@dataclass(frozen=True, slots=True)
class ElicitationText:
    """A stored request, as shown to the user. ``url``: the decision page; empty for a form, which asks for the ``phrase``."""

    request: str
    sha256: str
    message: str
    url: str = ""
    phrase: str = ""

    @property
    def key(self) -> str:
        """The key of the answer."""
        return (PAGE_KEY if self.url else KEY) + self.request


@dataclass(frozen=True, slots=True)
class ElicitedAnswer:
    """The client's answer to a stored request. ``on_page``: the page was opened, so it is no decision."""

    request: str
    action: str
    content: dict[str, Any]
    on_page: bool = False


def asked_in(context: Ctx, stored: Envelope) -> ElicitationText | None:
    """The question for this client, from the envelope that stored the request: the page's address if the client opens
    pages, else a form if the gate accepts one and the client shows it; else None.
    """
    if stored.error is None or stored.error.code != "needs_human" or "request" not in stored.data:
        return None
    sha256: str = stored.data["sha256"]
    message = (
        f"{stored.data['question']}\nsha256 of what you approve: {sha256[:12]}\nAt a terminal: {stored.data['command']}"
    )
    url: str = stored.data.get("url", "")
    if url and _opens_pages(context):
        return ElicitationText(stored.data["request"], sha256, message, url)
    if stored.data.get("assurance") == "client" and _shows_forms(context):
        return ElicitationText(stored.data["request"], sha256, message, phrase=stored.data.get("phrase", ""))
    return None


def _form(text: ElicitationText) -> dict[str, Any]:
    """The JSON Schema of the form: a choice, and a text that only a reader of the message can type."""
    phrase = {"type": "string", "title": "Phrase", "description": f"To approve, type exactly: {text.phrase}"}
    return {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": ["approve", "reject"], "title": "Decision"},
            "sha256": {
                "type": "string",
                "title": "Confirmation",
                "description": f"Type the first {TYPED_CHARS} or more characters of {text.sha256[:12]}",
                "minLength": TYPED_CHARS,
            },
            "comment": {"type": "string", "title": "Comment", "description": "What should change, when rejecting"},
        }
        | ({"phrase": phrase} if text.phrase else {}),
        "required": ["decision", "sha256"],
    }


def _capability(context: Ctx) -> mcp_types.ElicitationCapability | None:
    capabilities = context.client_capabilities
    return None if capabilities is None else capabilities.elicitation


def _shows_forms(context: Ctx) -> bool:
    """True when the client declares forms (a bare ``elicitation: {}`` means forms)."""
    capability = _capability(context)
    return capability is not None and (capability.form is not None or capability.url is None)


def _opens_pages(context: Ctx) -> bool:
    capability = _capability(context)
    return capability is not None and capability.url is not None


def later(text: ElicitationText) -> mcp_types.InputRequiredResult:
    """End the call; the client asks the user and repeats the call."""
    if text.url:
        params = mcp_types.ElicitRequestURLParams(message=text.message, url=text.url)
    else:
        params = mcp_types.ElicitRequestFormParams(message=text.message, requested_schema=_form(text))
    return mcp_types.InputRequiredResult(input_requests={text.key: mcp_types.ElicitRequest(params=params)})


def answer_brought(context: Ctx) -> ElicitedAnswer | None:
    """The answer in a repeated call; None in a first one."""
    for key, response in (context.input_responses or {}).items():
        for prefix in (KEY, PAGE_KEY):
            if key.startswith(prefix) and isinstance(response, mcp_types.ElicitResult):
                return ElicitedAnswer(
                    key.removeprefix(prefix), response.action, dict(response.content or {}), prefix == PAGE_KEY
                )
    return None


async def ask_now(context: Ctx, text: ElicitationText) -> ElicitedAnswer | None:
    """Ask while the call waits. None when the client cannot, or no answer comes in time."""
    session, about = context.session, context.request_context.request_id
    with anyio.move_on_after(FORM_WAIT_S):
        try:
            if text.url:
                elicit = await session.elicit_url(text.message, text.url, text.request, about)
            else:
                elicit = await session.elicit_form(text.message, _form(text), about)
        except (MCPError, ValueError):
            return None
        return ElicitedAnswer(text.request, elicit.action, dict(elicit.content or {}), bool(text.url))
    return None


async def report_decision(context: Ctx, request: str) -> None:
    """Notify a handshake client that the request of an opened page is decided; a disconnected one is ignored."""
    with suppress(MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError):
        await context.session.send_elicit_complete(request)
