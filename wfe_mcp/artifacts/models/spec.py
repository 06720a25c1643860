"""spec@1: the goal, the requirements and the acceptance criteria."""

from typing import ClassVar, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Id, Part, Text, example


class Requirement(Part):
    """One requirement."""

    id: Id
    text: Text
    priority: Literal["must", "should", "could"] = "must"


class Specialist(Part):
    """A question that deserves its own phase; a loop can iterate over these."""

    id: Id
    topic: Text
    brief: str = Field(default="", description="What to find out or decide")


class Spec(Artifact):
    """What is wanted: the goal, the requirements, what is out of scope."""

    unique: ClassVar = ("requirements.*.id", "specialists.*.id")
    model_config = example(
        {
            "title": "Export runs",
            "goal": "A user can take a run with them as one file",
            "requirements": [{"id": "R-1", "text": "The file holds every artifact and event", "priority": "must"}],
            "acceptance": ["Exporting and importing gives the same artifacts"],
            "non_goals": ["Export to a cloud store"],
            "constraints": ["No new dependency"],
            "open_questions": ["May the file be encrypted?"],
            "specialists": [{"id": "format", "topic": "File format", "brief": "Choose zip or tar, and say why"}],
        }
    )

    title: Text
    goal: Text = Field(description="The outcome, in the words of the person who wants it")
    requirements: list[Requirement]
    acceptance: list[Text] = Field(default=[], description="How anyone can check that it is done")
    non_goals: list[Text] = Field(default=[])
    constraints: list[Text] = Field(default=[])
    open_questions: list[Text] = Field(default=[], description="What only the user can answer")
    specialists: list[Specialist] = Field(default=[])
