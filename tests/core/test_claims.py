"""Claims: what a test and a piece of evidence may say, and the status that follows from them."""

from typing import Any

import pytest

from wfe_mcp.core.claims import (
    MOST_LISTED,
    MOST_TESTS,
    TYPES,
    checked_evidence,
    checked_tests,
    is_met,
    of_stage,
    outcomes,
    schemas_of_tests,
    verdict,
)

SCRIPT = {"type": "script", "check": "bench"}
BENCH = {"type": "benchmark", "check": "bench", "threshold": 100}
METRIC = {"type": "metric_threshold", "check": "bench", "threshold": 1}
GOLD = {"type": "gold_set", "check": "bench", "gold_set": "answers", "output": "out.csv", "threshold": 0.9}


@pytest.mark.requirement("S4-22")
@pytest.mark.parametrize(
    ("tests", "answer"),
    [
        ("script", "is no list of tests"),
        ([], "is no list of tests"),
        ([SCRIPT] * (MOST_TESTS + 1), "is no list of tests"),
        (["script"], "test 1 is no object"),
        ([{"type": "scrpt"}], "test 1 has no known type: 'scrpt' (Did you mean 'script'?)"),
        ([{"type": "x" * 9_000}], "test 1 has no known type: '" + "x" * 40 + "'"),
        ([SCRIPT | {"chck": "x"}], "test 1 has the unknown key 'chck' (Did you mean 'check'?)"),
        ([{"type": "script"}], "test 1 of type script lacks 'check'"),
        ([SCRIPT | {"name": "a"}, SCRIPT | {"name": "a"}], "test 2 has the name 'a' twice"),
        ([SCRIPT | {"name": "test-2"}, SCRIPT], "test 2 has the name 'test-2' twice"),
        ([BENCH], "needs exactly one of 'regex' and 'pointer'"),
        ([BENCH | {"regex": "x", "pointer": "/x"}], "needs exactly one of 'regex' and 'pointer'"),
        ([BENCH | {"regex": "("}], "has a regular expression that cannot be read"),
        ([BENCH | {"regex": "x" * 301}], "has too long a regular expression"),
        ([BENCH | {"pointer": "x"}], "has a pointer that is no JSON pointer"),
        ([BENCH | {"regex": "x", "threshold": True}], "has a threshold that is no number"),
        ([BENCH | {"regex": "x", "threshold": 10**400}], "has a threshold that is no number"),
        ([BENCH | {"regex": "x", "comparison": "less"}], "has the unknown comparison 'less'"),
        ([BENCH | {"regex": "x", "file": "../out"}], "has 'file' outside the project: ../out"),
        ([BENCH | {"regex": "two\nlines"}], "has 'regex' that is no single line"),
        ([METRIC | {"metric": "pased"}], "has the unknown metric 'pased' (Did you mean 'passed'?)"),
        ([GOLD | {"metric": "f1"}], "has the unknown metric 'f1'"),
        ([{"type": "manual", "checklist": "one"}], "has 'checklist' that is no list of lines"),
        ([{"type": "manual", "checklist": ["a"] * (MOST_LISTED + 1)}], "has 'checklist' that is no list of lines"),
    ],
)
def test_a_test_that_says_nothing_is_refused_with_what_is_expected(tests: Any, answer: str) -> None:
    faults, kept = checked_tests(tests)
    assert answer in faults[0][0]
    assert kept == []


@pytest.mark.requirement("S4-22")
@pytest.mark.parametrize(
    ("tests", "where"),
    [
        ([], ()),
        ([SCRIPT, "script"], (1,)),
        ([SCRIPT | {"chck": "x"}], (0,)),
        ([SCRIPT, {"type": "x"}], (1, "type")),
        ([{"type": "script"}], (0, "check")),
        ([SCRIPT | {"name": "a"}, SCRIPT | {"name": "a"}], (1, "name")),
        ([BENCH], (0, "regex")),
        ([SCRIPT, BENCH | {"regex": "("}], (1, "regex")),
        ([METRIC | {"metric": "x"}], (0, "metric")),
    ],
)
def test_a_fault_says_in_which_field_of_which_test_it_is(tests: Any, where: tuple[object, ...]) -> None:
    (fault,), _ = checked_tests(tests)
    assert fault[2:] == where


def test_all_faults_of_all_tests_are_found_at_once() -> None:
    faults, kept = checked_tests(
        [{"type": "benchmark", "threshold": "ten", "regex": "("}, {"type": "x"}, SCRIPT, METRIC | {"threshold": ""}]
    )
    assert [fault[2:] for fault in faults] == [
        (0, "check"),
        (0, "threshold"),
        (0, "regex"),
        (1, "type"),
        (3, "metric"),
        (3, "threshold"),
    ]
    assert kept == []


