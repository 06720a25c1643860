"""The faults of providers: a table of messages and hints, and the mapping from HTTP statuses and transport errors.

Rules:
1. One row per failure: the kind, what happened, what to do next. No row names an SDK or contains a key.
2. A provider's own message is quoted only where it helps, shortened and without the key.
"""

import math
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from wfe_mcp.providers.call import FAULTS, MOST_WAIT_S, Connection, FaultKind, ProviderFault, Usage
from wfe_mcp.workspace.config.provider_kinds import ProviderKind
from wfe_mcp.workspace.system.redaction import without_hidden

T = TypeVar("T")

VENDORS: dict[ProviderKind, str] = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""A vendor's address, used without a base_url."""

_TEST = "Then test it: wfe-mcp providers test {provider}"
_LIST = "To list its models: wfe-mcp providers test {provider}"

_ROWS: dict[str, tuple[FaultKind, str, str]] = {
    "no_key": (
        "not_configured",
        "Provider {provider!r} has no key.",
        f"Store one: wfe-mcp providers key {{provider}}. {_TEST}",
    ),
    "no_model": (
        "not_configured",
        "No model is set for provider {provider!r}.",
        f"Set one in its role or provider. {_LIST}",
    ),
    "no_address": (
        "not_configured",
        "Provider {provider!r} of kind {kind} has no base_url.",
        "Set the address of its API, such as http://127.0.0.1:11434/v1",
    ),
    "plain_http": (
        "not_configured",
        "Provider {provider!r}: {why}.",
        "A key must not be sent unencrypted to another machine.",
    ),
    "no_package": (
        "not_configured",
        "Provider {provider!r} of kind {kind} cannot be used: {why}.",
        f"Fix or install the package; wfe-mcp doctor reports what is wrong. {_TEST}",
    ),
    "not_http": (
        "not_configured",
        "Provider {provider!r} of kind {kind} is not called over HTTP.",
        "Set a provider of another kind for this role.",
    ),
    "no_api": (
        "not_configured",
        "{address} answers, but not as an API of kind {kind} (HTTP {status}).",
        f"Check base_url of provider {{provider!r}}; most end with /v1. {_TEST}",
    ),
    "moved": (
        "not_configured",
        "{address} redirects to another address, to which no key is sent (HTTP {status}).",
        f"Set base_url of provider {{provider!r}} to the final address. {_TEST}",
    ),
    "not_installed": (
        "not_installed",
        "Provider {provider!r} of kind {kind} needs the extra {extra!r}, which is not installed.",
        "Install it: uv tool install 'wfe-mcp[{extra}]' (or pip install 'wfe-mcp[{extra}]').",
    ),
    "wrong_key": (
        "wrong_key",
        "Provider {provider!r} rejected the key.",
        f"Check that the key belongs to {{address}}. {_TEST}",
    ),
    "forbidden": (
        "wrong_key",
        "The key of provider {provider!r} may not use model {model!r}.",
        f"Use another key or another model. {_LIST}",
    ),
    "wrong_model": ("wrong_model", "Provider {provider!r} has no model {model!r}.", f"Set another one. {_LIST}"),
    "no_route": (
        "no_route",
        "Provider {provider!r} cannot be reached at {address}: {why}.",
        f"Check that it runs, base_url and network; variables name no proxy: set proxy in [http] of your own configuration. {_TEST}",
    ),
    "cut": ("no_route", "Provider {provider!r} closed the connection during its answer.", "Retry."),
    "tls": (
        "tls",
        "The certificate of {address} is not trusted: {why}.",
        "Check base_url; for a private authority, name its file as ca_file in [http] of your own configuration. "
        + _TEST,
    ),
    "authorities": (
        "tls",
        "The certificates for provider {provider!r} cannot be read: {why}.",
        "Correct ca_file in [http] of your own configuration.",
    ),
    "proxy": (
        "not_configured",
        "The proxy for provider {provider!r} is no address that begins with http:// or https://.",
        "Correct proxy in [http] of your own configuration.",
    ),
    "rate_limited": (
        "rate_limited",
        "Provider {provider!r} received too many requests{wait}.",
        "Wait, or use another model.",
    ),
    "no_quota": (
        "refused",
        "The account of provider {provider!r} has no quota or credit left.",
        "Add credit at the vendor, or use another provider.",
    ),
    "overloaded": (
        "overloaded",
        "Provider {provider!r} is overloaded or unavailable (HTTP {status}){wait}.",
        "Wait, or use another model.",
    ),
    "silent": (
        "timeout",
        "Provider {provider!r} sent nothing for {response_s:g} s.",
        "Retry; if its models are slow, raise its response time-out.",
    ),
    "too_slow": (
        "timeout",
        "Provider {provider!r} did not finish within {total_s:g} s.",
        "Retry, or ask for less; if its models are slow, raise its total time-out.",
    ),
    "too_long": (
        "refused",
        "The prompt is longer than model {model!r} can read.",
        "Send less, or use a model with a larger context.",
    ),
    "refused": (
        "refused",
        "Provider {provider!r} refused the request (HTTP {status}){detail}.",
        "Check the options of the provider.",
    ),
    "declined": ("refused", "Model {model!r} declined to answer{detail}.", "Rephrase the task, or use another model."),
    "unreadable": (
        "unparsable",
        "Provider {provider!r} sent an unreadable answer: {why}.",
        "Retry, or use another model.",
    ),
    "no_value": (
        "unparsable",
        "Model {model!r} did not answer in the required form: {why}.",
        "Retry, or use another model.",
    ),
    "cut_off": (
        "unparsable",
        "Model {model!r} was cut off after {max_tokens} tokens, before the end of its answer.",
        "Raise max_tokens of provider {provider!r}.",
    ),
    "stopped": ("stopped", "The call of provider {provider!r} was stopped.", ""),
    "other": ("other", "Provider {provider!r} failed{detail}.", f"{_TEST}"),
}

