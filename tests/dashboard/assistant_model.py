"""A model that answers as the assistant: a fixture ``models`` that fills the role with given turns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import home
from tests.engine.scene import Scene
from tests.fake_models.script import Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.workspace.system.location import user_config_file

KEY = "sk-canary-0123456789abcdef"
Models = Callable[..., ModelServer]

__all__ = ["KEY", "Models", "home", "models"]


@pytest.fixture
def models(scene: Scene, home: Path) -> Iterator[Models]:
    """Starts a model that gives these turns, and names it as the role ``assistant``."""
    scene.engine.environment |= {"ANTHROPIC_API_KEY": KEY}
    started: list[ModelServer] = []

    def start(*turns: Turn) -> ModelServer:
        server = ModelServer({"claude": list(turns)}, key=KEY).__enter__()
        started.append(server)
        file = user_config_file()
        assert home in file.parents
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f'[providers.anthropic]\nbase_url = "{server.origin}"\n'
            '[roles.assistant]\nprovider = "anthropic"\nmodel = "claude"\n'
        )
        return server

    yield start
    for each in started:
        each.__exit__(None, None, None)
