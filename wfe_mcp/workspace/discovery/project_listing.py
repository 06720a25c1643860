"""The files of a project as the search for checks sees them: names by folder, and small files on demand.

Rules:
1. Nothing of the project runs. Only git and the Python on PATH are started, the latter outside the project.
2. What git ignores, hidden folders (but those of ``_HIDDEN``) and folders of dependencies or products are left out.
3. Depth and number of folders are bounded; a file is read up to one megabyte.
4. A link is followed only to a file inside the project.
"""

import fnmatch
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import word_set
from wfe_mcp.workspace.config.toml_text import read_toml
from wfe_mcp.workspace.files.programs import find, outside, pythons
from wfe_mcp.workspace.git.command import run_git

MAX_DEPTH = 4
"""Levels of folders below the project that are looked at."""

MAX_FOLDERS = 2_000

_SKIPPED = word_set(
    """
    node_modules bower_components vendor third_party target dist build out obj coverage htmlcov __pycache__
    site-packages venv env virtualenv Pods DerivedData _build deps
    """
)
_ASIDE = word_set(
    """
    test tests spec __tests__ testdata fixtures examples example samples sample demo docs doc templates template e2e cypress playwright
    bench benches benchmark benchmarks fuzz
    """
)
_FLUTTER_HOSTS = word_set("android ios linux macos web windows")
_HIDDEN = {"": {".github", ".devcontainer", ".circleci"}, ".github": {"workflows"}}
"""Folder → the hidden ones in it that tell what the project is, and the only ones below a hidden one."""

_DEEP = "src/main/"
"""Java and Kotlin have a folder per part of the package's name below it."""

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """A project's files and the programs of this machine. Paths are relative to the project, with ``/``; ``""`` is it."""

    folders: Mapping[str, frozenset[str]]
    """Folder → the names of the files in it."""
    read: Callable[[str], str]
    """The text of a file; empty where it cannot be read."""
    exists: Callable[[str], bool]
    """Whether a path exists, in folders that are not listed too."""
    installed: Callable[[str], bool]
    """Whether a program is on PATH."""
    python_has: Callable[[str], bool]
    """Whether the Python on PATH has a module."""
    windows: bool = False

    def is_aside(self, path: str) -> bool:
        """Whether a folder holds tests, examples or documentation, whose files say nothing of the project itself.

        So do the hosts of a Flutter application, which Flutter makes and builds, and what a generator copies, ``{{name}}/``. Below ``src`` only its first folder counts: those
        inside are parts of a package's name.
        """
        parts = path.split("/")
        if "{{" in path:
            return True
        for depth, name in enumerate(parts):
            if name in _FLUTTER_HOSTS and "pubspec.yaml" in self.folders.get("/".join(parts[:depth]), ()):
                return True
        return not _ASIDE.isdisjoint(parts[: parts.index("src") + 2] if "src" in parts else parts)


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a listing."""

    listing: Listing
    path: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The names of the files in it."""
        return self.listing.folders.get(self.path, frozenset())

    def upwards(self) -> "Iterator[Folder]":
        """The folder itself, the one that it is in, and so on up to the project."""
        yield self
        if self.path:
            yield from Folder(self.listing, self.path.rpartition("/")[0]).upwards()

    def files(self, *patterns: str) -> "Iterator[str]":
        """The names of the files that have one of these names, in their order; ``*`` stands for any characters."""
        for pattern in patterns:
            yield from sorted(fnmatch.filter(self.names, pattern)) if "*" in pattern else self.names & {pattern}

    def has(self, *patterns: str) -> bool:
        """Whether a file has one of these names, as ``files`` reads them."""
        return any(self.files(*patterns))

    def has_below(self, folder: str, *patterns: str) -> bool:
        """Whether ``folder`` (a name, ``*`` allowed) or a folder inside it has such a file."""
        inside = re.compile(fnmatch.translate(self.path_of(folder))[:-2] + r"(/.*)?\Z")
        return any(Folder(self.listing, path).has(*patterns) for path in self.listing.folders if inside.match(path))

    def path_of(self, name: str) -> str:
        """The path of ``name`` in this folder."""
        return f"{self.path}/{name}" if self.path else name

    def text(self, name: str) -> str:
        """The text of the file ``name``; empty without it."""
        return self.listing.read(self.path_of(name)) if name in self.names else ""

    def mentions(self, pattern: str, *names: str) -> bool:
        """Whether a line of one of the files matches ``pattern``."""
        return any(re.search(pattern, self.text(name), re.MULTILINE) for name in names)

    def toml(self, name: str) -> dict[str, Any]:
        """The TOML file ``name``; empty where it is none."""
        try:
            return read_toml(self.text(name))
        except ValueError:
            return {}

    def json(self, name: str) -> dict[str, Any]:
        """The JSON object in the file ``name``; empty where it is none."""
        try:
            document: object = json.loads(self.text(name))
        except (ValueError, RecursionError):  # the second: nesting meant to exhaust the parser
            return {}
        return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def table(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The table at ``keys``; empty where there is none."""
    value: object = document
    for key in keys:
        value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_project(root: Path) -> Listing:
    """The listing of the project in ``root``."""
    folders = _folders(root)
    for ignored in _ignored_paths(root, [path for path in folders if path]):
        for path in [path for path in folders if path == ignored or path.startswith(f"{ignored}/")]:
            del folders[path]
    return Listing(
        folders,
        read=lambda path: _text(root, path),
        exists=lambda path: os.path.lexists(root / path),
        installed=lambda name: find(name, os.environ.get("PATH", os.defpath)) is not None,
        python_has=partial(_python_has, root),
        windows=os.name == "nt",
    )


def _folders(root: Path) -> dict[str, frozenset[str]]:
    """Folder → names of its files, nearest first; links to folders are not followed."""
    folders: dict[str, frozenset[str]] = {}
    waiting = [""]
    while waiting and len(folders) < MAX_FOLDERS:
        path = waiting.pop(0)
        try:
            entries = sorted(os.scandir(root / path), key=lambda entry: entry.name)
        except OSError:
            continue
        inner = {entry.name: None for entry in entries if entry.is_dir(follow_symlinks=False)}
        folders[path] = frozenset(entry.name for entry in entries if entry.name not in inner)
        if path.count("/") < (2 * MAX_DEPTH if _DEEP in f"{path}/" else MAX_DEPTH) - 1:
            hidden, is_hidden = _HIDDEN.get(path, ()), path.startswith(".")
            below = [
                name for name in inner if name in hidden or not (is_hidden or name.startswith(".") or name in _SKIPPED)
            ]
            waiting += [f"{path}/{name}" if path else name for name in below]
    return folders


def _ignored_paths(root: Path, paths: Sequence[str]) -> list[str]:
    """Those of ``paths`` that git ignores; none outside a repository."""
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    done = run_git(root, "check-ignore", "-z", "--stdin", stdin=asked, ok=None) if paths else None
    return [] if done is None else [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]


def _text(root: Path, path: str) -> str:
    place = root / path
    try:
        if place.is_symlink() and not place.resolve().is_relative_to(root.resolve()):
            return ""
        if not place.is_file():  # opening a named pipe would block
            return ""
        with place.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _python_has(root: Path, module: str) -> bool:
    folders = os.environ.get("PATH", os.defpath)
    path = next(
        (program for name in pythons(windows=os.name == "nt") if (program := outside(name, root, folders))), None
    )
    if path is None:
        return False
    ask = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # Started elsewhere, so that no module of the project is imported; our input may hold a PIN.
    try:
        done = subprocess.run(
            [path, "-c", ask],
            stdin=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            env=env,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
