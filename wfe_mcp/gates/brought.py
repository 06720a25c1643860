"""What a check brings into its checkout besides the files of the tree: environments, installed packages, caches.

    a folder           linked (on Windows by a junction): nothing is copied, and a check that writes into it writes into the project
    node_modules       a folder of links; packages that are links into the project lead into the checkout instead
    a file             copied
    a virtual environment of which the tree has a part: the rest is linked

Rules:
1. What is brought is no part of the tree, so the evidence lists it, with a digest and with what the digest covers.
2. Code of the project must come from the checkout: packages that a virtual environment installed in editable form lead
   to the project's folder, so the same folders of the checkout come before them on ``PYTHONPATH``.
"""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass

MAX_ENTRIES = 50_000
"""A digest covers at most so many entries: about half a second."""

_COVERS = "names, kinds, sizes and modification times"
_PACKAGES = ("lib/python*/site-packages", "lib64/python*/site-packages", "Lib/site-packages")
_LINKS = "node_modules"
ENVIRONMENT_MARK = "pyvenv.cfg"
"""The file that a virtual environment of Python has."""


class NotBroughtError(Exception):
    """Something named in ``bring`` cannot be brought; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Brought:
    """One entry of ``bring``. ``source``: in the project. ``how``: linked (also where a part is in the tree), copied, or part of the tree."""

    path: str
    source: Path
    how: str

    @property
    def is_environment(self) -> bool:
        """Whether its folder is an environment."""
        return is_environment(self.source)


def is_environment(folder: Path) -> bool:
    """Whether ``folder`` is a virtual environment of Python or installed packages of Node.js."""
    return folder.name == _LINKS or (folder / ENVIRONMENT_MARK).is_file()


def bring(root: Path, paths: Sequence[str], into: Path) -> tuple[Brought, ...]:
    """Link or copy each of ``paths`` of the project into the checkout ``into``. Raises NotBroughtError, OSError."""
    return tuple(_bring(root, path, into) for path in paths)


def _bring(root: Path, path: str, into: Path) -> Brought:
    source, target = root / path, into / path
    if not source.exists():
        raise NotBroughtError(f"`bring` names {path!r}, which does not exist in the project")
    if not source.resolve().is_relative_to(root) and not source.is_symlink():
        raise NotBroughtError(f"`bring` names {path!r}, which leads outside the project")
    if os.path.lexists(target):
        is_partial = (source / ENVIRONMENT_MARK).is_file() and not target.is_symlink() and _link_rest(source, target)
        return Brought(path, source, "linked" if is_partial else "part of the tree")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
        return Brought(path, source, "copied")
    if source.name == _LINKS:
        _link_packages(root, source, target, into)
    else:
        _link(target, source)
    return Brought(path, source, "linked")


def _link_rest(source: Path, target: Path) -> bool:
    """Link what ``target`` lacks of ``source``: git may ignore a part, such as each ``lib``. Whether it lacked anything."""
    lacks = False
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if not os.path.lexists(place):
            _link(place, entry)
            lacks = True
        elif entry.is_dir() and not entry.is_symlink():
            lacks = _link_rest(entry, place) or lacks
    return lacks


def _link_packages(root: Path, source: Path, target: Path, into: Path) -> None:
    target.mkdir()
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            _link_packages(root, entry, place, into)
            continue
        leads_to = entry.resolve()
        is_workspace = (
            entry.is_symlink() and leads_to.is_relative_to(root) and _LINKS not in leads_to.relative_to(root).parts
        )
        _link(place, into / leads_to.relative_to(root) if is_workspace else entry)


def _link(place: Path, source: Path) -> None:
    """Make ``place`` a link to ``source``. On Windows a junction, since links need a right there; a file is copied."""
    if sys.platform != "win32":
        place.symlink_to(source)
    elif source.is_dir():
        import _winapi

        _winapi.CreateJunction(str(source), str(place))
    else:
        shutil.copy2(source, place)


def list_brought(brought: Iterable[Brought]) -> list[dict[str, Any]]:
    """What was brought, as the evidence lists it: path, how, sha256, what it covers."""
    return [{"path": entry.path, "how": entry.how} | _digest(entry) for entry in brought]


def _digest(entry: Brought) -> dict[str, Any]:
    if entry.source.is_file():
        with entry.source.open("rb") as file:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "covers": "its bytes"}
    digest, count = hashlib.sha256(), 0
    for line in _entries(entry.source):
        if count == MAX_ENTRIES:
            return {"sha256": digest.hexdigest(), "covers": f"{_COVERS} of the first {MAX_ENTRIES} entries"}
        digest.update(line)
        count += 1
    return {"sha256": digest.hexdigest(), "covers": f"{_COVERS} of {count} entries"}


def _entries(folder: Path) -> Iterator[bytes]:
    """A line for each entry below ``folder``, in a fixed order, without following links."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(f"{folder}/{above}") as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield f"{above} cannot be read\n".encode("utf-8", "surrogateescape")
            continue
        for entry in ordered:
            name = f"{above}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
                fact = "folder"
            elif entry.is_symlink():
                fact = f"link {_target(entry)}"
            else:
                fact = _file_fact(entry)
            yield f"{name}\0{fact}\n".encode("utf-8", "surrogateescape")


def _target(entry: "os.DirEntry[str]") -> str:
    try:
        return os.readlink(entry.path)  # noqa: PTH115 - thousands of entries, and a Path would tidy the target up
    except OSError:
        return "gone"


def _file_fact(entry: "os.DirEntry[str]") -> str:
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return "gone"
    return f"{facts.st_size} {facts.st_mtime_ns}"


def import_folders(root: Path, into: Path, brought: Iterable[Brought]) -> tuple[str, ...]:
    """The folders of the checkout that take the place of folders of the project on Python's import path (rule 2)."""
    folders: dict[str, None] = {}
    for entry in brought:
        for packages in (place for pattern in _PACKAGES for place in entry.source.glob(pattern)):
            for folder in _editable_folders(root, packages):
                folders[str(into / folder)] = None
    return tuple(folders)


def _editable_folders(root: Path, packages: Path) -> Iterator[Path]:
    for path_file in sorted(packages.glob("*.pth")):
        for line in _text(path_file).splitlines():
            if (folder := _below(root, line.strip())) is not None:
                yield folder
    for finder in sorted(packages.glob("__editable__*.py")):
        # setuptools maps each package to its folder here; the import path needs the folder above.
        for named in re.findall(r"""['"]([^'"\n]+)['"]""", _text(finder)):
            if (folder := _below(root, named)) is not None:
                yield folder.parent


def _below(root: Path, named: str) -> Path | None:
    place = Path(named)
    if not named or not place.is_absolute() or not place.resolve().is_relative_to(root):
        return None
    return place.resolve().relative_to(root)


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:1_000_000].decode(errors="replace")
    except OSError:
        return ""
