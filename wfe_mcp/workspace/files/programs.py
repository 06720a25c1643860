"""Finds programs, and tells those that a project provides: nothing of a clone runs because it has a known name."""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

TEMPORARY = ("TMPDIR", "TMP", "TEMP")
"""Variables that name the folder of temporary files."""

_ENDINGS = (".com", ".exe", ".bat", ".cmd")
"""What Windows starts, in its order. PATHEXT names more: files that only a shell opens."""
_PLAIN = re.compile(r"[\w#$*+./:?@\\-]*[\w#$*+./:?@-]", re.ASCII)
"""Words that cmd takes as they are."""


def find(name: str, path: str) -> str | None:
    """The program ``name`` in the folders of ``path``, and nowhere else.

    On Windows ``shutil.which`` looks into the current folder first: any project could bring a program of that name.
    """
    if sys.platform != "win32":
        return shutil.which(name, path=path)
    files = (with_ending(Path(folder, name)) for folder in path.split(os.pathsep) if folder)
    return next((str(file) for file in files if file.suffix.lower() in _ENDINGS and file.is_file()), None)


def pythons(*, windows: bool) -> tuple[str, ...]:
    """The names of Python, best first. What Windows has as ``python3`` without any Python opens the Microsoft Store."""
    return ("python", "py") if windows else ("python3", "python")


def with_ending(place: Path) -> Path:
    """The file that the path ``place`` starts: on Windows with the ending that may be left out there.

    Beside ``node_modules/.bin/eslint``, a script of a shell, lies ``eslint.cmd``.
    """
    if sys.platform != "win32" or place.suffix.lower() in _ENDINGS:
        return place
    ended = (place.with_name(f"{place.name}{ending}") for ending in _ENDINGS)
    return next((candidate for candidate in ended if candidate.is_file()), place)


def command_line(argv: Sequence[str]) -> Sequence[str] | str:
    """``argv`` as subprocess starts it, whose first word is the file.

    cmd reads the line of a batch file: to it, ``&`` in a word that is not in quotes starts another program. It ends at a line
    break (ValueError), and replaces %NAME% in quotes too.
    """
    if sys.platform != "win32" or not argv[0].lower().endswith((".bat", ".cmd")):
        return argv
    if any(re.search(r"[\r\n]", word) for word in argv):
        raise ValueError("a batch file gets no words with line breaks")
    doubled = (re.sub(r'(\\*)("|\Z)', r"\1\1\2\2", word) for word in argv)
    return " ".join(
        word if _PLAIN.fullmatch(word) else f'"{quoted}"' for word, quoted in zip(argv, doubled, strict=True)
    )


def program(word: str, root: Path, path: str) -> Path | None:
    """The file that a command's first word starts in ``root``: a path from there, or a name in the folders of ``path``."""
    name = word.replace("\\", "/") if sys.platform == "win32" else word
    if "/" in name:
        place = shutil.which(str(with_ending(root / name)))
    else:
        place = find(name, os.pathsep.join(str(root / folder) for folder in path.split(os.pathsep)))
    return root / place if place else None


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
    place = find(name, folders) if folders else None
    return place if place and Path(place).is_absolute() and not is_of_project(Path(place), root) else None


def configured_program(word: str, root: Path, path: str) -> str | None:
    """The program of a configured command: a path from ``root``, or a name outside the project in the folders of ``path``."""
    if os.path.dirname(word):  # noqa: PTH120 - "./claude" and "claude" differ here, and are the same to pathlib
        file = with_ending(root / word)
        return str(file) if file.is_file() else None
    return outside(word, root, path)


def path_outside(root: Path, path: str) -> str:
    """``path`` without the folders that are relative or in the project."""
    top, folders = _top(root), (entry for entry in path.split(os.pathsep) if Path(entry).is_absolute())
    return os.pathsep.join(folder for folder in folders if top is None or not _is_in(Path(folder), top))
