"""What is nested in a run: the items of a loop, and the inputs and outputs of a template inside another.

Evaluated once, when the loop opens; keys and order go into the log, the values into a document. A fault in
them is reported as one sentence, and the loop fails.

    with  ──filled, checked──►  its inputs          outputs  ──filled, checked──►  the artifact of the phase

A fault in them is reported as one sentence, and the phase fails. A check that may take seconds runs in a job, before
the transaction that needs its answer.
"""

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from wfe_mcp.artifacts.ahead import Unjudged, judged_now
from wfe_mcp.artifacts.explain import kind_of
from wfe_mcp.core.canonical import canonical_json, sha256_of
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus
from wfe_mcp.core.paths import PhasePath, inside
from wfe_mcp.engine.artifacts.expression_scope import inside_roots, item_roots, roots
from wfe_mcp.engine.artifacts.revisions import keep_revision, write_output
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.template_cache import recovery_of
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.store.records.runs import RevisionHead
from wfe_mcp.workflow.expressions import ExpressionError
from wfe_mcp.workflow.flows import held_template, inputs_of
from wfe_mcp.workflow.model.phases import FlowPhase, ForEach
from wfe_mcp.workflow.model.rules import SubflowRule

ONLY = "1"
"""The key of what a flow runs, and of the first pass of a loop that repeats."""


def evaluated_items(change: RunChange, attempt: Attempt) -> tuple[tuple[str, ...], str | None]:
    """The keys in the order of the walk, and the document of the values. Raises ExpressionError."""
    loop = change.state.phase(attempt.phase).loop
    if loop is not None and loop.flow:
        return (ONLY,), change.tx.documents.keep({ONLY: {"index": 0, "value": flow_inputs(change, attempt)}})
    walk = change.plan.loop(attempt.phase).for_each
    if walk is None:  # ``until``: the first pass
        return (ONLY,), None
    items = change.plan.expressions.evaluate(walk.in_, roots(change, attempt, walk.in_))
    if not isinstance(items, list):
        raise ExpressionError(walk.in_, f"a loop walks over a list, this is {kind_of(items)}")
    values = cast("list[object]", items)
    keys = _keys(change, attempt, walk, values)
    _refuse_one_folder(change, walk.key or walk.in_, keys)
    order = range(len(values)) if walk.order_by is None else _order(walk.order_by, keys, values)
    ordered = [(keys[position], values[position]) for position in order]
    document = {key: {"index": index, "value": value} for index, (key, value) in enumerate(ordered)}
    return tuple(key for key, _ in ordered), change.tx.documents.keep(document)


def loop_sha256(change: RunChange, attempt: Attempt) -> str:
    """What the gates of a loop judge: its items and every artifact made in them."""
    items = change.state.loops[attempt.phase].items
    return sha256_of({"items": items, "made": dict(_item_phases(change, attempt.phase))})


def _item_phases(change: RunChange, loop: PhasePath) -> Iterator[tuple[PhasePath, str | None]]:
    state = change.state.loops[loop]
    for key in state.keys[: state.begun]:
        for phase in change.state.spec.body(loop):
            path = inside(loop, key, phase.path)
            if path in change.state.loops:
                yield from _item_phases(change, path)
            elif change.state.current(path).status is AttemptStatus.COMPLETED:
                yield path, change.state.current(path).sha256


def _keys(change: RunChange, attempt: Attempt, walk: ForEach, values: Sequence[object]) -> list[str]:
    if walk.key is None:
        return [_own_key(value, index) for index, value in enumerate(values)]
    seen = roots(change, attempt, walk.key)
    keys: list[str] = []
    for index, value in enumerate(values):
        key = change.plan.expressions.evaluate(walk.key, seen | item_roots(walk.as_, "", index, len(values), value, {}))
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise ExpressionError(walk.key, f"a key is text or a whole number, that of item {index} is {kind_of(key)}")
        keys.append(str(key))
    return keys


def _refuse_one_folder(change: RunChange, written: str, keys: Sequence[str]) -> None:
    """Keys name folders: two that differ by case alone would share one where the disk ignores case. Raises ExpressionError."""
    seen: dict[str, str] = {}
    for key in keys:
        first = seen.setdefault(key.lower(), key)
        if first != key and _ignores_case(Path(change.run.worktree)):
            raise ExpressionError(written, f"the keys {first!r} and {key!r} name one folder: this disk ignores case")


def _ignores_case(root: Path) -> bool:
    with suppress(OSError):
        return (root / ".wfe").samefile(root / ".WFE")
    return False


def _own_key(value: object, index: int) -> str:
    """The item's ``id``, else its index."""
    own = cast("dict[str, object]", value).get("id") if isinstance(value, dict) else None
    return str(own) if isinstance(own, str | int) and not isinstance(own, bool) else str(index)


def _order(field: str, keys: Sequence[str], values: Sequence[object]) -> list[int]:
    """The positions in the order of ``field``; items that lack it come last, equal ones as they were."""
    fields = [cast("dict[str, Any]", value).get(field) if isinstance(value, dict) else None for value in values]
    present = [entry for entry in fields if entry is not None]
    if any(isinstance(entry, list) for entry in present):
        if not all(isinstance(entry, list) for entry in present):
            raise ExpressionError(field, "order_by finds lists of keys in some items and other values in others")
        return _after(field, keys, [[str(need) for need in entry or ()] for entry in fields])
    numbers = all(isinstance(entry, int | float) for entry in present)
    if not numbers and not all(isinstance(entry, str) for entry in present):
        raise ExpressionError(
            field, "order_by takes numbers, or texts, or lists of keys, and one of them for all items"
        )
    return sorted(range(len(values)), key=lambda at: (fields[at] is None, 0 if fields[at] is None else fields[at]))


