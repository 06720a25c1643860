"""Validates project-relative paths and matches them against globs.

Rules (S0-24, T5):
1. A path is relative, made of plain names: no drive, no ``..``, no ``.``, no empty part, no NUL or control character.
2. A written file's name starts with no dot, and no part is ``.git`` or ``.wfe`` in any spelling a file system folds.
3. A bundle names no file twice on any file system, and no file is another one's folder.
"""

import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.paths import is_windows_device

MAX_PATH_CHARACTERS = 1_000
MAX_NAME_BYTES = 255
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""The control characters (Cc), and halves of a character (Cs)."""
_DRIVE = re.compile("[A-Za-z]:")
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def parts_of(
    path: str, root: Path | None = None, fault_of: Callable[[str], str | None] | None = None
) -> tuple[str, ...]:
    """The names in a relative path. Refuses what rule 1 forbids, and a backslash; a path below ``root`` with how it is written.

    ``fault_of``: ``glob_fault`` where it is a glob.
    """
    fault = "it holds a backslash; write '/'" if "\\" in path else (fault_of or path_fault)(path)
    if fault:
        plain = posixpath.normpath(path.replace("\\", "/"))
        plain = plain if root is None else plain.removeprefix(f"{root.as_posix()}/")
        is_usable = path_fault(plain) is None and plain != "."
        raise Refused(
            "path_outside_project",
            f"The path {path!r:.200} cannot be used: {fault}.",
            f"Write {plain!r}: relative to the project root."
            if is_usable
            else "Give a path relative to the project root, for example 'docs/plan.md'.",
        )
    return tuple(path.split("/"))


def expanded_path(text: str) -> Path:
    """The path that a person wrote, with their home folder for ``~``; ``~name`` of a user that does not exist stays a name."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises RuntimeError for such a user


def readable(path: str) -> str:
    """The path of a file as text: bytes that are not UTF-8 are written out."""
    return os.fsencode(path).decode(errors="backslashreplace")


def folder_parts(path: str) -> tuple[str, ...]:
    """The names in the path of a folder to write in. Refuses what ``parts_of`` refuses, and git's own folder."""
    parts = parts_of(path)
    if any(reserved_as(name) == ".git" for name in parts):
        raise Refused("path_outside_project", f"'{path}' is git's own folder.", "Write into another folder.")
    return parts


def path_fault(path: str) -> str | None:
    """Why rule 1 forbids the path, as the end of a sentence; None when it may be used."""
    names = path.split("/")
    if not path:
        return "it is empty"
    if len(path) > MAX_PATH_CHARACTERS:
        return f"it is longer than {MAX_PATH_CHARACTERS} characters"
    if path.startswith("/"):
        return "it is absolute"
    if _DRIVE.match(path):
        return "it starts with a drive letter"
    if _CONTROL.search(path):
        return "it holds a control character"
    if len(path.encode()) > MAX_NAME_BYTES and any(len(name.encode()) > MAX_NAME_BYTES for name in names):
        return f"a name in it is longer than {MAX_NAME_BYTES} bytes"
    if "" in names:
        return "it holds an empty part"
    if ".." in names:
        return "'..' leaves its folder"
    if "." in names:
        return "'.' is no name"
    return _windows_fault(names) if os.name == "nt" else None


def glob_fault(glob: str) -> str | None:
    """As ``path_fault``, for a glob: its ``*`` and ``?`` stand for names, so Windows may have them."""
    return path_fault(re.sub("[*?]", "_", glob))


def written_fault(path: str) -> str | None:
    """Why no file may be written there (rules 1 and 2); None when it may."""
    fault = path_fault(path)
    if fault:
        return fault
    names = path.split("/")
    if names[-1].startswith("."):
        return "its file name starts with a dot"
    if any(reserved_as(name) for name in names):
        return "'.git' and '.wfe' belong to others"
    return None


def reserved_as(name: str) -> str | None:
    """``.git`` or ``.wfe`` when some file system treats the name as that, else None.

    ``.GIT``, ``.git.``, ``git~1``, ``.git::$DATA`` and names with invisible characters all mean ``.git`` on some file system.
    """
    plain = _IGNORED_BY_HFS.sub("", name).casefold().split(":")[0].rstrip(". ")
    for owned in (".git", ".wfe"):
        if plain == owned or re.fullmatch(rf"{owned[1:]}~\d+", plain):
            return owned
    return None


