"""Test results from the TRX report of ``dotnet test --logger trx``."""

from wfe_mcp.gates.cases import Case, Outcome, results_of
from wfe_mcp.gates.markup import Element, UnreadableReport, parse_xml
from wfe_mcp.gates.results import TestResults

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
