"""The steps that deliver a change: a table of what each does and how it is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from wfe_mcp.core.errors import Refused
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.engine.delivery import forge_steps, git_steps, merge_step
from wfe_mcp.engine.kernel.step_call import StepCall, StepResult
from wfe_mcp.workflow.model.delivery import DELIVERY_PARAMS, DeliveryParams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.job_context import JobContext

    Act = Callable[[Engine, StepCall, JobContext, Any], Mapping[str, Any]]
    Undo = Callable[[Engine, Operation], Mapping[str, Any] | None]


class DeliveryStep(NamedTuple):
    """A step: its parameters, its call, and its undo.

    ``undo``: what is there after the operation was reversed, None where there was nothing to reverse; raises DeliveryFault.
    """

    params: type[DeliveryParams]
    call: Act
    undo: Undo


DELIVERY: Mapping[str, DeliveryStep] = {
    "git.branch": DeliveryStep(DELIVERY_PARAMS["git.branch"], git_steps.make_branch, git_steps.undo_branch),
    "git.commit": DeliveryStep(DELIVERY_PARAMS["git.commit"], git_steps.make_commit, git_steps.undo_commit),
    "git.push": DeliveryStep(DELIVERY_PARAMS["git.push"], git_steps.make_push, git_steps.undo_push),
    "git.merge": DeliveryStep(DELIVERY_PARAMS["git.merge"], merge_step.make_merge, merge_step.undo_merge),
    "git.clean": DeliveryStep(DELIVERY_PARAMS["git.clean"], git_steps.clean, git_steps.undo_clean),
    "forge.open": DeliveryStep(DELIVERY_PARAMS["forge.open"], forge_steps.open_step, forge_steps.undo_open),
    "forge.status": DeliveryStep(DELIVERY_PARAMS["forge.status"], forge_steps.status_step, forge_steps.undo_status),
    "forge.merge": DeliveryStep(DELIVERY_PARAMS["forge.merge"], forge_steps.merge_step, forge_steps.undo_merge),
    "forge.close": DeliveryStep(DELIVERY_PARAMS["forge.close"], forge_steps.close_step, forge_steps.undo_close),
}
"""Every step by the name of its built-in action."""


def deliver(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    """Work a step of a delivery. What only a person can clear is a ``blocker``."""
    name = call.step.builtin or ""
    if name not in DELIVERY:
        return StepResult(fault=f"{name} is not built yet")
    try:
        params = DELIVERY_PARAMS[name].model_validate(call.row.input or {})
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        return StepResult(fault=f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    loaded = engine.settings()
    if loaded.untrusted:
        changed = "the project's configuration changed, so nothing is delivered until a person trusts it: wfe-mcp trust"
        return StepResult(fault=changed, needs_trust=True)
    try:
        return StepResult(dict(DELIVERY[name].call(engine, call, context, params)))
    except DeliveryFault as fault:
        value = {"blocker": fault.blocker} if fault.blocker else None
        return StepResult(value, str(fault), fault.may_have_happened, blocker=fault.blocker or "")
    except Refused as refused:
        return StepResult(fault=f"{refused.message} {refused.hint}".strip())
