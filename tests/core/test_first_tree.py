"""The first tree of a run is the one that was recorded first."""

from datetime import timedelta

from tests.core.test_tree import COMMAND, two
from wfe_mcp.core import commands as c
from wfe_mcp.core.first_tree import first_tree
from wfe_mcp.core.model import RunState


def test_a_run_that_read_no_files_has_no_first_tree():
    assert first_tree(RunState()) is None


def test_the_first_tree_is_that_of_the_earliest_claim_that_recorded_one():
    scene = two(COMMAND)
    scene.start("docs")
    assert first_tree(scene.state) is None
    scene.start("right", tree="t1")
    scene.at += timedelta(seconds=1)
    scene.give(scene.command(c.LoseLease, "right"))
    scene.start("left", tree="t2")
    assert first_tree(scene.state) == "t1"
