"""What the shipped schemas refuse, with messages and pointers."""

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from wfe_mcp.artifacts.registry import SHIPPED, json_schema
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Detail


def example(name: str) -> dict[str, Any]:
    return json_schema(name)["examples"][0]


def faults(name: str, value: object) -> dict[str, str]:
    return {detail.path: detail.message for detail in validate(name, value).faults}


def test_all_faults_of_a_plan_are_reported_at_once_with_their_own_pointers() -> None:
    plan = {
        "steps": [
            {"id": "S 1", "titel": "x", "acceptance": "y"},
            {"id": "S-2", "title": " ", "acceptance": [1], "depends_on": ["S-3"]},
            7,
        ],
        "risk": [],
    }
    assert validate("plan@1", plan).faults == (
        Detail(
            "/steps/0/id",
            "must be 1 to 64 letters, digits, '_' or '-', beginning with a letter or digit, found 'S 1'",
            "1 to 64 letters, digits, '_' or '-', beginning with a letter or digit",
            "S 1",
        ),
        Detail("/steps/0/title", "required key 'title' is missing", "text that is not blank", "nothing"),
        Detail("/steps/0/acceptance", "must be a list, found text", "a list", "y"),
        Detail(
            "/steps/0/titel",
            "unknown key 'titel'; did you mean 'title'?",
            "one of id, title, acceptance, detail, files, depends_on",
            "titel",
        ),
        Detail("/steps/1/title", "must be text that is not blank, found ' '", "text that is not blank", " "),
        Detail("/steps/1/acceptance/0", "must be text, found a number", "text", 1),
        Detail("/steps/2", "must be an object, found a number", "an object", 7),
        Detail("/risk", "unknown key 'risk'; did you mean 'risks'?", "one of steps, summary, risks, files", "risk"),
        Detail(
            "/steps/1/depends_on/0",
            "'S-3' refers to nothing in this artifact; did you mean 'S-2'?",
            "one of S 1, S-2",
            "S-3",
        ),
    )


@pytest.mark.requirement("B-10")
@pytest.mark.parametrize(
    ("review", "message"),
    [
        ({"findings": []}, "required key 'verdict' is missing"),
        ({"verdict": "PASS", "findings": []}, "must be 'pass' or 'fail', found 'PASS'; did you mean 'pass'?"),
        ({"verdict": "maybe", "findings": []}, "must be 'pass' or 'fail', found 'maybe'"),
        ({"verdict": None, "findings": []}, "must be 'pass' or 'fail', found null"),
        ({"verdict": ["pass"], "findings": []}, "must be 'pass' or 'fail', found a list of 1 item"),
    ],
)
def test_a_missing_or_malformed_verdict_is_a_schema_failure(review: object, message: str) -> None:
    assert faults("review@1", review) == {"/verdict": message}


@pytest.mark.requirement("B-25")
@pytest.mark.parametrize(
    "report", [{}, {"role": "qa"}, {"role": "qa", "summary": "fine"}, {"status": "ok", "role": "qa"}]
)
def test_a_report_that_does_not_say_pass_or_fail_is_refused(report: object) -> None:
    assert "/status" in faults("role_report@1", report)


@pytest.mark.requirement("S4-11")
def test_a_role_report_carries_what_was_run_and_counts_it() -> None:
    report = example("role_report@1")
    assert set(report["details"]) == {
        *("tests_added", "tests_changed", "commands_run", "failing_tests", "requirements_covered"),
        *("tests_run", "tests_passed"),
    }
    report["details"] |= {"tests_run": -1, "tests_passed": "42"}
    assert faults("role_report@1", report) == {
        "/details/tests_run": "must be at least 0, found -1",
        "/details/tests_passed": "must be a whole number, found text",
    }


@pytest.mark.requirement("S4-12")
@pytest.mark.parametrize("name", ["review@1", "role_report@1", "security_report@1"])
def test_a_finding_names_severity_place_and_recommendation(name: str) -> None:
    finding = example(name)["findings"][0]
    assert {"severity", "title", "file", "line", "recommendation"} <= set(finding)
    value = example(name) | {"findings": [finding | {"severity": "major"}]}
    assert faults(name, value) == {
        "/findings/0/severity": "must be 'critical' or 'high' or 'medium' or 'low' or 'info', found 'major'"
    }


def test_totals_of_a_security_report_may_not_hide_listed_findings() -> None:
    report = example("security_report@1")
    report["findings"] *= 2
    assert faults("security_report@1", report) == {"/totals/low": "findings lists 2 low, but the total is 1"}
    report["totals"]["low"] = 5
    assert validate("security_report@1", report).ok
    report["totals"]["low"] = "5"
    assert faults("security_report@1", report) == {"/totals/low": "must be a whole number, found text"}


