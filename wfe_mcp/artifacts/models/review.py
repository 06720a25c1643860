"""review@1: a verdict with findings."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Finding, Text, example


class Review(Artifact):
    """A verdict with its findings."""

    model_config = example(
        {
            "verdict": "pass",
            "summary": "Correct and tested; one small remark",
            "findings": [
                {
                    "severity": "low",
                    "title": "The name 'x' says nothing",
                    "detail": "A reader must follow the call to learn what it is",
                    "file": "src/stats.py",
                    "line": 12,
                    "recommendation": "Call it 'total'",
                }
            ],
            "missing_inputs": [],
        }
    )

    verdict: Literal["pass", "fail"] = Field(description="fail when any finding is critical or high")
    findings: list[Finding] = Field(description="Empty when there is nothing to say")
    summary: str = ""
    missing_inputs: list[Text] = Field(default=[], description="What the reviewer needed and did not get")
