"""Scenes of the command line that are played once per process and copied into each test that begins with them.

    test 1:  letter(cli) ──> wfe-mcp start, submit, submit, approve ──> project, home, state, run id ──┐
    test 2:  letter(cli) <─────────────────────────── copy ────────────────────────────────────────────┘

Rules:
1. A scene is what commands make of what they find. It is kept under all that they can see: the function and its
   arguments, every file of project, home and state, the environment and the clock. What differs is played again.
2. After a command that a test typed itself a scene is played: the ids of runs differ from test to test.
3. Trust names paths, and each test of a process has the same ones, so that a copy is what the commands would have made.
   On Windows, where each test has a folder of its own, every scene is played.
4. A scene returns what can be copied: ids, texts, paths. It leaves nothing open and patches nothing.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from tests.kept import Keeping, Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.scene import Terminal

T = TypeVar("T")
Given = ParamSpec("Given")


@dataclass
class KeptScenes(Keeping):
    """The scenes that this process has played, by all that their commands could see."""

    is_playing: bool = False

    def bring(self, cli: Terminal, play: Callable[[], T], name: object) -> T:
        is_other_machine = cli.root.parent != cli.place
        if self.is_playing or cli.typed or is_other_machine or sys.platform == "win32":
            return play()
        key = _seen(cli, name)
        if key in self.found:
            self._copy(cli, self.found[key])
        else:
            self._play(cli, play, key)
        return copy.deepcopy(self.found[key].result)

    def _play(self, cli: Terminal, play: Callable[[], Any], key: str) -> None:
        self.is_playing = True
        try:
            result = play()
        finally:
            self.is_playing = False
        cli.typed.clear()
        self.keep(key, cli.place, result, cli.clock.now)

    def _copy(self, cli: Terminal, kept: Kept) -> None:
        for each in cli.place.iterdir():
            shutil.rmtree(each)
        shutil.copytree(kept.files, cli.place, symlinks=True, dirs_exist_ok=True)
        os.chdir(cli.root)  # the folder of before is gone
        cli.clock.now = kept.now


def _seen(cli: Terminal, name: object) -> str:
    """A digest of all that the commands of a scene can see."""
    environment = sorted(each for each in os.environ.items() if not each[0].startswith("PYTEST"))
    seen = hashlib.sha256(repr((name, cli.root, cli.database, cli.clock.now, environment)).encode())
    for path in sorted(cli.place.rglob("*")):
        content = b"" if path.is_dir() else path.read_bytes()
        seen.update(repr((path, path.is_symlink(), path.lstat().st_mode, len(content))).encode() + content)
    return seen.hexdigest()


def scene(make: Callable[Concatenate[Terminal, Given], T]) -> Callable[Concatenate[Terminal, Given], T]:
    """Play ``make`` once per process for the same beginning; later tests get a copy of what it left."""

    @functools.wraps(make)
    def brought(cli: Terminal, *given: Given.args, **named: Given.kwargs) -> T:
        name = make.__module__, make.__qualname__, given, sorted(named.items())
        return cli.scenes.bring(cli, lambda: make(cli, *given, **named), name)

    return brought
