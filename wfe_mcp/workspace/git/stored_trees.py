"""Stored trees: the names, modes and ids that ``tree_hash`` saw, kept for later comparison. Contents are never stored.

Rule: a tree counts only while its bytes have its id. An object written under another id is as good as missing.
"""

import os
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git.command import Repository, run_git
from wfe_mcp.workspace.git.objects import Node, entries_in, object_id, read_loose


class PathChange(NamedTuple):
    """A path that differs between two trees; None: it does not exist there."""

    path: str
    old: Node | None
    new: Node | None


def kept_trees(repo: Repository) -> Path:
    """The folder of the stored trees."""
    return repo.common / "wfe" / "objects"


def compare(repo: Repository, one: str, other: str) -> list[PathChange]:
    """What differs between two trees, by path; ``""`` is a tree without files. Refuses one that is no longer stored."""
    changed: list[PathChange] = []
    try:
        _compare(repo, one, other, "", changed)
    except KeyError as missing:
        raise Refused(
            "unavailable",
            f"The files of tree {missing.args[0][:12]} are no longer stored, so they cannot be compared.",
            "Retry the phase: it records the files afresh.",
        ) from None
    return sorted(changed, key=lambda each: each.path)


def _compare(repo: Repository, one: str, other: str, above: str, changed: list[PathChange]) -> None:
    """Add the paths that differ between two trees; ``""`` is a missing folder. KeyError: one is not stored here."""
    if one == other:
        return
    a, b = (_entries(repo, oid) if oid else {} for oid in (one, other))
    for name in a.keys() | b.keys():
        old, new = a.get(name), b.get(name)
        if old == new:
            continue
        path = f"{above}{name}"
        if _is_folder(old) or _is_folder(new):
            _compare(repo, _folder(old), _folder(new), f"{path}/", changed)
        files = [None if _is_folder(each) else each for each in (old, new)]
        if any(files):
            changed.append(PathChange(path, files[0], files[1]))


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.mode == "040000"


def _folder(node: Node | None) -> str:
    return node.oid if node is not None and _is_folder(node) else ""


def _entries(repo: Repository, tree: str) -> dict[str, Node]:
    kept = read_loose(kept_trees(repo), tree)
    if kept is None or kept[0] != "tree" or object_id("tree", kept[1], repo.hash_name) != tree:
        kept = "tree", _from_git(repo, tree)
    return entries_in(kept[1], repo.hash_name)


def _from_git(repo: Repository, tree: str) -> bytes:
    """The content of a tree of the repository itself, where an earlier version stored it."""
    quoted = kept_trees(repo).as_posix().replace("\\", "\\\\").replace('"', '\\"')
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}
    done = run_git(repo.root, "cat-file", "--batch", stdin=f"{tree}\n".encode(), env=env, ok=None)
    header, _, rest = (b"" if done is None else done.stdout).partition(b"\n")
    words = os.fsdecode(header).split(" ")
    content = rest[: int(words[2])] if len(words) == 3 and words[1] == "tree" else None
    if content is None or object_id("tree", content, repo.hash_name) != tree:
        raise KeyError(tree)
    return content
