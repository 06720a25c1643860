"""What went wrong with a provider, in our words, and what can be done about it?

Rules:
1. One row per way to fail: the kind, what happened, what to do next. No row names an SDK, and none holds a key.
2. What a provider itself says is quoted only where it helps, shortened, and never with the key in it.
"""

from __future__ import annotations

import math
import ssl
from dataclasses import astuple
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from wfe_mcp.providers.call import FAULTS, Connection, FaultKind, ProviderFault, ProviderKind, Usage
from wfe_mcp.workspace.system.redaction import without_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "VENDORS",
    "address_of",
    "counted",
    "fault",
    "in_our_words",
    "plainly",
    "quoted",
    "retry_after_s",
    "said_in_body",
    "status_fault",
    "transport_fault",
]

T = TypeVar("T")

VENDORS: dict[ProviderKind, str] = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""Where a vendor is when no base_url says otherwise."""

_TEST = "Then try it: wfe-mcp providers test {provider}"
_LIST = "See the models it has: wfe-mcp providers test {provider}"

_ROWS: dict[str, tuple[FaultKind, str, str]] = {
    "no_key": ("not_configured", "Provider {provider!r} has no key.", f"Give it one: wfe-mcp providers key {{provider}}. {_TEST}"),
    "no_model": ("not_configured", "No model is named for provider {provider!r}.",
                 f"Name one in its role or provider. {_LIST}"),
    "no_address": ("not_configured", "Provider {provider!r} of kind {kind} has no base_url.",
                   "Name the address of its API, such as http://127.0.0.1:11434/v1"),
    "plain_http": ("not_configured", "Provider {provider!r}: {why}.",
                   "A key must not travel in plain text to another machine."),
    "no_package": ("not_configured", "Provider {provider!r} of kind {kind} cannot be used: {why}.",
                   f"Mend or install the package; wfe-mcp doctor says what is wrong. {_TEST}"),
    "not_http": ("not_configured", "Provider {provider!r} of kind {kind} is not asked over HTTP.",
                 "Name a provider of another kind for this role."),
    "no_api": ("not_configured", "{address} answers, and is no API of kind {kind} (HTTP {status}).",
               f"Check base_url of provider {{provider!r}}; most end with /v1. {_TEST}"),
    "moved": ("not_configured", "{address} points elsewhere, where no key is sent (HTTP {status}).",
              f"Set base_url of provider {{provider!r}} to the address itself. {_TEST}"),
    "not_installed": ("not_installed", "Provider {provider!r} of kind {kind} needs the extra {extra!r}, not installed.",
                      "Install it: uv tool install 'wfe-mcp[{extra}]' (or pip install 'wfe-mcp[{extra}]')."),
    "wrong_key": ("wrong_key", "Provider {provider!r} refused the key.",
                  f"Check the key, and that it is one of {{address}}. {_TEST}"),
    "forbidden": ("wrong_key", "The key of provider {provider!r} may not use model {model!r}.",
                  f"Use a key that may, or another model. {_LIST}"),
    "wrong_model": ("wrong_model", "Provider {provider!r} has no model {model!r}.", f"Name another one. {_LIST}"),
    "no_route": ("no_route", "Provider {provider!r} cannot be reached at {address}: {why}.",
                 f"Check that it runs, base_url, network and proxy. {_TEST}"),
    "cut": ("no_route", "Provider {provider!r} hung up in the middle of its answer.", "Ask again."),
    "tls": ("tls", "The certificate of {address} is not trusted: {why}.",
            "Check base_url; where it is your own authority, name its certificate in SSL_CERT_FILE. " + _TEST),
    "rate_limited": ("rate_limited", "Provider {provider!r} gets too many requests{wait}.", "Wait, or use another model."),
    "no_quota": ("refused", "The account of provider {provider!r} has no quota or credit left.",
                 "Top it up with the vendor, or name another provider."),
    "overloaded": ("overloaded", "Provider {provider!r} is overloaded or out of order (HTTP {status}){wait}.",
                   "Wait, or use another model."),
    "silent": ("timeout", "Provider {provider!r} said nothing for {response_s:g} s.",
               "Ask again; where its models are slow, raise its response time-out."),
    "too_slow": ("timeout", "Provider {provider!r} was not done after {total_s:g} s.",
                 "Ask again, or ask for less; where its models are slow, raise its total time-out."),
    "too_long": ("refused", "The prompt is longer than model {model!r} can read.",
                 "Hand over less, or name a model with a larger context."),
    "refused": ("refused", "Provider {provider!r} refused the request (HTTP {status}){said}.",
                "Check the options of the provider."),
    "declined": ("refused", "Model {model!r} declined to answer{said}.", "Word the task differently, or name another model."),
    "unreadable": ("unparsable", "Provider {provider!r} sent an answer that cannot be read: {why}.",
                   "Ask again, or name another model."),
    "no_value": ("unparsable", "Model {model!r} did not answer in the form that was asked for: {why}.",
                 "Ask again, or name another model."),
    "cut_off": ("unparsable", "Model {model!r} was cut off after {max_tokens} tokens, before the end of its answer.",
                "Raise max_tokens of provider {provider!r}."),
    "stopped": ("stopped", "The call of provider {provider!r} was stopped.", ""),
    "other": ("other", "Provider {provider!r} failed{said}.", f"{_TEST}"),
}  # fmt: skip

_MOST = 300
NOTHING = Usage()


def fault(
    row: str,
    connection: Connection,
    *,
    usage: Usage = NOTHING,
    retry_after_s: float | None = None,
    why: str = "",
    said: str = "",
    status: int = 0,
    extra: str = "",
) -> ProviderFault:
    """The fault of a row of the table. ``said``: what the provider says itself; ``why``: our own words."""
    kind, message, hint = _ROWS[row]
    wait = "" if retry_after_s is None else f"; it asks to wait {math.ceil(retry_after_s)} s"
    words = {
        "provider": connection.provider, "kind": connection.kind, "model": connection.model, "status": status,
        "address": address_of(connection), "response_s": connection.response_s, "total_s": connection.total_s,
        "max_tokens": connection.max_tokens, "wait": wait, "extra": extra, "why": quoted(why, connection),
        "said": f": {quoted(said, connection)}" if said else "",
    }  # fmt: skip
    return ProviderFault(kind, message.format(**words), hint.format(**words), retry_after_s=retry_after_s, usage=usage)


def status_fault(
    connection: Connection,
    status: int,
    *,
    said: str = "",
    ours: bool = True,
    headers: Mapping[str, str] | None = None,
    usage: Usage = NOTHING,
) -> ProviderFault:
    """The fault of an HTTP status. ``ours``: the body has the shape of an error of this API."""
    row = _STATUS.get(status) or ("overloaded" if status >= 500 else "refused")
    if row == "wrong_model" and not ours:
        row = "no_api"
    wait = retry_after_s(headers or {}) if row in ("rate_limited", "overloaded") else None
    return fault(row, connection, usage=usage, retry_after_s=wait, said=said, status=status)


_STATUS = {
    401: "wrong_key", 402: "no_quota", 403: "forbidden", 404: "wrong_model", 408: "silent", 413: "too_long",
    429: "rate_limited",
}  # fmt: skip


def transport_fault(error: BaseException, connection: Connection, usage: Usage = NOTHING) -> ProviderFault:
    """The fault of a request that got no whole answer: no connection, no trust, silence, or hung up on."""
    import httpx2  # 75 ms of CPU; whoever has such an error has loaded it

    tls = _tls_words(error)
    if tls:
        return fault("tls", connection, usage=usage, why=tls)
    for each in _chain(error):
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
    for each in _chain(error):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return "the connection failed"


def said_in_body(body: object) -> str:
    """The message in a body of the shape that these APIs use for errors; empty for any other body."""
    if not isinstance(body, dict):
        return ""
    inner = cast("dict[str, Any]", body)
    inner = inner.get("error", inner)
    message = cast("dict[str, Any]", inner).get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) else ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds: a number, or a date (RFC 9110). None when it says nothing that counts.

    ``headers`` in lower case. ``retry-after-ms`` is what vendors send beside it.
    """
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        given = headers.get(name, "")
        try:
            seconds = float(given) / unit
        except ValueError:
            continue
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def plainly(call: Callable[[], T]) -> T:
    """What ``call`` returns. A fault comes out alone: nothing that was raised on the way, and no frame that holds a key."""
    kept: ProviderFault
    try:
        return call()
    except ProviderFault as raised:
        kept = raised
    kept.__cause__ = kept.__context__ = None
    raise kept.with_traceback(None)