def test_a_form_asks_for_the_keys_of_a_type_and_the_names_that_it_may_have() -> None:
    forms = schemas_of_tests(["unit", "bench"], [])
    assert list(forms) == list(TYPES)
    for name, form in forms.items():
        assert form["required"] == list(TYPES[name].needs)
        assert set(form["properties"]) == {*TYPES[name].needs, *TYPES[name].may, "name", "stages"}
        assert all(each["description"] for each in form["properties"].values())
    gold = forms["gold_set"]["properties"]
    assert (gold["check"]["enum"], gold["gold_set"]["enum"]) == (["bench", "unit"], [])
    assert gold["gold_set"]["description"].endswith("none is configured")
    assert (gold["metric"]["enum"], gold["threshold"]["type"]) == (["accuracy", "mean_error"], "number")
    assert "passed" in forms["metric_threshold"]["properties"]["metric"]["enum"]
    assert forms["manual"]["properties"]["checklist"]["type"] == "array"


@pytest.mark.requirement("S4-22")
def test_tests_get_a_name_and_what_they_leave_out() -> None:
    faults, kept = checked_tests((SCRIPT, BENCH | {"pointer": "/p95"}, GOLD, METRIC | {"metric": "passed"}))
    assert faults == []
    assert [each["name"] for each in kept] == ["test-1", "test-2", "test-3", "test-4"]
    assert (kept[1]["comparison"], kept[2]["metric"], kept[2]["comparison"]) == ("gte", "accuracy", "gte")


@pytest.mark.requirement("S4-23")
@pytest.mark.parametrize(
    ("evidence", "answer"),
    [
        ("seen", "is no list of evidence"),
        ([], "is no list of evidence"),
        (["seen"], "has evidence without ref and reason"),
        ([{"supports": True}], "has evidence without ref and reason"),
        ([{"ref": "log", "says": "x"}], "has evidence with the key 'says'"),
        ([{"ref": "log", "supports": "yes"}], "is neither true, false nor null"),
        ([{"ref": "two\nlines"}], "has evidence that is no single line"),
    ],
)
def test_evidence_that_says_nothing_is_refused(evidence: Any, answer: str) -> None:
    fault, kept = checked_evidence(evidence)
    assert fault is not None
    assert answer in fault[0]
    assert kept == []


def test_one_piece_of_evidence_needs_no_list() -> None:
    assert checked_evidence({"ref": "log", "supports": None}) == (None, [{"ref": "log"}])


@pytest.mark.requirement("S4-23")
@pytest.mark.parametrize(
    ("results", "evidence", "status", "why"),
    [
        ([], [], "pending", ""),
        ([], [{"ref": "log"}], "pending", ""),
        (["passed", "passed"], [], "validated", ""),
        (["passed", "failed"], [], "falsified", "b: because"),
        (["passed", "passed"], [{"ref": "log", "reason": "slow", "supports": False}], "falsified", "log: slow"),
        (["passed", "passed"], [{"reason": "slow", "supports": False}], "falsified", "slow"),
        (["passed", "error"], [], "inconclusive", "b: because"),
        (["passed"], [], "inconclusive", "b has no result"),
    ],
)
def test_the_status_of_a_claim_follows_from_its_results(
    results: list[str], evidence: list[dict[str, Any]], status: str, why: str
) -> None:
    tests = [SCRIPT | {"name": name} for name in ("a", "b")]
    found = [{"test": name, "outcome": each, "why": "because"} for name, each in zip("ab", results, strict=False)]
    assert verdict(tests, found, evidence) == (status, why)


def test_a_list_has_the_answer_of_a_person() -> None:
    tests = [{"name": "looks", "type": "manual", "checklist": ["fast"]}]
    said = [{"test": "looks", "reason": "it lags", "supports": False}, {"test": "looks", "reason": "?"}]
    assert outcomes(tests, [], said)["looks"]["outcome"] == "failed"
    assert verdict(tests, [], said) == ("falsified", "looks: it lags")
    assert verdict(tests, [], [{"test": "looks", "supports": True}]) == ("validated", "")


def test_tests_of_a_stage_are_those_that_name_it_or_none() -> None:
    tests = [SCRIPT | {"name": "a"}, SCRIPT | {"name": "b", "stages": ["qa"]}]
    assert of_stage(tests, "") == of_stage(tests, "qa") == tests
    assert of_stage(tests, "dev") == tests[:1]


def test_a_figure_is_compared_as_its_test_wants_it() -> None:
    assert [is_met(1.0, how, 1.0) for how in ("gte", "lte", "eq")] == [True, True, True]
    assert [is_met(0.5, how, 1.0) for how in ("gte", "lte", "eq")] == [False, True, False]
