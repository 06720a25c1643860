"""What single shipped templates demand of a worker, a reviewer and a person."""

from typing import Any

import pytest

from tests.templates.test_shipped import NEEDS_NO_CHECK, TEMPLATES, gates, report, template
from wfe_mcp.workflow.delivering import only_delivers
from wfe_mcp.workflow.expressions import Expressions
from wfe_mcp.workflow.load import parse

INNER = {"recovery"}
"""Used inside others, which have the last word."""
TESTS = (
    "tests/test_slug.py",
    "pkg/tests/data/a.csv",
    "src/test/java/AppTest.java",
    "web/src/app.test.tsx",
    "store_test.go",
    "test/slug.test.mjs",
    "test-slug.js",
    "src/test-slug.mjs",
    "crate/tests/slug.rs",
    "src/slug/tests.rs",
    "spec/slug_spec.rb",
    "tests/SlugTest.php",
    "src/Slug.Tests/SlugTests.cs",
)


def judged(name: str) -> list[dict[str, Any]]:
    """The phases of a template but those that deliver and deploy what they have judged."""
    return [each for each in template(name)["phases"] if not only_delivers(each) and not only_deploys(each)]


def only_deploys(phase: dict[str, Any]) -> bool:
    return {step.get("builtin") for step in phase.get("steps", ())} == {"deploy"}


def phase(name: str, wanted: str) -> dict[str, Any]:
    return next(found for found in template(name)["phases"] if found["id"] == wanted)


def test_the_last_word_is_a_persons_and_comes_after_the_evidence() -> None:
    for name in TEMPLATES:
        if not report(name).requires.servers and name not in INNER and judged(name):
            last = judged(name)[-1]["gates"]
            assert last[-1] == {"kind": "approval", "assurance": "human"}, name
            wanted = "expr" if name in NEEDS_NO_CHECK else "command"
            assert wanted in [gate["kind"] for gate in last[:-1]], name


def test_quick_fix_sees_the_named_test_fail_and_then_pass() -> None:
    seen = [gates(phase("quick_fix", each), "command")[0] for each in ("reproduce", "fix")]
    named = "${artifacts.failing_test.test}"
    assert [gate["expect"] for gate in seen] == [
        {"exit_code": "nonzero", "fails": named},
        {"exit_code": 0, "passes": named},
    ]
    assert [gate["check"] for gate in seen] == ["test", "test"]
    assert phase("quick_fix", "reproduce")["skip"] == "never", "the fix is judged by the test that it names"


@pytest.mark.parametrize(("name", "wanted"), [("quick_fix", "fix"), ("role_pipeline", "dev")])
@pytest.mark.requirement("S4-13")
def test_who_fixes_the_code_may_not_touch_a_test(name: str, wanted: str) -> None:
    from wfe_mcp.workspace.files.paths import match_globs

    gate = next(gate for gate in gates(phase(name, wanted), "files") if "unchanged" in gate)
    assert "${inputs.tests}" in gate["unchanged"]
    tests = template(name)["inputs"]["properties"]["tests"]["default"]
    assert [path for path in TESTS if not match_globs(path, tests)] == []
    for source in (
        "src/testing.py",
        "latest/app.py",
        "src/latest-test-app.py",
        "src/contest.rs",
        "src/lib.rs",
        "Testament.md",
    ):
        assert not match_globs(source, tests), source


@pytest.mark.requirement("S4-01", "S4-36")
def test_the_role_pipeline_writes_its_tests_before_the_code() -> None:
    ids = [each["id"] for each in judged("role_pipeline")]
    assert ids == ["pm", "qa_tests", "dev", "qa", "sec", "docs", "deploy"]
    assert gates(phase("role_pipeline", "qa_tests"), "command")[0]["expect"]["exit_code"] == "nonzero"


@pytest.mark.requirement("S4-13")
def test_only_the_pm_may_touch_the_requirements() -> None:
    for each in judged("role_pipeline"):
        gate = gates(each, "files")[0]
        if each["id"] == "pm":
            assert gate["within"] == ["_spec/**"]
        else:
            assert "_spec/**" in gate["unchanged"], each["id"]


