"""Findings of security scanners, converted to ``security_report@1``, and lenient readers of foreign JSON.

A missing value, or one of another type, reads as empty, because a report that is malformed in one place still
names real weaknesses in the others.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.findings import SEVERITIES
from wfe_mcp.core.json_pointer import member

Json = object
"""A parsed JSON value of unknown shape."""

MAX_FINDINGS = 500
MAX_TEXT_CHARS = 2_000

_SEVERITY = {
    "critical": "critical",
    "high": "high",
    "error": "high",
    "medium": "medium",
    "moderate": "medium",
    "warning": "medium",
    "low": "low",
    "note": "low",
    "info": "info",
    "none": "info",
    "undefined": "info",
    "inventory": "info",
    "experiment": "info",
}
"""A scanner's severity, in lower case → that of ``security_report@1``. An unknown one counts as medium."""


@dataclass(frozen=True, slots=True)
class ScannerFinding:
    """One finding, with the scanner's own texts. ``line``: 1-based; 0 is unknown."""

    severity: str
    title: str
    rule: str = ""
    detail: str = ""
    file: str = ""
    line: int = 0
    recommendation: str = ""


def report_of(scanner: str, found: Iterator[ScannerFinding], root: str = "") -> dict[str, Any]:
    """The data of ``security_report@1``. ``root``: files below it are named relative to it."""
    totals = Counter[str]()
    findings: list[dict[str, Any]] = []
    for finding in found:
        severity = _SEVERITY.get(finding.severity.lower(), "medium")
        totals[severity] += 1
        if len(findings) < MAX_FINDINGS:
            findings.append(_finding(finding, severity, root))
    count = sum(totals.values())
    return {
        "scanner": _clean(scanner) or "unknown scanner",
        "findings": findings,
        "totals": {name: totals[name] for name in SEVERITIES},
        "summary": f"{count} findings" if count != 1 else "1 finding",
    }


def _finding(finding: ScannerFinding, severity: str, root: str) -> dict[str, Any]:
    optional = {
        "rule": _clean(finding.rule),
        "detail": _clean(finding.detail),
        "file": _relative(_clean(finding.file), root),
        "line": max(0, finding.line),
        "recommendation": _clean(finding.recommendation),
    }
    title = _clean(finding.title) or _clean(finding.rule) or "finding without a title"
    return {"severity": severity, "title": title, **{key: value for key, value in optional.items() if value}}


def _clean(words: str) -> str:
    """``words`` without control characters and lone surrogates, at most ``MAX_TEXT_CHARS``."""
    printable = "".join(char if char.isprintable() or char in "\n\t" else " " for char in words)
    return printable.strip()[:MAX_TEXT_CHARS]


def _relative(file: str, root: str) -> str:
    file = file.removeprefix("file://").replace("\\", "/")
    base = root.replace("\\", "/").rstrip("/")
    return file.removeprefix(f"{base}/").removeprefix("./") if base else file.removeprefix("./")


def items(value: Json, key: str) -> list[Json]:
    """The list at ``key``, else an empty one."""
    inner = member(value, key)
    return cast("list[Json]", inner) if isinstance(inner, list) else []


def text(value: Json, key: str) -> str:
    """The text at ``key``, as it can be stored; else an empty one."""
    inner = member(value, key)
    return storable(inner) if isinstance(inner, str) else ""


def storable(words: str) -> str:
    """``words`` with a replacement for NUL and lone surrogates, which tests write on purpose and cut emojis have."""
    return re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", words)


def number(value: Json, key: str) -> int:
    """The whole number at ``key``, else 0."""
    inner = member(value, key)
    return inner if isinstance(inner, int) and not isinstance(inner, bool) else 0
