"""Maps errors of pydantic-ai, vendors' SDKs and the HTTP client to provider faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from pydantic_ai import exceptions as ai

from wfe_mcp.providers.faults import fault, message_in_body, status_fault, transport_fault

if TYPE_CHECKING:
    from wfe_mcp.providers.call import Connection, ProviderFault, Usage


def failure(error: BaseException, connection: Connection, usage: Usage) -> ProviderFault | None:
    """The fault for ``error``; None when it comes from elsewhere (a listener, a tool, a bug in wfe-mcp)."""
    for kind, row in _ROWS:
        if isinstance(error, kind):
            return fault(row, connection, usage=usage, status=529)
    status = getattr(error.__cause__, "status_code", getattr(error.__cause__, "code", 0))  # the latter of google-genai
    if isinstance(status, int) and 300 <= status < 400:
        return fault("moved", connection, usage=usage, status=status)
    match error:
        case ai.ModelHTTPError():
            return _of_status(error, connection, usage)
        case ai.ModelConnectionError() | httpx2.HTTPError() | httpx2.StreamError():
            return transport_fault(error, connection, usage)
        case ai.ModelAPIError():
            return _of_no_status(error, connection, usage)
        case ai.UnexpectedModelBehavior():
            return fault("unreadable", connection, usage=usage, why=_why(error))
        case ValueError() if _from_sdk(error):
            return fault("unreadable", connection, usage=usage, why="it does not have the format of this API")
        case _:
            return None


# Before the rows of HTTP statuses: the same status has several meanings, and errors inside a stream have none.
_ROWS: tuple[tuple[type[BaseException], str], ...] = (
    (ai.ModelQuotaExceededError, "no_quota"),
    (ai.ModelContextWindowExceededError, "too_long"),
)


def _of_no_status(error: ai.ModelAPIError, connection: Connection, usage: Usage) -> ProviderFault:
    if "decode" in error.message or "JSON" in error.message:
        return fault("unreadable", connection, usage=usage, why="it is not JSON")
    return fault("other", connection, usage=usage, detail=error.message)


def _of_status(error: ai.ModelHTTPError, connection: Connection, usage: Usage) -> ProviderFault:
    detail = message_in_body(error.body)
    if isinstance(error, ai.ModelAuthenticationError) and error.status_code not in (401, 403):
        return fault("wrong_key", connection, usage=usage)  # Gemini answers 400 with a reason
    return status_fault(
        connection, error.status_code, detail=detail, ours=bool(detail), headers=error.headers, usage=usage
    )


def _why(error: ai.UnexpectedModelBehavior) -> str:
    # "Streamed response ended without content or tool calls" is the common case: no event had this API's format.
    return "it contains no answer" if "without content" in error.message else error.message


def _from_sdk(error: BaseException) -> bool:
    """True when the error was raised while an SDK read an answer."""
    step = error.__traceback__
    names: set[str] = set()
    while step is not None:
        names.add(step.tb_frame.f_globals.get("__name__", "").partition(".")[0])
        step = step.tb_next
    return bool(names & {"anthropic", "openai", "google", "httpx2"})
