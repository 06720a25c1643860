"""A server of tools for steps, started once per module."""

from collections.abc import Iterator

import pytest

from tests.engine.scene import Scene
from tests.engine.step_scene import with_stub
from tests.tools.stub import Stub, running_stub


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with running_stub(tmp_path_factory.mktemp("stub") / "calls.jsonl") as stub:
        yield stub


@pytest.fixture
def stub(running: Stub, scene: Scene) -> Stub:
    """A server with no calls yet, in the project's trusted configuration."""
    running.calls.unlink(missing_ok=True)
    with_stub(scene, running)
    return running