def _after(field: str, keys: Sequence[str], needs: Sequence[Sequence[str]]) -> list[int]:
    """Every item after those it names; among those that could be next, the first in the list. Others' keys are no need."""
    position = {key: at for at, key in enumerate(keys)}
    waits = [{position[need] for need in named if need in position} for named in needs]
    followers: dict[int, list[int]] = {}
    for at, before in enumerate(waits):
        for at_before in before:
            followers.setdefault(at_before, []).append(at)
    free = [at for at, before in enumerate(waits) if not before]
    order: list[int] = []
    while free:
        at = heapq.heappop(free)
        order.append(at)
        for follower in followers.get(at, ()):
            waits[follower].discard(at)
            if not waits[follower]:
                heapq.heappush(free, follower)
    if len(order) < len(keys):
        circle = ", ".join(repr(keys[at]) for at, before in enumerate(waits) if before)
        raise ExpressionError(field, f"order_by finds items that wait for each other: {circle[:300]}")
    return order


ANSWER = "answer"
"""What a job goes on with that checked inputs or outputs outside the transaction."""


def check_outside(change: RunChange, attempt: Attempt, kind: str, due: Unjudged) -> None:
    """A job checks what the answer of ``kind`` depends on, once for the same values; then the run goes on."""
    payload = {"then": ANSWER, "kind": kind, "sha256": due.sha256}
    alive = change.tx.jobs.filter(change.run.id, attempt.phase, attempt.number, (JobStatus.QUEUED, JobStatus.RUNNING))
    if not any(job.kind == "files" and job.payload == payload and not job.cancel_requested for job in alive):
        change.enqueue("files", queue="step", payload=payload, **attempt.on)


def unjudged_answer(change: RunChange, attempt: Attempt, kind: str) -> Unjudged | None:
    """What the answer of ``kind`` waits for; None where it waits for nothing. Changes nothing."""
    try:
        _EVALUATED[kind](change, attempt)
    except Unjudged as due:
        return due
    except ExpressionError:
        pass  # the answer says so
    return None


def flow_inputs(change: RunChange, attempt: Attempt) -> dict[str, Any]:
    """The inputs of the inner template. Raises ExpressionError, Unjudged."""
    phase = change.plan.flow(attempt.phase)
    return _inputs(change, phase, roots(change, attempt, canonical_json(phase.with_)))


def recovery_inputs(change: RunChange, attempt: Attempt) -> dict[str, Any]:
    """The inputs of the template that repairs a failed attempt: it sees what its gates saw, and why it failed.

    Raises ExpressionError, Unjudged.
    """
    rule = recovery_of(change.plan.phase(attempt.phase))
    assert rule is not None, "only a phase with such a rule is repaired"
    seen = roots(change, attempt, canonical_json(rule.with_), own=True)
    failed = {"from": attempt.phase, "attempt": attempt.number, "message": attempt.reason}
    output = {"artifact": change.plan.artifact_name(attempt.phase)} if attempt.revision else {}
    if seen["phase"]:
        seen["phase"] = seen["phase"] | {"feedback": [*seen["phase"]["feedback"], failed | output]}
    return _inputs(change, rule, seen)


def _inputs(change: RunChange, shape: FlowPhase | SubflowRule, seen: dict[str, Any]) -> dict[str, Any]:
    values = cast("dict[str, Any]", change.plan.expressions.evaluate_json(shape.with_, seen))
    inputs, faults = inputs_of(held_template(shape), values, judged_now)
    if faults:
        message = (
            f"the inputs of template {shape.template!r} are not right at /with{faults[0].path}: {faults[0].message}"
        )
        raise ExpressionError("with", message)
    return inputs


def flow_outputs(change: RunChange, attempt: Attempt) -> dict[str, Any]:
    """The outputs of the inner template. Raises ExpressionError, Unjudged."""
    phase = change.plan.flow(attempt.phase)
    assert phase.output is not None, "only a flow with an output is asked for it"
    outputs = held_template(phase).outputs
    seen = inside_roots(change, attempt, canonical_json(outputs))
    checked = judged_now(phase.output.schema_, change.plan.expressions.evaluate_json(outputs, seen))
    if checked.faults:
        first = checked.faults[0]
        raise ExpressionError(
            "outputs", f"they do not match the schema of the phase at {first.path or '/'}: {first.message}"
        )
    return checked.value


def submit_outputs(change: RunChange, attempt: Attempt) -> RevisionHead:
    """Store the outputs of the inner template; their revision. Raises ExpressionError, Unjudged."""
    content = canonical_json(flow_outputs(change, attempt))
    try:
        write_output(change, attempt.phase, content)
    except Refused as refused:
        raise ExpressionError("outputs", f"they could not be written: {refused.message}") from refused
    return keep_revision(change, attempt, content, "submit", "made by the phases inside")


_EVALUATED = {"items": flow_inputs, "recovery": recovery_inputs, "outputs": flow_outputs}
"""Kind of question → what its answer evaluates and checks."""
