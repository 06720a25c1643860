"""Trees that ``tree_hash`` saw: stored for later comparison, and copied exactly into an empty folder.

Rule: a tree counts only while its bytes have its id. An object written under another id is as good as missing.

Rules:
1. Every byte written was hashed: a file whose content is not what the tree names is refused, never copied.
2. No git process, so no filter, attribute, hook or configuration takes part. A file that a sparse checkout left out is
   the exception: its content comes from git's store, and is hashed too.
3. Files are copied, never linked: what a program does to the copy cannot reach the project.
4. Links come last, so that no file is written through one.

Removal:
1. Each look asks for all its trees, and what is asked for becomes new (``write_loose``). So a tree that no one has asked for
   in ``KEPT_FOR_S`` belongs to no look whose result is not recorded yet.
2. An old tree stays while one that is recorded has it in it.
3. Where a look asks for a tree while it is removed, one of both sees the other: a tree is renamed first, and gets its name
   back if it has become new; a look that does not find it writes it.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.staging import why_unwritable
from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.command import Repository, run_git
from wfe_mcp.workspace.git.file_facts import AS_IT_IS, link_bytes
from wfe_mcp.workspace.git.objects import Node, entries_in, hash_file, object_id, read_loose

KEPT_FOR_S = 14 * 86_400
"""For so long a stored tree stays, named or not: as long as git keeps objects without a ref."""
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
        tree = missing.args[0][:12]
        if why := why_unwritable(kept_trees(repo)):  # a look goes on without it, so it may never have been stored
            raise Refused(
                "unavailable",
                f"The files of tree {tree} are not stored: {kept_trees(repo)} cannot be written ({why.strerror}).",
                "Check free space and permissions, then retry the phase.",
            ) from why
        raise Refused(
            "unavailable",
            f"The files of tree {tree} are no longer stored, so they cannot be compared.",
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
        files = [None if _is_folder(node) else node for node in (old, new)]
        if any(files):
            changed.append(PathChange(path, files[0], files[1]))


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.mode == "040000"


def _folder(node: Node | None) -> str:
    return node.oid if node is not None and _is_folder(node) else ""


def _entries(repo: Repository, tree: str) -> dict[str, Node]:
    kept = read_loose(kept_trees(repo), tree)
    if kept is None or kept[0] != "tree" or object_id("tree", kept[1], repo.hash_name) != tree:
        kept = "tree", _stored_by_git(repo, tree)
    return entries_in(kept[1], repo.hash_name)


def _stored_by_git(repo: Repository, tree: str) -> bytes:
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


class StoredTree(NamedTuple):
    """A stored tree, or what a process that was killed left of one. ``bytes``: on the disk; ``asked_at``: seconds since 1970."""

    place: Path
    oid: str
    bytes: int
    asked_at: float


def unneeded_trees(repo: Repository, recorded: Callable[[Collection[str]], set[str]]) -> list[StoredTree]:
    """The old ones of the stored trees that are in none of the ``recorded`` ones, which are asked for where any is old."""
    stored = _stored_trees(repo)
    old = [tree for tree in stored if tree.asked_at < time.time() - KEPT_FOR_S]
    if not old:
        return []
    names = {tree.oid for tree in stored} - {""}
    needed, waiting = set[str](), [*recorded(names)]
    while waiting:
        oid = waiting.pop()
        if oid in names and oid not in needed:
            needed.add(oid)
            kept = read_loose(kept_trees(repo), oid)
            if kept is not None and object_id("tree", kept[1], repo.hash_name) == oid:
                waiting += [node.oid for node in entries_in(kept[1], repo.hash_name).values() if _is_folder(node)]
    return [tree for tree in old if tree.oid not in needed]


def remove_trees(trees: Iterable[StoredTree]) -> list[StoredTree]:
    """Remove stored trees that no one has asked for meanwhile; those that are gone."""
    gone: list[StoredTree] = []
    for tree in trees:
        aside = tree.place.with_name(f"tmp_obj_{secrets.token_hex(6)}")
        with suppress(OSError):  # another process was faster, or the folder cannot be written
            tree.place.rename(aside)
            if aside.stat().st_mtime > tree.asked_at:
                aside.replace(tree.place)
                continue
            aside.chmod(0o644)  # Windows removes no read-only file
            aside.unlink()
            gone.append(tree)
    return gone


def _stored_trees(repo: Repository) -> list[StoredTree]:
    trees: list[StoredTree] = []
    for place in kept_trees(repo).glob("??/*"):
        with suppress(OSError):  # gone meanwhile
            facts, name = place.stat(follow_symlinks=False), f"{place.parent.name}{place.name}"
            size_bytes = getattr(facts, "st_blocks", 0) * 512 or facts.st_size
            if stat.S_ISREG(facts.st_mode):
                oid = name if _OID.fullmatch(name) else ""
                trees.append(StoredTree(place, oid, size_bytes, facts.st_mtime))
    return trees


_BLOCK_BYTES = 1_048_576
_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_SHOWN = 20
_AT_ONCE = 200
"""How many files one git process gives: their contents are in memory together."""


@dataclass(frozen=True, slots=True)
class TreeCopy:
    """What a copy holds. ``empty``: submodules and nested repositories, as empty folders. ``leading_out``: links whose
    target is outside the copy, so that what they show is not part of the tree.
    """

    files: int
    empty: tuple[str, ...]
    leading_out: tuple[str, ...]


def copy_tree(
    root: Path, files: Mapping[str, Node], into: Path, hash_name: str, *, committed: bool = False
) -> TreeCopy:
    """Copy ``files`` (path to mode and blob id) from ``root`` to the empty folder ``into``.

    ``committed``: they are those of a commit, so what differs in ``root`` comes from git.
    Refuses ``conflict`` when a file is no longer what the tree says; OSError when ``into`` cannot be written.
    """
    _make_folders(files, into)
    absent = [
        path
        for path, node in files.items()
        if node.mode.startswith("100") and not _copy_file(f"{root}/{path}", f"{into}/{path}", node, hash_name)
    ]
    wanted = {path: files[path] for path in absent if committed or not os.path.lexists(f"{root}/{path}")}
    stored = _copy_from_git(root, wanted, into, hash_name)
    links = {path: node for path, node in files.items() if node.mode == "120000"}
    changed = [path for path in absent if path not in stored]
    changed += [path for path, node in links.items() if not _link_file(root, path, into, node, hash_name, committed)]
    if changed:
        raise Refused(
            "conflict",
            f"Files changed while they were copied: {', '.join(changed[:_SHOWN])}.",
            "Wait until nothing writes them.",
        )
    empty = tuple(path for path, node in files.items() if node.mode == "160000")
    return TreeCopy(len(files) - len(empty), empty, tuple(path for path in links if leads_out(into, path)))


def _make_folders(files: Mapping[str, Node], into: Path) -> None:
    folders = {path.rpartition("/")[0] for path in files}
    folders |= {path for path, node in files.items() if node.mode == "160000"}
    for folder in sorted(folders):
        os.makedirs(f"{into}/{folder}", exist_ok=True)  # noqa: PTH103 - thousands of paths: a Path each takes longer


def _copy_file(source: str, target: str, node: Node, hash_name: str) -> bool:
    """Copy one file. False, with nothing left at ``target``, when its content is not ``node``'s."""
    try:
        reading = os.open(source, AS_IT_IS)
    except OSError:
        return False
    try:
        size = os.fstat(reading).st_size
        if size > _BLOCK_BYTES:
            return _copied_in_blocks(reading, target, node, size, hash_name)
        content = os.read(reading, size + 1)
    except OSError:
        return False
    finally:
        os.close(reading)
    if object_id("blob", content, hash_name) != node.oid:
        return False
    _write(target, content, node)
    return True


