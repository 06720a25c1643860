"""Conditions and reports, judged without looking at the project."""

import pytest

from tests.gates.scenes import Submitted
from wfe_mcp.core.outcomes import VerdictKind
from wfe_mcp.gates.expr import judge as judge_expr
from wfe_mcp.gates.judgement import Judgement, failed
from wfe_mcp.gates.report import judge
from wfe_mcp.workflow.model.gates import ExprGate, ReportGate


def judged(condition: str, message: str | None = None, **inputs: object) -> Judgement:
    """The judgement of a condition about ``inputs``."""
    gate = ExprGate.model_validate({"kind": "expr", "assert": f"${{{condition}}}", "message": message})
    return judge_expr(gate, Submitted(values={"inputs": inputs}))


def judge_report(gate: ReportGate, report: object, *, phase_role: str | None = None) -> Judgement:
    return judge(gate, Submitted(report, phase_role))


def test_a_rule_says_in_a_sentence_what_must_hold_and_the_condition_follows_where_it_does_not() -> None:
    gate = ExprGate.model_validate({"kind": "expr", "rule": "At least one step", "assert": "${size(inputs.steps) > 0}"})
    assert judge_expr(gate, Submitted(values={"inputs": {"steps": [1]}})).message == "Rule holds: At least one step"
    bare = gate.model_copy(update={"rule": None})
    bare_message = judge_expr(bare, Submitted(values={"inputs": {"steps": [1]}})).message
    assert bare_message == "Rule holds: size(inputs.steps) > 0", (
        "without a rule the condition is read, without its marks"
    )
    message = judge_expr(gate, Submitted(values={"inputs": {"steps": []}})).message
    assert message.startswith("Rule failed: At least one step.\nIt is checked by ${size(inputs.steps) > 0}\n")


def test_a_rule_names_the_values_that_it_speaks_of_and_stays_as_written_where_there_is_none() -> None:
    gate = ExprGate.model_validate(
        {"kind": "expr", "rule": "At most ${inputs.most} steps", "assert": "${size(inputs.steps) < 2}"}
    )
    assert (
        judge_expr(gate, Submitted(values={"inputs": {"most": 1, "steps": []}})).message
        == "Rule holds: At most 1 steps"
    )
    assert judge_expr(gate, Submitted(values={"inputs": {"most": 1, "steps": [1, 2]}})).message.startswith(
        "Rule failed: At most 1 steps.\n"
    )
    assert judge_expr(gate, Submitted(values={"inputs": {"steps": []}})).message == f"Rule holds: {gate.rule}"


def test_a_rule_that_fails_before_work_asks_for_no_artifact() -> None:
    gate = ExprGate.model_validate({"kind": "expr", "assert": "${inputs.owner != ''}"})
    values = {"inputs": {"owner": ""}}
    assert judge_expr(gate, Submitted(values=values)).message.endswith(
        "Next: change what the rule reads, then retry the phase."
    )
    assert judge_expr(gate, Submitted({}, values=values)).message.endswith(
        "Next: change the artifact so that the rule holds."
    )


STEPS = [{"id": "a", "title": "x"}, {"id": "b", "title": ""}, {"id": "c", "title": ""}]


@pytest.mark.parametrize(
    ("condition", "of", "index"),
    [
        ("inputs.steps.all(s, s.title != '')", "inputs.steps", 1),
        ("!inputs.steps.exists(s, s.title == '')", "inputs.steps", 1),
        ("size(inputs.steps) > 2 && (inputs.steps.all(s, s.title != ', )('))", None, None),
        (
            "inputs.steps.all(s, s.id != '') && inputs.steps.filter(s, s.id != 'a').all(s, s.title != '')",
            "inputs.steps.filter(s, s.id != 'a')",
            0,
        ),
        ("((inputs.steps.map(s, s.id).all(s, s in ['a', 'b'])))", "inputs.steps.map(s, s.id)", 2),
        ("inputs.names.all(n, n != 'b')", "inputs.names", 1),
        ("inputs.steps.all(s, s.title != '') || false", None, None),
        ("size(inputs.steps) > 9", None, None),
        ("inputs.steps.exists(s, s.id == 'z')", None, None),
        ("inputs.steps.all(s, s.size > 1 || s.id == 'b') || inputs.steps.all(s, false)", None, None),
        ("inputs.steps.all(s, has(s.size) && s.size > 1)", "inputs.steps", 0),
        ("inputs.steps.all(s, s.id == 'a' ? s.size > 1 : false)", None, None),
        ("inputs.steps[0].title == 'y' && inputs.steps.all(s, true)", None, None),
        ("size(inputs.steps.filter(s, s.id == 'z')) > 0", None, None),
    ],
)
def test_a_false_condition_over_a_list_names_the_first_item_that_breaks_it(
    condition: str, of: str | None, index: int | None
) -> None:
    judgement = judged(condition, steps=STEPS, names={"a": 1, "b": 2})
    if judgement.kind is VerdictKind.FAIL:
        item = judgement.data.get("item", {})
        assert (item.get("of"), item.get("index")) == (of, index)
        assert (f"Item {index} of {of} (the first is 0) breaks it: " in judgement.message) == (of is not None)
    else:
        assert (of, index) == (None, None)


