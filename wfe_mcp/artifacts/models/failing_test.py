"""failing_test@1: a test that reproduces a bug."""

from pydantic import Field

from wfe_mcp.artifacts.models.base import Artifact, Text, example


class FailingTest(Artifact):
    """A test that fails now because of the bug, and passes once it is fixed."""

    model_config = example(
        {
            "test": "tests/test_stats.py::test_average_of_nothing_is_zero",
            "file": "tests/test_stats.py",
            "why": "average() divides by the length of the list",
            "expected": "0",
            "actual": "ZeroDivisionError",
            "command": "pytest -q tests/test_stats.py",
        }
    )

    test: Text = Field(description="Id of the test, as the test runner names it")
    file: Text = Field(description="Where the test is, project-relative")
    why: Text = Field(description="Why it fails: the cause, not the symptom")
    expected: Text = Field(description="What should happen; where nothing should, say that: no output")
    actual: Text = Field(description="What happens now; where nothing does, say that: no output")
    command: str = Field(default="", description="Runs just this test")
