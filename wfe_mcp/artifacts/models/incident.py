"""incident@1: what went wrong with a service, when, and what was done about it."""

from typing import Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Part, Text, example
from wfe_mcp.core.findings import Severity


class Symptom(Part):
    """Something that was seen."""

    source: Text = Field(description="Where it was seen: a log, a monitor, a person")
    quote: Text = Field(description="What it says, word for word")


class Moment(Part):
    """Something that happened."""

    at: Text = Field(description="When, as the source says it")
    event: Text = Field(description="One sentence")


class Incident(Artifact):
    """An incident with its symptoms and its timeline."""

    model_config = example(
        {
            "title": "Checkout answers with errors",
            "service": "shop",
            "severity": "high",
            "status": "open",
            "fingerprint": "shop:dependency_timeout",
            "symptoms": [{"source": "shop.log 08:00:03", "quote": "ETIMEDOUT payments:443"}],
            "timeline": [{"at": "2026-11-20 08:00", "event": "The first request to payments times out"}],
            "impact": "No order since 08:00",
            "cause": "",
            "actions": [],
        }
    )

    title: Text
    service: Text = Field(description="What is affected")
    severity: Severity
    status: Literal["open", "mitigated", "resolved"] = Field(
        description="`mitigated`: the harm has ended, the cause has not"
    )
    symptoms: list[Symptom] = Field(min_length=1)
    fingerprint: str = Field(default="", description="service:class of the cause; the same for every occurrence")
    timeline: list[Moment] = Field(default=[], description="What happened, in order")
    impact: str = Field(default="", description="Who is harmed, and how")
    cause: str = Field(default="", description="What went wrong first, once it is known")
    actions: list[Text] = Field(default=[], description="What prevents the next one, one sentence each")
