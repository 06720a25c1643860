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
5. What is there and cannot be read is no part of the tree, and watched.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workspace.files.paths import match_globs, readable
from wfe_mcp.workspace.files.staging import Stamp
from wfe_mcp.workspace.git.command import Repository, repository, require_repository
from wfe_mcp.workspace.git.file_facts import (
    CTIME_NS,
    GRAIN_NS,
    MODE,
    Signature,
    facts_of,
    hash_at,
    is_home_or_disk,
    is_settled,
    mode_of,
    signature_of,
    signatures_at,
    signatures_below,
    unread_nodes,
)
from wfe_mcp.workspace.git.names import NameList, Names, TrackedFile, is_ours
from wfe_mcp.workspace.git.objects import Node, Trees, write_loose
from wfe_mcp.workspace.git.trees import PathChange, compare, kept_trees
from wfe_mcp.workspace.git.watched import Header, decides_alone, header_of, is_compiled, is_stale, source_of

_GLOBS_KEPT = 8
"""For how many lists of ignored globs it is kept which paths count."""

_FRESH_S = 5.0
"""How long a look serves the call that took it."""

_BYTECODE = re.compile(r"\.(pyc|pyo|nbi|nbc)(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class Look:
    """The files of a project at one moment, as they are on disk."""

    repo: Repository
    tracked: Mapping[str, TrackedFile]
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
    facts: Mapping[str, Signature]
    """Of each existing entry that is no folder."""
    oids: dict[str, str] = field(default_factory=dict[str, str])
    """The blob ids requested so far."""

    def mode(self, path: str) -> str:
        """Git's mode of an existing file or link; ``""`` for entries without content in git."""
        kind = mode_of(self.facts[path][MODE])
        if os.name == "nt" and kind.startswith("100") and path in self.tracked:  # pragma: no cover - no such bit there
            return self.tracked[path].node.mode
        return kind


_Counted = tuple[tuple[tuple[str, ...], tuple[str, ...]], dict[str, bool], tuple[list[str], list[str]]]
"""All paths and those watched; which paths of the tree count; the paths that count in the tree, and those watched."""


class _Places(NamedTuple):
    """The files of ``names`` and their places. ``absent``: may come back without another name in the walk, if it went after it."""

    names: Names
    paths: Sequence[str]
    places: Sequence[str]
    absent: Sequence[str]


class WorkingTree:
    """The files below ``root``, with cached facts. One per folder and process: ``working_tree``.

    ``clock_ns``: the time, in nanoseconds since 1970.
    """

    def __init__(self, root: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.root = root
        self._clock_ns = clock_ns
        self._ahead_ns = 0
        self._hashed: dict[str, Signature] = {}
        self._nodes: dict[str, Node] = {}
        self._names = NameList(root)
        self._places: _Places | None = None
        self._bytecode: dict[str, tuple[Signature, bool, Header | None]] = {}
        self._counted: dict[tuple[str, ...], _Counted] = {}
        self._trees: dict[tuple[str, str], Trees] = {}
        self._lock = threading.RLock()

    def look(self, repo: Repository, besides: Sequence[str] = (), *, is_whole: bool = True) -> Look:
        """The files as they are now. ``besides``: paths to include although git ignores them. ``is_whole``: see ``names``."""
        with self._lock:
            self._forget_if_the_clock_was_set_back()
            names, candidates = self._names.read(repo, is_whole=is_whole)
            facts = self._signatures(names)
            facts |= signatures_below(
                self.root, (beside for beside in besides if beside not in facts and not is_ours(beside))
            )
            more = [path for path in besides if path in facts and path not in names.tracked]
            watched = {
                path: file
                for path, file in self._watched_files(candidates, facts).items()
                if not (path in facts and counts(path))
            }
            inner = [path for path in names.inner if path in facts]
            facts |= watched
            for path in self._hashed.keys() - facts.keys():
                del self._hashed[path], self._nodes[path]
            return Look(repo, names.tracked, names.untracked, more, names.nested, inner, list(watched), facts)

    def _signatures(self, names: Names) -> dict[str, Signature]:
        """Of what is there of ``names``. The same object as before: a walk has just found the same names and kinds."""
        places = self._places
        if places is not None and places.names is names and (signatures := signatures_at(places.places)) is not None:
            return dict(zip(places.paths, signatures, strict=True)) | signatures_below(self.root, places.absent)
        every = (*names.tracked, *names.untracked, *names.inner)
        facts = signatures_below(self.root, every)
        absent = [path for path in every if path not in facts]
        self._places = _Places(names, tuple(facts), [f"{self.root}/{path}" for path in facts], absent)
        return facts

    def _forget_if_the_clock_was_set_back(self) -> None:
        """A file that is written at a time that comes again may have the ctime of before."""
        ahead_ns = self._clock_ns() - time.monotonic_ns()
        # Compared with a clock that is never set: the difference shrinks only where the other was set back.
        if ahead_ns < self._ahead_ns - GRAIN_NS // 2:
            self._hashed, self._nodes, self._bytecode = {}, {}, {}
            self._names.forget()
        self._ahead_ns = ahead_ns

    def oid(self, look: Look, path: str) -> str | None:
        """The blob id of a file's bytes, or of a link's target; None where it cannot be read."""
        facts = look.facts[path]
        with self._lock:
            if path in look.oids:
                return look.oids[path]
            if self._hashed.get(path) == facts:
                return look.oids.setdefault(path, self._nodes[path].oid)
            # Before the bytes are read: a file that changes after this may keep its times, and is not cached.
            began = self._clock_ns()
            self._hashed.pop(path, None)
            self._nodes.pop(path, None)
            hashed = hash_at(f"{self.root}/{path}", facts, look.repo.hash_name)
            if hashed is None:
                return None
            look.oids[path], facts = hashed
            if is_settled(facts, began):
                self._hashed[path], self._nodes[path] = facts, Node(mode_of(facts[MODE]), look.oids[path])
            return look.oids[path]

    def nodes(self, look: Look, paths: Collection[str] | None = None) -> dict[str, Node]:
        """Mode and blob id of what has content in git, of ``paths`` or of all that the look found."""
        facts, nodes, hashed = look.facts, self._nodes, self._hashed.get
        with self._lock:
            paths = facts if paths is None else paths
            stale = {path for path in paths if hashed(path) != facts[path]}
            node_by_path = {path: nodes[path] for path in paths if path not in stale}
            for path in stale:
                if (mode := look.mode(path)) and (oid := self.oid(look, path)):
                    node_by_path[path] = Node(mode, oid)
        return node_by_path

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
        with self._lock:
            paths = self._counted_paths(look, tuple(ignore_globs))
            files, watched = (self.nodes(look, some) for some in paths)
            if len(files) + len(watched) < len(paths[0]) + len(paths[1]):
                unread = {*paths[0], *paths[1]} - files.keys() - watched.keys()
                watched |= unread_nodes(self.root, look.facts, unread, look.repo.hash_name)
        return files, watched

    def trees(self, entries: Mapping[str, Node], hash_name: str, what: str = "files") -> tuple[str, dict[str, bytes]]:
        """``Trees.tree_of(entries)``; what is new since the last entries of this kind is computed."""
        with self._lock:
            return self._trees.setdefault((what, hash_name), Trees(hash_name)).tree_of(entries)

    def _counted_paths(self, look: Look, ignore_globs: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """The paths of the tree, and of the watched files; kept while these are the paths of the look."""
        names = tuple(look.facts), tuple(look.watched)
        known = self._counted.pop(ignore_globs, None)
        if known is None or known[0] != names:
            watched, before = frozenset(look.watched), {} if known is None else known[1]
            is_counted = {
                path: before[path] if path in before else counts(path, ignore_globs)
                for path in look.facts
                if path not in watched
            }
            counted = [path for path, counts_in_tree in is_counted.items() if counts_in_tree]
            known = names, is_counted, (counted, [path for path in watched if not match_globs(path, ignore_globs)])
        self._counted[ignore_globs] = known
        if len(self._counted) > _GLOBS_KEPT:
            del self._counted[next(iter(self._counted))]
        return known[2]

    def _watched_files(self, candidates: Sequence[str], files: Mapping[str, Signature]) -> dict[str, Signature]:
        """What is watched; of bytecode and compiled modules what runs in place of its source. ``files``: those of the tree."""
        facts = {path: files[path] for path in candidates if path in files}
        facts |= signatures_below(self.root, (path for path in candidates if path not in facts))
        alone = {path: self._decides_alone(path, facts[path], files) for path in facts if path.endswith(".pyc")}
        self._bytecode = {path: self._bytecode[path] for path in alone if path in self._bytecode}
        alone |= {path: source_of(path) in files for path in facts if is_compiled(path)}
        return {path: fact for path, fact in facts.items() if alone.get(path, True)}

    def _decides_alone(self, path: str, facts: Signature, files: Mapping[str, Signature]) -> bool:
        is_cached = path.rpartition("/")[0].rpartition("/")[2] == "__pycache__"
        known = self._bytecode.get(path)
        if is_cached and known is not None and known[0] == facts:
            _, is_alone, header = known
        else:
            is_alone, header = self._read_bytecode(path, facts, is_cached=is_cached)
        if is_alone or header is None or not is_cached or os.name == "nt":  # there, ctime is not the time of change
            return is_alone
        source = files.get(source_of(path))
        return source is not None and is_stale(header, facts, source)

    def _read_bytecode(self, path: str, facts: Signature, *, is_cached: bool) -> tuple[bool, Header | None]:
        place = f"{self.root}/{path}"
        began = self._clock_ns()
        try:
            with open(place, "rb") as file:  # noqa: PTH123 - thousands of files: a Path each takes longer
                content = file.read(16)
        except OSError:
            return True, None
        decides = decides_alone(content[:8], is_cached=is_cached, has_source=os.path.lexists(place[:-1]))
        header = header_of(content)
        if is_settled(facts, began):
            self._bytecode[path] = facts, decides, header
        return decides, header


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
    ``is_whole``: as what judges asks for it (``names.py``).
    """

    def __init__(self, root: Path, *, is_whole: bool = True) -> None:
        self._tree, self._root, self._at = working_tree(root), root, time.monotonic()
        # To hash a whole disk or a home folder would take minutes; neither is a project.
        repo = None if is_home_or_disk(root) else repository(root)
        self.look = None if repo is None else self._tree.look(repo, is_whole=is_whole)
        self._found: dict[tuple[str, ...], HashedTree] = {}
        self.unstored: OSError | None = None  # why a tree of it cannot be compared with later ones

    @property
    def is_fresh(self) -> bool:
        """Whether what follows in the same call may take it for the present."""
        return time.monotonic() - self._at < _FRESH_S

    def tree(self, ignore_globs: Sequence[str] = ()) -> HashedTree:
        """The tree without ``ignore_globs``."""
        globs = tuple(ignore_globs)
        if globs not in self._found:
            self._found[globs] = self._hashed_now(globs)
        return self._found[globs]

    def known_tree(self, ignore_globs: Sequence[str]) -> HashedTree | None:
        """The tree without ``ignore_globs`` where it is hashed already: no file is read."""
        return self._found.get(tuple(ignore_globs))

    def _hashed_now(self, ignore_globs: tuple[str, ...]) -> HashedTree:
        if self.look is None:
            return HashedTree(None, {}, {})
        ids: list[str] = []
        repo = self.look.repo
        kept = kept_trees(repo)
        files, watched = self._tree.entries_of(self.look, ignore_globs)
        for what, entries in (("files", files), ("watched", watched)):
            oid, trees = self._tree.trees(entries, repo.hash_name, what)
            if ids and not entries:
                break
            ids.append(oid)
            try:
                for tree_oid, content in trees.items():
                    write_loose(kept, tree_oid, "tree", content, durable=False)
            except OSError as fault:  # a read-only git directory disables changed_paths, not the hash
                self.unstored = fault
        return HashedTree("+".join(ids), files, watched)

    def stamps(self, paths: Iterable[str]) -> dict[str, Stamp | None]:
        """What shows a change of ``paths`` as the look saw them; of others as they are now."""
        seen: Mapping[str, Signature] = {} if self.look is None else self.look.facts
        stamp_by_path = {path: seen.get(path) or self._now(path) for path in paths}
        if os.name != "nt":
            return stamp_by_path
        return {path: stamp and (*stamp[:CTIME_NS], *stamp[CTIME_NS + 1 :]) for path, stamp in stamp_by_path.items()}

    def _now(self, path: str) -> Signature | None:
        facts = facts_of(self._root, path)
        return None if facts is None else signature_of(facts)


def hashed_tree(root: Path, ignore_globs: Sequence[str] = ()) -> HashedTree:
    """The files below ``root``, without ``ignore_globs``."""
    return SeenFiles(root).tree(ignore_globs)


def changed_paths(root: Path, tree_a: str, tree_b: str) -> list[str]:
    """The paths, as text, that differ between two values of ``tree_hash``. Refuses trees no longer stored."""
    return sorted({readable(change.path) for part in changes_between(root, tree_a, tree_b) for change in part})


def changes_between(root: Path, tree_a: str, tree_b: str) -> tuple[list[PathChange], list[PathChange]]:
    """What differs in the tree, and what differs among the watched files. Refuses trees no longer stored.

    A value of an earlier version has no watched files: all there are now are new to it.
    """
    if tree_a == tree_b:
        return [], []
    repo = require_repository(root)
    pairs = zip(parts_of(tree_a), parts_of(tree_b), strict=True)
    tree, watched = (compare(repo, *pair) for pair in pairs)
    return [change for change in tree if not is_ours(change.path)], watched


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
