"""The target of an approval: what the steps behind it call, with every value, and the commit that it is about.

    asked      each call outside is resolved; one without its values, or its commit, is refused before a person is asked
    open       another target or commit: the request is issued again
    approved   a step whose call is not the approved one is not made; nor is one that runs here at another commit

A target has steps that call a tool, an address, a check or an action of an installed package. What sets, logs or waits has no
effect outside, and may use what the steps before it found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.canonical import canonical_json, sha256_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, Stage
from wfe_mcp.engine.artifacts.expression_scope import roots
from wfe_mcp.store.records.runs import RequestStatus
from wfe_mcp.workflow.step_kinds import acts_outside
from wfe_mcp.workspace.git.repository import commit_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model.steps import Step


@dataclass(frozen=True, slots=True)
class TargetCall:
    """A call that an approval allows. ``action``: as in ``Step.does``. ``condition``: an ``if`` that is open until the step begins."""

    step: str
    action: str
    params: Any = None
    condition: str = ""

    @property
    def sha256(self) -> str:
        """Names the action and all its values."""
        return sha256_of([self.action, self.params])


def params_of(step: Step) -> Any:
    """What a step with all its values hands over."""
    return step.http.model_dump(mode="json", by_alias=True) if step.http else step.params or None


def target_of(change: RunChange, attempt: Attempt) -> tuple[TargetCall, ...]:
    """What an approval of ``attempt`` lets the server call; empty where it is not about steps.

    Refuses ``invalid_template``: a value is not known yet.
    """
    from wfe_mcp.workflow.expressions import ExpressionError, fill_shape
    from wfe_mcp.workflow.model.phases import StepsPhase

    phase = change.plan.phase(attempt.phase)
    if attempt.stage is not Stage.BEFORE or not isinstance(phase, StepsPhase):
        return ()
    if not any(gate.kind == "approval" for gate in phase.prompt_gates):
        return ()
    calls: list[TargetCall] = []
    for step in phase.steps:
        if not acts_outside(step.does):
            continue
        values = roots(change, attempt, canonical_json(step.model_dump(mode="json", by_alias=True)), own_vars=False)
        condition = step.if_ or ""
        try:
            if condition and not change.plan.expressions.is_true(condition, values):
                continue
            condition = ""
        except ExpressionError:
            pass  # it can only take the call away
        try:
            call = fill_shape(step, values, change.plan.expressions)
        except ExpressionError as error:
            raise Refused(
                "invalid_template",
                f"The approval of {attempt.phase!r} is not asked for: step {step.id!r} ({step.does}) has a value that is not known yet. {error}",
                "Find it in an earlier phase, and use that phase's artifact here; then retry this phase.",
                run=change.run.id,
                phase=attempt.phase,
            ) from error
        calls.append(TargetCall(step.id, step.does, params_of(call), condition))
    return tuple(calls)


def target_record(change: RunChange, attempt: Attempt, head: str | None) -> dict[str, Any]:
    """The target as a request and a signed statement keep it: each call with the sha256 of its values, a deployment also with its commit;
    empty without calls. Refuses ``conflict``: a deployment of a commit that is not there.
    """
    calls = [
        {"step": call.step, "action": call.action, "sha256": call.sha256, **_commit_named(change, attempt, call)}
        for call in target_of(change, attempt)
    ]
    return {"head": head or "", "calls": calls} if calls else {}


def _commit_named(change: RunChange, attempt: Attempt, call: TargetCall) -> dict[str, str]:
    """The commit that a deployment names, by its whole id: a branch, or the beginning of an id, may mean another one by the time
    it is called.
    """
    if call.action != "builtin deploy":
        return {}
    name = str(cast("dict[str, Any]", call.params).get("commit") or "")
    commit = commit_of(Path(change.run.worktree), name or "HEAD")
    if not commit:
        raise Refused(
            "conflict",
            f"The approval of {attempt.phase!r} is not asked for: step {call.step!r} deploys the commit {name or 'HEAD'!r}, which is not here. "
            "Make or fetch it and retry the phase, or start a run with another commit.",
            "See: git log --oneline",
        )
    return {"commit": commit} if name else {}


def asked_head(change: RunChange, attempt: Attempt) -> str | None:
    """The commit that the open request of ``attempt`` is about."""
    request = change.tx.approvals.open_request(change.run.id, attempt.phase, attempt.number)
    return None if request is None else request.data.get("target", {}).get("head")


def not_approved(change: RunChange, attempt: Attempt, step: str, action: str, params: Any) -> str:
    """Why this call is not what a person approved; empty where it is, or where nothing was asked."""
    call = TargetCall(step, action, params)
    for target in _approved_targets(change, attempt) if acts_outside(action) else ():
        known = next((entry for entry in target["calls"] if entry["step"] == step), None)
        if known is None or known["sha256"] != call.sha256:
            return "this is not the call that was approved: its values changed since. Retry the phase to ask for the approval again"
    return ""


def approved_head(change: RunChange, attempt: Attempt, position: int) -> str:
    """The commit at which the step at ``position`` may begin; empty for any.

    It holds where a step of the phase runs here, on the files, up to the first one: that one may commit.
    """
    steps = getattr(change.plan.phase(attempt.phase), "steps", ())
    here = [at for at, step in enumerate(steps) if step.check is not None]
    if not here or position > here[0]:
        return ""
    return next((target["head"] for target in _approved_targets(change, attempt) if target["head"]), "")


def _approved_targets(change: RunChange, attempt: Attempt) -> list[dict[str, Any]]:
    key = (attempt.phase, attempt.number, RequestStatus.APPROVED)
    requests = change.tx.approvals.of_run(change.run.id)
    return [
        cast("dict[str, Any]", request.data["target"])
        for request in requests
        if (request.phase, request.attempt, request.status) == key and "target" in request.data
    ]
