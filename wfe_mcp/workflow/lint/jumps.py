"""Lint rules for jumps.

1. A goto leads to the phase itself or an earlier one, in its list or an enclosing one; ``$complete`` is allowed at the
   top level only.
2. A phase with ``enter: goto_only`` is the target of a jump, and the jumping phase needs it: else both would start at
   once.
3. A rule after one that always applies is never reached.
"""

from collections.abc import Iterator

from wfe_mcp.core.spec import COMPLETE
from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import BlockRule, FailureRule, GotoRule, PauseRule, WaitHumanRule


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