def _write(target: str, content: bytes, node: Node) -> None:
    writing = os.open(target, _NEW, 0o755 if node.mode == "100755" else 0o644)
    try:
        os.write(writing, content)  # a regular file takes all of it, or the disk is full
        if os.fstat(writing).st_size != len(content):
            raise OSError(f"{target} could not be written: the disk is full")
    finally:
        os.close(writing)


def _copied_in_blocks(reading: int, target: str, node: Node, size: int, hash_name: str) -> bool:
    """A large file: copied first, then hashed as it was written."""
    writing = os.open(target, _NEW, 0o755 if node.mode == "100755" else 0o644)
    with open(writing, "r+b") as file:  # noqa: PTH123 - opened with care
        while block := os.read(reading, _BLOCK_BYTES):
            file.write(block)
        file.flush()
        os.lseek(writing, 0, os.SEEK_SET)
        is_same = hash_file(writing, size, hash_name) == node.oid
    if not is_same:
        os.unlink(target)  # noqa: PTH108 - a string, as everywhere here
    return is_same


def _copy_from_git(root: Path, files: Mapping[str, Node], into: Path, hash_name: str) -> set[str]:
    """Write the files whose content git has; their paths."""
    copied: set[str] = set()
    paths = list(files)
    for at in range(0, len(paths), _AT_ONCE):
        some = paths[at : at + _AT_ONCE]
        for path, object_ in zip(some, read_objects(root, [files[path].oid for path in some]), strict=True):
            if object_ is not None and object_id("blob", object_[1], hash_name) == files[path].oid:
                _write(f"{into}/{path}", object_[1], files[path])
                copied.add(path)
    return copied


def _blob(root: Path, node: Node, hash_name: str) -> bytes | None:
    """The content of ``node`` as git has it; None where it has it not."""
    (object_,) = read_objects(root, [node.oid])
    return object_[1] if object_ is not None and object_id("blob", object_[1], hash_name) == node.oid else None


def _link_file(root: Path, path: str, into: Path, node: Node, hash_name: str, committed: bool) -> bool:
    target: bytes | None
    try:
        target = link_bytes(f"{root}/{path}")
    except OSError:
        target = None
    if target is None or object_id("blob", target, hash_name) != node.oid:
        target = _blob(root, node, hash_name) if committed else None
    if target is None:
        return False
    if os.name == "nt" and not (root / path).is_symlink():
        _write(f"{into}/{path}", target, node)  # as git has it there
    else:
        os.symlink(target, os.fsencode(f"{into}/{path}"))  # noqa: PTH211 - the bytes of the target stay as they are
    return True


def leads_out(root: Path, path: str) -> bool:
    """Whether the link at ``path`` leads out of ``root``. One that leads to itself does not."""
    return not Path(os.path.realpath(root / path)).is_relative_to(os.path.realpath(root))
