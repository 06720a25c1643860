"""What stops an AFU-9 workflow: an issue on HOLD waits for a person, a RED verdict aborts the run.

    a result with simpleVerdict RED, verdictType REJECTED or action ABORT   a step ``builtin: fail`` right after it
    a result ``issue`` with state HOLD, or ``issueState`` HOLD              a phase that a person must approve, after it

That engine looked at all its variables before and after each step (S2-11 to S2-13). A variable changes only where a step
assigns it, so it is enough to look there, and before the first step where the workflow reads ``variables`` from its start.
"""

from collections.abc import Mapping
from typing import Any

_RED = "[['simpleVerdict', 'RED'], ['verdictType', 'REJECTED'], ['action', 'ABORT']]"
_SHORT = (
    "['simpleVerdict', 'verdictType', 'action', 'errorClass', 'error_class', 'service', 'confidence', 'proposedAction', "
    "'proposed_action', 'fingerprint'].filter(k, k in {0} && type({0}[k]) in [string, int, double]).map(k, k + '=' + string({0}[k]))"
)
"""CEL of a verdict in short, in this order, so that the reason of the abort is found by its words."""

_HELD = {"issue": "type({0}) == map && 'state' in {0} && {0}.state == 'HOLD'", "issueState": "{0} == 'HOLD'"}
"""Variable → CEL that is true when it says HOLD; ``{0}`` is its value."""


def can_hold(variable: str) -> bool:
    """True for the variables that hold a run: ``issue`` and ``issueState``, as the old workflow spells them."""
    return variable in _HELD


def red_step(step: str, name: str, taken: str) -> dict[str, Any]:
    """A step ``taken`` that aborts the run when the result ``name`` of ``step`` is RED."""
    value = f"vars.{name}"
    return {
        "id": taken,
        "builtin": "fail",
        "if": f"${{has({value}) && type({value}) == map && {_RED}.exists(p, p[0] in {value} && {value}[p[0]] == p[1])}}",
        "params": {"message": f"RED: the result of step {step!r} aborts the run: ${{{_SHORT.format(value)}}}"},
    }


def hold_phase(variable: str, name: str, taken: str) -> dict[str, Any]:
    """A phase ``taken`` that waits for a person while the result ``name`` of the old ``variable`` says HOLD."""
    value = f"vars.{name}"
    return _waits(taken, f"has({value}) && {_HELD[variable].format(value)}", {variable: f"${{{value}}}"})


def red_at_start(taken: str) -> dict[str, Any]:
    """A step ``taken`` that aborts the run when one of the variables it was started with is RED."""
    variables = "inputs.variables"
    red = f"{_RED}.exists(p, p[0] in {variables}[v] && {variables}[v][p[0]] == p[1])"
    return {
        "id": taken,
        "builtin": "fail",
        "if": f"${{has({variables}) && type({variables}) == map && {variables}.exists(v, type({variables}[v]) == map && {red})}}",
        "params": {"message": "RED: a variable that the run was started with aborts it"},
    }


def hold_at_start(taken: str) -> dict[str, Any]:
    """A phase ``taken`` that waits for a person when the run was started with an issue on HOLD."""
    held = [f"('{name}' in inputs.variables && {_HELD[name].format(f'inputs.variables.{name}')})" for name in _HELD]
    asked = f"has(inputs.variables) && type(inputs.variables) == map && ({' || '.join(held)})"
    return _waits(taken, asked, {"variables": "${inputs.variables}"})


def _waits(phase: str, held: str, shown: Mapping[str, str]) -> dict[str, Any]:
    """A phase that exists only while ``held`` is true. Its artifact is what the person reads."""
    return {
        "id": phase,
        "title": "The issue is on HOLD",
        "kind": "steps",
        "when": f"${{{held}}}",
        "steps": [{"id": "held", "builtin": "set", "params": {"state": "HOLD", **shown}}],
        "gates": [{"kind": "approval", "question": "The issue is on HOLD. Continue anyway? Reject it to end the run."}],
        "on_fail": [{"do": "fail"}],
    }
