"""The artifact of a phase of steps, submitted once all steps are over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.artifacts.ahead import judged_now
from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.store.records.runs import StepStatus

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, RunId
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.workflow.model.phases import StepsPhase

_MAX_ARTIFACT_BYTES = 900_000


def submit_step_outputs(change: RunChange, attempt: Attempt, tree: str | None) -> None:
    """All steps are over: submit the artifact. Raises Unjudged."""
    from wfe_mcp.engine.artifacts.revisions import store_revision, write_output

    value = made_by_steps(change.tx, change.run.id, change.plan, attempt)
    checked = judged_now(change.plan.schema(attempt.phase), value)
    reason = ""
    if checked.faults:
        fault = checked.faults[0]
        at = f" at {fault.path}" if fault.path else ""
        reason = f"{_maker(change.plan, attempt)} does not match the schema of its artifact{at}: {fault.message}"
    content = canonical_json(checked.value if not checked.faults else value)
    if not reason:
        try:
            write_output(change, attempt.phase, content)
        except Refused as refused:
            reason = f"The artifact of the steps could not be written: {refused.message}"
    if reason:
        change.give(c.FailAttempt(reason=reason, kind=FailKind.INVALID, **change.values_of(attempt)))
        return
    store_revision(change, attempt.phase, content, "made by the steps", tree=tree, by=SYSTEM)


def _maker(plan: CompiledTemplate, attempt: Attempt) -> str:
    """What made the artifact: the last step that assigns its name, else all."""
    phase: StepsPhase = plan.phase(attempt.phase)  # pyright: ignore[reportAssignmentType] - the machine's kind says so
    name = plan.artifact_name(attempt.phase)
    steps = [step for step in phase.steps if name is not None and step.assign == name]
    return f"The answer of step {steps[-1].id!r} ({steps[-1].does})" if steps else "The report of the steps"


def made_by_steps(tx: Tx, run: RunId, plan: CompiledTemplate, attempt: Attempt) -> object:
    """What the step that assigns the artifact's name answered, else ``{steps: {id: result}}`` of those that ran."""
    results, named = _results(tx, run, plan, attempt)
    return results[named] if named else {"steps": _in_bounds(results)}


def _results(tx: Tx, run: RunId, plan: CompiledTemplate, attempt: Attempt) -> tuple[dict[str, Any], str]:
    """The answer of each step that ran, and the last step that assigns the artifact's name; empty where none does."""
    phase: StepsPhase = plan.phase(attempt.phase)  # pyright: ignore[reportAssignmentType] - the machine's kind says so
    name = plan.artifact_name(attempt.phase)
    rows = tx.steps.of_run(run, attempt.phase, attempt.number)
    results = {row.step: row.output for row in rows if row.status is StepStatus.DONE}
    ids = [step.id for step in phase.steps if name is not None and step.assign == name and step.id in results]
    return results, ids[-1] if ids else ""


def _in_bounds(results: dict[str, Any]) -> dict[str, Any]:
    """The results, the largest ones left out when all together are more than an artifact may hold."""
    sizes = {step: len(canonical_json(value).encode()) for step, value in results.items()}
    kept = dict(results)
    for step in sorted(sizes, key=lambda step: sizes[step], reverse=True):
        if sum(sizes[name] for name, value in kept.items() if value is results[name]) <= _MAX_ARTIFACT_BYTES:
            break
        kept[step] = {"left_out_bytes": sizes[step]}
    return kept
