"""The scenes of the other folders, and a machine of one user with a person's PIN in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import bugged, play
from tests.cli.conftest import (
    at_terminal,
    cli,
    empty,
    in_git,
    kept_scenes,
    one_place,
    scene_folder,
    set_up_database,
)
from tests.engine.conftest import blank, home, kept_engine_scenes, scene
from tests.security.machine import Machine

__all__ = [
    "at_terminal",
    "blank",
    "bugged",
    "cli",
    "empty",
    "home",
    "in_git",
    "kept_engine_scenes",
    "kept_scenes",
    "machine",
    "one_place",
    "play",
    "scene",
    "scene_folder",
    "set_up_database",
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A user's machine: real processes, a project, and a PIN that the agent has not seen."""
    made = Machine(tmp_path / "machine")
    yield made
    made.close()
