"""security_report@1: findings of a scanner or a security review."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from wfe_mcp.artifacts.completeness import select
from wfe_mcp.artifacts.models.base import Artifact, Count, Part, Text, example
from wfe_mcp.core.errors import Detail, pointer
from wfe_mcp.core.findings import SEVERITIES, Severity


class SecurityFinding(Part):
    """One weakness."""

    severity: Severity
    title: Text
    rule: str = Field(default="", description="Id of the scanner's rule, CWE or CVE")
    detail: str = ""
    file: str = Field(default="", description="Project-relative")
    line: Count = 0
    recommendation: str = Field(default="", description="How to fix it")


class Totals(Part):
    """How many findings of each severity there are."""

    critical: Count
    high: Count
    medium: Count
    low: Count
    info: Count


class SecurityReport(Artifact):
    """Findings of a scanner or a security review."""

    model_config = example(
        {
            "scanner": "bandit 1.8",
            "findings": [
                {
                    "severity": "low",
                    "title": "assert used outside tests",
                    "rule": "B101",
                    "detail": "Removed when Python runs with -O",
                    "file": "src/stats.py",
                    "line": 7,
                    "recommendation": "Raise an exception",
                }
            ],
            "totals": {"critical": 0, "high": 0, "medium": 0, "low": 1, "info": 0},
            "summary": "Nothing above low",
        }
    )

    scanner: Text = Field(description="Tool and version, or the reviewer")
    findings: list[SecurityFinding]
    totals: Totals = Field(description="Per severity; at least what findings lists")
    summary: str = ""

    @classmethod
    def contradictions(cls, value: dict[str, Any]) -> Iterator[Detail]:
        """Totals below the number of listed findings."""
        yield from super().contradictions(value)
        listed = [grade for _, grade in select(value, "findings.*.severity")]
        for severity in SEVERITIES:
            count = listed.count(severity)
            for parts, total in select(value, f"totals.{severity}"):
                if isinstance(total, int) and total < count:
                    message = f"findings lists {count} {severity}, but the total is {total}"
                    yield Detail(pointer(*parts), message, f"{count} or more", total)
