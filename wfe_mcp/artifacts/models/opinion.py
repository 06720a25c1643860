"""opinion@1: another model's review."""

from typing import Annotated, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Finding, example


class Opinion(Artifact):
    """A second model's review."""

    model_config = example(
        {
            "verdict": "concerns",
            "summary": "Right, but the empty list is not thought of",
            "findings": [
                {
                    "severity": "medium",
                    "title": "An empty list raises",
                    "detail": "mean([]) divides by zero",
                    "file": "src/stats.py",
                    "line": 12,
                    "recommendation": "Say in the docstring what happens, and test it",
                }
            ],
            "suggestion": "",
            "confidence": 80,
        }
    )

    verdict: Literal["pass", "concerns", "fail"] = Field(
        description="fail: must not continue unchanged; concerns: worth a look, not worth a stop"
    )
    findings: list[Finding] = Field(description="Empty when there is nothing to say")
    summary: str = Field(default="", description="One sentence")
    suggestion: str = Field(
        default="", description="A complete improved version of what was reviewed; empty when there is none"
    )
    confidence: Annotated[int, Field(ge=0, le=100)] = Field(default=50, description="How sure, in percent")
