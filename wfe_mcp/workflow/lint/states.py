"""Lint rules for the states of a template: every order of its phases makes legal moves only.

The state of a run follows from the phases that it has completed, so that a move is judged here, once, and not in each run.
"""

from collections.abc import Sequence

from wfe_mcp.workflow.faults import did_you_mean
from wfe_mcp.workflow.lint.report import LintFindings
from wfe_mcp.workflow.lint.scope import PhaseView
from wfe_mcp.workflow.model import GotoRule, Template


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
