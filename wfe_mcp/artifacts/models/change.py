"""change@1: a change and its summary."""

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example


class Change(Artifact):
    """What was done to the files, as described by its author; gates check the files themselves."""

    model_config = example(
        {
            "summary": "average() returns 0 for an empty list",
            "files": ["src/stats.py"],
            "tests": ["tests/test_stats.py::test_average_of_nothing_is_zero"],
            "commands": ["pytest -q"],
            "commit": "3f2c1d9",
            "deviations": [],
            "follow_ups": ["median() has the same fault"],
        }
    )

    summary: Text = Field(description="What is different now, for a reviewer")
    files: list[Text] = Field(default=[], description="Changed files, project-relative")
    tests: list[Text] = Field(default=[], description="Tests added or changed")
    commands: list[Text] = Field(default=[], description="Commands run to check it")
    commit: str = Field(default="", description="Hash of the newest commit, where the phase commits")
    deviations: list[Text] = Field(default=[], description="Where it departs from the plan, and why")
    follow_ups: list[Text] = Field(default=[])
