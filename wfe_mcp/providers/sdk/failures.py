"""Which fault of ours is an error of pydantic-ai, of a vendor's SDK or of the HTTP client?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx2
from pydantic_ai import exceptions as ai

from wfe_mcp.providers.faults import chain, fault, is_tls, status_fault

if TYPE_CHECKING:
    from wfe_mcp.providers.call import Connection, ProviderFault, Usage

__all__ = ["failure"]


def failure(error: BaseException, connection: Connection, usage: Usage) -> ProviderFault | None:
    """The fault that ``error`` is; None when it comes from somewhere else (a listener, a tool, a bug of ours)."""
    for kind, row in _ROWS:
        if isinstance(error, kind):
            return fault(row, connection, usage=usage, status=529)
    status = getattr(error.__cause__, "status_code", 0)
    if 300 <= status < 400:
        return fault("moved", connection, usage=usage, status=status)
    match error:
        case ai.ModelHTTPError():
            return _of_status(error, connection, usage)
        case ai.ModelConnectionError() | httpx2.HTTPError() | httpx2.StreamError():
            return _of_transport(error, connection, usage)
        case ai.ModelAPIError():
            return _of_no_status(error, connection, usage)
        case ai.UnexpectedModelBehavior():
            return fault("unreadable", connection, usage=usage, why=_why(error))
        case ValueError() if _from_sdk(error):
            return fault("unreadable", connection, usage=usage, why="it is not what this API sends")
        case _:
            return None


# Before the rows of HTTP statuses: the same status has several meanings, and errors inside a stream have none.
_ROWS: tuple[tuple[type[BaseException], str], ...] = (
    (ai.ModelRequestTimeout, "too_slow"),
    (ai.ModelQuotaExceededError, "no_quota"),
    (ai.ModelContextWindowExceededError, "too_long"),
    (ai.ContentFilterError, "declined"),
)


def _of_no_status(error: ai.ModelAPIError, connection: Connection, usage: Usage) -> ProviderFault:
    if "decode" in error.message or "JSON" in error.message:
        return fault("unreadable", connection, usage=usage, why="it is no JSON")
    return fault("other", connection, usage=usage, said=error.message)


def _of_status(error: ai.ModelHTTPError, connection: Connection, usage: Usage) -> ProviderFault:
    body = error.body
    said = _said(body)
    if isinstance(error, ai.ModelAuthenticationError) and error.status_code not in (401, 403):
        return fault("wrong_key", connection, usage=usage)
    if error.status_code == 200:  # an error inside a stream that names no status
        return fault("other", connection, usage=usage, said=said)
    return status_fault(
        connection, error.status_code, said=said, ours=bool(said), headers=error.headers, usage=usage
    )  # fmt: skip


def _said(body: object) -> str:
    """The message in a body of the shape that these APIs use for errors; empty for any other body."""
    if not isinstance(body, dict):
        return ""
    inner = cast("dict[str, Any]", body)
    inner = inner.get("error", inner)
    message = cast("dict[str, Any]", inner).get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) else ""


def _of_transport(error: BaseException, connection: Connection, usage: Usage) -> ProviderFault:
    tls = is_tls(error)
    if tls:
        return fault("tls", connection, usage=usage, why=tls)
    for each in chain(error):
        match each:
            case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
                return fault("no_route", connection, usage=usage, why=f"no connection in {connection.connect_s:g} s")
            case httpx2.ConnectError() | httpx2.UnsupportedProtocol() | httpx2.ProxyError():
                return fault("no_route", connection, usage=usage, why=_os_words(each))
            case httpx2.TimeoutException():
                return fault("silent", connection, usage=usage)
            case httpx2.TransportError():
                return fault("cut", connection, usage=usage)
            case _:
                continue
    return fault("cut", connection, usage=usage)


def _os_words(error: BaseException) -> str:
    """What the operating system says, without its numbers: ``Connection refused``."""
    for each in chain(error):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return "the connection failed"


def _why(error: ai.UnexpectedModelBehavior) -> str:
    # "Streamed response ended without content or tool calls", the common case: what came was no event of this API.
    return "nothing in it is an answer" if "without content" in error.message else error.message


def _from_sdk(error: BaseException) -> bool:
    """Whether the error was raised while an SDK read an answer."""
    step = error.__traceback__
    names: set[str] = set()
    while step is not None:
        names.add(step.tb_frame.f_globals.get("__name__", "").partition(".")[0])
        step = step.tb_next
    return bool(names & {"anthropic", "openai", "google", "httpx2"})
