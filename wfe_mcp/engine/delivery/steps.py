"""The steps that deliver a change: a table of what each does and how it is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.parts import require_parts
from wfe_mcp.delivery.fault import DeliveryFault
from wfe_mcp.delivery.forges.blockers import Blocked
from wfe_mcp.engine.delivery import forge_steps, git_steps, merge_step
from wfe_mcp.engine.delivery.place import DeliveryPlace, NotDelivered, facts_of, place_of
from wfe_mcp.engine.kernel.step_call import StepCall, StepResult, refused_step
from wfe_mcp.workflow.model.delivery import DELIVERY_PARAMS
from wfe_mcp.workflow.step_kinds import DEPLOYMENT_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wfe_mcp.engine.delivery.operations import Operation
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.job_context import JobContext

    Act = Callable[[DeliveryPlace, StepCall, JobContext, Any], Mapping[str, Any]]
    Look = Callable[[DeliveryPlace, Operation], Mapping[str, Any] | None]


class DeliveryStep(NamedTuple):
    """A step: its call, its undo, and the mode of ``[delivery]`` that it belongs to; empty for each.

    ``undo``: what is there after the operation was reversed, None where there was nothing to reverse; raises DeliveryFault.
    A step without one leaves nothing to reverse: reading changes nothing, and a rollback of the run restores its files.
    ``seen``: what a call has done whose end was not observed, None where it did nothing. A step with an undo that needs
    nothing of it has none.
    """

    call: Act
    undo: Look | None = None
    mode: str = ""
    seen: Look | None = None
    may_undo: Callable[[Sequence[Operation], DeliveryPlace, Operation], None] | None = None


DELIVERY: Mapping[str, DeliveryStep] = {
    "git.branch": DeliveryStep(
        git_steps.make_branch,
        git_steps.undo_branch,
        seen=git_steps.seen_branch,
        may_undo=git_steps.refuse_other_commits,
    ),
    "git.commit": DeliveryStep(
        git_steps.make_commit,
        git_steps.undo_commit,
        seen=git_steps.seen_commit,
        may_undo=git_steps.refuse_other_commits,
    ),
    "git.push": DeliveryStep(
        git_steps.make_push, git_steps.undo_push, seen=git_steps.seen_push, may_undo=git_steps.refuse_pushed_since
    ),
    "git.merge": DeliveryStep(merge_step.make_merge, merge_step.undo_merge, "merge", merge_step.seen_merge),
    "git.clean": DeliveryStep(merge_step.clean, merge_step.undo_clean, seen=merge_step.seen_clean),
    "git.revert": DeliveryStep(merge_step.make_revert),
    "forge.open": DeliveryStep(forge_steps.open_step, forge_steps.undo_open, "pull_request", forge_steps.seen_open),
    "forge.status": DeliveryStep(forge_steps.status_step, mode="pull_request"),
    "forge.merge": DeliveryStep(forge_steps.merge_step, merge_step.undo_merge, "pull_request", forge_steps.seen_merge),
    "forge.close": DeliveryStep(forge_steps.close_step, forge_steps.undo_close, "pull_request"),
}
"""Every step by the name of its built-in action."""

require_parts(
    "delivery step",
    ((name, "its call") for name in DELIVERY_PARAMS if name not in DELIVERY and name not in DEPLOYMENT_STEPS),
)


def deliver(engine: Engine, call: StepCall, context: JobContext) -> StepResult:
    """Work a step of a delivery."""
    step = DELIVERY[call.step.builtin or ""]

    def act(params: Any) -> Mapping[str, Any]:
        return step.call(place_of(engine, call.run, step.mode, params.item), call, context, params)

    return step_result(engine, call, act)


def step_result(engine: Engine, call: StepCall, act: Callable[[Any], Mapping[str, Any]]) -> StepResult:
    """What ``act`` returns for the parameters of the step. What only a person can clear is a ``blocker``."""
    name = call.step.builtin or ""
    try:
        params = DELIVERY_PARAMS[name].model_validate(call.row.input or {})
    except ValidationError as fault:
        first = fault.errors()[0]
        return StepResult(fault=f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    loaded = engine.settings()
    if loaded.untrusted:
        changed = "the project's configuration changed, so nothing is delivered until a person trusts it: wfe-mcp trust"
        return StepResult(fault=changed, needs_trust=True)
    try:
        return StepResult(dict(act(params)))
    except NotDelivered as reason:
        return StepResult({"skipped": str(reason)})
    except DeliveryFault as fault:
        if isinstance(fault, Blocked):
            fault.facts |= facts_of(engine, call)
        value = {"blocker": fault.blocker} if fault.blocker else None
        return StepResult(value, str(fault), fault.may_have_happened, blocker=fault.blocker or "")
    except Refused as refused:
        return refused_step(refused)
