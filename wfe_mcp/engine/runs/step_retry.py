"""A retry of a phase of steps from a named step: which answers are kept, and which calls are made again.

    fetch ──► ask ──► change ──► report          retry from ask: fetch is kept; ask, change and report are called again

Rules:
1. A step runs again if it is the named one, or sees its result. Every step that the named one needs must have ended well.
2. A call to the outside that was made is made again only for a person. An idempotency key keeps its answer: what has the
   same key is not called twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.engine.phases.steps import begin_step, has_passed, is_repeatable
from wfe_mcp.store.records.runs import StepRecord, StepStatus
from wfe_mcp.workflow.step_order import upstream

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, RunId, RunState
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.model.phases import StepsPhase


@dataclass(frozen=True, slots=True)
class StepRetry:
    """What a new attempt does. ``steps``: all, in order. ``kept``: those whose answers are used again; ``again``: that run.

    ``keyed``: of ``again``, those whose idempotency key finds their earlier answer; ``repeats``: calls to the outside that
    were made before.
    """

    first: str
    steps: tuple[str, ...]
    kept: tuple[str, ...]
    again: tuple[str, ...]
    keyed: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is kept and what is called again, in words."""
        outside = f" (made before, outside: {', '.join(self.repeats)})" if self.repeats else ""
        keyed = f" Found by their idempotency key: {', '.join(self.keyed)}." if self.keyed else ""
        called = ", ".join(step for step in self.again if step not in self.keyed)
        return f"Kept: {', '.join(self.kept) or 'nothing'}. Called again: {called or 'nothing'}{outside}.{keyed}"


def _is_of_steps(phase: object) -> TypeGuard[StepsPhase]:
    from wfe_mcp.workflow.model.phases import StepsPhase

    return isinstance(phase, StepsPhase)


def plan_retry(
    tx: Tx, run: RunId, plan: CompiledTemplate, state: RunState, path: PhasePath, first: str = ""
) -> StepRetry | None:
    """What a retry of ``path`` from the step ``first`` keeps and calls; without it, from the step that failed.

    None for a phase without steps, where no step is named. Refuses ``bad_argument``.
    """
    phase = plan.phase(path) if path in state.attempts else None
    if not _is_of_steps(phase):
        if first and phase is not None:
            raise Refused("bad_argument", f"Phase {path!r} has no steps.", "Leave the step out.", phase=path)
        return None
    from wfe_mcp.engine.delivery.operations import undone_steps

    last, ids = state.current(path), [step.id for step in phase.steps]
    rows = {row.step: row for row in tx.steps.of_run(run, path, last.made_in)}
    done = {step.id for step in phase.steps if step.id in rows and has_passed(rows[step.id], step)}
    done -= undone_steps(tx, run, path)
    if not first:
        kept = set[str]() if last.revision else done
    elif first not in ids:
        raise Refused(
            "bad_argument",
            f"Phase {path!r} has no step {first!r}.",
            nearest_hint(first, ids, f"Its steps: {', '.join(ids)}."),
            phase=path,
        )
    else:
        at, before = ids.index(first), upstream(phase.steps)
        kept = {id_ for number, id_ in enumerate(ids) if id_ in done and number != at and not before[number] >> at & 1}
        missing = [id_ for number, id_ in enumerate(ids) if before[at] >> number & 1 and id_ not in kept]
        if missing:
            raise Refused(
                "bad_argument",
                f"Step {first!r} needs {missing[0]!r}, which has no answer yet.",
                f"Begin there: {missing[0]}",
                phase=path,
            )
    again = [id_ for id_ in ids if id_ not in kept]
    return StepRetry(
        first,
        tuple(ids),
        tuple(id_ for id_ in ids if id_ in kept),
        tuple(again),
        tuple(step for step in again if step in done and rows[step].idempotency_key),
        tuple(step for step in again if step in rows and _was_made(rows[step])),
    )


def carry(change: RunChange, attempt: Attempt, last: Attempt, retry: StepRetry) -> None:
    """Keep the answers for the new ``attempt``; without any, begin the first step, so that nothing else is kept."""
    phase = change.plan.phase(attempt.phase)
    assert _is_of_steps(phase), "it was planned"
    for row in change.tx.steps.of_run(change.run.id, attempt.phase, last.made_in):
        if row.step in retry.kept:
            change.tx.steps.save(replace(row, attempt=attempt.number, carried=row.carried or row.attempt))
    # A new attempt without rows takes over all that ended well; a first row says that nothing is kept.
    if not retry.kept:
        begin_step(change, attempt, phase.steps, [step.id for step in phase.steps].index(retry.first))


def _was_made(row: StepRecord) -> bool:
    """Whether a call to the outside had, or may have had, its effect and is not found by a key."""
    had_effect = row.status in {StepStatus.DONE, StepStatus.UNKNOWN}
    return had_effect and not is_repeatable(row) and not row.idempotency_key
