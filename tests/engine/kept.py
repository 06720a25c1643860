"""Scenes of the engine that are played once per process and copied into each test that begins with them.

All tests that take a kept scene have one folder, one after the other: what is trusted names paths.
"""

import copy
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.scene import Clock, Scene, environment
from tests.kept import Keeping
from tests.on_postgresql import ON_POSTGRESQL
from wfe_mcp.store import Store


@dataclass(kw_only=True)
class KeptScenes(Keeping):
    """The scenes that this process has played, by the function that played them."""

    place: Path
    blank: Path

    @contextmanager
    def scene(self, play: Callable[[Scene], Any]) -> Generator[tuple[Scene, Any]]:
        """The project and store as ``play`` leaves them, and what it returns: ids and other values."""
        if ON_POSTGRESQL:  # a copy of the folder has no copy of the database
            with self._open(self.blank, Clock()) as scene:
                yield scene, play(scene)
            return
        if play not in self.found:
            with self._open(self.blank, Clock()) as scene:
                result = play(scene)
            self.keep(play, self.place, result, scene.clock.now)
        kept = self.found[play]
        with self._open(kept.files, Clock(kept.now)) as scene:
            yield scene, copy.deepcopy(kept.result)

    @contextmanager
    def _open(self, files: Path, clock: Clock) -> Generator[Scene]:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(files, self.place, symlinks=True)
        store = Store.open(f"sqlite:///{self.place / 'wfe.db'}", clock=clock)
        scene = Scene(self.place / "project", store, clock, environment(self.place))
        try:
            yield scene
        finally:
            scene.close()
