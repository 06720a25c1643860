"""``security_report@1`` from the report of a security scanner.

Formats: SARIF 2.1 (``sarif.py``) and the plain JSON of bandit, pip-audit, npm audit (both versions) and semgrep. The
content determines the format. A report lists at most ``MAX_FINDINGS``; its totals count all findings.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

from wfe_mcp.gates.findings import Json, ScannerFinding, items, number, report_of, text, under
from wfe_mcp.gates.markup import UnreadableReport, read_json
from wfe_mcp.gates.sarif import is_sarif, sarif_findings, sarif_tool


def parse_scanner_report(content: str, root: str = "") -> dict[str, Any]:
    """The ``security_report@1`` in ``content``. ``root``: paths below it become project-relative.

    Refuses (UnreadableReport): malformed JSON, or an unknown format.
    """
    document = read_json(content)
    for is_shape, scanner, findings in _SHAPES:
        if is_shape(document):
            return report_of(scanner(document), findings(document), root)
    raise UnreadableReport("it is neither SARIF nor the JSON of bandit, pip-audit, npm audit or semgrep")


def first_json(printed: str) -> str:
    """The first JSON object in a scanner's output, without the text around it; empty when there is none."""
    decoder = json.JSONDecoder()
    lines = printed.splitlines(keepends=True)
    at = 0
    for line in lines:
        if line.lstrip().startswith("{"):
            start = at + len(line) - len(line.lstrip())
            try:
                _, end = decoder.raw_decode(printed, start)
            except (ValueError, RecursionError):
                at += len(line)
                continue
            return printed[start:end]
        at += len(line)
    return ""


def _bandit(document: Json) -> Iterator[ScannerFinding]:
    for result in items(document, "results"):
        yield ScannerFinding(
            severity=text(result, "issue_severity"),
            title=text(result, "issue_text"),
            rule=text(result, "test_id"),
            detail=text(result, "test_name"),
            file=text(result, "filename"),
            line=number(result, "line_number"),
            recommendation=text(result, "more_info"),
        )


def _pip_audit(document: Json) -> Iterator[ScannerFinding]:
    for package in items(document, "dependencies"):
        for vulnerability in items(package, "vulns"):
            fixed = ", ".join(str(version) for version in items(vulnerability, "fix_versions"))
            yield ScannerFinding(
                # pip-audit states no severity; a published advisory against a pinned version counts as high.
                severity="high",
                title=f"{text(package, 'name')} {text(package, 'version')}: {text(vulnerability, 'id')}",
                rule=text(vulnerability, "id"),
                detail=text(vulnerability, "description"),
                recommendation=f"Upgrade to {fixed}" if fixed else "",
            )


def _npm_audit(document: Json) -> Iterator[ScannerFinding]:
    for name, entry in under(document, "vulnerabilities").items():
        # ``via`` holds advisories, and names of other packages whose own entries are listed too.
        for via in items(entry, "via"):
            if isinstance(via, str):
                continue
            yield ScannerFinding(
                severity=text(via, "severity") or text(entry, "severity"),
                title=f"{name}: {text(via, 'title') or 'known vulnerability'}",
                rule=text(via, "url"),
                detail=text(via, "range"),
                recommendation="npm audit fix" if _has_fix(entry) else "",
            )


def _has_fix(entry: Json) -> bool:
    return isinstance(entry, dict) and bool(cast("dict[str, Json]", entry).get("fixAvailable"))


def _npm_advisories(document: Json) -> Iterator[ScannerFinding]:
    for advisory in under(document, "advisories").values():
        yield ScannerFinding(
            severity=text(advisory, "severity"),
            title=f"{text(advisory, 'module_name')}: {text(advisory, 'title')}",
            rule=text(advisory, "url"),
            detail=text(advisory, "overview"),
            recommendation=text(advisory, "recommendation"),
        )


def _semgrep(document: Json) -> Iterator[ScannerFinding]:
    for result in items(document, "results"):
        extra = under(result, "extra")
        yield ScannerFinding(
            severity=text(extra, "severity"),
            title=text(extra, "message"),
            rule=text(result, "check_id"),
            file=text(result, "path"),
            line=number(under(result, "start"), "line"),
            recommendation=text(extra, "fix"),
        )


def _has(*keys: str) -> Callable[[Json], bool]:
    return lambda document: isinstance(document, dict) and all(key in document for key in keys)


def _named(name: str, *version: str) -> Callable[[Json], str]:
    def scanner(document: Json) -> str:
        return f"{name} {text(document, version[0])}".strip() if version else name

    return scanner


_SHAPES: tuple[
    tuple[Callable[[Json], bool], Callable[[Json], str], Callable[[Json], Iterator[ScannerFinding]]], ...
] = (
    (is_sarif, sarif_tool, sarif_findings),
    (_has("results", "metrics"), _named("bandit"), _bandit),
    (_has("dependencies"), _named("pip-audit"), _pip_audit),
    (_has("vulnerabilities", "metadata"), _named("npm audit"), _npm_audit),
    (_has("advisories"), _named("npm audit"), _npm_advisories),
    (_has("results", "errors", "paths"), _named("semgrep", "version"), _semgrep),
)
