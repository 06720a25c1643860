# ruff: noqa: PTH120 - called for each file and at each step: a Path for each takes longer than the rest
"""The working tree of a project: its files, their content hashes, and the id of their tree.

    names    git ls-files, and a walk (``names.py``)  ── read again when a name, .gitignore or the index differs
    content  hashed from the bytes on disk            ── read again when ``stat`` differs, or is too new
    tree     names + modes + content ──> the id git would give them, computed here

    <tree>             no ignored file is watched
    <tree>+<watched>   the second id is the tree of the watched files: ignored, but a check may read them (``watched.py``)

Gates, evidence, approvals and checkpoints all use this module. Rules:
1. A tree depends only on the bytes on disk: git's configuration, filters, private exclude file, replace refs and stat
   data have no effect. Only the ``.gitignore`` files in the tree decide what is ignored, and the index which of these are
   tracked all the same. The project's own ``.wfe/`` never counts. Files of repositories inside count as any other.
2. A cached hash is valid while mode, size, mtime, ctime, inode and device are the same, and only if mtime and ctime were
   older than ``GRAIN_NS`` when the bytes were read: a newer file may change again with the same times.
3. Where ctime is not the time of change (Windows), every file is hashed every time.
4. A stored tree is read only while its bytes have its id.
"""

import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import Repository, is_true, repository, require_repository, setting
from wfe_mcp.workspace.git.names import NameList, Tracked, is_ours
from wfe_mcp.workspace.git.objects import Node, hash_file, object_id, trees_of, write_loose
from wfe_mcp.workspace.git.trees import PathChange, compare, kept_trees
from wfe_mcp.workspace.git.watched import Header, decides_alone, header_of, is_stale, source_of

GRAIN_NS = 2_000_000_000
"""The coarsest timestamp resolution of any file system (FAT): two seconds."""

