"""decision_list@1: decisions with their reasons."""

from typing import ClassVar, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Id, Part, Text, example


class Option(Part):
    """A rejected alternative, and why."""

    title: Text
    rejected_because: Text


class Choice(Part):
    """One decision."""

    id: Id
    title: Text = Field(description="The question")
    decision: Text
    rationale: Text
    alternatives: list[Option] = Field(default=[])
    consequences: list[Text] = Field(default=[], description="What follows, good and bad")
    status: Literal["proposed", "accepted", "superseded"] = "proposed"


class DecisionList(Artifact):
    """Decisions with their reasons and rejected alternatives."""

    unique: ClassVar = ("decisions.*.id",)
    model_config = example(
        {
            "decisions": [
                {
                    "id": "D-1",
                    "title": "Which archive format?",
                    "decision": "zip",
                    "rationale": "Every system opens it without a tool",
                    "alternatives": [{"title": "tar", "rejected_because": "Windows shells list it badly"}],
                    "consequences": ["Links cannot be stored"],
                    "status": "proposed",
                }
            ]
        }
    )

    decisions: list[Choice]
