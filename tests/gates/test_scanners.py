"""Findings of security scanners, in every report format."""

import json
from typing import Any

import pytest

from wfe_mcp.artifacts.validate import validate
from wfe_mcp.gates.findings import MAX_FINDINGS
from wfe_mcp.gates.markup import UnreadableReport
from wfe_mcp.gates.scanners import first_json, parse_scanner_report

SARIF: dict[str, Any] = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "semgrep",
                    "version": "1.9",
                    "rules": [
                        {"id": "sqli", "properties": {"security-severity": "9.1"}, "help": {"text": "Use parameters"}},
                        {"id": "style", "defaultConfiguration": {"level": "note"}, "helpUri": "https://example.org"},
                    ],
                }
            },
            "results": [
                {
                    "ruleId": "sqli",
                    "level": "warning",
                    "message": {"text": "SQL built from input"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "file:///repo/src/db.py"},
                                "region": {"startLine": 12},
                            }
                        }
                    ],
                },
                {"ruleId": "style", "message": {"text": "odd"}},
                {"rule": {"id": "unknown"}, "message": {}},
                {"ruleId": "style", "message": {"text": "muted"}, "suppressions": [{"kind": "inSource"}]},
                {"level": "error", "message": {"text": "bad"}, "properties": {"security-severity": "0.0"}},
            ],
        }
    ],
}
BANDIT: dict[str, Any] = {
    "metrics": {},
    "results": [
        {
            "issue_severity": "HIGH",
            "issue_text": "shell=True",
            "test_id": "B602",
            "test_name": "subprocess_shell",
            "filename": "./src/run.py",
            "line_number": 7,
            "more_info": "https://bandit.example",
        },
        {"issue_severity": "UNDEFINED", "issue_text": "", "test_id": "B999", "line_number": True},
    ],
}
PIP_AUDIT: dict[str, Any] = {
    "dependencies": [
        {"name": "fine", "version": "1", "vulns": []},
        {
            "name": "old",
            "version": "1.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "description": "rce"}],
        },
        {"name": "lost", "version": "2", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
    ]
}
NPM: dict[str, Any] = {
    "auditReportVersion": 2,
    "metadata": {},
    "vulnerabilities": {
        "minimist": {
            "severity": "critical",
            "fixAvailable": True,
            "via": [{"title": "Prototype pollution", "severity": "critical", "url": "u", "range": "<1"}],
        },
        "mkdirp": {"severity": "moderate", "fixAvailable": False, "via": ["minimist"]},
        "odd": "not an object",
    },
}
NPM_6: dict[str, Any] = {
    "advisories": {
        "1": {
            "severity": "low",
            "module_name": "x",
            "title": "Leak",
            "url": "u",
            "overview": "o",
            "recommendation": "r",
        }
    }
}
SEMGREP: dict[str, Any] = {
    "version": "1.9.0",
    "errors": [],
    "paths": {},
    "results": [
        {
            "check_id": "py.eval",
            "path": "a.py",
            "start": {"line": 3},
            "extra": {"severity": "ERROR", "message": "eval", "fix": "literal_eval"},
        }
    ],
}


def report(document: object, root: str = "") -> dict[str, Any]:
    found = parse_scanner_report(json.dumps(document), root)
    checked = validate("security_report@1", found)
    assert checked.faults == ()
    return found


@pytest.mark.parametrize("document", [SARIF, BANDIT, PIP_AUDIT, NPM, NPM_6, SEMGREP])
def test_every_report_becomes_a_valid_security_report(document: object) -> None:
    assert report(document)["findings"]


def test_sarif_severity_comes_from_score_then_level_then_rule() -> None:
    found = report(SARIF, "/repo")
    assert found["scanner"] == "semgrep 1.9"
    assert [finding["severity"] for finding in found["findings"]] == ["critical", "low", "medium", "info"]
    assert found["findings"][0] == {
        "severity": "critical",
        "title": "SQL built from input",
        "rule": "sqli",
        "file": "src/db.py",
        "line": 12,
        "recommendation": "Use parameters",
    }
    assert found["findings"][2]["title"] == "unknown"


def test_a_bandit_report_is_read() -> None:
    first, second = report(BANDIT)["findings"]
    assert (first["severity"], first["file"], first["line"]) == ("high", "src/run.py", 7)
    assert second == {"severity": "info", "title": "B999", "rule": "B999"}


def test_a_pip_audit_report_is_read() -> None:
    found = report(PIP_AUDIT)
    assert found["totals"] == {"critical": 0, "high": 2, "medium": 0, "low": 0, "info": 0}
    assert found["findings"][0]["title"] == "old 1.0: PYSEC-1"
    assert found["findings"][0]["recommendation"] == "Upgrade to 1.1, 2.0"
    assert "recommendation" not in found["findings"][1]


def test_npm_advisories_are_counted_once() -> None:
    found = report(NPM)
    assert [finding["title"] for finding in found["findings"]] == ["minimist: Prototype pollution"]
    assert found["findings"][0]["recommendation"] == "npm audit fix"
    assert report(NPM_6)["findings"][0]["title"] == "x: Leak"


def test_a_semgrep_report_is_read() -> None:
    found = report(SEMGREP)
    assert found["scanner"] == "semgrep 1.9.0" and found["summary"] == "1 finding"
    assert found["findings"][0]["severity"] == "high"


def test_a_long_report_lists_some_and_counts_all() -> None:
    many: dict[str, Any] = {
        "metrics": {},
        "results": [{"issue_severity": "LOW", "issue_text": "x"}] * (MAX_FINDINGS + 5),
    }
    found = report(many)
    assert len(found["findings"]) == MAX_FINDINGS and found["totals"]["low"] == MAX_FINDINGS + 5


def test_words_of_a_scanner_are_made_safe() -> None:
    odd: dict[str, Any] = {
        "metrics": {},
        "results": [{"issue_severity": "grave", "issue_text": "a\u0000b\ud800c\u001b[31m" + "x" * 9000}, {}],
    }
    first, second = report(odd)["findings"]
    assert (
        first["severity"] == "medium"
        and first["title"].startswith("a\ufffdb\ufffdc [31m")
        and len(first["title"]) == 2_000
    )
    assert second["title"] == "finding without a title"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"results": []}', '"text"', "[" * 100_000, '{"runs": []}'])
def test_what_no_scanner_writes_is_refused(content: str) -> None:
    with pytest.raises(UnreadableReport):
        parse_scanner_report(content)


def test_a_report_is_found_among_printed_words() -> None:
    printed = "npm warn old {lock}\n{broken\n  " + json.dumps(NPM) + "\nbye\n"
    assert json.loads(first_json(printed)) == NPM
    assert first_json("nothing here") == ""


def test_a_scanner_that_prints_many_unfinished_objects_is_read_in_linear_time() -> None:
    assert first_json('{"a": [1,\n2, 3], "b":\n' * 200_000) == ""
    assert first_json('started\n{not json\n  {"results": []}\ndone\n') == '{"results": []}'
