"""The names of commands that others know: those that are second names of ours, and those that lead to one."""

import json

import pytest

from tests.cli.scene import Terminal
from wfe_mcp.cli.app import (
    _FIRST,  # pyright: ignore[reportPrivateUsage]
    _MEANT,  # pyright: ignore[reportPrivateUsage]
    COMMANDS,
    SECOND_NAMES,
)


@pytest.mark.requirement("S3-27")
def test_a_command_has_the_name_too_by_which_other_systems_know_it(cli: Terminal) -> None:
    added = cli("milestone", "add", "The first release")
    assert (added.code, "--status ready" in added.err) == (0, False), "it has no tasks"
    assert cli("backlog", "add", "A new page", "--kind", "task").code == 0
    assert cli("--project", str(cli.root), "adr", "add", "SQLite keeps it").code == 0

    lists = {
        "milestone list": "The first release",
        "backlog list --kind task": "A new page",
        "adr list": "SQLite keeps it",
    }
    for words, title in lists.items():
        assert [item["title"] for item in cli.json(*words.split()).data["items"]] == [title], words
    assert cli.json("milestone", "show", "W-1").data["title"] == "The first release"
    assert "Usage: wfe-mcp deployments [OPTIONS] [ENV]" in cli("env", "--help").out
    assert all(cli(*second.split(), "--help").code == 0 for second in SECOND_NAMES)
    assert not {second.split()[0] for second in SECOND_NAMES} & {*_FIRST, *_MEANT}


def test_a_word_that_other_programs_use_names_the_command_that_is_meant(cli: Terminal) -> None:
    for word, meant in _MEANT.items():
        assert word not in _FIRST and meant in COMMANDS
    wrong = cli("runs")
    assert (wrong.code, wrong.err.splitlines()[-1]) == (2, "Next: wfe-mcp list")
    assert "error: No such command 'runs': here it is 'list'. [bad_argument]" in wrong.err
    assert "here it is 'log'" in cli("activity").err, "as the page with all events is called"
    assert json.loads(cli("runs", "--json").out)["error"]["hint"] == "See: wfe-mcp list"
    assert json.loads(cli("--json", "runs").out)["error"]["hint"] == "See: wfe-mcp list"
