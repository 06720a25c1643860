"""The scene of the engine's tests."""

from tests.engine.conftest import blank, scene

__all__ = ["blank", "scene"]
