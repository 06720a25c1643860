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
from wfe_mcp.workspace.files.staging import Stamp, stamp_of
from wfe_mcp.workspace.git.command import Repository, is_true, repository, require_repository, setting
from wfe_mcp.workspace.git.file_facts import facts_below, facts_of, hash_at, mode_of, signature_of, times_of
from wfe_mcp.workspace.git.names import GRAIN_NS, NameList, Tracked, is_ours
from wfe_mcp.workspace.git.objects import Node, trees_of, write_loose
from wfe_mcp.workspace.git.trees import PathChange, compare, kept_trees
from wfe_mcp.workspace.git.watched import Header, decides_alone, header_of, is_stale, source_of

_GLOBS_KEPT = 8
"""For how many lists of ignored globs it is kept which paths count."""

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
        found = mode_of(self.facts[path].st_mode)
        if os.name == "nt" and found.startswith("100") and path in self.tracked:  # pragma: no cover - no such bit there
            return self.tracked[path].node.mode
        return found


class _Hashed(NamedTuple):
    signature: tuple[int, ...]
    node: Node


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
        self._counted: dict[tuple[str, ...], dict[str, bool]] = {}
        self._trees: dict[bool, tuple[dict[str, Node], tuple[str, dict[str, bytes]]]] = {}
        self._lock = threading.RLock()

    def look(self, repo: Repository, besides: Sequence[str] = ()) -> Look:
        """The files as they are now. ``besides``: paths to include although git ignores them."""
        with self._lock:
            names = self._names.read(repo)
            tracked, untracked = names.tracked, names.untracked
            more = [path for path in besides if path not in tracked and not is_ours(path)]
            facts = facts_below(self.root, (*tracked, *untracked, *names.inner, *more))
            watched = {
                path: each for path, each in self._watched(names.watched, facts).items() if not _in_tree(path, facts)
            }
            inner = [path for path in names.inner if path in facts]
            facts |= watched
            for path in self._hashed.keys() - facts.keys():
                del self._hashed[path]
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
            if known is not None and known.signature == signature_of(facts):
                return look.oids.setdefault(path, known.node.oid)
            began = self._clock_ns()
            found = hash_at(f"{self.root}/{path}", facts, look.repo.hash_name)
            if found is None:
                self._hashed.pop(path, None)
                return None
            oid, facts = found
            look.oids[path] = oid
            # A file written later than that gets another ctime (ADR 0020). On Windows ctime is no time of change.
            if os.name != "nt" and max(times_of(facts)) < began - GRAIN_NS:
                self._hashed[path] = _Hashed(signature_of(facts), Node(mode_of(facts.st_mode), oid))
            else:
                self._hashed.pop(path, None)
            return oid

    def oids(self, look: Look) -> dict[str, str | None]:
        """``oid`` of all that has content in git, by path."""
        with self._lock:
            found: dict[str, str | None] = {}
            for path, facts in look.facts.items():
                known = self._hashed.get(path)
                if known is not None and known.signature == signature_of(facts):
                    found[path] = known.node.oid
                elif mode_of(facts.st_mode):
                    found[path] = self.oid(look, path)
            return found

    def files(self, ignore_globs: Sequence[str] = ()) -> dict[str, Node]:
        """The entries of the tree, by path, without the watched files. Refuses ``unavailable`` without git."""
        return self.entries(ignore_globs)[0]

    def entries(self, ignore_globs: Sequence[str] = ()) -> tuple[dict[str, Node], dict[str, Node]]:
        """The entries of the tree, and of the tree of the watched files. Refuses ``unavailable`` without git."""
        return self.entries_in(require_repository(self.root), ignore_globs)

    def entries_in(self, repo: Repository, ignore_globs: Sequence[str] = ()) -> tuple[dict[str, Node], dict[str, Node]]:
        """``entries`` where the repository has been looked up."""
        return self.entries_of(self.look(repo), ignore_globs)

    def entries_of(self, look: Look, ignore_globs: Sequence[str] = ()) -> tuple[dict[str, Node], dict[str, Node]]:
        """``entries`` of what was seen: a file that is new to the cache, or too young for it, is read now."""
        found: tuple[dict[str, Node], dict[str, Node]] = {}, {}
        with self._lock:
            hashed = self._hashed
            for path, is_watched in self._counted_paths(look, tuple(ignore_globs)):
                known = hashed.get(path)
                if known is not None and known.signature == signature_of(look.facts[path]):
                    found[is_watched][path] = known.node
                elif (mode := look.mode(path)) and (oid := self.oid(look, path)):
                    found[is_watched][path] = Node(mode, oid)
        return found

    def trees(self, entries: dict[str, Node], hash_name: str, *, watched: bool) -> tuple[str, dict[str, bytes]]:
        """``trees_of(entries)``; of the same entries as last time, what was computed then."""
        with self._lock:
            known = self._trees.get(watched)
            if known is None or known[0] != entries:
                known = self._trees[watched] = entries, trees_of(entries, hash_name)
            return known[1]

    def _counted_paths(self, look: Look, ignore_globs: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
        """Each path of the tree or of the watched files, and whether it is one of these."""
        watched = frozenset(look.watched)
        known = self._counted.get(ignore_globs, {})
        if len(known) > 2 * len(look.facts):
            known = {}
        self._counted.pop(ignore_globs, None)
        self._counted[ignore_globs] = known
        if len(self._counted) > _GLOBS_KEPT:
            del self._counted[next(iter(self._counted))]
        for path in look.facts:
            if path in watched:
                if not match_globs(path, ignore_globs):
                    yield path, True
                continue
            if (is_counted := known.get(path)) is None:
                is_counted = known[path] = counts(path, ignore_globs)
            if is_counted:
                yield path, False

    def _watched(self, candidates: Sequence[str], files: Mapping[str, os.stat_result]) -> dict[str, os.stat_result]:
        """``lstat`` of what is watched; of bytecode only what Python runs though the source says something else.

        ``files``: ``lstat`` of the files of the tree.
        """
        facts = facts_below(self.root, candidates)
        alone = {path: self._decides_alone(path, facts[path], files) for path in facts if path.endswith(".pyc")}
        self._bytecode = {path: self._bytecode[path] for path in alone if path in self._bytecode}
        return {path: each for path, each in facts.items() if alone.get(path, True)}

    def _decides_alone(self, path: str, facts: os.stat_result, files: Mapping[str, os.stat_result]) -> bool:
        is_cached = path.rpartition("/")[0].rpartition("/")[2] == "__pycache__"
        known = self._bytecode.get(path)
        if is_cached and known is not None and known[0] == signature_of(facts):
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
        if os.name != "nt" and max(times_of(facts)) < began - GRAIN_NS:
            self._bytecode[path] = signature_of(facts), found, header
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


class SeenFiles:
    """The files of ``root`` as one look saw them: their tree for each list of ignored globs, and what ``lstat`` said.

    Bytes that no cached hash covers are read by the first ``tree`` that counts their file, so call it at once.
    """

    def __init__(self, root: Path) -> None:
        self._tree, self._root = working_tree(root), root
        found, real = repository(root), os.path.realpath(root)
        if real == os.path.dirname(real) or real == os.path.realpath(Path.home()):
            found = None
        self._look = None if found is None else self._tree.look(found)
        self._found: dict[tuple[str, ...], HashedTree] = {}

    def tree(self, ignore_globs: Sequence[str] = ()) -> HashedTree:
        """The tree without ``ignore_globs``."""
        globs = tuple(ignore_globs)
        if globs not in self._found:
            self._found[globs] = self._hashed_now(globs)
        return self._found[globs]

    def _hashed_now(self, ignore_globs: tuple[str, ...]) -> HashedTree:
        if self._look is None:
            return HashedTree(None, {}, {})
        ids: list[str] = []
        repo = self._look.repo
        files, watched = self._tree.entries_of(self._look, ignore_globs)
        for entries in (files, watched):
            oid, trees = self._tree.trees(entries, repo.hash_name, watched=entries is watched)
            if ids and not entries:
                break
            ids.append(oid)
            with suppress(OSError):  # a read-only git directory disables changed_paths, not the hash
                for each, content in trees.items():
                    write_loose(kept_trees(repo), each, "tree", content, durable=False)
        return HashedTree("+".join(ids), files, watched)

    def stamps(self, paths: Iterable[str]) -> dict[str, Stamp | None]:
        """``lstat`` of ``paths`` as the look saw it; of others as it is now."""
        facts: Mapping[str, os.stat_result] = {} if self._look is None else self._look.facts
        return {path: stamp_of(facts.get(path) or facts_of(self._root, path)) for path in paths}


def hashed_tree(root: Path, ignore_globs: Sequence[str] = ()) -> HashedTree:
    """The files below ``root``, without ``ignore_globs``."""
    return SeenFiles(root).tree(ignore_globs)


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
    tree, watched = (compare(repo, *pair) for pair in pairs)
    return [each for each in tree if not is_ours(each.path)], watched


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


def _in_tree(path: str, facts: Mapping[str, os.stat_result]) -> bool:
    return path in facts and counts(path)
