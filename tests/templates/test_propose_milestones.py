"""``milestones`` where the project delivers by pull requests: one for each milestone, named by it once."""

from collections.abc import Generator

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.at_forge import at_forge
from tests.templates.outside import CHECK, CHECKS
from tests.templates.test_deliver_milestones import HALF, on, one, play
from wfe_mcp.testing.playground import Playground


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as made:
        yield made


def test_a_pull_request_and_its_commit_name_the_milestone_of_a_plan(project: Playground) -> None:
    with at_forge(project, "gh") as forge:
        played = play(project, [HALF], one(HALF))
        assert played.last["run_state"] == "completed", played.last
        assert [(pull.title, pull.state) for pull in forge.pulls] == [("M1: Write the archive", "merged")]
        assert on(project, "main")[1:] == ["M1: Write the archive (PR 1)"]
