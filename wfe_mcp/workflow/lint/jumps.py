"""Lint rules for jumps, and for states: every order of the phases makes legal moves only.

1. A goto leads to the phase itself or an earlier one, in its list or an enclosing one; ``$complete`` is allowed at the
   top level only.
2. A phase with ``enter: goto_only`` is the target of a jump, and the jumping phase needs it: else both would start at
   once.
3. A rule after one that always applies is never reached.

The state of a run follows from the phases that it has completed, so that a move is judged here, once, and not in each run.
"""

from collections.abc import Iterator, Sequence

from wfe_mcp.core.spec import COMPLETE
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import BlockRule, FailureRule, GotoRule, PauseRule, Template, WaitHumanRule


def jump_rules(views: tuple[PhaseView, ...], found: LintFindings) -> None:
    """Every rule on jumps, over all phases."""
    led_to: set[str] = set()
    for view in views:
        _jumps_of(view, found)
        for at, name in _gotos(view):
            place = _place_of(view, name)
            if place is not None:
                led_to.add(_target_pointer(place, name))
                _both_begin(place, at, name, found)
    for view in views:
        if view.phase.enter == "goto_only" and view.pointer not in led_to:
            found.warn(
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


def _target_pointer(place: PhaseView, name: str) -> str:
    return f"{place.pointer.rpartition('/')[0]}/{place.order.index_of(name)}"


def _both_begin(place: PhaseView, at: str, name: str, found: LintFindings) -> None:
    target = place.order.index_of(name)
    assert target is not None, "the place is one where the name stands"
    goto_only = place.order.phases[target].enter == "goto_only"
    if goto_only and target != place.index and not place.order.is_before(target, place.index):
        found.warn(at, f"{place.phase.id!r} does not need {name!r}, so both would restart at once; add it to its needs")


def _jumps_of(view: PhaseView, found: LintFindings) -> None:
    for position, step in enumerate(view.phase.next):
        at = f"{view.pointer}/next/{position}"
        if step.goto != COMPLETE:
            _target(view, step.goto, f"{at}/goto", found)
        elif view.around:
            found.error(
                f"{at}/goto", "'$complete' ends the run: it is allowed at the top level only", _targets(view), COMPLETE
            )
        if step.if_ is None and position + 1 < len(view.phase.next):
            found.warn(f"{view.pointer}/next/{position + 1}", "never reached: the rule before it always matches")
    for position, rule in enumerate(view.phase.on_fail or ()):
        if isinstance(rule, GotoRule):
            _target(view, rule.phase, f"{view.pointer}/on_fail/{position}/phase", found)
        if isinstance(rule, WaitHumanRule | BlockRule | FailureRule | PauseRule) and position + 1 < len(
            view.phase.on_fail or ()
        ):
            found.warn(f"{view.pointer}/on_fail/{position + 1}", f"never reached: {rule.do!r} before it always applies")


def _target(view: PhaseView, name: str, at: str, found: LintFindings) -> None:
    """Check the target ``name``, in the phase's own list, then outwards."""
    place = _place_of(view, name)
    target = None if place is None else place.order.index_of(name)
    if place is None or target is None:
        found.error(at, f"unknown phase {name!r}{did_you_mean(name, tuple(_targets(view)))}", _targets(view), name)
    elif not place.order.can_jump(place.index, target):
        only = place.order.phases[target].enter == "goto_only"
        instead = f"declare {name!r} before {view.phase.id!r}" if only else "to skip phases, use 'when'"
        found.error(
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


def state_rules(template: Template, views: Sequence[PhaseView], found: LintFindings) -> None:
    """All rules on states."""
    known = tuple(template.states)
    named = [("/initial_state", template.initial_state)] if known or template.initial_state else []
    named += [(f"/states/{name}/{at}", to) for name, moves in template.states.items() for at, to in enumerate(moves)]
    named += [(f"{view.pointer}/reaches", view.phase.reaches) for view in views if view.phase.reaches is not None]
    unknown = [(at, name) for at, name in named if name not in template.states]
    for at, name in unknown:
        message = f"no state {name!r} in 'states'{did_you_mean(name or '', known)}" if name else "'states' needs it"
        found.error(at, message, list(known), name)
    for view in views:
        if view.around and view.phase.reaches is not None:
            found.error(
                f"{view.pointer}/reaches", "the state is that of the run: only a phase outside loops reaches one"
            )
    if known and not unknown:
        _moves(template, [view for view in views if not view.around], found)


def _moves(template: Template, views: list[PhaseView], found: LintFindings) -> None:
    """Check every move by completion, in declared order, and by a jump back."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    now: set[str] = {template.initial_state or ""}
    last: PhaseView | None = None
    for view in views:
        phase, before[view.phase.id] = view.phase, now
        if phase.reaches is not None:
            if last is not None and not view.order.is_before(last.index, view.index):
                message = f"it must need {last.phase.id!r}, which reaches a state before it: states follow each other"
                found.error(f"{view.pointer}/reaches", message)
            _legal(template, now, {phase.reaches}, f"{view.pointer}/reaches", found)
            may_be_left_out = phase.when is not None or phase.enter == "goto_only" or phase.skip != "never"
            now, last = {phase.reaches} | (now if may_be_left_out else set[str]()), view
        after[phase.id] = {phase.reaches} if phase.reaches is not None else now
    for view in views:
        jumps = [(f"next/{at}/goto", rule.goto, after) for at, rule in enumerate(view.phase.next)]
        rules = enumerate(view.phase.on_fail or ())
        jumps += [(f"on_fail/{at}/phase", rule.phase, before) for at, rule in rules if isinstance(rule, GotoRule)]
        for at, target, states_at in jumps:
            _legal(template, states_at[view.phase.id], before.get(target, set()), f"{view.pointer}/{at}", found)


def _legal(template: Template, here: set[str], there: set[str], at: str, found: LintFindings) -> None:
    hint = "; a phase before it may be skipped: give it 'skip': 'never'" if len(here) > 1 else ""
    for one in sorted(here):
        allowed = {one, *template.states[one]}
        for other in sorted(there - allowed):
            message = f"this moves the run from {one} to {other}, and 'states' allows {', '.join(sorted(allowed - {one})) or 'no move'} from there{hint}"
            found.error(at, message, sorted(allowed), other)
