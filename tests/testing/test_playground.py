"""A playground leaves nothing open."""

import os
import sys
from pathlib import Path

import pytest

from wfe_mcp.testing.playground import Playground


@pytest.mark.skipif(sys.platform != "linux", reason="/proc lists the open files")
def test_a_playground_that_was_closed_is_checked_and_stays_closed(tmp_path: Path) -> None:
    with Playground(tmp_path, checks={"test": [sys.executable, "-c", "pass"]}) as play, play.agent() as agent:
        run = str(agent.call("start_run", template="quick_fix", inputs={"problem": "a bug"})["run"])
        assert opened(tmp_path) != set()
    assert play.problems(run) == []
    assert opened(tmp_path) == set()


def opened(folder: Path) -> set[str]:
    """The databases below ``folder`` that this process has open."""
    files = Path("/proc/self/fd")
    found = {os.readlink(files / each) for each in os.listdir(files) if (files / each).is_symlink()}
    return {each for each in found if each.startswith(str(folder)) and "wfe.db" in each}
