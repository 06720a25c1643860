"""verdict@1: what an observation means, how sure that is, and what to do about it."""

from typing import Any, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example


class Verdict(Artifact):
    """The class of a failure or a change, with its confidence and a proposed action."""

    model_config = example(
        {
            "verdict": "HOLD",
            "error_class": "dependency_timeout",
            "confidence": 70,
            "proposed_action": "WAIT_AND_RETRY",
            "fingerprint": "shop:dependency_timeout",
            "summary": "The payment service answers too late since 08:00",
            "service": "shop",
            "tokens": ["ETIMEDOUT", "payments"],
            "signals": {"status": 504, "failures_in_a_row": 3},
            "playbook": "restart-payments",
        }
    )

    verdict: Literal["GREEN", "RED", "HOLD"] = Field(description="GREEN: continue; RED: abort; HOLD: a person decides")
    error_class: Text = Field(description="The class of what was seen, one word for all of its kind")
    confidence: int = Field(ge=0, le=100, description="How sure the class is, in percent")
    proposed_action: Literal["WAIT_AND_RETRY", "OPEN_ISSUE", "HUMAN_REQUIRED", "ABORT", "NONE"] = Field(
        description="What should follow; gates and jumps decide whether it does"
    )
    fingerprint: Text = Field(
        description="The same for every occurrence of the same cause, so that they are found again"
    )
    summary: str = Field(default="", description="One sentence")
    service: str = Field(default="", description="What it is about")
    tokens: list[Text] = Field(default=[], description="Words of the log or the message that led to the class")
    signals: dict[str, Any] = Field(default={}, description="What was measured, by name")
    playbook: str = Field(default="", description="The id of the playbook that says how to recover")