_MOST = 300
NOTHING = Usage()


def fault(
    row: str,
    connection: Connection,
    *,
    usage: Usage = NOTHING,
    retry_after_s: float | None = None,
    why: str = "",
    detail: str = "",
    status: int = 0,
    extra: str = "",
) -> ProviderFault:
    """The fault of a row of the table. ``detail``: the provider's own message; ``why``: the reason in wfe-mcp's words."""
    kind, message, hint = _ROWS[row]
    wait = "" if retry_after_s is None else f"; it asks you to wait {math.ceil(retry_after_s)} s"
    words = {
        "provider": connection.provider,
        "kind": connection.kind,
        "model": connection.model,
        "status": status,
        "address": address_of(connection),
        "response_s": connection.response_s,
        "total_s": connection.total_s,
        "max_tokens": connection.max_tokens,
        "wait": wait,
        "extra": extra,
        "why": quote_message(why, connection),
        "detail": f": {quote_message(detail, connection)}" if detail else "",
    }
    return ProviderFault(kind, message.format(**words), hint.format(**words), retry_after_s=retry_after_s, usage=usage)


def status_fault(
    connection: Connection,
    status: int,
    *,
    detail: str = "",
    ours: bool = True,
    headers: Mapping[str, str] | None = None,
    usage: Usage = NOTHING,
) -> ProviderFault:
    """The fault of an HTTP status. ``ours``: the body has the shape of an error of this API."""
    row = _STATUS.get(status) or ("overloaded" if status >= 500 else "refused")
    if row == "wrong_model" and not ours:
        row = "no_api"
    wait = retry_after_s(headers or {}) if row in ("rate_limited", "overloaded") else None
    return fault(row, connection, usage=usage, retry_after_s=wait, detail=detail, status=status)


_STATUS = {
    401: "wrong_key",
    402: "no_quota",
    403: "forbidden",
    404: "wrong_model",
    408: "silent",
    413: "too_long",
    429: "rate_limited",
}


def transport_fault(error: BaseException, connection: Connection, usage: Usage = NOTHING) -> ProviderFault:
    """The fault of a request without a complete answer: no connection, an untrusted certificate, silence, a cut."""
    import httpx2  # 75 ms of CPU; such an error has loaded it already

    tls = _tls_words(error)
    if tls:
        return fault("tls", connection, usage=usage, why=tls)
    for cause in _chain(error):
        match cause:
            case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
                return fault("no_route", connection, usage=usage, why=f"no connection in {connection.connect_s:g} s")
            case httpx2.ConnectError() | httpx2.UnsupportedProtocol() | httpx2.ProxyError():
                return fault("no_route", connection, usage=usage, why=_os_words(cause))
            case httpx2.TimeoutException():
                return fault("silent", connection, usage=usage)
            case httpx2.TransportError():
                return fault("cut", connection, usage=usage)
            case _:
                continue
    return fault("cut", connection, usage=usage)


def _os_words(error: BaseException) -> str:
    """The operating system's message without numbers, such as ``Connection refused``."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return "the connection failed"


def message_in_body(body: object) -> str:
    """The message in an error body of these APIs; empty for any other body."""
    if not isinstance(body, dict):
        return ""
    inner = cast("dict[str, Any]", body)
    inner = inner.get("error", inner)
    message = cast("dict[str, Any]", inner).get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) else ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The delay of Retry-After in seconds, from a number or a date (RFC 9110), at most a week. None when it is absent or invalid.

    ``headers`` in lower case. Some vendors send ``retry-after-ms`` too.
    """
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        return min(seconds, MOST_WAIT_S) if math.isfinite(seconds) and seconds >= 0 else None
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):  # the latter for a year of 20 digits
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), MOST_WAIT_S)


def plainly(call: Callable[[], T]) -> T:
    """What ``call`` returns. A fault is raised without cause, context and frames, which may hold a key."""
    kept: ProviderFault
    try:
        return call()
    except ProviderFault as raised:
        kept = raised
    kept.__cause__ = kept.__context__ = None
    raise kept.with_traceback(None)


def address_of(connection: Connection) -> str:
    """``scheme://host[:port]`` of the provider, without the rest of its address, which may hold a secret."""
    parts = urlsplit(connection.base_url or VENDORS.get(connection.kind, ""))
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def quote_message(text: str, connection: Connection) -> str:
    """A foreign message, on one line, shortened, without the key."""
    text = " ".join(text.split())
    if connection.api_key:
        text = text.replace(connection.api_key, "…")
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def in_our_words(raised: ProviderFault, connection: Connection) -> ProviderFault:
    """The fault of a package, made to follow the rules: a known kind, shortened, without the key."""
    texts = [without_hidden(quote_message(str(text), connection)) for text in (raised.message, raised.hint)]
    wait = raised.retry_after_s
    wait_s = min(wait, MOST_WAIT_S) if isinstance(wait, (int, float)) and wait >= 0 else None
    kind = raised.kind if raised.kind in FAULTS else "other"
    return ProviderFault(kind, *texts, retry_after_s=wait_s, usage=count_usage(raised.usage))


def count_usage(usage: object) -> Usage:
    """The usage that a package reports; what is none counts as no usage."""
    return usage if isinstance(usage, Usage) else Usage()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error``, its cause or context, and so on, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _tls_words(error: BaseException) -> str:
    """The reason of a TLS error, from OpenSSL; empty for any other error."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or str(cause)).replace("_", " ").lower()
    return ""
