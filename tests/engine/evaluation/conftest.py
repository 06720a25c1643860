"""A project of several people, for the tests of what its base brings."""

import pytest

from tests.engine.evaluation.team import Team
from tests.engine.scene import Scene


@pytest.fixture
def team(scene: Scene) -> Team:
    return Team(scene)