@pytest.mark.requirement("S4-05")
@pytest.mark.parametrize("judge", ["qa", "sec"])
def test_what_a_judge_finds_goes_back_to_dev_three_times_and_then_to_a_person(judge: str) -> None:
    rules = phase("role_pipeline", judge)["on_fail"]
    assert rules == [{"do": "goto", "phase": "dev", "max": 3}, {"do": "wait_human"}]
    assert template("role_pipeline")["limits"]["max_iterations"] == 4


@pytest.mark.requirement("B-25")
@pytest.mark.requirement("B-26")
@pytest.mark.parametrize("wanted", ["qa", "docs"])
def test_a_role_must_report_itself_and_say_pass(wanted: str) -> None:
    each = phase("role_pipeline", wanted)
    assert each["gates"][0] == {"kind": "report", "role": each["role"], "status": "pass"}


@pytest.mark.requirement("S4-07")
def test_the_approvals_on_the_way_take_a_form_and_the_last_one_a_secret() -> None:
    asked = [(each["id"], gate["assurance"]) for each in judged("role_pipeline") for gate in gates(each, "approval")]
    assert asked == [("pm", "client"), ("qa_tests", "client"), ("deploy", "human")]


def test_a_release_needs_the_scanner() -> None:
    (gate,) = gates(phase("role_pipeline", "sec"), "command")
    assert (gate["check"], gate.get("if_missing", "fail")) == ("security", "fail")


@pytest.mark.parametrize(
    ("severity", "passes"), [("critical", False), ("high", False), ("medium", True), ("info", True)]
)
def test_a_grave_finding_stops_at_security_listed_or_only_counted(severity: str, passes: bool) -> None:
    judged = gates(phase("role_pipeline", "sec"), "expr")[0]["assert"]
    expressions = Expressions.of(parse(template("role_pipeline")))
    none = dict.fromkeys(("critical", "high", "medium", "low", "info"), 0)
    listed = {"findings": [{"severity": severity, "title": "x"}], "totals": none}
    counted: dict[str, Any] = {"findings": [], "totals": {**none, severity: 2}}
    for found in (listed, counted):
        assert expressions.is_true(judged, {"artifacts": {"security_report": found}}) is passes


@pytest.mark.requirement("S4-19")
@pytest.mark.parametrize(("acceptance", "passes"), [(None, False), ([], False), (["a file is there"], True)])
def test_a_list_is_ready_when_it_has_tasks_and_each_a_criterion(acceptance: list[str] | None, passes: bool) -> None:
    items = [] if acceptance is None else [{"acceptance": acceptance}]
    judged = gates(phase("role_pipeline", "pm"), "expr")[0]["assert"]
    expressions = Expressions.of(parse(template("role_pipeline")))
    assert expressions.is_true(judged, {"artifacts": {"breakdown": {"items": items}}}) is passes


@pytest.mark.parametrize("release", [{"summary": "x"}, {"rollback": ""}])
def test_a_release_without_a_way_back_is_not_put_before_a_person(release: dict[str, str]) -> None:
    judged = gates(phase("role_pipeline", "deploy"), "expr")[0]["assert"]
    expressions = Expressions.of(parse(template("role_pipeline")))
    assert not expressions.is_true(judged, {"artifacts": {"release": release}})
    assert expressions.is_true(judged, {"artifacts": {"release": {"rollback": "make undo"}}})


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize(
    ("merge", "checks", "looks", "ends"),
    [
        ("yes", "none", 1, False),
        ("yes", "none", 5, True),
        ("yes", "running", 9, False),
        ("yes", "passed", 1, True),
        ("wait", "passed", 1, False),
        ("wait", "failed", 1, True),
        ("no", "failed", 1, True),
    ],
)
def test_an_update_waits_for_checks_that_run_or_are_not_registered_yet(
    merge: str, checks: str, looks: int, ends: bool
) -> None:
    until = phase("dependency_update", "checks")["until"]["if"]
    expressions = Expressions.of(parse(template("dependency_update")))
    pull = {"merge": merge, "checks": checks}
    assert expressions.is_true(until, {"artifacts": {"pull": pull}, "item": {"index": looks - 1}}) is ends
    assert expressions.is_true(until, {"artifacts": {"pull": {"skipped": "no"}}, "item": {"index": 0}})
