"""Lint rules for jumps, and for states: every order of the phases makes legal moves only.

1. A goto leads to the phase itself or an earlier one, in its list or an enclosing one; ``$complete`` is allowed at the
   top level only.
2. A phase with ``enter: goto_only`` is the target of a jump, and the jumping phase needs it: else both would start at
   once.
3. A rule after one that always applies is never reached.

The state of a run follows from the phases that it has completed, so that a move is judged here, once, and not in each run.
"""

import re
from collections.abc import Iterator, Sequence

from wfe_mcp.core.spec import COMPLETE
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model.phases import LoopPhase, Phase
from wfe_mcp.workflow.model.rules import BlockRule, FailureRule, GotoRule, PauseRule, WaitHumanRule
from wfe_mcp.workflow.model.template import Template

_Order = tuple[str, frozenset[tuple[str, bool]]]
_CHANGES = re.compile(r"\b(run|phase|vars|env)\b")
"""Roots whose values can differ between two phases."""


def jump_rules(views: tuple[PhaseView, ...], findings: LintFindings) -> None:
    """Every rule on jumps, over all phases."""
    led_to: set[str] = set()
    for view in views:
        _jumps_of(view, findings)
        for at, name in _gotos(view):
            _target(view, name, at, findings)
            place = _place_of(view, name)
            if place is not None:
                led_to.add(f"{place.pointer.rpartition('/')[0]}/{place.order.index_of(name)}")
                _both_begin(place, at, name, findings)
    for view in views:
        if view.phase.enter == "goto_only" and view.pointer not in led_to:
            findings.warn(
                f"{view.pointer}/enter",
                f"nothing jumps to {view.phase.id!r}, so it is skipped unless the user rolls back to it",
            )


def _gotos(view: PhaseView) -> Iterator[tuple[str, str]]:
    """The jumps of a phase: pointer and target name."""
    for position, step in enumerate(view.phase.next):
        if step.goto != COMPLETE:
            yield f"{view.pointer}/next/{position}/goto", step.goto
    for position, rule in enumerate(view.phase.on_fail or ()):
        if isinstance(rule, GotoRule):
            yield f"{view.pointer}/on_fail/{position}/phase", rule.phase


def _place_of(view: PhaseView, name: str) -> PhaseView | None:
    """The phase itself or the enclosing loop whose list has ``name``; a jump is resolved from the inside outwards."""
    return next((place for place in (view, *reversed(view.around)) if place.order.index_of(name) is not None), None)


def _both_begin(place: PhaseView, at: str, name: str, findings: LintFindings) -> None:
    target = place.order.index_of(name)
    assert target is not None, "the place is one where the name stands"
    goto_only = place.order.phases[target].enter == "goto_only"
    if goto_only and target != place.index and not place.order.is_before(target, place.index):
        findings.warn(
            at, f"{place.phase.id!r} does not need {name!r}, so both would restart at once; add it to its needs"
        )


def _jumps_of(view: PhaseView, findings: LintFindings) -> None:
    for position, step in enumerate(view.phase.next):
        at = f"{view.pointer}/next/{position}"
        if step.goto == COMPLETE and view.around:
            findings.error(
                f"{at}/goto", "'$complete' ends the run: it is allowed at the top level only", _targets(view), COMPLETE
            )
        if step.if_ is None and position + 1 < len(view.phase.next):
            findings.warn(f"{view.pointer}/next/{position + 1}", "never reached: the rule before it always matches")
    for position, rule in enumerate(view.phase.on_fail or ()):
        if isinstance(rule, WaitHumanRule | BlockRule | FailureRule | PauseRule) and position + 1 < len(
            view.phase.on_fail or ()
        ):
            findings.warn(
                f"{view.pointer}/on_fail/{position + 1}", f"never reached: {rule.do!r} before it always applies"
            )


def _target(view: PhaseView, name: str, at: str, findings: LintFindings) -> None:
    """Check the target ``name``, in the phase's own list, then outwards."""
    place = _place_of(view, name)
    target = None if place is None else place.order.index_of(name)
    if place is None or target is None:
        findings.unknown(at, f"unknown phase {name!r}", name, _targets(view))
    elif not place.order.can_jump(place.index, target):
        only = place.order.phases[target].enter == "goto_only"
        instead = f"declare {name!r} before {view.phase.id!r}" if only else "to skip phases, use 'when'"
        findings.error(
            at,
            f"{name!r} is not before {view.phase.id!r}: a goto leads to the phase itself or an earlier one; {instead}",
            _targets(view),
            name,
        )


def _targets(view: PhaseView) -> list[str]:
    return [
        name
        for place in (view, *reversed(view.around))
        for index, name in enumerate(place.order.ids)
        if place.order.can_jump(place.index, index)
    ]


