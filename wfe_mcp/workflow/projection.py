"""Converts a template to the run specification of the state machine.

``project`` returns the frozen ``RunSpec`` (``core/spec.py``): ids, needs, limits, rules and gates, durations in seconds,
conditions as opaque text.

    exclusive     a gate that needs the working tree alone or runs programs in it, or a step that runs a check
    served        the phase has steps, a model (``llm``), or a role that names a provider: the server does its work
    binds_tree    a gate that uses the working tree: its evidence becomes void when the files change
    retry         becomes the first rule of ``on_fail``
    loops         the phases inside follow their loop, ``build.code``; a goto is resolved from the inside outwards
    recovery      the phases of a rule ``subflow``, ``code.diagnose``; no phase inside jumps out of it
    flows         the phases of another template, ``release.tag``; their jumps stay inside that template
"""

from collections.abc import Iterator, Mapping, Sequence

from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import DEFAULT_ON_FAIL, FailRule, GateSpec, LoopSpec, NextRule, PhaseSpec, RunSpec, StateSpec
from wfe_mcp.workflow.flows import held_template
from wfe_mcp.workflow.model.base import duration_s
from wfe_mcp.workflow.model.gates import ApprovalGate, Gate
from wfe_mcp.workflow.model.phases import FlowPhase, LoopPhase, Phase, StepsPhase
from wfe_mcp.workflow.model.rules import BackoffRule, GotoRule, OnFail, Retry, RetryRule, SubflowRule
from wfe_mcp.workflow.model.template import Role, Template
from wfe_mcp.workflow.set_fields import not_yet

BLOCKER = "blocker@1"
"""The schema of what a phase of a recovery reports to be in the way."""


def project(template: Template) -> RunSpec:
    """The run specification of ``template``. Refuses: unavailable, for features that this version lacks."""
    if missing := tuple(not_yet(template)):
        raise Refused(
            "unavailable",
            f"Template {template.name!r} uses a feature that is not available yet: {missing[0].message} ({missing[0].path}).",
            "Remove the features named in details, or use another template.",
            missing,
        )
    limits = template.limits
    return RunSpec(
        phases=tuple(_phases(template.phases, None, {}, template.roles)),
        max_parallel=limits.max_parallel,
        max_iterations=limits.max_iterations,
        max_invalid=limits.max_invalid,
        timeout_s=_seconds(limits.timeout),
        initial_state=template.initial_state or "",
        states=tuple(StateSpec(name, moves) for name, moves in template.states.items()),
    )


def _phases(
    phases: Sequence[Phase],
    parent: PhasePath | None,
    around: dict[str, PhasePath],
    roles: Mapping[str, Role],
    *,
    recovers: bool = False,
) -> Iterator[PhaseSpec]:
    """The phases of one list, each loop followed by its body. ``around``: the phases outside that a goto can reach, by id.

    ``recovers``: the list is that of a template that recovers a failed phase.
    """
    here = {phase.id: PhasePath(phase.id if parent is None else f"{parent}.{phase.id}") for phase in phases}
    seen = {**around, **here}
    for index, phase in enumerate(phases):
        before = (phases[index - 1].id,) if index else ()
        gates = (*phase.prompt_gates, *phase.gates)
        recovery = next((rule for rule in phase.on_fail or () if isinstance(rule, SubflowRule)), None)
        yield PhaseSpec(
            path=here[phase.id],
            kind=phase.kind,
            needs=tuple(here.get(name, PhasePath(name)) for name in (before if phase.needs is None else phase.needs)),
            when=phase.when,
            gates_before=tuple(_gate(gate) for gate in phase.prompt_gates),
            gates=tuple(_gate(gate) for gate in phase.gates),
            on_fail=_on_fail(phase.retry, phase.on_fail, seen),
            next=tuple(NextRule(seen.get(step.goto, step.goto), step.if_, step.max) for step in phase.next),
            timeout_s=_seconds(phase.timeout or _inner_timeout(phase)),
            skip=phase.skip,
            auto_proceed=phase.auto_proceed,
            exclusive=any(gate.tree in {"alone", "runs"} for gate in gates) or _runs_checks(phase),
            served=_is_served(phase, roles),
            goto_only=phase.enter == "goto_only",
            locks=phase.locks,
            parent=parent,
            loop=_loop(phase) if isinstance(phase, LoopPhase | FlowPhase) else None,
            recovery=None if recovery is None else LoopSpec(items=canonical_json(recovery.with_), flow=True),
            begins=phase.begins or "",
            reaches=phase.reaches or "",
            reports_blocker=recovers and phase.output is not None and phase.output.schema_ == BLOCKER,
        )
        if recovery is not None:
            inner = held_template(recovery)
            yield from _phases(inner.phases, here[phase.id], {}, inner.roles, recovers=True)
        if isinstance(phase, LoopPhase):
            yield from _phases(phase.phases, here[phase.id], seen, roles)
        elif isinstance(phase, FlowPhase):
            inner = held_template(phase)
            yield from _phases(inner.phases, here[phase.id], {}, inner.roles)


