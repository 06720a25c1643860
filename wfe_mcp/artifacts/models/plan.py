"""plan@1: the steps of the work."""

from typing import ClassVar

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Id, Part, Text, example


class Step(Part):
    """One step, small enough to be checked separately."""

    id: Id = Field(description="Unique in the plan")
    title: Text
    acceptance: list[Text] = Field(description="What is true when the step is done, checkable")
    detail: str = ""
    files: list[Text] = Field(default=[], description="Files it will touch")
    depends_on: list[str] = Field(default=[], description="Ids of earlier steps")


class Plan(Artifact):
    """The steps of the work, each with its acceptance."""

    unique: ClassVar = ("steps.*.id",)
    known: ClassVar = (("steps.*.depends_on.*", "steps.*.id"),)
    model_config = example(
        {
            "summary": "Guard the average against an empty list",
            "steps": [
                {
                    "id": "S-1",
                    "title": "Return 0 for an empty list",
                    "acceptance": ["average([]) returns 0", "All tests pass"],
                    "detail": "Test the length before dividing",
                    "files": ["src/stats.py"],
                    "depends_on": [],
                }
            ],
            "risks": ["Callers may rely on the error"],
            "files": ["src/stats.py"],
        }
    )

    steps: list[Step]
    summary: str = Field(default="", description="The approach in one paragraph")
    risks: list[Text] = Field(default=[])
    files: list[Text] = Field(default=[], description="All files the plan touches")
