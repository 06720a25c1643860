"""Which changes of work items only a person's key can have signed.

An item is done without a person in four ways. The first three leave their traces in a run, whose log is verified by itself:

    its last run   was started for it, and was completed since the item's status changed last
    a task         that run was started for its milestone, and has finished this task since then
    a finding      a report of the phase that found it was submitted since then, and finds it no more
    a milestone    all items under it are over, and one of them is done

A claim has the verdict that its results and its evidence give; only a person judges evidence, or drops what was judged.

Of a run that was pruned only its end is left to compare with; that it was is in the log of settings.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from wfe_mcp.core.claims import is_judged, verdict
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.item_states import MOVES, VERDICTS, ItemKind, ItemStatus
from wfe_mcp.core.items import Item, load_item, with_values
from wfe_mcp.core.model import Assurance, RunId, RunState, RunStatus
from wfe_mcp.engine.work.following import fingerprints, source_of
from wfe_mcp.engine.work.items import item_of_run
from wfe_mcp.store import Tx
from wfe_mcp.store.integrity.chained_log import SIGNED
from wfe_mcp.store.records.runs import UNREADABLE, ItemEventRecord


def item_changes(tx: Tx, project_id: str) -> Iterator[tuple[ItemEventRecord, str, bool]]:
    """Each event of the project's work log, how it is named, and whether what it does needs a person."""
    items: dict[int, Item] = {}
    found_first: dict[int, str] = {}
    moved: dict[int, datetime] = {}
    pruned = {run.run_id: run.ended_at for run in tx.retention.pruned_runs(project_id)}
    for event in tx.items.history(project_id):
        if event.type == SIGNED:
            yield event, event.type, False
            continue
        before, needs = items.get(event.number), False
        try:
            values = json.loads(event.payload)
            item = load_item(f"W-{event.number}", values) if before is None else with_values(before, values)
            fingerprint = found_first.setdefault(event.number, item.fingerprint)
            if event.assurance is not Assurance.HUMAN:
                needs = (
                    _needs_person(before, item)
                    or _is_forged(before, item)
                    or (
                        before is not None
                        and before.status is not item.status
                        and item.status is ItemStatus.DONE
                        and not _is_ended(item, items.values())
                        and not _has_traces(tx, project_id, item, fingerprint, moved[event.number], pruned)
                    )
                )
            items[event.number] = item
            if before is None or before.status is not item.status:
                moved[event.number] = event.at
        except UNREADABLE:  # a log that was tampered with; its chain says so
            pass
        yield event, f"{event.type} W-{event.number}", needs


def _needs_person(before: Item | None, after: Item) -> bool:
    if before is None:
        # An import adds what an agent may then move.
        first = {ItemStatus.IDEA, ItemStatus.PLANNED, ItemStatus.PROPOSED, ItemStatus.PENDING}
        return after.status not in first and MOVES[ItemStatus.PLANNED].get(after.status) != "agent"
    if before.status is after.status:
        return False
    return MOVES[before.status].get(after.status, "person") == "person"


def _is_forged(before: Item | None, claim: Item) -> bool:
    """Whether a claim has a verdict that its results and evidence do not give, or another judgement than a person gave."""
    if claim.kind is not ItemKind.CLAIM or before is None:
        return False
    judged, were = ([values for values in item.evidence if is_judged(values)] for item in (claim, before))
    status = verdict(claim.tests, claim.results, claim.evidence)[0]
    is_unlike = claim.status in VERDICTS and claim.status != status
    return is_unlike or claim.tests != before.tests or judged != were


def _is_ended(item: Item, others: Iterable[Item]) -> bool:
    """Whether it is a milestone whose items are over, one of them done."""
    under = [other for other in others if other.parent == item.id and item.kind is ItemKind.MILESTONE]
    return all(child.is_over for child in under) and any(child.status is ItemStatus.DONE for child in under)


def _has_traces(
    tx: Tx, project_id: str, item: Item, fingerprint: str, since: datetime, pruned: Mapping[RunId, datetime]
) -> bool:
    """Whether a run of the project shows that ``item`` was done after ``since``. ``fingerprint``: its own, when it was added."""
    for number, name in enumerate(reversed(item.runs)):
        run = RunId(name)
        if run in pruned and pruned[run] >= since:
            return True
        loaded = tx.runs.load(run)
        if loaded is None or loaded.record.project_id != project_id or loaded.record.origin_sha256 is not None:
            continue
        worked = item_of_run(tx, loaded.record) if number == 0 else None
        if worked is not None and worked.id == item.id and _was_completed(tx, run, since):
            return True
        if worked is not None and worked.id == item.parent and _was_task(tx, run, item.id, since):
            return True
        if item.kind is ItemKind.FINDING and item.fingerprint == fingerprint and _is_gone(tx, run, item, since):
            return True
    return False


def _was_completed(tx: Tx, run: RunId, since: datetime) -> bool:
    if any(event.at >= since for event in tx.events.of_types(run, "RunCompleted")):
        return True
    state = RunState()
    try:
        for row, event in zip(tx.events.log(run), tx.events.core_events(run), strict=True):
            before, state = state.status, evolve(state, event)  # an undo of a rollback completes a run too
            if row.at >= since and before is not state.status is RunStatus.COMPLETED:
                return True
    except Exception:  # a log that was tampered with can fail in any way; the verification of the run says so
        return False
    return False


def _was_task(tx: Tx, run: RunId, key: str, since: datetime) -> bool:
    """Whether ``run`` has finished its task ``key`` since then."""
    closed = [event for event in tx.events.of_types(run, "ItemClosed") if event.at >= since]
    return any(event.payload["key"] == key and not event.payload.get("failed") for event in closed)


def _is_gone(tx: Tx, run: RunId, item: Item, since: datetime) -> bool:
    """Whether a report of the item's source has found it, and one since then finds it no more."""
    was_found = False
    # A loop over items names their values when it opens; one that repeats its phases has none, and its first pass as key.
    opened = tx.events.of_types(run, "LoopOpened")
    repeated = {event.payload["phase"] for event in opened if event.payload.get("items") is None}
    for event in tx.events.of_types(run, "RevisionSubmitted"):
        phase = event.payload["phase"]
        revision = (
            tx.artifacts.revision(run, phase, event.payload["revision"])
            if item.source in {source_of(phase, run, repeated), source_of(phase, run, ())}
            else None
        )
        if revision is None:
            continue
        is_found = item.fingerprint in fingerprints(revision.content)
        if was_found and not is_found and event.at >= since:
            return True
        was_found = was_found or is_found
    return False
