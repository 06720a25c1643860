"""Finds programs, and tells those that a project provides: nothing of a clone runs because it has a known name."""

import hashlib
import os
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

TEMPORARY = ("TMPDIR", "TMP", "TEMP")
"""Variables that name the folder of temporary files."""


def program(word: str, root: Path, path: str) -> Path | None:
    """The file that a command's first word starts in ``root``: a path from there, or a name in the folders of ``path``."""
    name = word.replace("\\", "/") if sys.platform == "win32" else word
    if "/" in name:
        found = shutil.which(root / name)
    else:
        found = shutil.which(name, path=os.pathsep.join(str(root / each) for each in path.split(os.pathsep)))
    return root / found if found else None


def sha256_of_files(words: Sequence[str]) -> dict[str, str]:
    """Each word of a command that is the path of a file, as the file that it leads to, and the SHA-256 of its bytes."""
    files = dict.fromkeys(Path(word).resolve() for word in words if Path(word).is_absolute() and Path(word).is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def is_of_project(file: Path, root: Path) -> bool:
    """Whether a file lies in the project, by its own path or by what it links to. A project that is the home folder has none."""
    top = _top(root)
    return top is not None and _is_in(file, top)


def _top(root: Path) -> Path | None:
    top = root.resolve()
    return None if Path.home().resolve().is_relative_to(top) else top


def _is_in(file: Path, top: Path) -> bool:
    return file.resolve().is_relative_to(top) or (file.parent.resolve() / file.name).is_relative_to(top)


def temporary_outside(environment: MutableMapping[str, str], root: Path) -> bool:
    """Whether variables named a folder of the project for temporary files; they are removed, so that the system's is used."""
    named = [
        name
        for name in TEMPORARY
        if name in environment
        and (not Path(environment[name]).is_absolute() or is_of_project(Path(environment[name]), root))
    ]
    for name in named:
        del environment[name]
    return bool(named)


def outside(name: str, root: Path, path: str) -> str | None:
    """The program ``name`` in the folders of ``path`` that are neither relative nor in the project; None: there is none."""
    folders = path_outside(root, path)
    found = shutil.which(name, path=folders) if folders else None
    return found if found and Path(found).is_absolute() and not is_of_project(Path(found), root) else None


def configured_program(word: str, root: Path, path: str) -> str | None:
    """The program of a configured command: a path from ``root``, or a name outside the project in the folders of ``path``."""
    if os.path.dirname(word):  # noqa: PTH120 - "./claude" and "claude" differ here, and are the same to pathlib
        return str(root / word) if (root / word).is_file() else None
    return outside(word, root, path)


def path_outside(root: Path, path: str) -> str:
    """``path`` without the folders that are relative or in the project."""
    top, folders = _top(root), (each for each in path.split(os.pathsep) if Path(each).is_absolute())
    return os.pathsep.join(each for each in folders if top is None or not _is_in(Path(each), top))
