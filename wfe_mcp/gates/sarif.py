"""Findings from a SARIF 2.1 log.

A result's severity is the CVSS score of its rule (``security-severity``), else its level, else its rule's
default level, else "warning", as the standard says. Suppressed results do not count.
"""

from collections.abc import Iterator

from wfe_mcp.gates.findings import Json, ScannerFinding, items, number, text, under

_CVSS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def is_sarif(document: Json) -> bool:
    """True when every run in the document names its tool's driver."""
    runs = items(document, "runs")
    return bool(runs) and all(under(under(run, "tool"), "driver") for run in runs)


def sarif_tool(document: Json) -> str:
    """The scanners of all runs, with their versions."""
    drivers = [under(under(run, "tool"), "driver") for run in items(document, "runs")]
    return ", ".join(f"{text(one, 'name')} {text(one, 'version')}".strip() for one in drivers)


def sarif_findings(document: Json) -> Iterator[ScannerFinding]:
    """The results of all runs."""
    for run in items(document, "runs"):
        rules = items(under(under(run, "tool"), "driver"), "rules")
        by_id = {text(rule, "id"): rule for rule in rules}
        for result in items(run, "results"):
            if items(result, "suppressions"):
                continue
            rule_id = text(result, "ruleId") or text(under(result, "rule"), "id")
            yield _found(result, rule_id, by_id.get(rule_id, {}))


def _found(result: Json, rule_id: str, rule: Json) -> ScannerFinding:
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
