"""The scene of the engine's tests."""

from tests.engine.conftest import blank, home, scene

__all__ = ["blank", "home", "scene"]