def address_of(connection: Connection) -> str:
    """``scheme://host[:port]`` of the provider; nothing else of its address, which may hold more than it should."""
    parts = urlsplit(connection.base_url or VENDORS.get(connection.kind, ""))
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def quoted(said: str, connection: Connection) -> str:
    """What somebody else said: on one line, short, without the key."""
    said = " ".join(said.split())
    if connection.api_key:
        said = said.replace(connection.api_key, "…")
    return said if len(said) <= _MOST else f"{said[:_MOST]}…"


def in_our_words(raised: ProviderFault, connection: Connection) -> ProviderFault:
    """A fault that somebody else made, held to our rules: a kind of the list, short, without the key."""
    told = [without_hidden(quoted(str(text), connection)) for text in (raised.message, raised.hint)]
    wait = raised.retry_after_s
    is_wait = isinstance(wait, (int, float)) and math.isfinite(wait) and wait >= 0
    kind = raised.kind if raised.kind in FAULTS else "other"
    return ProviderFault(kind, *told, retry_after_s=wait if is_wait else None, usage=counted(raised.usage))


def counted(usage: object) -> Usage:
    """Usage that somebody else counted: what is no number from zero up counts as nothing."""
    if not isinstance(usage, Usage):
        return Usage()
    tokens = [int(each) if isinstance(each, int) and each > 0 else 0 for each in astuple(usage)[:-1]]
    cost = usage.cost_usd
    is_cost = isinstance(cost, (int, float)) and math.isfinite(cost) and cost >= 0
    return Usage(*tokens, cost_usd=cost if is_cost else None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it was raised from, in that order, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _tls_words(error: BaseException) -> str:
    """What TLS found fault with, in OpenSSL's words; empty when it was something else."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message
        if isinstance(each, ssl.SSLError):
            return (each.reason or str(each)).replace("_", " ").lower()
    return ""
