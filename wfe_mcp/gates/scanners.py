"""``security_report@1`` from the report of a security scanner, and findings from a SARIF 2.1 log.

Formats: SARIF 2.1 (``sarif.py``) and the plain JSON of bandit, pip-audit, npm audit (both versions) and semgrep. The
content determines the format. A report lists at most ``MAX_FINDINGS``; its totals count all findings.

A result's severity is the CVSS score of its rule (``security-severity``), else its level, else its rule's
default level, else "warning", as the standard says. Suppressed results do not count.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, cast

from wfe_mcp.core.json_pointer import under
from wfe_mcp.gates.findings import Json, ScannerFinding, items, number, report_of, text
from wfe_mcp.gates.markup import UnreadableReport, read_json

_OBJECT = re.compile(r"^[^\S\n]*\{", re.MULTILINE)
_MOST_STARTS = 100
"""Lines that begin with a brace and no object: each may be read to its end, and a program can print half a million."""
_CVSS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def is_sarif(document: Json) -> bool:
    """True when every run in the document names its tool's driver."""
    runs = items(document, "runs")
    return bool(runs) and all(under(under(run, "tool"), "driver") for run in runs)


def sarif_tool(document: Json) -> str:
    """The scanners of all runs, with their versions."""
    drivers = [under(under(run, "tool"), "driver") for run in items(document, "runs")]
    return ", ".join(f"{text(driver, 'name')} {text(driver, 'version')}".strip() for driver in drivers)


def sarif_findings(document: Json) -> Iterator[ScannerFinding]:
    """The results of all runs."""
    for run in items(document, "runs"):
        rules = items(under(under(run, "tool"), "driver"), "rules")
        by_id = {text(rule, "id"): rule for rule in rules}
        for result in items(run, "results"):
            if items(result, "suppressions"):
                continue
            rule_id = text(result, "ruleId") or text(under(result, "rule"), "id")
            yield _finding(result, rule_id, by_id.get(rule_id, {}))


def _finding(result: Json, rule_id: str, rule: Json) -> ScannerFinding:
    place = under(next(iter(items(result, "locations")), None), "physicalLocation")
    return ScannerFinding(
        severity=_severity(result, rule),
        title=text(under(result, "message"), "text") or text(under(rule, "shortDescription"), "text"),
        rule=rule_id,
        detail=text(under(rule, "fullDescription"), "text"),
        file=text(under(place, "artifactLocation"), "uri"),
        line=number(under(place, "region"), "startLine"),
        recommendation=text(under(rule, "help"), "text") or text(rule, "helpUri"),
    )


def _severity(result: Json, rule: Json) -> str:
    for holder in (result, rule):
        score = text(under(holder, "properties"), "security-severity")
        try:
            return next((name for least, name in _CVSS if float(score) >= least), "info")
        except ValueError:
            continue
    return text(result, "level") or text(under(rule, "defaultConfiguration"), "level") or "warning"


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
    starts = (match.end() - 1 for match in _OBJECT.finditer(printed))
    for start in islice(starts, _MOST_STARTS):
        with suppress(ValueError, RecursionError):
            return printed[start : decoder.raw_decode(printed, start)[1]]
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


def _scanner_called(name: str, *version: str) -> Callable[[Json], str]:
    def scanner(document: Json) -> str:
        return f"{name} {text(document, version[0])}".strip() if version else name

    return scanner


_SHAPES: tuple[
    tuple[Callable[[Json], bool], Callable[[Json], str], Callable[[Json], Iterator[ScannerFinding]]], ...
] = (
    (is_sarif, sarif_tool, sarif_findings),
    (_has("results", "metrics"), _scanner_called("bandit"), _bandit),
    (_has("dependencies"), _scanner_called("pip-audit"), _pip_audit),
    (_has("vulnerabilities", "metadata"), _scanner_called("npm audit"), _npm_audit),
    (_has("advisories"), _scanner_called("npm audit"), _npm_advisories),
    (_has("results", "errors", "paths"), _scanner_called("semgrep", "version"), _semgrep),
)
