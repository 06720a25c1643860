"""drift@1: where what runs differs from what is declared."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Part, Text, example
from wfe_mcp.core.findings import Severity


class Deviation(Part):
    """One difference."""

    subject: Text = Field(description="What differs: a setting, a version, a resource")
    declared: Text = Field(description="What the files of the project say, with their path")
    actual: Text = Field(description="What runs")
    evidence: Text = Field(description="What shows it, quoted")
    severity: Severity
    verdict: Literal["repair", "accept", "unknown"] = Field(description="`repair`: the declared value is right")


class Drift(Artifact):
    """A comparison of what is declared with what runs."""

    model_config = example(
        {
            "summary": "Someone raised the timeout for payments outside the files",
            "compared": ["deploy/settings.toml", "kubectl get configmap shop"],
            "deviations": [
                {
                    "subject": "payments.timeout",
                    "declared": "2 s (deploy/settings.toml)",
                    "actual": "60 s",
                    "evidence": "payments.timeout: 60s",
                    "severity": "high",
                    "verdict": "repair",
                },
            ],
        }
    )

    summary: Text
    compared: list[Text] = Field(min_length=1, description="What was compared with what")
    deviations: list[Deviation] = Field(description="Empty: nothing differs")
