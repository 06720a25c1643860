"""Playgrounds that are made once per process for each content, and copied for each test that begins with the same.

All have one folder, one after the other: what is trusted names paths.
"""

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from wfe_mcp.testing.playground import Playground


class Playgrounds:
    """The playgrounds that this process has made, in copies below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, Path] = {}

    @contextmanager
    def made(
        self,
        *,
        files: Mapping[str, str],
        checks: Mapping[str, Sequence[str]],
        environment: Mapping[str, str] | None = None,
    ) -> Generator[Playground]:
        """``Playground(files=…, checks=…, environment=…)``, closed after the block. One at a time."""
        place = self._folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        content = repr([sorted(each.items()) for each in (files, checks, environment or {})])
        if content in self._kept:
            shutil.copytree(self._kept[content], place, symlinks=True)
        else:
            place.mkdir()
            Playground(place, files=files, checks=checks, environment=environment).close()
            kept = self._folder / str(len(self._kept))
            self._kept[content] = Path(shutil.copytree(place, kept, symlinks=True))
        with Playground.reopen(place, environment=environment) as found:
            yield found
