"""milestone_plan@1: milestones and their tasks."""

from typing import ClassVar, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Count, Done, Id, Part, Text, example


class MilestoneTask(Part):
    """One task: one commit."""

    id: Id
    title: Text
    acceptance: list[Text] = Field(description="Checkable")
    depends_on: list[str] = Field(default=[], description="Ids of tasks in this plan")
    conflict_scopes: list[Text] = Field(default=[], description="What it may not share with another open task")
    priority: Literal["critical", "high", "normal", "low"] = "normal"
    notes: str = ""


class Milestone(Part):
    """One branch."""

    id: Id
    title: Text
    tasks: list[MilestoneTask]
    goal: str = ""
    slug: Id = Field(default="", description="Names the branch")


class Problem(Part):
    """One weakness of the plan."""

    message: Text
    line: Count = 0
    blocking: bool = False
    rule: str = Field(default="", description="The rule of the score that it breaks")
    penalty: Count = Field(default=0, description="Points taken off the score")


class Quality(Part):
    """How good the plan is, as scored on import."""

    score: int = Field(ge=0, le=100)
    blocking: Count = Field(description="Problems that stop an import")
    problems: list[Problem] = Field(default=[])


class MilestonePlan(Artifact):
    """Milestones with their tasks, in the order of the work."""

    unique: ClassVar = ("milestones.*.id", "milestones.*.slug", "milestones.*.tasks.*.id", "done.*.id")
    known: ClassVar = (("milestones.*.tasks.*.depends_on.*", "milestones.*.tasks.*.id"),)
    model_config = example(
        {
            "title": "Export",
            "milestones": [
                {
                    "id": "M1",
                    "title": "Write the archive",
                    "goal": "A run becomes one file",
                    "slug": "m1-archive",
                    "tasks": [
                        {
                            "id": "TASK-001",
                            "title": "Stream artifacts into a zip",
                            "acceptance": ["The archive lists every artifact"],
                            "depends_on": [],
                            "conflict_scopes": ["archive"],
                            "priority": "normal",
                            "notes": "One function",
                        }
                    ],
                }
            ],
            "quality": {"score": 100, "blocking": 0, "problems": []},
            "done": [{"id": "TASK-000", "title": "Choose the file format", "summary": "Zip"}],
        }
    )

    milestones: list[Milestone]
    title: str = ""
    quality: Quality = Quality(score=0, blocking=0)
    done: list[Done] = Field(default=[], description="Tasks that were finished before")