def test_ids_are_unique_and_references_name_something() -> None:
    tasks = example("task_list@1")
    tasks["items"] = [tasks["items"][0], tasks["items"][0] | {"depends_on": ["zzz"]}]
    assert faults("task_list@1", tasks) == {
        "/items/1/id": "'T-1' is used twice, first at /items/0/id",
        "/items/1/depends_on/0": "'zzz' refers to nothing in this artifact",
    }
    assert list(faults("task_list@1", {"items": [{"id": 1, "title": "x", "acceptance": [], "depends_on": [1]}]})) == [
        "/items/0/id",
        "/items/0/depends_on/0",
    ]
    many = {"items": [{"id": f"TASK-{n:04}", "title": "x", "acceptance": [], "depends_on": ["zzz"]} for n in range(40)]}
    assert validate("task_list@1", many).faults[0].expected == "one of 40 ids in this artifact"


def test_task_ids_are_unique_over_all_milestones() -> None:
    plan = example("milestone_plan@1")
    plan["milestones"].append(plan["milestones"][0] | {"id": "M2", "slug": "m2"})
    assert list(faults("milestone_plan@1", plan)) == ["/milestones/1/tasks/0/id"]


def test_a_score_has_an_upper_bound() -> None:
    assert faults("eval@1", example("eval@1") | {"score": 101}) == {"/score": "must be at most 100, found 101"}


def test_a_text_and_a_list_that_are_too_long_hear_how_long_they_may_be() -> None:
    assert faults("blocker@1", example("blocker@1") | {"fingerprint": "x" * 301}) == {
        "/fingerprint": "must have at most 300 characters, found 301"
    }
    playbook = example("playbook@1")
    playbook["steps"] = [playbook["steps"][0] | {"id": f"S-{number}"} for number in range(21)]
    assert faults("playbook@1", playbook) == {"/steps": "must have at most 20 items, found 21"}


def test_thousands_of_faults_are_answered_at_once() -> None:
    steps: list[dict[str, Any]] = [{"id": f"s-{number}", "title": "t", "acceptance": []} for number in range(2_000)]
    steps[0]["depends_on"] = [f"t-{number}" for number in range(20_000)]
    keys: dict[str, Any] = {f"key{number}": {} for number in range(8)}
    closed: dict[str, Any] = {"type": "object", "properties": keys, "additionalProperties": False}
    given: list[tuple[str | dict[str, Any], dict[str, Any]]] = [
        ("plan@1", {"steps": steps}),
        ("plan@1", {"steps": [], **{f"stepp{number}": 0 for number in range(60_000)}}),
        (closed, {f"key{number}": 0 for number in range(10, 9_000)}),
    ]
    began = time.process_time()
    for schema, value in given:
        assert len(validate(schema, value).faults) == 51
    assert time.process_time() - began < 3


def test_null_for_an_optional_key_is_refused_with_the_way_out() -> None:
    assert faults("change@1", {"summary": "x", "commit": None}) == {
        "/commit": "must be text, found null; leave an optional key out instead"
    }


def test_nothing_is_converted_and_keys_left_out_stay_out() -> None:
    value: dict[str, Any] = {"steps": [{"id": "1", "title": "x", "acceptance": []}]}
    assert validate("plan@1", value).value == value
    assert faults("eval@1", {"passed": 1, "summary": "x"}) == {"/passed": "must be true or false, found a number"}


@pytest.mark.parametrize("value", [[], "text", None, 7, True])
def test_an_artifact_is_always_an_object(value: object) -> None:
    for schema in ("plan@1", {"type": "object"}):
        result = validate(schema, value)
        assert result.value == {} and [detail.path for detail in result.faults] == [""]
        assert result.faults[0].message.startswith("must be an object, found ")


def test_only_the_first_fifty_faults_are_listed_and_the_last_one_says_so() -> None:
    result = validate("plan@1", {"steps": [1] * 2000})
    assert len(result.faults) == 51
    assert result.faults[-1].message == "more faults follow; these are the first 50"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab \u00e9", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "title", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(name=st.sampled_from(SHIPPED), data=st.data())
def test_whatever_is_wrong_is_said_in_plain_words_at_a_small_size(name: str, data: st.DataObject) -> None:
    value = example(name)
    value[data.draw(st.sampled_from([*value, "unheard_of"]))] = data.draw(json_values)
    for detail in validate(name, value).faults:
        assert detail.path.startswith("/")
        for text in (detail.message, str(detail.expected), str(detail.got)):
            assert len(text) < 200
        for word in ("nput should", "valid dictionary", "pydantic", "http", "Value error", "breaks the rule"):
            assert word not in detail.message
        assert detail.expected and detail.message
