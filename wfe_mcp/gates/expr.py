"""The ``expr`` gate: a verdict from the value of its condition.

The caller evaluates the condition. A condition that cannot be evaluated is an error of the gate, never false
(design §5).
"""

from collections.abc import Callable

from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.workflow.expressions import ExpressionError
from wfe_mcp.workflow.model import ExprGate

KIND = "expr"


def judge_expr(gate: ExprGate, is_true: Callable[[str], bool]) -> Judgement:
    """Judge the artifact by the gate's condition. ``is_true`` evaluates its text with the run's values."""
    condition = gate.assert_
    try:
        value = is_true(condition)
    except ExpressionError as exc:
        why = f"Rule could not be evaluated: {condition}: {exc}"
        return undecided(
            KIND,
            why,
            "submit an artifact that has the fields this rule reads. If it has them, the template is wrong.",
            {"assert": condition, "error": str(exc)},
        )
    data = {"assert": condition, "value": value}
    if value:
        return passed(KIND, f"Rule holds: {condition}", data)
    return failed(
        KIND,
        f"Rule failed: {condition}",
        "change the artifact so that the rule holds, then submit again.",
        data,
    )