def state_rules(template: Template, views: Sequence[PhaseView], findings: LintFindings) -> None:
    """All rules on states."""
    labels = tuple(template.states)
    named = [("/initial_state", template.initial_state)] if labels or template.initial_state else []
    named += [(f"/states/{name}/{at}", to) for name, moves in template.states.items() for at, to in enumerate(moves)]
    named_states = [(f"{view.pointer}/{key}", name, view) for view in views for key, name in _states_of(view)]
    named += [(at, name) for at, name, _ in named_states]
    unknown = [(at, name) for at, name in named if name not in template.states]
    for at, name in unknown:
        message = f"no state {name!r} in 'states'{did_you_mean(name or '', labels)}" if name else "'states' needs it"
        findings.error(at, message, list(labels), name)
    for at, _, view in named_states:
        if view.around:
            findings.error(at, "the state is that of the run: only a phase outside loops reaches one")
    if labels and not unknown:
        led_to = {template.initial_state}
        for _ in labels:
            led_to |= {to for name in led_to for to in template.states[name or ""]}
        for name in sorted(template.states.keys() - led_to):
            findings.error(f"/states/{name}", f"no move leads to {name!r} from {template.initial_state!r}")
        outer = [view for view in views if not view.around]
        ways = {view.phase.delivery for view in outer}  # with and without a delivery: no run has the phases of both
        for way in sorted(filter(None, ways)) or [None]:
            _moves(template, [view for view in outer if view.phase.delivery in {None, way}], findings)


def _moves(template: Template, views: list[PhaseView], findings: LintFindings) -> None:
    """Check every move by completion, in declared order, and by a jump back."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    # Each order of the phases so far: the state there, and the conditions that were answered.
    orders: set[_Order] = {(template.initial_state or "", frozenset())}
    last: PhaseView | None = None
    for view in views:
        phase, when = view.phase, view.phase.when or ""
        begun = {order for order in orders if (when, False) not in order[1]}
        now = {state for state, _ in begun}
        before[phase.id] = after[phase.id] = now if phase.begins is None else {phase.begins}
        for key, name in _states_of(view):
            if last is not None and not view.order.is_before(last.index, view.index):
                message = f"it must need {last.phase.id!r}, which reaches a state before it: states follow each other"
                findings.error(f"{view.pointer}/{key}", message)
            _legal(template, now, {name}, f"{view.pointer}/{key}", findings)
            now = after[phase.id] = {name}
        if any(_states_of(view)):
            # The same condition on what does not change is answered alike: phases with it are left out together.
            answer = {(when, True)} if when and not _CHANGES.search(when) else set[tuple[str, bool]]()
            left = {order for order in orders if (when, True) not in order[1]} if when else set[_Order]()
            left = {(state, answered | {(condition, False) for condition, _ in answer}) for state, answered in left}
            may_be_skipped = phase.enter == "goto_only" or not _is_kept(phase)
            done = {(state, answered | answer) for state in now for _, answered in begun}
            orders, last = done | left | (begun if may_be_skipped else set[_Order]()), view
    for view in views:
        jumps = [(f"next/{at}/goto", rule.goto, after) for at, rule in enumerate(view.phase.next)]
        rules = enumerate(view.phase.on_fail or ())
        jumps += [(f"on_fail/{at}/phase", rule.phase, before) for at, rule in rules if isinstance(rule, GotoRule)]
        for at, target, states_at in jumps:
            _legal(template, states_at[view.phase.id], before.get(target, set()), f"{view.pointer}/{at}", findings)


def _is_kept(phase: Phase) -> bool:
    """Whether no one may skip it: it says so, or a phase inside it, as the core has it."""
    inside = phase.phases if isinstance(phase, LoopPhase) else ()
    return phase.skip == "never" or any(_is_kept(inner) and inner.enter == "needs" for inner in inside)


def _states_of(view: PhaseView) -> list[tuple[str, str]]:
    """The keys of a phase that name a state, in the order in which they apply."""
    named = (("begins", view.phase.begins), ("reaches", view.phase.reaches))
    return [(key, name) for key, name in named if name is not None]


def _legal(template: Template, here: set[str], there: set[str], at: str, findings: LintFindings) -> None:
    hint = "; a phase before it may be skipped: give it 'skip': 'never'" if len(here) > 1 else ""
    for state in sorted(here):
        allowed = {state, *template.states[state]}
        for other in sorted(there - allowed):
            message = f"this moves the run from {state} to {other}, and 'states' allows {', '.join(sorted(allowed - {state})) or 'no move'} from there{hint}"
            if not any((error.path, error.message) == (at, message) for error in findings.errors):
                findings.error(at, message, sorted(allowed), other)
