"""role_report@1: the report of a role (pm, dev, qa, security …) on its work."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Count, Finding, Id, Part, Text, example


class RoleDetails(Part):
    """What was run, and its results."""

    tests_added: list[Text] = Field(default=[])
    tests_changed: list[Text] = Field(default=[])
    commands_run: list[Text] = Field(default=[])
    failing_tests: list[Text] = Field(default=[])
    requirements_covered: list[Text] = Field(default=[], description="Ids of requirements with a test")
    tests_run: Count = 0
    tests_passed: Count = 0


class RoleReport(Artifact):
    """The report of one role at the end of its phase."""

    model_config = example(
        {
            "role": "qa",
            "status": "pass",
            "summary": "All tests pass; one gap noted",
            "details": {
                "tests_added": ["tests/test_stats.py::test_average_of_nothing_is_zero"],
                "tests_changed": [],
                "commands_run": ["pytest -q"],
                "failing_tests": [],
                "requirements_covered": ["R-1"],
                "tests_run": 42,
                "tests_passed": 42,
            },
            "findings": [
                {
                    "severity": "info",
                    "title": "median() is not tested",
                    "detail": "No test calls it",
                    "file": "src/stats.py",
                    "line": 20,
                    "recommendation": "Add a test",
                }
            ],
        }
    )

    role: Id = Field(description="The role that reports: director, pm, dev, qa, security, docs, cicd or your own")
    status: Literal["pass", "fail", "pending"]
    summary: Text
    details: RoleDetails = RoleDetails()
    findings: list[Finding] = Field(default=[], description="What the next phase must know or fix")
