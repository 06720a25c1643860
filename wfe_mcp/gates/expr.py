"""Is the condition of an ``expr`` gate true?

The condition is evaluated by whoever holds the run's values; here is only what each outcome means. A condition that
cannot be evaluated is an error of the gate, never false (design §5).
"""

from collections.abc import Callable

from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.workflow.expressions import ExpressionError
from wfe_mcp.workflow.model import ExprGate

__all__ = ["judge_expr"]

KIND = "expr"


def judge_expr(gate: ExprGate, is_true: Callable[[str], bool]) -> Judgement:
    """Judge the artifact by the gate's condition. ``is_true`` evaluates its text over the run's values."""
    condition = gate.assert_
    try:
        value = is_true(condition)
    except ExpressionError as exc:
        why = f"The condition {condition} could not be evaluated: {exc}"
        return undecided(
            KIND,
            why,
            "submit an artifact that has what the condition reads; else the template is wrong.",
            {"assert": condition, "error": str(exc)},
        )
    data = {"assert": condition, "value": value}
    if value:
        return passed(KIND, f"True: {condition}", data)
    return failed(
        KIND,
        f"Rule failed: {condition}",
        "change the artifact so that it is true, then submit again.",
        data,
    )
