"""The working tree of a project: its files, their content hashes, and the id of their tree.

    names    git ls-files: tracked, and untracked but not ignored ── read again when a name, .gitignore or the index differs
    content  hashed from the bytes on disk                        ── read again when ``stat`` differs, or is too new
    tree     names + modes + content ──> the id git would give them, computed here

Gates, evidence, approvals and checkpoints all use this module. Rules:
1. A tree depends only on the bytes on disk: git's configuration, filters, private exclude file, replace refs and stat
   data have no effect. Only the ``.gitignore`` files in the tree decide what is ignored. ``.wfe/`` never counts.
2. A cached hash is valid while mode, size, mtime, ctime, inode and device are the same, and only if mtime and ctime were
   older than ``GRAIN_NS`` when the bytes were read: a newer file may change again with the same times.
3. Where ctime is not the time of change (Windows), every file is hashed every time.
4. Cached names are valid while a walk finds the same ones. No times are compared for that.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.paths import match_globs
from wfe_mcp.workspace.git.command import Repository, is_true, repository, require_repository, run_git, setting, text_of
from wfe_mcp.workspace.git.objects import Node, entries_in, hash_file, object_id, read_loose, trees_of, write_loose
from wfe_mcp.workspace.git.repository import NOT_OURS, head

GRAIN_NS = 2_000_000_000
"""The coarsest timestamp resolution of any file system (FAT): two seconds."""

MOST = 20_000
"""A folder with more entries is not walked: git lists its files faster."""


class Tracked(NamedTuple):
    """The index entry of a path. ``is_left_out``: a sparse checkout may have left it out."""

    node: Node
    is_left_out: bool


@dataclass(frozen=True, slots=True)
class Look:
    """The files of a project at one moment, as they are on disk.

    ``tracked``: by path, as in the index. ``untracked``: paths that no ``.gitignore`` ignores. ``besides``: those
    requested. ``nested``: untracked repositories. ``facts``: ``lstat`` of each existing entry that is no folder.
    ``oids``: the blob ids requested so far.
    """

    repo: Repository
    tracked: Mapping[str, Tracked]
    untracked: Sequence[str]
    besides: Sequence[str]
    nested: Sequence[str]
    facts: Mapping[str, os.stat_result]
    oids: dict[str, str] = field(default_factory=dict[str, str])

    def links(self) -> list[str]:
        """Tracked submodules whose folder exists."""
        return [
            path for path, each in self.tracked.items()
            if each.node.mode == "160000" and path not in self.facts and os.path.isdir(f"{self.repo.root}/{path}")  # noqa: PTH112
        ]  # fmt: skip

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
        self._names: tuple[bytes, tuple[dict[str, Tracked], list[str]]] | None = None
        self._is_large = False
        self._lock = threading.RLock()

    def look(self, repo: Repository, besides: Sequence[str] = ()) -> Look:
        """The files as they are now. ``besides``: paths to include although git ignores them."""
        with self._lock:
            tracked, listed = self._listed(repo)
            untracked = [path for path in listed if not path.endswith("/")]
            nested = [path.rstrip("/") for path in listed if path.endswith("/")]
            more = [path for path in besides if path not in tracked and not is_ours(path)]
            facts = _facts(self.root, (*tracked, *untracked, *more))
            self._hashed = {path: self._hashed[path] for path in facts if path in self._hashed}
            return Look(repo, tracked, untracked, [path for path in more if path in facts], nested, facts)

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
            if os.name != "nt" and max(_times(facts)) < began - GRAIN_NS:
                self._hashed[path] = _Hashed(_signature(facts), oid)
            else:
                self._hashed.pop(path, None)
            return oid

    def files(self, ignore_globs: Sequence[str] = ()) -> dict[str, Node]:
        """The entries of the tree, by path. Refuses ``unavailable`` without git."""
        look = self.look(require_repository(self.root))
        found: dict[str, Node] = {}
        for path in look.facts:
            if counts(path, ignore_globs) and (mode := look.mode(path)) and (oid := self.oid(look, path)):
                found[path] = Node(mode, oid)
        for path in (*look.nested, *look.links()):
            # A nested repository counts by its commit: status inside it would run programs that its configuration names.
            commit = head(self.root / path) if os.path.lexists(self.root / path / ".git") else None
            node = look.tracked[path].node if path in look.tracked else None
            if counts(path, ignore_globs) and (commit or node):
                found[path] = Node("160000", commit) if commit else node or Node("", "")
        for path in left_out(look):
            if counts(path, ignore_globs):
                found[path] = look.tracked[path].node
        return found

    def _listed(self, repo: Repository) -> tuple[dict[str, Tracked], list[str]]:
        """Tracked and untracked paths, from git or from the cache while the names are the same."""
        names = self._digest(repo)
        if self._names is not None and names is not None and self._names[0] == names:
            return self._names[1]
        options = ("-z", "-v", "-s", "-c", "-o", "--exclude-per-directory=.gitignore")
        tracked: dict[str, Tracked] = {}
        untracked: list[str] = []
        for line in text_of(run_git(self.root, "ls-files", *options, "--", ".", NOT_OURS)).split("\0"):
            tag, _, rest = line.partition(" ")
            if tag == "?":
                untracked += [rest] if not is_ours(rest) else []
            elif tag:
                about, _, path = rest.partition("\t")
                mode, oid, _ = about.split(" ")
                if not is_ours(path):
                    tracked[path] = Tracked(Node(mode, oid), tag in "Ss")
        # The names changed during the call: not cached.
        self._names = (names, (tracked, untracked)) if names is not None and names == self._digest(repo) else None
        return tracked, untracked

    def _digest(self, repo: Repository) -> bytes | None:
        """A digest of everything that git's list of names depends on; None where computing it takes too long."""
        if self._is_large:
            return None
        digest = hashlib.blake2b()
        top, root = repo.top.resolve(), self.root.resolve()
        above = [folder / ".gitignore" for folder in root.parents if folder.is_relative_to(top)]
        index = [repo.index, *sorted(repo.index.parent.glob("sharedindex.*"))]
        configured = [repo.common / "config", repo.index.parent / "config.worktree"]
        try:
            _walk(str(self.root), digest.update)
            for place in (*above, *index, *configured):
                _tell_bytes(place, digest.update)
        except _LargeError:
            self._is_large = True
            return None
        except (_NestedError, OSError):
            return None
        return digest.digest()