WHY = {
    "inputs.a == 'x' && inputs.b == inputs.c && size(inputs.none) > 0": (
        'False: inputs.b == inputs.c where inputs.b is "Shop"; inputs.c is "shop"',
        "False: size(inputs.none) > 0 where inputs.none is []",
    ),
    "inputs.a == 'y'": ('inputs.a is "x"',),
    "(inputs.a == 'y' || inputs.a == 'z')": ('inputs.a is "x"',),
    "has(inputs.gone) && inputs.b.contains('inputs.c (')": (
        "False: has(inputs.gone) where inputs.gone is not there",
        "False: inputs.b.contains('inputs.c (') where inputs.b is \"Shop\"",
    ),
    "inputs.steps.all(s, s.title != '') && inputs.a == 'y'": (
        "False: inputs.a == 'y' where inputs.a is \"x\"",
        'Item 1 of inputs.steps (the first is 0) breaks it: {"title": ""}',
    ),
    "inputs.map.id == '' && inputs.gone == 1 && size(inputs.map) == 3": (
        "False: inputs.map.id == '' where inputs.map.id is 7",
        "False: size(inputs.map) == 3",
    ),
    "env.KEY == 'z' && false": ("False: env.KEY == 'z'", "False: false"),
    "false": (),
}


@pytest.mark.parametrize("condition", WHY)
def test_a_false_condition_names_its_false_parts_with_what_they_read(condition: str) -> None:
    gate = ExprGate.model_validate({"kind": "expr", "assert": f"${{{condition}}}"})
    inputs = {
        "a": "x",
        "b": "Shop",
        "c": "shop",
        "none": [],
        "steps": [{"title": "t"}, {"title": ""}],
        "map": {"id": 7},
    }
    message = judge_expr(gate, Submitted(values={"inputs": inputs, "env": {"KEY": "secret"}})).message
    assert message.partition(f"{gate.assert_}.")[2].strip().split("\n")[:-1] == list(WHY[condition])


def test_the_item_is_quoted_in_short_form() -> None:
    judgement = judged("inputs.steps.all(s, s.title == 'x')", steps=[{"title": "y" * 500}])

    assert judgement.data["item"]["value"] == '{"title": "' + "y" * 188 + "…"


def test_a_false_condition_is_explained_by_its_own_message_with_values() -> None:
    message = judged("size(inputs.steps) > 9", "Nine steps, not ${size(inputs.steps)}.", steps=STEPS).message
    assert message.startswith("Nine steps, not 3.\nRule failed: ${size(inputs.steps) > 9}")

    plain = judged("size(inputs.steps) > 9", "See ${inputs.gone}.", steps=STEPS)
    assert plain.kind is VerdictKind.FAIL and plain.message.startswith("See ${inputs.gone}.\n")


def report_gate(**rules: object) -> ReportGate:
    return ReportGate.model_validate({"kind": "report", **rules})


@pytest.mark.parametrize(("value", "kind"), [(True, VerdictKind.PASS), (False, VerdictKind.FAIL)])
def test_a_condition_decides(value: bool, kind: VerdictKind) -> None:
    judgement = judged("inputs.ready", ready=value)
    assert judgement.kind is kind
    assert judgement.data == {"assert": "${inputs.ready}", "value": value}


def test_a_condition_without_a_value_is_an_error_never_false() -> None:
    judgement = judged("size(inputs.steps) > 0")
    assert judgement.kind is VerdictKind.ERROR and "steps" in judgement.message


def test_a_report_of_the_right_role_and_status_passes() -> None:
    gate = report_gate(role="qa", status="pass")
    assert judge_report(gate, {"role": "qa", "status": "pass"}).kind is VerdictKind.PASS
    assert judge_report(report_gate(), {"status": "pass"}).kind is VerdictKind.PASS


@pytest.mark.requirement("B-25")
@pytest.mark.parametrize("report", [None, {}, [], "pass", {"role": "qa"}, {"role": "qa", "status": 1}])
def test_no_report_or_an_unreadable_one_is_a_fail(report: object) -> None:
    judgement = judge_report(report_gate(role="qa"), report)
    assert judgement.kind is VerdictKind.FAIL and "counts as a failure" in judgement.message


@pytest.mark.requirement("B-26")
@pytest.mark.parametrize("report", [{"role": "dev", "status": "pass"}, {"status": "pass"}])
def test_a_report_of_another_role_is_refused(report: object) -> None:
    judgement = judge_report(report_gate(role="qa"), report)
    assert judgement.kind is VerdictKind.FAIL and "expected 'qa'" in judgement.message


@pytest.mark.requirement("B-26")
def test_the_role_of_the_phase_must_report_where_the_gate_names_no_one() -> None:
    report = {"role": "dev", "status": "pass"}
    assert judge_report(report_gate(), report, phase_role="qa").kind is VerdictKind.FAIL
    assert judge_report(report_gate(), report, phase_role="dev").kind is VerdictKind.PASS


def test_a_report_with_another_status_fails_with_its_summary() -> None:
    judgement = judge_report(report_gate(), {"status": "fail", "summary": "two tests fail"})
    assert judgement.kind is VerdictKind.FAIL and "two tests fail" in judgement.message
    assert judge_report(report_gate(), {"status": "fail"}).message.startswith("The report's status is 'fail'")


def test_a_review_is_a_report_too() -> None:
    assert judge_report(report_gate(), {"verdict": "pass", "findings": []}).kind is VerdictKind.PASS


def test_a_message_never_grows_beyond_its_room_and_keeps_the_next_step() -> None:
    message = failed("expr", "x" * 9_000, "do this.").message
    assert len(message) <= 4_000 and message.endswith("Next: do this.")
