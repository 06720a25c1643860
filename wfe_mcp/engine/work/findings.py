"""Findings of reviews, reports and scanners become work items, once, and are done when the same phase finds them no more.

    submitted      each finding, and each failing test, is an item of kind ``finding``; a known fingerprint adds nothing
    submitted anew what the phase of the same run found before and finds no more is done; what returns is planned again

Rules:
1. The fingerprint is made of the scanner's rule, else of the title, and of the file. The line is not in it: lines move.
2. A loop that repeats its phases until something holds looks at the same work in each pass, so its passes are one phase.
3. An item of a finding is under the item that the run works, if it works one.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.events import RevisionSubmitted
from wfe_mcp.core.item_values import BODY_CHARS, LINE_CHARS, TITLE_CHARS
from wfe_mcp.core.items import Item, ItemKind, ItemStatus, new_item, with_values
from wfe_mcp.core.model import PhasePath
from wfe_mcp.core.paths import items_around
from wfe_mcp.core.texts import one_line
from wfe_mcp.core.titles import first_words
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.work.items import OPEN, item_of_run, items_of, keep_changes, keep_new

_REPORTS = frozenset({"review@1", "role_report@1", "security_report@1"})
_PRIORITIES: Mapping[str, int] = {"critical": 10, "high": 9, "medium": 7, "low": 5, "info": 3}
_FAILING_TEST = 8


def follow_findings(change: RunChange) -> None:
    """Keep the items of findings in step with the reports that were just submitted."""
    for event in change.events:
        if isinstance(event, RevisionSubmitted) and change.plan.schema_name(event.phase) in _REPORTS:
            record = change.tx.artifacts.revision(change.run.id, event.phase, event.revision)
            if record is not None:
                loops = {path for path in change.state.loops if _repeats(change, path)}
                _follow(change, source_of(event.phase, change.run.id, loops), json.loads(record.content))


def _repeats(change: RunChange, loop: PhasePath) -> bool:
    spec = change.state.phase(loop).loop
    return spec is not None and spec.until is not None


def source_of(phase: PhasePath, run: str, repeated: Collection[PhasePath]) -> str:
    """What an item has as its source that a report of this phase has found, in whichever pass of the ``repeated`` loops."""
    for loop, key in items_around(phase):
        if loop in repeated:
            phase = PhasePath(loop + phase[len(f"{loop}[{key}]") :])
    return f"{phase} of run {run}"


def fingerprints(content: str) -> set[str]:
    """The fingerprints of what a report has found. ``content``: of its revision; what is no such report has found nothing."""
    return {str(item["fingerprint"]) for item in _items(json.loads(content))}


def _follow(change: RunChange, source: str, report: Mapping[str, Any]) -> None:
    tx, project = change.tx, change.engine.project_id
    finding_by_fingerprint = {str(finding["fingerprint"]): finding for finding in _items(report)}
    for fingerprint, values in finding_by_fingerprint.items():
        known = tx.items.made_of(project, fingerprint)
        if known is None:
            keep_new(change.engine, tx, _new(change, source, values), SYSTEM, change.at)
        elif known.status is ItemStatus.DONE:
            again = {"status": ItemStatus.PLANNED, "source": source, "runs": (*known.runs, change.run.id)}
            keep_changes(change.engine, tx, known, again, SYSTEM, change.at)
    for item in items_of(tx, project, (ItemKind.FINDING,), OPEN):
        if item.source == source and item.fingerprint not in finding_by_fingerprint:
            done = {"status": ItemStatus.DONE, "reason": "the same phase finds it no more"}
            keep_changes(change.engine, tx, item, done, SYSTEM, change.at)


def _new(change: RunChange, source: str, values: Mapping[str, Any]) -> Item:
    tx, run = change.tx, change.run
    own = {name: value for name, value in values.items() if name != "fingerprint"}
    worked = item_of_run(tx, run)
    parent = {"parent": worked.id} if worked else {}
    item = new_item(tx.items.new_id(change.engine.project_id), ItemKind.FINDING, own | parent)
    more = {"fingerprint": values["fingerprint"], "source": source, "runs": [run.id]}
    return with_values(item, more)


def _items(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for finding in report.get("findings", ()):
        place = (
            f"{finding['file']}:{finding['line']}"
            if finding.get("file") and finding.get("line")
            else finding.get("file", "")
        )
        fix = finding.get("recommendation", "")
        yield {
            "title": first_words(finding["title"], TITLE_CHARS),
            "body": "\n\n".join(filter(None, (finding.get("detail", ""), place, fix)))[:BODY_CHARS],
            "priority": _PRIORITIES[finding["severity"]],
            "scopes": [finding["file"]] if _is_scope(finding.get("file", "")) else [],
            "tags": [finding["severity"]],
            **({"criteria": [first_words(fix, LINE_CHARS)]} if fix.strip() else {}),
            "fingerprint": sha256_of(
                {"what": finding.get("rule") or finding["title"], "file": finding.get("file", "")}
            ),
        }
    for test in report.get("details", {}).get("failing_tests", ()):
        yield {
            "title": first_words(f"Failing test: {test}", TITLE_CHARS),
            "priority": _FAILING_TEST,
            "criteria": [first_words(f"{test} passes", LINE_CHARS)],
            "fingerprint": sha256_of({"test": test}),
        }


def _is_scope(path: str) -> bool:
    return (
        bool(path)
        and len(path) <= LINE_CHARS
        and one_line(path) == path.strip()
        and not path.startswith(("/", "~"))
        and ".." not in path.split("/")
    )
