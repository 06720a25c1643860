"""What a run means for work items: for the one that it works, and for what its reports have found.

Rules:
1. The item of a run is its ``external_id``, where ``triggered_by`` is WORK: both are sealed with the run.
2. A run that works a milestone has its items as tasks: each is done when its task is. Which of them it works now is kept with
   the run alone (``tasks_in_work``): it may go back, be retried or end, and a task of it need not be ready.
3. A milestone whose items are all over, one of them done, is done; with open work that comes under it, it is planned again.

Findings of reviews, reports and scanners become items, once, and are done when the same phase finds them no more.

    submitted      each finding, and each failing test, is an item of kind ``finding``; a known fingerprint adds nothing
    submitted anew what the phase of the same run found before and finds no more is done; what returns is planned again

Rules:
1. The fingerprint is made of the scanner's rule, else of the title, and of the file. The line is not in it: lines move.
2. A loop that repeats its phases until something holds looks at the same work in each pass, so its passes are one phase.
3. An item of a finding is under the item that the run works, if it works one.
"""

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from wfe_mcp.core.canonical import sha256_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.events import ItemClosed, RevisionSubmitted
from wfe_mcp.core.item_values import BODY_CHARS, LINE_CHARS, TITLE_CHARS
from wfe_mcp.core.items import (
    Item,
    ItemKind,
    ItemStatus,
    after_reopening,
    after_run,
    new_item,
    refuse_start,
    with_values,
)
from wfe_mcp.core.loops import left_for_a_person
from wfe_mcp.core.model import Assurance, PhasePath, RunId, RunStatus
from wfe_mcp.core.paths import items_around
from wfe_mcp.core.texts import in_short, one_line
from wfe_mcp.core.titles import first_words
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.work.items import OPEN, WORK, item_of_run, items_of, keep_changes, keep_new, others_of
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.records.runs import LoadedRun

log = logging.getLogger("wfe_mcp.engine")

_OVER = {RunStatus.COMPLETED: True, RunStatus.FAILED: False, RunStatus.CANCELLED: False}


class InWork(NamedTuple):
    """What a run does with a task of its milestone. ``stopped``: why it waits for the user there, empty while it goes on."""

    run: str
    stopped: str = ""


def tasks_in_work(tx: Tx, project_id: str) -> dict[str, InWork]:
    """The items that the runs of their milestones work now, by their ids. A run that cannot be read works none."""
    tasks: dict[str, InWork] = {}
    for milestone in items_of(tx, project_id, (ItemKind.MILESTONE,), (ItemStatus.ACTIVE, ItemStatus.BLOCKED)):
        loaded = readable_run(tx, milestone.runs[-1]) if milestone.runs else None
        if loaded is None or loaded.state.status in _OVER:
            continue
        names = {child.id for child in tx.items.children(project_id, milestone.id)}
        for path, loop in loaded.state.loops.items():
            for key in names.intersection(loop.open):
                stopped = left_for_a_person(loaded.state, (*loaded.state.attempts_in(path, (key,)),))
                tasks[key] = InWork(loaded.record.id, in_short(stopped.reason) if stopped else "")
    return tasks


def readable_run(tx: Tx, run: str) -> LoadedRun | None:
    """The run as it is; None where there is none, or its record cannot be read."""
    try:
        return tx.runs.load(RunId(run), to_change=False)
    except Refused:
        return None


def begin_item(change: RunChange, reason: str = "") -> None:
    """Make the item active that this new run was started for. ``reason``: why a person does not let it wait for others.

    Refuses what cannot start.
    """
    engine, tx, run = change.engine, change.tx, change.run
    item = tx.items.get(run.project_id, run.external_id)
    refuse_start(item, () if reason and change.by.is_human else others_of(engine, tx, item))
    values = {"status": ItemStatus.ACTIVE, "runs": (*item.runs, run.id), "reason": reason}
    keep_changes(engine, tx, item, values, change.by, change.at)


def follow_items(change: RunChange) -> None:
    """Keep the item of a run in step with it: part of the transaction that saves the run. It never refuses."""
    run, before, status = change.run, change.loaded_before.state.status, change.state.status
    is_moved = before is not status and bool({before, status} & {*_OVER})
    closed = [event.key for event in change.events if isinstance(event, ItemClosed) and not event.failed]
    if not (is_moved or closed) or not run.external_id:
        return
    item = item_of_run(change.tx, run)
    if item is None:
        if run.triggered_by == WORK and is_moved:
            log.warning("run %s was started for work item %r, which does not name it", run.id, run.external_id)
        return
    if item.kind is ItemKind.MILESTONE:
        for key in closed:
            _follow_task(change, item, key)
    if is_moved:
        _follow_run(change, item, before, status)


def _follow_run(change: RunChange, item: Item, before: RunStatus, status: RunStatus) -> None:
    run = change.run.id
    opened = {} if before not in _OVER else after_reopening(item, run, completed=_OVER[before])
    if opened and item.status is ItemStatus.DONE and is_persons(change.tx, change.engine, item):
        opened = {}
    item_now = with_values(item, opened)
    ended = {} if status not in _OVER else after_run(item_now, run, completed=_OVER[status])
    if with_values(item_now, ended) != item:
        item_now = keep_changes(change.engine, change.tx, item, opened, SYSTEM, change.at)
        keep_changes(change.engine, change.tx, item_now, ended, SYSTEM, change.at)


def _follow_task(change: RunChange, milestone: Item, key: str) -> None:
    """The item under ``milestone`` that was the task ``key`` of its run is done."""
    tx, project = change.tx, change.run.project_id
    for child in tx.items.children(project, milestone.id):
        if child.id == key and not child.is_over:
            values = {"status": ItemStatus.DONE, "runs": (*child.runs, change.run.id), "failures": 0, "reason": ""}
            keep_changes(change.engine, tx, child, values, SYSTEM, change.at)


def is_persons(tx: Tx, engine: Engine, item: Item) -> bool:
    """Whether a person gave the item its status: no run takes that back."""
    events = tx.items.history(engine.project_id, item.id)
    moved = [event for event in events if event.type != SIGNED and "status" in json.loads(event.payload)]
    return moved[-1].assurance >= Assurance.HUMAN


_REPORTS = frozenset({"review@1", "role_report@1", "security_report@1"})
_PRIORITIES: Mapping[str, int] = {"critical": 10, "high": 9, "medium": 7, "low": 5, "info": 3}
_FAILING_TEST = 8


def follow_findings(change: RunChange) -> None:
    """Keep the items of findings in step with the reports that were just submitted."""
    for event in change.events:
        if isinstance(event, RevisionSubmitted) and change.plan.schema_name(event.phase) in _REPORTS:
            record = change.tx.artifacts.revision(change.run.id, event.phase, event.revision)
            if record is not None:
                specs = {path: change.state.phase(path).loop for path in change.state.loops}
                loops = {path for path, spec in specs.items() if spec is not None and spec.until is not None}
                _follow(change, source_of(event.phase, change.run.id, loops), json.loads(record.content))


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