@lru_cache(32)
def working_tree(root: Path) -> WorkingTree:
    """The working tree at ``root``: one object per process, so that all callers share its cache."""
    return WorkingTree(root)


def tree_hash(root: Path, ignore_globs: Sequence[str] = ()) -> str | None:
    """The id of the tree of the files below ``root``, without ``ignore_globs``; None as ``tree_and_files``."""
    return tree_and_files(root, ignore_globs)[0]


def tree_and_files(root: Path, ignore_globs: Sequence[str] = ()) -> tuple[str | None, dict[str, Node] | None]:
    """The tree of ``tree_hash`` and its entries by path. None without git, and for the home directory and the disk."""
    found = repository(root)
    if found is None or root.resolve() in {Path.home().resolve(), Path(root.resolve().anchor)}:
        return None, None
    files = working_tree(root).files(ignore_globs)
    oid, trees = trees_of(files, found.hash_name)
    with suppress(OSError):  # a read-only git directory disables changed_paths, not the hash
        for each, content in trees.items():
            write_loose(_kept_trees(found), each, "tree", content, durable=False)
    return oid, files


def changed_paths(root: Path, tree_a: str, tree_b: str) -> list[str]:
    """The paths, relative to ``root``, that differ between two values of ``tree_hash``. Refuses trees no longer stored."""
    if tree_a == tree_b:
        return []
    found = require_repository(root)
    changed: list[str] = []
    try:
        _compare(found, tree_a, tree_b, "", changed)
    except KeyError:
        changed = _changed_by_git(found, tree_a, tree_b)
    return sorted(each for each in changed if not is_ours(each))


