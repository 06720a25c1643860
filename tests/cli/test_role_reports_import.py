"""Role reports and hand-offs of Workflow Hub become phases of an imported run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_session_import import artifact, come_in, phases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.scene import Terminal


QA: dict[str, Any] = {
    "role": "qa",
    "status": "fail",
    "summary": "One test fails",
    "actor": "qa-agent",
    "created_at": "2026-01-03T08:00:00Z",
    "details": {"tests_run": 3, "tests_passed": 2, "failing_tests": ["test_tier"], "coverage": "81 %"},
    "raw_output": "…",
}
SECURITY: dict[str, Any] = {
    "from_role": "qa",
    "to_role": "security",
    "stage": "SEC",
    "status": "completed",
    "context": {"previous": []},
    "report": "I looked.\n```json\n"
    + json.dumps(
        {
            "details": {
                "vulnerabilities": [
                    {"name": "SQL injection", "severity": "HIGH", "file": "src/a.py", "line": 3, "fix": "Bind it"},
                    "A weak hash",
                ]
            }
        }
    )
    + "\n```\n",
    "report_status": "fail",
    "report_summary": "Two findings",
    "created_at": "2026-01-03T09:00:00Z",
}


def reports(cli: Terminal, answer: object) -> Path:
    path = cli.root / "reports.json"
    path.write_text(json.dumps(answer))
    return path


@pytest.mark.requirement("S4-15", "S4-18")
def test_reports_and_hand_offs_come_in_as_phases_in_their_order(cli: Terminal) -> None:
    run, origin = come_in(cli, reports(cli, [QA, SECURITY]))

    assert phases(cli, run) == {"qa_report": "completed", "security_report": "completed"}
    assert artifact(cli, run, "qa_report") == {
        "role": "qa",
        "status": "fail",
        "summary": "One test fails",
        "details": {"tests_run": 3, "tests_passed": 2, "failing_tests": ["test_tier"]},
    }
    assert artifact(cli, run, "security_report")["findings"] == [
        {"severity": "high", "title": "SQL injection", "file": "src/a.py", "line": 3, "recommendation": "Bind it"},
        {"severity": "medium", "title": "A weak hash"},
    ]
    assert {"1: qa says fail", "2: qa to security says fail"} <= set(origin["statements"])
    assert {one["path"] for one in origin["not_carried"]} == {
        "/0/actor",
        "/0/raw_output",
        "/0/details/coverage",
        "/1/context",
    }
    assert cli.json("verify", run).code == 0
    assert "wfe-mcp start role_pipeline" in cli.json("cancel", run).document["error"]["hint"]


NO_REPORT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("only words", {"role": "qa", "raw_output": "All fine, exit 0."}),
    ("a status that is a list", {"from_role": ["dev"], "to_role": "qa", "status": ["completed"], "report": []}),
    ("a hand-off without one", {"from_role": "dev", "to_role": "qa", "status": "completed", "report": None}),
)


@pytest.mark.parametrize(("what", "answer"), NO_REPORT, ids=[each[0] for each in NO_REPORT])
@pytest.mark.requirement("S4-15", "B-25")
def test_no_report_is_no_pass(cli: Terminal, what: str, answer: dict[str, Any]) -> None:
    del what
    run, origin = come_in(cli, reports(cli, answer))

    assert "no report in it; that is no pass" in origin["statements"][0]
    assert json.dumps(answer["role" if "role" in answer else "to_role"]) in artifact(cli, run, "qa_report")["body"]


@pytest.mark.requirement("S4-15")
def test_a_report_that_was_only_printed_is_found_at_the_end_of_what_was_printed(cli: Terminal) -> None:
    printed = 'Draft:\n{"status": "pass", "summary": "Draft"}\nFinal:\n{"status": "fail",\n "summary": "No"}\nBye.\n'

    run, _ = come_in(cli, reports(cli, {"role": "qa", "raw_output": printed}))

    assert artifact(cli, run, "qa_report") == {"role": "qa", "status": "fail", "summary": "No"}


@pytest.mark.requirement("S4-15")
def test_a_report_that_does_not_fit_is_kept_as_a_document_and_reported(cli: Terminal) -> None:
    run, origin = come_in(cli, reports(cli, [QA | {"status": "green"}, QA]))

    assert "no valid report, kept as a document (/status" in origin["statements"][0]
    assert '"green"' in artifact(cli, run, "qa_report")["body"]
    assert artifact(cli, run, "qa_report_2")["status"] == "fail"


@pytest.mark.requirement("S4-18")
def test_a_hand_off_that_was_open_is_accepted_by_no_one(cli: Terminal) -> None:
    waiting: dict[str, Any] = {"from_role": "qa", "to_role": "dev", "status": "in_progress", "context": {}}

    run, origin = come_in(cli, reports(cli, [QA, waiting]))

    assert (cli.state(run), phases(cli, run)) == ("cancelled", {"qa_report": "completed", "dev_report": "cancelled"})
    assert "2: qa to dev, in_progress: no report in it; that is no pass" in origin["statements"]


def test_reports_without_times_say_so_and_are_the_same_run_again(cli: Terminal) -> None:
    answer = {"role": "docs", "status": "pass", "summary": "Written"}
    run, origin = come_in(cli, reports(cli, answer))

    assert "name no times" in origin["statements"][-1]
    assert cli.json("import", "reports.json").data["was_here"] is True
    assert cli.json("import", "reports.json").document["run"] == run


BAD: tuple[tuple[str, str, str, str], ...] = (
    ("no JSON", "[{]", "invalid_artifact", ""),
    ("a key twice", '[{"role": "qa", "role": "pm"}]', "invalid_artifact", "/0/role"),
    ("nothing", "[]", "invalid_artifact", ""),
    ("too many", json.dumps([1] * 1_001), "invalid_artifact", ""),
    ("no object", "[1]", "invalid_artifact", "/0"),
    ("no role", '{"status": "pass"}', "invalid_artifact", "/role"),
    ("a role that is a path", '[{"role": "../x", "status": "pass"}]', "invalid_artifact", "/0/role"),
    ("no time", '[{"role": "qa", "status": "pass", "created_at": "soon"}]', "invalid_artifact", "/0/created_at"),
    ("after an open one", json.dumps([{"to_role": "dev", "status": "pending"}, QA]), "invalid_artifact", "/1"),
)


@pytest.mark.parametrize(("what", "text", "code", "place"), BAD, ids=[each[0] for each in BAD])
@pytest.mark.requirement("S4-15")
@pytest.mark.attack("role reports of another system that are broken", "held", "T7")
def test_broken_reports_are_refused_at_their_place_and_nothing_is_kept(
    cli: Terminal, what: str, text: str, code: str, place: str
) -> None:
    del what
    (cli.root / "reports.json").write_text(text)

    document = cli.json("import", "reports.json")

    assert (document.code, document.refusal) == (1, code)
    assert place in [one["path"] for one in document.document["error"]["details"]]
    assert cli.json("list").data["runs"] == []