def bundle_faults(paths: Iterable[str]) -> list[Detail]:
    """Every rule that a bundle's paths break, with the pointer of each path."""
    listed = list(paths)
    faults = [Detail(pointer(path), f"{path!r:.200}: {fault}") for path in listed if (fault := written_fault(path))]
    seen: dict[str, str] = {}
    for path in listed:
        first = seen.setdefault(_fold_case(path), path)
        if first != path:
            faults.append(Detail(pointer(path), f"{path!r} and {first!r} are one file on some systems"))
    for path in listed:
        names = _fold_case(path).split("/")
        for length in range(1, len(names)):
            other = seen.get("/".join(names[:length]))
            if other is not None:
                faults.append(Detail(pointer(path), f"{other!r} is a file, so {path!r} cannot lie in it"))
    return faults


def match_globs(path: str, globs: Iterable[str]) -> bool:
    """True when the path, or a folder above it, matches one of the globs.

    ``*`` and ``?`` stay within a name, ``[a-c]`` and ``[!a]`` match one character, ``**`` any number of
    folders. So ``src`` and ``src/**`` cover all below src, and ``**/*.py`` every Python file. At most quadratic time:
    globs come from templates.
    """
    names = tuple(path.split("/"))
    return any(_covers(_glob_parts(glob), names) for glob in globs)


@lru_cache(maxsize=512)
def _glob_parts(glob: str) -> tuple[str, ...]:
    return tuple(part for part in glob.removeprefix("./").split("/") if part)


def _covers(glob: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Tracks all possible matches at once: ``at`` holds every position in the glob reachable by the names so far."""
    end = len(glob)
    at = _skipping_folders({0}, glob)
    for name in names:
        step: set[int] = set()
        for position in at - {end}:
            if glob[position] == "**":
                step |= {position, end} if position == end - 1 else {position}
            elif _name_matches(_tokens(glob[position]), name):
                step.add(position + 1)
        if end in step:
            return True  # the path itself, or a folder above it
        at = _skipping_folders(step, glob)
    return False


def _skipping_folders(positions: set[int], glob: tuple[str, ...]) -> set[int]:
    """``**`` also matches zero folders, except at the end, where it needs a match."""
    for position in range(len(glob) - 1):
        if position in positions and glob[position] == "**":
            positions.add(position + 1)
    return positions


@lru_cache(maxsize=512)
def _tokens(pattern: str) -> tuple[str | re.Pattern[str], ...]:
    """``a[bc]*`` -> "a", a set, "*". An unclosed bracket is a plain character, and so is each one of a set of nothing (``[]``)."""
    tokens: list[str | re.Pattern[str]] = []
    for token in re.findall(r"\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if len(token) > 1:
            negated = "^" if token[1] == "!" else ""
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", token[1 + len(negated) : -1])
            try:
                tokens.append(re.compile(f"[{negated}{body}]", re.DOTALL))
            except re.error:  # nothing in it, or a range backwards
                tokens.extend(token)
        elif token != "*" or tokens[-1:] != ["*"]:  # noqa: S105 - a star, not a password
            tokens.append(token)
    return tuple(tokens)


def _name_matches(tokens: tuple[str | re.Pattern[str], ...], name: str) -> bool:
    """Two pointers with one backtrack: on a mismatch the last ``*`` takes one more character."""
    token = character = 0
    star, resumed = -1, 0
    while character < len(name):
        if token < len(tokens) and tokens[token] == "*":
            star, resumed = token, character
            token += 1
        elif token < len(tokens) and _one_matches(tokens[token], name[character]):
            token, character = token + 1, character + 1
        elif star >= 0:
            resumed += 1
            token, character = star + 1, resumed
        else:
            return False
    return all(rest == "*" for rest in tokens[token:])


def _one_matches(token: str | re.Pattern[str], character: str) -> bool:
    if isinstance(token, re.Pattern):
        return token.match(character) is not None
    return token in {"?", character}


def _fold_case(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def _windows_fault(names: Sequence[str]) -> str | None:
    """Why Windows would treat a name as a device, a stream, or another name; None when it would not."""
    for name in names:
        if is_windows_device(name):
            return f"'{name}' is a device on Windows"
        if name.endswith((".", " ")) or set(name) & set('<>:"|?*\\'):
            return f"'{name}' is no file name on Windows"
    return None
