"""Test results from XML reports: JUnit, and TRX of ``dotnet test``.

The counts come from the test cases, never from the report's totals. Supported: pytest (both families), Surefire,
Gradle, Jest, go-junit-report, nextest: ``testsuites``, nested ``testsuite``, ``testcase``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wfe_mcp.gates.markup import UnreadableReport, parse_xml
from wfe_mcp.gates.results import Case, FailedTest, Outcome, TestResults, first_line, results_of, spellings

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NO_FIXTURE = re.compile(r"fixture '[^'\n]+' not found")
"""pytest: nothing of the test ran, nor any code that it is about."""

_JS_FILE = re.compile(r"^(/|[A-Za-z]:[\\/]).*\.[cm]?[jt]sx?$")


def parse_junit(content: bytes) -> TestResults:
    """The results in ``content``. Refuses (UnreadableReport): any other document."""
    root = parse_xml(content)
    if root.tag not in {"testsuites", "testsuite"}:
        raise UnreadableReport(f"its root element is <{root.tag}>, not <testsuites> or <testsuite>")
    counts = {"passed": 0, "failure": 0, "error": 0, "skipped": 0}
    failing: list[FailedTest] = []
    passing: list[str] = []
    for case in root.iter("testcase"):
        outcome, detail = _outcome(case)
        if _is_file(case) and outcome == "passed":
            continue
        counts[outcome] += 1
        if outcome == "passed":
            passing.append(_id(case))
        elif detail is not None and outcome != "skipped":
            failing.append(_failing(case, outcome, detail))
    numbers = (counts["passed"], counts["failure"], counts["error"], counts["skipped"])
    return TestResults(*numbers, tuple(failing), tuple(passing))


def _outcome(case: Element) -> tuple[str, Element | None]:
    if case.get("status") == "notrun":  # ctest: its program does not exist
        return "error", case.find("skipped")
    if case.get("status") == "disabled":
        return "skipped", None
    for outcome in ("failure", "error", "skipped"):
        element = case.find(outcome)
        if element is not None:
            return "error" if _is_file(case) and outcome == "failure" else outcome, element
    if not case.get("name"):  # pytest: what the test calls ended the runner, also with exit code 0
        return "error", case
    return "passed", None


def _is_file(case: Element) -> bool:
    """True for what node reports in place of a file without tests, or of one that it could not load."""
    return case.get("classname") == "test" and _JS_FILE.search(case.get("name", "")) is not None


def _id(case: Element) -> str:
    return _node_id(case.get("name", ""), case.get("classname", ""), case.get("file", ""))


def _failing(case: Element, kind: str, detail: Element) -> FailedTest:
    name, classname = case.get("name", ""), case.get("classname", "")
    message = first_line(detail.get("message") or detail.text or "")
    return FailedTest(
        id=_id(case),
        kind="error" if kind == "error" else "failure",
        message=message,
        aliases=frozenset(_aliases(name, classname)),
        is_unloaded=not name  # bats: the file, or its setup_file
        or _is_file(case)
        or case.get("status") == "notrun"
        or message.startswith("collection failure")
        or "unittest.loader._FailedTest" in classname
        or (kind == "error" and _NO_FIXTURE.search(detail.text or "") is not None),
    )


def _node_id(name: str, classname: str, file: str) -> str:
    """The id as a user of the runner writes it: ``tests/test_a.py::TestX::test_y`` when the file is known."""
    if not file:
        return f"{classname.removeprefix('./')}::{name}" if classname else name
    file = file.replace("\\", "/")
    module = file.removesuffix(".py").replace("/", ".")
    _, is_inside, classes = f".{classname}.".rpartition(f".{module}.")
    inner = classes.strip(".").replace(".", "::") if is_inside else ""
    return "::".join(part for part in (file, inner, name) if part)


def _aliases(name: str, classname: str) -> set[str]:
    """Spellings that the id alone does not give where it begins with a file."""
    return {name, f"{classname}.{name}", *spellings(f"{classname}::{name}")} if classname else {name}


_OUTCOMES: dict[str, Outcome] = {
    "Passed": "passed",
    "PassedButRunAborted": "passed",
    "Warning": "passed",
    "Failed": "failure",
    "Error": "error",
    "Timeout": "error",
    "Aborted": "error",
}


def parse_trx(content: bytes) -> TestResults:
    """The results in ``content``. Refuses (UnreadableReport): any other document."""
    root = parse_xml(content)
    if root.tag != "TestRun":
        raise UnreadableReport(f"its root element is <{root.tag}>, not <TestRun>")
    return results_of(_case(result) for result in root.iter("UnitTestResult"))


def _case(result: Element) -> Case:
    outcome = _OUTCOMES.get(result.get("outcome", ""), "skipped")
    return Case((result.get("testName", ""),), outcome, message=result.findtext("Output/ErrorInfo/Message") or "")
