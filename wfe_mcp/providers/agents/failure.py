"""Faults of command-line agents: a table of messages and hints, and the classification of an agent's errors.

Agents have no common format for errors: an agent's own classification counts first, then patterns in its message.
"""

from __future__ import annotations

import re

from wfe_mcp.providers.agents.agent import Agent, Trouble
from wfe_mcp.providers.call import Connection, FaultKind, ProviderFault, Usage

_TEST = "Then test it: wfe-mcp providers test {provider}"

_ROWS: dict[FaultKind, tuple[str, str]] = {
    "not_installed": (
        "Provider {provider!r} needs the program {program!r}, which is not on PATH.",
        "Install it ({install}), or set its path in `argv` of the provider. " + _TEST,
    ),
    "not_configured": ("Provider {provider!r} cannot be used{detail}.", "Correct it in config.toml. " + _TEST),
    "wrong_key": ("Provider {provider!r} ({program}) is not logged in{detail}.", "Log in: {login}. " + _TEST),
    "wrong_model": (
        "Provider {provider!r} ({program}) has no model {model}{detail}.",
        "Set another one, or none for its default.",
    ),
    "no_route": (
        "Provider {provider!r} ({program}) cannot reach its vendor{detail}.",
        "Check network and proxy: it gets that of [http] of your own configuration, not HTTPS_PROXY. " + _TEST,
    ),
    "tls": (
        "Provider {provider!r} ({program}) does not trust the certificate of its vendor{detail}.",
        "For a private authority, name its file as ca_file in [http] of your own configuration.",
    ),
    "rate_limited": (
        "Provider {provider!r} ({program}) reached a limit of its vendor{detail}.",
        "Wait, or use another provider.",
    ),
    "overloaded": (
        "The vendor of provider {provider!r} ({program}) is overloaded or unavailable{detail}.",
        "Wait, or use another provider.",
    ),
    "timeout": ("Provider {provider!r} ({program}) did not end in time{detail}.", "Retry, or raise its time-outs."),
    "unparsable": (
        "Provider {provider!r} ({program}) did not answer in the required form{detail}.",
        "Retry, or use another provider.",
    ),
    "refused": (
        "Provider {provider!r} ({program}) refused to work{detail}.",
        "Check its account and the options of the provider.",
    ),
    "stopped": ("The work of provider {provider!r} was stopped.", ""),
    "other": ("Provider {provider!r} ({program}) failed{detail}.", "See its log. " + _TEST),
}

_WORDS: tuple[tuple[FaultKind, str], ...] = (
    ("refused", r"credit balance|insufficient.quota|billing|\b402\b"),
    ("tls", r"certificate|self.signed|\bCERT_"),
    ("rate_limited", r"\b429\b|rate.?limit|too many requests|usage limit|quota|RESOURCE_EXHAUSTED"),
    (
        "wrong_key",
        r"\b40[13]\b|unauthori[sz]ed|unauthenticated|authentication|api.?key|not logged in|log ?in\b|oauth|"
        r"auth method",
    ),
    (
        "wrong_model",
        r"\bmodel\b[^\n]{0,100}(not found|not exist|unknown|not supported)|model_not_found|\b404\b[^\n]{0,40}model|"
        r"\bmodel: ",
    ),
    ("overloaded", r"\b(529|50[0234])\b|overloaded|unavailable|at capacity|internal (server )?error"),
    (
        "no_route",
        r"ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ConnectionRefused|fetch failed|unable to connect|failed to connect|"
        r"error sending request|stream disconnected|network",
    ),
)
"""Patterns of messages; the first match determines the kind."""

_WAIT = re.compile(
    r"(?:again|retry|resets?)\s+(?:in|after)\s+(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s|m|h)|retryDelay\W{1,5}(\d{1,6})",
    re.IGNORECASE,
)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}
_MOST = 300


def fault(
    kind: FaultKind,
    agent: Agent,
    connection: Connection,
    detail: str = "",
    *,
    usage: Usage | None = None,
    retry_after_s: float | None = None,
) -> ProviderFault:
    """The fault of a row of the table. ``detail``: the agent's own message."""
    message, hint = _ROWS[kind]
    shown = " ".join(detail.split())
    if connection.api_key:
        shown = shown.replace(connection.api_key, "…")
    words = {
        "provider": connection.provider,
        "program": (connection.argv or agent.program)[0],
        "model": connection.model or "its default",
        "install": agent.install,
        "login": agent.login,
        "detail": f": {shown[:_MOST].rstrip('.')}" if shown else "",
    }
    return ProviderFault(
        kind, message.format(**words), hint.format(**words), usage=usage or Usage(), retry_after_s=retry_after_s
    )


def trouble_fault(
    agent: Agent, connection: Connection, trouble: Trouble | None, exit_code: int | None, tail: str, usage: Usage
) -> ProviderFault:
    """The fault of an agent that failed. ``tail``: the end of its output, used when it reported no error."""
    detail = trouble.message if trouble and trouble.message else _last_words(tail)
    kind = (trouble.kind if trouble else None) or agent.exits.get(exit_code or 0) or _kind(detail)
    passes = kind in {"rate_limited", "overloaded"}
    wait = ((trouble.retry_after_s if trouble else None) or _wait_s(detail)) if passes else None
    if kind == "other":
        detail = f"exit code {exit_code}; {detail}" if detail else f"exit code {exit_code}"
    return fault(kind, agent, connection, detail, usage=usage, retry_after_s=wait)


def _kind(text: str) -> FaultKind:
    for kind, pattern in _WORDS:
        if re.search(pattern, text, re.IGNORECASE):
            return kind
    return "other"


def _wait_s(text: str) -> float | None:
    match = _WAIT.search(text)
    if match is None:
        return None
    return float(match[3]) if match[3] else float(match[1]) * _UNITS_S[match[2].lower()]


def _last_words(tail: str) -> str:
    """The last lines of its output that are neither records nor lines of a stack trace."""
    lines = [line.strip() for line in tail.splitlines()]
    messages = [line for line in lines if line and not line.startswith(("{", "}", "at "))]
    return " ".join(messages[-5:])