def counts(path: str, ignore_globs: Sequence[str] = ()) -> bool:
    """False for paths in ``ignore_globs``, and for Python's bytecode, which many repositories forget to ignore."""
    if any(name in {"__pycache__", ".pytest_cache"} or name.endswith(".pyc") for name in path.split("/")):
        return False
    return not match_globs(path, ignore_globs)


def left_out(look: Look) -> list[str]:
    """Absent paths that a sparse checkout has left out: they count with their index entry."""
    absent = [path for path, each in look.tracked.items() if each.is_left_out and path not in look.facts]
    return absent if absent and is_true(setting(look.repo.root, "core.sparsecheckout", "false")) else []


def is_ours(path: str) -> bool:
    """True for paths in a ``.wfe`` folder, which are not project files."""
    return ".wfe" in path.split("/")


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


class _LargeError(Exception):
    """The folder has too many entries to be walked."""


class _NestedError(Exception):
    """There is a nested repository: whether git descends into it depends on the content of its git directory."""


def _walk(root: str, tell: Callable[[bytes], None]) -> None:
    """Pass every name below ``root`` with its kind, and the bytes of every ``.gitignore``, to ``tell``."""
    left = MOST
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        tell(b"%s\0\0" % os.fsencode(folder))
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name == ".wfe" or (name == ".git" and folder is root):
                    continue
                if name == ".git":
                    raise _NestedError
                left -= 1
                if not left:
                    raise _LargeError
                is_link, is_folder = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
                kind = b"l" if is_link else b"d" if is_folder else b"f" if entry.is_file() else b"o"
                tell(b"%s\0%s" % (os.fsencode(name), kind))
                if is_folder:
                    waiting.append(entry.path)
                elif name == ".gitignore" and not is_link:
                    _tell_bytes(Path(entry.path), tell)


def _tell_bytes(place: Path, tell: Callable[[bytes], None]) -> None:
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        tell(b"\0-")
        return
    tell(b"\0%d\0" % len(content))
    tell(content)


def _kept_trees(repo: Repository) -> Path:
    """The folder of stored trees of ``tree_hash``, for later comparison. File contents are never stored."""
    return repo.common / "wfe" / "objects"


def _compare(repo: Repository, one: str, other: str, above: str, changed: list[str]) -> None:
    """Add the paths that differ between two trees; ``""`` is a missing folder. KeyError: one is not stored here."""
    a, b = (_entries(repo, oid) if oid else {} for oid in (one, other))
    for name in a.keys() | b.keys():
        old, new = a.get(name), b.get(name)
        if old == new:
            continue
        path = f"{above}{name}"
        folders = [each is not None and each.mode == "040000" for each in (old, new)]
        if any(folders):
            oids = [each.oid if each and is_folder else "" for each, is_folder in zip((old, new), folders, strict=True)]
            _compare(repo, oids[0], oids[1], f"{path}/", changed)
        if any(each is not None and not is_folder for each, is_folder in zip((old, new), folders, strict=True)):
            changed.append(path)


def _entries(repo: Repository, tree: str) -> dict[str, Node]:
    kept = read_loose(_kept_trees(repo), tree)
    if kept is None or kept[0] != "tree":
        raise KeyError(tree)
    return entries_in(kept[1], repo.hash_name)


def _changed_by_git(repo: Repository, tree_a: str, tree_b: str) -> list[str]:
    """The changed paths of trees in the repository itself, where an earlier version stored them."""
    quoted = _kept_trees(repo).as_posix().replace("\\", "\\\\").replace('"', '\\"')
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"', "GIT_NO_REPLACE_OBJECTS": "1"}
    words = ("-r", "--no-renames", "--name-only", "-z", "--end-of-options", tree_a, tree_b)
    done = run_git(repo.root, "diff-tree", *words, env=env, ok=None)
    if done is None or done.returncode:
        raise Refused(
            "unavailable",
            f"The files of tree {tree_a[:12]} or {tree_b[:12]} are no longer known here, so they cannot be compared.",
            "Retry the phase: it records the files afresh.",
        )
    return [each for each in os.fsdecode(done.stdout).split("\0") if each]
