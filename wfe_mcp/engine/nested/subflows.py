"""Inputs and outputs of a template that runs inside another.

    with  ──filled, checked──►  its inputs          outputs  ──filled, checked──►  the artifact of the phase

A fault in them is reported as one sentence, and the phase fails. A check that may take seconds runs in a job, before
the transaction that needs its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.ahead import Unjudged, judged_now
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.artifacts.expression_scope import inside_roots, roots
from wfe_mcp.engine.artifacts.revisions import write_output
from wfe_mcp.engine.kernel.template_cache import recovery_of
from wfe_mcp.workflow.expressions import ExpressionError
from wfe_mcp.workflow.flows import held_template, inputs_of

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store.records.runs import RevisionHead
    from wfe_mcp.workflow.model import FlowPhase, SubflowRule


ANSWER = "answer"
"""What a job goes on with that checked inputs or outputs outside the transaction."""


def check_outside(change: RunChange, attempt: Attempt, kind: str, due: Unjudged) -> None:
    """A job checks what the answer of ``kind`` depends on, once for the same values; then the run goes on."""
    from wfe_mcp.store.records.jobs import JobStatus

    payload = {"then": ANSWER, "kind": kind, "sha256": due.sha256}
    alive = change.tx.jobs.filter(change.run.id, attempt.phase, attempt.number, (JobStatus.QUEUED, JobStatus.RUNNING))
    if not any(job.kind == "files" and job.payload == payload and not job.cancel_requested for job in alive):
        change.enqueue("files", queue="step", payload=payload, **attempt.on)


def unjudged(change: RunChange, attempt: Attempt, kind: str) -> Unjudged | None:
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
    made = {"artifact": change.plan.artifact_name(attempt.phase)} if attempt.revision else {}
    if seen["phase"]:
        seen["phase"] = seen["phase"] | {"feedback": [*seen["phase"]["feedback"], failed | made]}
    return _inputs(change, rule, seen)


def _inputs(change: RunChange, shape: FlowPhase | SubflowRule, seen: dict[str, Any]) -> dict[str, Any]:
    given = cast("dict[str, Any]", change.plan.expressions.evaluate_json(shape.with_, seen))
    inputs, faults = inputs_of(held_template(shape), given, judged_now)
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


def hand_in_outputs(change: RunChange, attempt: Attempt) -> RevisionHead:
    """Store the outputs of the inner template; their revision. Raises ExpressionError, Unjudged."""
    phase, content = change.plan.flow(attempt.phase), canonical_json(flow_outputs(change, attempt))
    assert phase.output is not None, "only a flow with an output is asked for it"
    try:
        write_output(change, attempt.phase, content)
    except Refused as refused:
        raise ExpressionError("outputs", f"they could not be written: {refused.message}") from refused
    return change.tx.artifacts.add_revision(
        change.run.id,
        attempt.phase,
        attempt.number,
        attempt.iteration,
        phase.output.artifact,
        change.plan.schema_name(attempt.phase),
        content,
        sha256_hex(content),
        "submit",
        "made by the phases inside",
        change.at,
    )


_EVALUATED = {"items": flow_inputs, "recovery": recovery_inputs, "outputs": flow_outputs}
"""Kind of question → what its answer evaluates and checks."""
