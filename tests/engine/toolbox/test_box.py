"""A phase's worker gets the tools that the phase names, and no more."""

from pathlib import Path

import pytest

from tests.engine.toolbox.conftest import Worker
from wfe_mcp.artifacts.checking import schema_faults
from wfe_mcp.engine.toolbox import EVERYDAY, TOOLS
from wfe_mcp.workspace.config.checks import FrozenCheck

CHECK = FrozenCheck(name="test", argv=("true",), timeout_s=5)


@pytest.mark.requirement("S1-28")
def test_a_phase_gets_the_tools_it_names(root: Path) -> None:
    assert list(Worker(root, ["read", "git", "nonsense"]).tools) == ["read", "git"]


def test_a_phase_that_names_none_gets_the_everyday_ones(root: Path) -> None:
    assert tuple(Worker(root, checks=[CHECK]).tools) == EVERYDAY
    assert set(TOOLS) - set(EVERYDAY) == {"git_commit", "bash"}


def test_bash_must_be_named_and_trusted(root: Path) -> None:
    assert "bash" not in Worker(root, shell_allowed=True).tools
    assert "bash" not in Worker(root, ["bash"]).tools
    assert "bash" in Worker(root, ["bash"], shell_allowed=True).tools


def test_no_tool_is_offered_that_has_nothing_to_do(root: Path) -> None:
    assert "run_check" not in Worker(root, ["run_check"]).tools


def test_every_tool_has_a_strict_schema_and_says_what_it_is_for(root: Path) -> None:
    tools = Worker(root, TOOLS, checks=[CHECK], shell_allowed=True).tools
    assert tuple(tools) == TOOLS
    for tool in tools.values():
        schema = dict(tool.parameters)
        assert schema_faults(schema) == []
        assert schema["additionalProperties"] is False
        assert all(argument.get("type") and argument.get("description") for argument in schema["properties"].values())
        assert tool.description.endswith(".")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({}, "path"),
        ({"path": 3}, "/path"),
        ({"path": "README.md", "lines": 0}, "/lines"),
        ({"path": "README.md", "file": "x"}, "file"),
        ({"path": None}, "/path"),
    ],
)
def test_arguments_that_do_not_fit_are_answered_by_name(worker: Worker, given: dict[str, object], answer: str) -> None:
    text = worker.refuses("read", **given)
    assert "do not fit" in text and answer in text


def test_null_for_an_optional_argument_is_the_same_as_none(worker: Worker) -> None:
    assert "# Adding" in worker.says("read", path="README.md", from_line=None, lines=None)