def _inner_timeout(phase: Phase) -> str | None:
    """The time-out of an embedded template applies to its flow."""
    return held_template(phase).limits.timeout if isinstance(phase, FlowPhase) else None


def _loop(phase: LoopPhase | FlowPhase) -> LoopSpec:
    if isinstance(phase, FlowPhase):
        return LoopSpec(items=canonical_json(phase.with_), flow=True, outputs=phase.output is not None)
    if phase.for_each is not None:
        walk = phase.for_each
        return LoopSpec(items=walk.in_, max_parallel=walk.max_parallel, on_item_fail=walk.on_item_fail)
    assert phase.until is not None, "lint: exactly one of for_each and until"
    return LoopSpec(until=phase.until.if_, until_max=phase.until.max)


def _is_served(phase: Phase, roles: Mapping[str, Role]) -> bool:
    """True when the server does the phase's work. Design §7a: an agent phase is the client's unless its role has a provider."""
    role = roles.get(phase.role or "")
    return phase.kind in {"steps", "llm"} or (phase.kind == "agent" and role is not None and role.provider is not None)


def _runs_checks(phase: Phase) -> bool:
    return isinstance(phase, StepsPhase) and any(step.check for step in phase.steps)


def _gate(gate: Gate) -> GateSpec:
    if isinstance(gate, ApprovalGate):
        return GateSpec(gate.kind, gate.assurance, _seconds(gate.expires), people=gate.people)
    return GateSpec(gate.kind, binds_tree=gate.tree != "unused")


def _on_fail(retry: Retry | None, rules: Sequence[OnFail] | None, seen: dict[str, PhasePath]) -> tuple[FailRule, ...]:
    fail_rules = DEFAULT_ON_FAIL if rules is None else tuple(_rule(rule, seen) for rule in rules)
    if retry is None:
        return fail_rules
    first = FailRule(
        "backoff" if retry.backoff == "exponential" else "retry",
        max_uses=retry.max_attempts,
        initial_s=duration_s(retry.initial),
        max_s=duration_s(retry.max),
    )
    # ``retry`` alone replaces the default's retry, not its final rule that asks the user.
    return (first, *(DEFAULT_ON_FAIL[1:] if rules is None else fail_rules))


def _rule(rule: OnFail, seen: dict[str, PhasePath]) -> FailRule:
    match rule:
        case RetryRule():
            return FailRule("retry", max_uses=rule.max_attempts, stage=rule.stage)
        case BackoffRule():
            return FailRule(
                "backoff", rule.max_attempts, None, duration_s(rule.initial), duration_s(rule.max), rule.stage
            )
        case GotoRule():
            return FailRule(
                "goto", max_uses=rule.max, goto=seen.get(rule.phase, PhasePath(rule.phase)), stage=rule.stage
            )
        case SubflowRule():
            return FailRule("subflow", max_uses=rule.max_attempts, same_blocker=rule.same_blocker)
        case _:  # compensate, and the rules that end the list, have no settings
            return FailRule(rule.do)


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else duration_s(duration)
