"""The ``expr`` gate: a verdict from the value of its condition.

A condition that cannot be evaluated is an error of the gate, never false
(design §5). A false condition is explained: the gate's own message first, then its rule in a sentence, the condition, its
parts that are false with what they read, and the first item that breaks a condition over a list.
"""

import json
from collections.abc import Iterator

from wfe_mcp.core.texts import cut
from wfe_mcp.gates.judgement import Judgement, failed, passed, undecided
from wfe_mcp.gates.scene import Submission
from wfe_mcp.workflow.expressions import ExpressionError
from wfe_mcp.workflow.false_parts import FailedItem, FalsePart, failed_item, false_parts
from wfe_mcp.workflow.model.gates import ExprGate

KIND = "expr"

_ITEM_CHARS, _MOST_VALUES = 200, 5


def judge(gate: ExprGate, submission: Submission) -> Judgement:
    """Judge the artifact by the gate's condition."""
    condition = gate.assert_
    try:
        value = submission.is_true(condition)
    except ExpressionError as exc:
        why = f"Rule could not be evaluated: {condition}: {exc}"
        return undecided(
            KIND,
            why,
            "give the artifact the fields that this rule reads. If it has them, the template is wrong.",
            {"assert": condition, "error": str(exc)},
        )
    data = {"assert": condition, "value": value}
    rule = "" if gate.rule is None else _fill_in(gate.rule, submission)
    if value:
        return passed(KIND, f"Rule holds: {rule or gate.condition}", data | ({"rule": rule} if rule else {}))
    item = failed_item(condition, submission.value)
    named = {} if item is None else {"item": {"of": item.of, "index": item.index, "value": _short(item.value)}}
    return failed(
        KIND,
        f"{_own_message(gate, submission)}Rule failed: {_rule(gate, rule)}{_why(condition, submission)}{_about(item)}",
        "change the artifact so that the rule holds."
        if submission.artifact is not None
        else "change what the rule reads, then retry the phase.",
        data | named,
    )


def _rule(gate: ExprGate, rule: str) -> str:
    return f"{rule}.\nIt is checked by {gate.assert_}" if rule else f"{gate.assert_}."


def _own_message(gate: ExprGate, submission: Submission) -> str:
    return "" if gate.message is None else f"{_fill_in(gate.message, submission).rstrip()}\n"


def _fill_in(text: str, submission: Submission) -> str:
    """The gate's own words; they must not decide: without a value they stay as they are written."""
    try:
        return submission.text(text)
    except ExpressionError:
        return text


def _about(item: FailedItem | None) -> str:
    if item is None:
        return ""
    return f"\nItem {item.index} of {item.of} (the first is 0) breaks it: {_short(item.value)}"


def _why(condition: str, submission: Submission) -> str:
    """A line for each part that is false, with what it reads; of a condition that is one part, the values alone."""
    lines: list[str] = []
    for part in false_parts(condition, submission.value):
        values = "; ".join(_values(part, submission))
        named = "" if part.source == condition[2:-1].strip() else f"False: {part.source}"
        lines.append(" where ".join(filter(None, (named, values))))
    return "".join(f"\n{line}" for line in lines if line)


def _values(part: FalsePart, submission: Submission) -> Iterator[str]:
    for path in part.paths[:_MOST_VALUES]:
        try:
            value = submission.value(path)
        except ExpressionError:
            yield f"{path} is not there"
        else:
            if not isinstance(value, dict):  # of an object the part reads a name
                yield f"{path} is {_short(value)}"


def _short(value: object) -> str:
    return cut(json.dumps(value, ensure_ascii=False), _ITEM_CHARS)