_BYTECODE = re.compile(r"\.(pyc|pyo|nbi|nbc)(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class Look:
    """The files of a project at one moment, as they are on disk."""

    repo: Repository
    tracked: Mapping[str, Tracked]
    """By path, as in the index."""
    untracked: Sequence[str]
    """Paths that no ``.gitignore`` ignores."""
    besides: Sequence[str]
    """Those requested."""
    nested: Sequence[str]
    """Untracked repositories."""
    inner: Sequence[str]
    """The files in nested repositories and in submodules."""
    watched: Sequence[str]
    """Files that a check may read although they are not in the tree."""
    facts: Mapping[str, os.stat_result]
    """``lstat`` of each existing entry that is no folder."""
    oids: dict[str, str] = field(default_factory=dict[str, str])
    """The blob ids requested so far."""

    def mode(self, path: str) -> str:
        """Git's mode of an existing file or link; ``""`` for entries without content in git."""
        mode = self.facts[path].st_mode
        if stat.S_ISLNK(mode):
            return "120000"
        if not stat.S_ISREG(mode):
            return ""
        if os.name == "nt" and path in self.tracked:  # pragma: no cover - Windows has neither links nor such a bit
            return self.tracked[path].node.mode
        return "100755" if mode & 0o100 else "100644"


class _Hashed(NamedTuple):
    signature: tuple[int, ...]
    oid: str


class WorkingTree:
    """The files below ``root``, with cached facts. One per folder and process: ``working_tree``.

    ``clock_ns``: the time, in nanoseconds since 1970.
    """

    def __init__(self, root: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.root = root
        self._clock_ns = clock_ns
        self._hashed: dict[str, _Hashed] = {}
        self._names = NameList(root)
        self._bytecode: dict[str, tuple[tuple[int, ...], bool, Header | None]] = {}
        self._lock = threading.RLock()

    def look(self, repo: Repository, besides: Sequence[str] = ()) -> Look:
        """The files as they are now. ``besides``: paths to include although git ignores them."""
        with self._lock:
            names = self._names.read(repo)
            tracked, untracked = names.tracked, names.untracked
            more = [path for path in besides if path not in tracked and not is_ours(path)]
            facts = _facts(self.root, (*tracked, *untracked, *names.inner, *more))
            watched = {
                path: each for path, each in self._watched(names.watched, facts).items() if not _in_tree(path, facts)
            }
            inner = [path for path in names.inner if path in facts]
            facts |= watched
            self._hashed = {path: self._hashed[path] for path in facts if path in self._hashed}
            return Look(
                repo,
                tracked,
                untracked,
                [path for path in more if path in facts],
                names.nested,
                inner,
                list(watched),
                facts,
            )

    def oid(self, look: Look, path: str) -> str | None:
        """The blob id of a file's bytes, or of a link's target; None where it cannot be read."""
        facts = look.facts[path]
        with self._lock:
            if path in look.oids:
                return look.oids[path]
            known = self._hashed.get(path)
            if known is not None and known.signature == _signature(facts):
                return look.oids.setdefault(path, known.oid)
            began = self._clock_ns()
            found = _hash(f"{self.root}/{path}", facts, look.repo.hash_name)
            if found is None:
                self._hashed.pop(path, None)
                return None
            oid, facts = found
            look.oids[path] = oid
            # A file written later than that gets another ctime (ADR 0020). On Windows ctime is no time of change.
            if os.name != "nt" and max(_times(facts)) < began - GRAIN_NS:
                self._hashed[path] = _Hashed(_signature(facts), oid)
            else:
                self._hashed.pop(path, None)
            return oid

    def files(self, ignore_globs: Sequence[str] = ()) -> dict[str, Node]:
        """The entries of the tree, by path, without the watched files. Refuses ``unavailable`` without git."""
        return self.entries(ignore_globs)[0]

    def entries(self, ignore_globs: Sequence[str] = ()) -> tuple[dict[str, Node], dict[str, Node]]:
        """The entries of the tree, and of the tree of the watched files. Refuses ``unavailable`` without git."""
        return self.entries_in(require_repository(self.root), ignore_globs)

    def entries_in(self, repo: Repository, ignore_globs: Sequence[str] = ()) -> tuple[dict[str, Node], dict[str, Node]]:
        """``entries`` where the repository has been looked up."""
        look = self.look(repo)
        found: tuple[dict[str, Node], dict[str, Node]] = {}, {}
        for path, is_watched in _counted_paths(look, ignore_globs):
            if (mode := look.mode(path)) and (oid := self.oid(look, path)):
                found[is_watched][path] = Node(mode, oid)
        return found

    def _watched(self, candidates: Sequence[str], files: Mapping[str, os.stat_result]) -> dict[str, os.stat_result]:
        """``lstat`` of what is watched; of bytecode only what Python runs though the source says something else.

        ``files``: ``lstat`` of the files of the tree.
        """
        facts = _facts(self.root, candidates)
        alone = {path: self._decides_alone(path, facts[path], files) for path in facts if path.endswith(".pyc")}
        self._bytecode = {path: self._bytecode[path] for path in alone if path in self._bytecode}
        return {path: each for path, each in facts.items() if alone.get(path, True)}

    def _decides_alone(self, path: str, facts: os.stat_result, files: Mapping[str, os.stat_result]) -> bool:
        is_cached = path.rpartition("/")[0].rpartition("/")[2] == "__pycache__"
        known = self._bytecode.get(path)
        if is_cached and known is not None and known[0] == _signature(facts):
            _, is_alone, header = known
        else:
            is_alone, header = self._read_bytecode(path, facts, is_cached=is_cached)
        if is_alone or header is None or not is_cached or os.name == "nt":  # there, ctime is not the time of change
            return is_alone
        source = files.get(source_of(path))
        return source is not None and is_stale(header, facts, source)

    def _read_bytecode(self, path: str, facts: os.stat_result, *, is_cached: bool) -> tuple[bool, Header | None]:
        place = f"{self.root}/{path}"
        began = self._clock_ns()
        try:
            with open(place, "rb") as file:  # noqa: PTH123 - thousands of files: a Path each takes longer
                content = file.read(16)
        except OSError:
            return True, None
        found = decides_alone(content[:8], is_cached=is_cached, has_source=os.path.lexists(place[:-1]))
        header = header_of(content)
        if os.name != "nt" and max(_times(facts)) < began - GRAIN_NS:
            self._bytecode[path] = _signature(facts), found, header
        return found, header


@lru_cache(32)
def working_tree(root: Path) -> WorkingTree:
    """The working tree at ``root``: one object per process, so that all callers share its cache."""
    return WorkingTree(root)


def tree_hash(root: Path, ignore_globs: Sequence[str] = ()) -> str | None:
    """What names the files below ``root``: ``HashedTree.id``."""
    return hashed_tree(root, ignore_globs).id


class HashedTree(NamedTuple):
    """A tree as it was hashed. ``id``: ``<tree>``, or ``<tree>+<watched>``; None without git, for the home directory and the
    disk. ``files``: the entries of the tree by path; ``watched``: ignored files that a check may read.
    """

    id: str | None
    files: dict[str, Node]
    watched: dict[str, Node]


def hashed_tree(root: Path, ignore_globs: Sequence[str] = ()) -> HashedTree:
    """The files below ``root``, without ``ignore_globs``."""
    found = repository(root)
    real = os.path.realpath(root)
    if found is None or real == os.path.dirname(real) or real == os.path.realpath(Path.home()):
        return HashedTree(None, {}, {})
    ids: list[str] = []
    kept = kept_trees(found)
    files, watched = working_tree(root).entries_in(found, ignore_globs)
    for entries in (files, watched):
        oid, trees = trees_of(entries, found.hash_name)
        if ids and not entries:
            break
        ids.append(oid)
        with suppress(OSError):  # a read-only git directory disables changed_paths, not the hash
            for each, content in trees.items():
                write_loose(kept, each, "tree", content, durable=False)
    return HashedTree("+".join(ids), files, watched)


def changed_paths(root: Path, tree_a: str, tree_b: str) -> list[str]:
    """The paths, relative to ``root``, that differ between two values of ``tree_hash``. Refuses trees no longer stored."""
    return sorted({each.path for part in changes_between(root, tree_a, tree_b) for each in part})


def changes_between(root: Path, tree_a: str, tree_b: str) -> tuple[list[PathChange], list[PathChange]]:
    """What differs in the tree, and what differs among the watched files. Refuses trees no longer stored.

    A value of an earlier version has no watched files: all there are now are new to it.
    """
    if tree_a == tree_b:
        return [], []
    repo = require_repository(root)
    pairs = zip(parts_of(tree_a), parts_of(tree_b), strict=True)
    tree, watched = ([each for each in compare(repo, *pair) if not is_ours(each.path)] for pair in pairs)
    return tree, watched


def parts_of(tree: str) -> tuple[str, str]:
    """The tree of the files, and that of the watched ones: empty where there is none."""
    files, _, watched = tree.partition("+")
    return files, watched


def counts(path: str, ignore_globs: Sequence[str] = ()) -> bool:
    """False for paths in ``ignore_globs``, and for bytecode and pytest's cache, which many repositories forget to ignore."""
    *folders, name = path.split("/")
    if name.endswith(".pyc") or ".pytest_cache" in folders:
        return False
    if "__pycache__" in folders[-1:] and _BYTECODE.search(name):
        return False
    return not match_globs(path, ignore_globs)


def left_out(look: Look) -> list[str]:
    """Absent paths that a sparse checkout has left out. A checkpoint keeps them with their index entry; a tree does not."""
    absent = [path for path, each in look.tracked.items() if each.is_left_out and path not in look.facts]
    return absent if absent and is_true(setting(look.repo.root, "core.sparsecheckout", "false")) else []


def facts_of(root: Path, path: str) -> os.stat_result | None:
    """``lstat`` of the path (of a link itself); None where nothing exists."""
    try:
        return os.lstat(f"{root}/{path}")  # thousands of paths: a Path each takes three times as long
    except OSError:
        return None


def _facts(root: Path, paths: Iterable[str]) -> dict[str, os.stat_result]:
    """``lstat`` of every entry that is no folder; targets of links are not part of the project."""
    real = {"": True}
    found: dict[str, os.stat_result] = {}
    for path in paths:
        if _is_real(root, path.rpartition("/")[0], real):
            facts = facts_of(root, path)
            if facts is not None and not stat.S_ISDIR(facts.st_mode):
                found[path] = facts
    return found


def _is_real(root: Path, folder: str, real: dict[str, bool]) -> bool:
    if folder not in real:
        above = _is_real(root, folder.rpartition("/")[0], real)
        facts = facts_of(root, folder) if above else None
        real[folder] = facts is not None and stat.S_ISDIR(facts.st_mode)
    return real[folder]


def _in_tree(path: str, facts: Mapping[str, os.stat_result]) -> bool:
    return path in facts and counts(path)


def _counted_paths(look: Look, ignore_globs: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each path of the tree or of the watched files, and whether it is one of these."""
    watched = frozenset(look.watched)
    for path in look.facts:
        if path in watched:
            if not match_globs(path, ignore_globs):
                yield path, True
        elif counts(path, ignore_globs):
            yield path, False


def _times(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_mtime_ns, facts.st_ctime_ns


def _signature(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_mode, facts.st_size, *_times(facts), facts.st_ino, facts.st_dev


def _hash(place: str, facts: os.stat_result, hash_name: str) -> tuple[str, os.stat_result] | None:
    """The blob id, and ``stat`` of just these bytes; None where nothing is readable."""
    try:
        if stat.S_ISLNK(facts.st_mode):
            leads = os.readlink(os.fsencode(place))  # noqa: PTH115 - a Path would tidy up where it leads
            return object_id("blob", leads, hash_name), facts
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(place, flags)
    except OSError:
        return None
    try:
        for _ in range(5):
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return None
            oid = hash_file(descriptor, before.st_size, hash_name)
            if oid is not None and _signature(os.fstat(descriptor)) == _signature(before):
                return oid, before
            os.lseek(descriptor, 0, os.SEEK_SET)  # written meanwhile
        # A file written continuously: its present bytes, which ``stat`` shows to be too new to cache.
        with open(descriptor, "rb", closefd=False) as file:
            return object_id("blob", file.read(), hash_name), os.fstat(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
