"""A copy of the user's git index, refreshed so that no change is overlooked.

Everything here runs git through a caller's ``Git``, whose environment names the copy.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

__all__ = ["NOT_OURS", "Git", "IndexEntry", "entries_of", "is_ours", "unhide", "untracked_of"]

NOT_OURS = ":(exclude,glob)**/.wfe/**"
"""As a pathspec: all but our own folders."""


class Git(Protocol):
    """Git in the project root, with a copy of the index. ``stdin``: one entry per NUL."""

    def __call__(self, *arguments: str, stdin: Iterable[str] = (), ok: Sequence[int] = (0,)) -> str:
        """What git prints. Refuses exit codes outside ``ok``."""
        ...


class IndexEntry(NamedTuple):
    """One line of ``git ls-files -v -s``. ``tag``: H, S skipped, lower case assumed unchanged."""

    tag: str
    mode: str
    oid: str
    path: str


def entries_of(git: Git) -> list[IndexEntry]:
    """What the index holds below the root; a path in conflict comes once per side."""
    found: list[IndexEntry] = []
    for line in git("ls-files", "-v", "-s", "-z").split("\0"):
        if line:
            about, _, path = line.partition("\t")
            tag, mode, oid, _ = about.split(" ")
            found.append(IndexEntry(tag, mode, oid, path))
    return found


def untracked_of(git: Git) -> list[str]:
    """Untracked paths that are not ignored; a nested repository is one path that ends in a slash."""
    listed = git("ls-files", "-o", "--exclude-standard", "-z", "--", ".", NOT_OURS)
    return [path for path in listed.split("\0") if path]


def unhide(git: Git, root: Path, entries: Sequence[IndexEntry], *, is_sparse: bool = True) -> None:
    """Drop the flags by which ``git update-index`` makes git overlook changed files.

    ``is_sparse``: absent files keep theirs, because a sparse checkout may have left them out.
    """
    assumed = [entry.path for entry in entries if entry.tag.islower()]
    skipped = [
        entry.path
        for entry in entries
        if entry.tag in {"S", "s"} and (not is_sparse or os.path.lexists(root / entry.path))
    ]
    for flag, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        if paths:
            git("update-index", flag, "-z", "--stdin", stdin=paths)


def is_ours(path: str) -> bool:
    """True for what lies in a ``.wfe`` folder: no part of the project's own files."""
    return ".wfe" in path.split("/")
