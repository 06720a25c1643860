"""eval@1: an evaluation of the work against its goal."""

from typing import ClassVar

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Id, Part, Text, example


class Criterion(Part):
    """One criterion, and whether it is met."""

    id: Id
    met: bool
    evidence: Text = Field(description="What shows it: a test, a file, a measurement")


class Eval(Artifact):
    """The retrospective: what was reached, what was learned, what comes next."""

    unique: ClassVar = ("criteria.*.id",)
    model_config = example(
        {
            "passed": True,
            "summary": "Every requirement has a passing test",
            "criteria": [{"id": "R-1", "met": True, "evidence": "tests/test_archive.py::test_round_trip"}],
            "score": 90,
            "lessons": ["Ask about the format first"],
            "next_steps": [],
        }
    )

    passed: bool = Field(description="true when nothing is left to do for the goal")
    summary: Text
    criteria: list[Criterion] = Field(default=[])
    score: int = Field(default=0, ge=0, le=100, description="Percent")
    lessons: list[Text] = Field(default=[])
    next_steps: list[Text] = Field(default=[])
