"""Scenes that are played once per process: the folder that each left, what it returned, and its time."""

import copy
import shutil
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kept:
    """How a scene ended."""

    files: Path
    result: Any
    now: datetime


@dataclass
class Keeping:
    """The scenes that this process has played, in copies below ``folder``."""

    folder: Path
    found: dict[Hashable, Kept] = field(default_factory=dict[Hashable, Kept])

    def keep(self, key: Hashable, place: Path, result: Any, now: datetime) -> None:
        """Keep the files at ``place`` as they are, with a copy of ``result``."""
        files = self.folder / str(len(self.found))
        shutil.copytree(place, files, symlinks=True)
        self.found[key] = Kept(files, copy.deepcopy(result), now)
