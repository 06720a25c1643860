"""Test results from a JUnit XML report.

The counts come from the test cases, never from the report's totals. Supported: pytest (both families), Surefire,
Gradle, Jest, go-junit-report, nextest: ``testsuites``, nested ``testsuite``, ``testcase``.
"""

from wfe_mcp.gates.markup import Element, UnreadableReport, parse_xml
from wfe_mcp.gates.results import FailedTest, TestResults, spellings

_MESSAGE_CHARS = 200


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
        counts[outcome] += 1
        if detail is not None and (outcome == "failure" or outcome == "error"):
            failing.append(_failing(case, outcome, detail))
        if outcome == "passed":
            passing.append(_id_of(case))
    return TestResults(
        counts["passed"], counts["failure"], counts["error"], counts["skipped"], tuple(failing), passing=tuple(passing)
    )


def _outcome(case: Element) -> tuple[str, Element | None]:
    for outcome in ("failure", "error", "skipped"):
        found = case.find(outcome)
        if found is not None:
            return outcome, found
    return "passed", None


def _failing(case: Element, kind: str, detail: Element) -> FailedTest:
    text = (detail.get("message") or detail.text or "").strip()
    first_line = text.splitlines()[0] if text else ""
    return FailedTest(
        id=_id_of(case),
        kind="error" if kind == "error" else "failure",
        message=first_line[:_MESSAGE_CHARS],
        aliases=frozenset(_aliases(case.get("name", ""), case.get("classname", ""))),
    )


def _id_of(case: Element) -> str:
    return _node_id(case.get("name", ""), case.get("classname", ""), case.get("file", ""))


def _node_id(name: str, classname: str, file: str) -> str:
    """The id as a user of the runner writes it: ``tests/test_a.py::TestX::test_y`` when the file is known."""
    if not file:
        return f"{classname}::{name}" if classname else name
    file = file.replace("\\", "/")
    module = file.removesuffix(".py").replace("/", ".")
    _, is_inside, classes = f".{classname}.".rpartition(f".{module}.")
    inner = classes.strip(".").replace(".", "::") if is_inside else ""
    return "::".join(part for part in (file, inner, name) if part)


def _aliases(name: str, classname: str) -> set[str]:
    """Spellings that the id alone does not give where it begins with a file."""
    return {name, f"{classname}.{name}", *spellings(f"{classname}::{name}")} if classname else {name}
