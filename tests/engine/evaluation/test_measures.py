"""The figures of tests of claims: where each is read, and what is no figure."""

from typing import Any

import pytest

from tests.engine.evaluation.test_claims import after_tests, claimed
from tests.engine.scene import Scene, refused
from wfe_mcp.core.claims import MEASURES

CASES = '<testcase name="a"/><testcase name="b"/><testcase name="c"><failure/></testcase><testcase name="d"/>'
FAILS = f"open('report.xml', 'w').write('<testsuite>{CASES}</testsuite>')\nraise SystemExit(1)"
WELL = FAILS.replace("<failure/>", "<skipped/>").replace("\nraise SystemExit(1)", "")


def result(scene: Scene, code: str, test: dict[str, Any], **keys: Any) -> dict[str, Any]:
    scene.check("bench", code, **keys)
    return dict(after_tests(scene, claimed(scene, {"check": "bench", **test}).id).results[0])


COUNTS = {
    "passed of tests that pass": (WELL, "passed", 3.0),
    "skipped of tests that pass": (WELL, "skipped", 1.0),
    "failed of tests that pass": (WELL, "failed", 0.0),
    "failed of tests of which one fails": (FAILS, "failed", 1.0),
    "errors of tests of which one fails": (FAILS, "errors", 0.0),
    "passed of tests of which one fails": (FAILS, "passed", 3.0),
}


@pytest.mark.requirement("S4-22")
@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_that_of_the_tests(scene: Scene, name: str) -> None:
    code, metric, count = COUNTS[name]
    test = {"type": "metric_threshold", "metric": metric, "threshold": count, "comparison": "eq"}
    made = result(scene, code, test, junit="report.xml")
    assert (made["outcome"], made.get("value")) == ("passed", count), made


@pytest.mark.parametrize("metric", sorted({*MEASURES} - {"duration_s"}))
def test_a_check_without_a_report_has_no_count(scene: Scene, metric: str) -> None:
    made = result(scene, "pass", {"type": "metric_threshold", "metric": metric, "threshold": 1})
    assert (made["outcome"], made["why"].split(":")[0]) == ("error", f"the check has no {metric!r}")


def test_a_program_that_fails_otherwise_than_by_its_tests_has_no_count(scene: Scene) -> None:
    test = {"type": "metric_threshold", "metric": "failed", "threshold": 0, "comparison": "eq"}
    assert result(scene, f"{WELL}\nraise SystemExit(3)", test, junit="report.xml")["outcome"] == "error"


HUGE = "1" + "0" * 400
POINTED = {
    "a number that no float holds": (f'{{"q": {HUGE}}}', "/q"),
    "a place counted from the end": ('{"q": [1, 2]}', "/q/-1"),
    "a place with a zero before it": ('{"q": [1, 2]}', "/q/01"),
    "nothing there": ('{"q": 1}', "/r"),
    "true": ('{"q": true}', "/q"),
    "a number with a text around it": ('{"q": [1]}', "/q"),
}


@pytest.mark.parametrize("name", POINTED)
def test_what_is_no_figure_is_an_error_of_the_test(scene: Scene, name: str) -> None:
    printed, pointer = POINTED[name]
    made = result(scene, f"print('''{printed}''')", {"type": "benchmark", "pointer": pointer, "threshold": 0})
    assert made["outcome"] == "error", made


def test_a_threshold_that_no_float_holds_is_refused(scene: Scene) -> None:
    scene.check("bench", "pass")
    huge = {"type": "benchmark", "check": "bench", "pointer": "/q", "threshold": 10**400}
    assert refused(claimed, scene, huge).code == "bad_argument"
