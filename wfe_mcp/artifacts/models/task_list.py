"""task_list@1: tasks, item by item."""

from typing import ClassVar, Literal

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Done, Id, Part, Text, example


class Task(Part):
    """One task: one commit's worth of work."""

    id: Id
    title: Text
    acceptance: list[Text] = Field(description="What is true when it is done, checkable")
    description: str = ""
    priority: Literal["critical", "high", "normal", "low"] = "normal"
    depends_on: list[str] = Field(default=[], description="Ids of tasks in this list")
    files: list[Text] = Field(default=[])
    requirements: list[Text] = Field(default=[], description="Ids of the requirements it serves")


class TaskList(Artifact):
    """Tasks that a loop can iterate over."""

    unique: ClassVar = ("items.*.id", "done.*.id")
    known: ClassVar = (("items.*.depends_on.*", "items.*.id"),)
    model_config = example(
        {
            "items": [
                {
                    "id": "T-1",
                    "title": "Write the archive",
                    "acceptance": ["The archive lists every artifact"],
                    "description": "One function, streaming",
                    "priority": "high",
                    "depends_on": [],
                    "files": ["src/archive.py"],
                    "requirements": ["R-1"],
                }
            ],
            "summary": "One task covers the requirement",
            "done": [{"id": "T-0", "title": "Choose the file format", "summary": "Zip"}],
        }
    )

    items: list[Task]
    summary: str = ""
    done: list[Done] = Field(default=[], description="Tasks that were finished before")
