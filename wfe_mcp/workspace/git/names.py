# ruff: noqa: PTH120, PTH123, PTH208 - called for each file and at each step: a Path for each takes longer than the rest
"""The names of a project's files: those of its tree, and the ignored ones to watch.

    tracked, untracked   one ``git ls-files``
    inner                the files of other repositories inside, which git lists as one name each
    watched              what the tree leaves out and a check may read (``watched.py``), found by a walk

Rules:
1. Only the index and the ``.gitignore`` files on the disk have an effect: no exclude file, no configuration.
2. Names are kept while a walk finds the same ones, the same ``.gitignore`` files and the same index.
3. The walk lists a folder again once its inode or ctime differs, or is too new; on each look where the file system is not
   known to keep both (network file systems, Windows).
4. A project with more than ``MOST`` folders is listed by git each time.
5. Each run that ever was has folders below ``.wfe/runs`` and ``.wfe/approvals``. Files that others have put there are
   looked for by what judges: gates, decisions, ``verify``. A look that begins work, or saves it, takes those found last.
"""

import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.units import word_set
from wfe_mcp.workspace.files.disk import file_systems
from wfe_mcp.workspace.files.staged import STAGED
from wfe_mcp.workspace.git.command import Repository, run_git, text_of
from wfe_mcp.workspace.git.file_facts import GRAIN_NS
from wfe_mcp.workspace.git.objects import Node
from wfe_mcp.workspace.git.repository import NOT_OURS
from wfe_mcp.workspace.git.watched import Zone, is_named, is_of_wfe, zone_of

MOST = 20_000
"""A project with more folders is not walked for a digest: git lists its files faster."""

_LOCAL = word_set("bcachefs btrfs ext4 f2fs overlay tmpfs xfs zfs")
"""File systems whose folders get a new ctime with each change of a name, at once and whichever program makes it."""
_TICK_NS = 100_000_000
"""More than the time for which their clock stands still: a tick of the kernel, 10 ms at most."""

# Whether `.gitignore` tells A from a is a matter of the system here, never of a repository's configuration.
_CASE = f"core.ignoreCase={'true' if os.name == 'nt' or sys.platform == 'darwin' else 'false'}"
_ALL = ("ls-files", "-z", "-v", "-s", "-c", "-o", "--exclude-per-directory=.gitignore", "--", ".", NOT_OURS)
_OTHERS = ("ls-files", "-z", "-o", "--exclude-per-directory=.gitignore")


class TrackedFile(NamedTuple):
    """The index entry of a path. ``is_left_out``: a sparse checkout may have left it out."""

    node: Node
    is_left_out: bool


@dataclass(frozen=True, slots=True)
class Names:
    """Paths below the root. ``nested``: folders of untracked repositories; ``inner``: the files in them and in submodules."""

    tracked: Mapping[str, TrackedFile]
    untracked: Sequence[str]
    nested: Sequence[str]
    inner: Sequence[str]


def untracked_files(root: Path, files: Sequence[str]) -> list[str]:
    """Those of ``files`` that are part of the tree though git has them in no commit and no index; none outside a repository."""
    named = [f":(literal){file}" for file in files]
    done = run_git(root, "-c", _CASE, *_OTHERS, "--", *named, ok=None) if files else None
    return text_of(done).split("\0")[:-1]


class NameList:
    """The names below ``root``, kept while nothing that they depend on differs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: tuple[bytes, Names] | None = None
        self._answer: tuple[bytes, Names] | None = None
        self._folders: dict[str, _Folder] = {}
        self._is_large = False
        self._in_wfe = _OthersInWfe(root)

    def read(self, repo: Repository, *, is_whole: bool = True) -> tuple[Names, list[str]]:
        """The names as they are now: the same object while a walk found the same ones. Refuses ``unavailable`` where git fails.

        With candidates of what to watch; those that count in the tree are among them. ``is_whole``: rule 5.
        """
        digest, watched = self._digest(repo)
        watched += self._in_wfe.paths(is_whole=is_whole)
        if self._kept is not None and digest is not None and self._kept[0] == digest:
            return self._kept[1], watched
        names = replace(self._list_names(repo))
        # The names changed during the call: not kept.
        self._kept = (digest, names) if digest is not None and digest == self._digest(repo)[0] else None
        return names, watched

    def forget(self) -> None:
        """List every folder again."""
        self._folders = {}

    def _list_names(self, repo: Repository) -> Names:
        """What git lists now; read from its answer only where that differs from the last one, which has every name."""
        done = run_git(self._root, "-c", _CASE, *_ALL)
        answer = hashlib.blake2b(done.stdout if done else b"").digest()
        if self._answer is not None and self._answer[0] == answer:
            return self._answer[1]
        names = _names_in(text_of(done), self._root, repo)
        self._answer = (answer, names) if _follows(names) else None
        return names

    def _digest(self, repo: Repository) -> tuple[bytes | None, list[str]]:
        """A digest of everything that the names depend on, None where it takes too long; and the names to watch."""
        watched: list[str] = []
        if self._is_large:
            return None, watched_below(str(self._root))
        digest = hashlib.blake2b()
        git = os.path.dirname(repo.index)
        configured = [f"{repo.common}{os.sep}config", f"{git}{os.sep}config.worktree"]
        try:
            self._folders = _walk(str(self._root), self._folders, digest.update, watched)
            shared = sorted(name for name in os.listdir(git) if name.startswith("sharedindex."))
            index = [str(repo.index), *(f"{git}{os.sep}{name}" for name in shared)]
            for place in (*_ignoring(self._root, repo.top), *index, *configured):
                _hash_bytes(place, digest.update)
        except _LargeError:
            self._is_large = True
            return None, watched_below(str(self._root))
        except OSError:
            return None, watched_below(str(self._root))
        return digest.digest(), watched


def _ignoring(root: Path, top: Path) -> list[str]:
    """The ``.gitignore`` files above ``root``, up to the one of ``top``."""
    if root == top:
        return []
    end, folder = os.path.realpath(top), os.path.realpath(root)
    ignore_files: list[str] = []
    while folder != end and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        ignore_files.append(f"{folder}{os.sep}.gitignore")
    return ignore_files


def is_ours(path: str) -> bool:
    """True for paths in the project's own ``.wfe`` folder, which are no part of its tree. A ``.wfe`` below it counts."""
    return path == ".wfe" or path.startswith(".wfe/")


def _names_in(listing: str, root: Path, repo: Repository) -> Names:
    tracked: dict[str, TrackedFile] = {}
    others: list[str] = []
    for line in listing.split("\0"):
        tag, _, rest = line.partition(" ")
        if tag == "?":
            others.append(rest)
        elif tag:
            about, _, path = rest.partition("\t")
            mode, oid, _ = about.split(" ")
            if not is_ours(path):
                tracked[path] = TrackedFile(Node(mode, oid), tag in "Ss")
    if any(_reads_index(root, path, entry) for path, entry in tracked.items()):
        others = [path for path in _other_files(root, repo) if path not in tracked]
    others = [path for path in others if not is_ours(path)]
    nested = [path.rstrip("/") for path in others if path.endswith("/")]
    modules = [path for path, entry in tracked.items() if entry.node.mode == "160000"]
    inner = [path for folder in (*nested, *modules) for path in _inside(root, repo, folder)]
    return Names(tracked, [path for path in others if not path.endswith("/")], nested, inner)


def _follows(names: Names) -> bool:
    """Whether the names follow from the listing alone: no repository inside, and nothing that a sparse checkout left out."""
    entries = names.tracked.values()
    return not names.nested and not any(entry.is_left_out or entry.node.mode == "160000" for entry in entries)


def _reads_index(root: Path, path: str, entry: TrackedFile) -> bool:
    """True for a ``.gitignore`` that git would read from the index because it is not on the disk."""
    return entry.is_left_out and path.rpartition("/")[2] == ".gitignore" and not os.path.lexists(f"{root}/{path}")


def _other_files(place: Path, repo: Repository) -> list[str]:
    """What git lists below ``place`` without any index: files not ignored there, and folders of repositories."""
    git = repo.index.parent
    env = {"GIT_DIR": str(git), "GIT_WORK_TREE": str(place), "GIT_INDEX_FILE": str(git / "wfe-no-index")}
    return [path for path in text_of(run_git(place, "-c", _CASE, *_OTHERS, env=env)).split("\0") if path]


def _inside(root: Path, repo: Repository, folder: str) -> list[str]:
    """The files of another repository, listed without its index and its configuration; of those inside it too."""
    place = root / folder
    if not place.is_dir() or place.is_symlink():
        return []
    paths: list[str] = []
    for path in _other_files(place, repo):
        whole = f"{folder}/{path}"
        paths += _inside(root, repo, whole.rstrip("/")) if path.endswith("/") else [whole]
    return paths


class _LargeError(Exception):
    """The folder has too many entries to be walked."""


class _Folder(NamedTuple):
    """What a folder held when it was listed. ``stamp``: see ``_stamp_of``."""

    stamp: tuple[int, ...] | None
    digest: bytes
    """Of its path, and of each name in it with its kind."""
    folders: Sequence[tuple[str, str, str, Zone]]
    ignoring: Sequence[str]
    repositories: Sequence[str]
    watched: Sequence[str]


def _walk(
    root: str, known: Mapping[str, _Folder], update: Callable[[bytes], None], found: list[str]
) -> dict[str, _Folder]:
    """Pass what tells the names below ``root``, and the bytes of every ``.gitignore``, to ``update``; watch into ``found``."""
    folders: dict[str, _Folder] = {}
    waiting: list[tuple[str, str, str, Zone]] = [(root, "", "", "project")]
    while waiting:
        place = waiting.pop()
        if len(folders) == MOST:
            raise _LargeError
        stamp, kept = _stamp_of(place[0], is_root=not folders), known.get(place[0])
        folder = kept if kept is not None and stamp is not None and kept.stamp == stamp else _list(stamp, *place)
        folders[place[0]] = folder
        update(folder.digest)
        for ignore_file in folder.ignoring:
            _hash_bytes(ignore_file, update)
        for repository in folder.repositories:
            _hash_repository(repository, update)
        waiting += folder.folders
        found += folder.watched
    return folders


def _stamp_of(place: str, *, is_root: bool) -> tuple[int, ...] | None:
    """What differs once a name in the folder has changed; None where the same may come again, or says nothing."""
    facts, now_ns = os.stat(place, follow_symlinks=is_root), time.time_ns()  # noqa: PTH116 - a Path each takes longer
    if not stat.S_ISDIR(facts.st_mode):
        raise NotADirectoryError(place)
    is_settled = facts.st_ctime_ns < now_ns - _TICK_NS and _is_local(facts.st_dev)
    return (facts.st_dev, facts.st_ino, facts.st_ctime_ns, facts.st_mtime_ns) if is_settled else None


def _is_local(device: int) -> bool:
    """Whether the device is a file system of ``_LOCAL``; False where the system does not tell."""
    kinds = file_systems(device)
    return bool(kinds) and kinds <= _LOCAL


def _list(stamp: tuple[int, ...] | None, place: str, above: str, parent: str, zone: Zone) -> _Folder:
    names = hashlib.blake2b(b"%s\0\0" % os.fsencode(place))
    folders: list[tuple[str, str, str, Zone]] = []
    ignoring: list[str] = []
    repositories: list[str] = []
    watched: list[str] = []
    with os.scandir(place) as entries:
        for entry in entries:
            name = entry.name
            if not above and name in {".wfe", ".git"}:
                continue
            if name == ".git":
                repositories.append(entry.path)
                continue
            is_link, is_folder = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
            kind = b"l" if is_link else b"d" if is_folder else b"f" if entry.is_file() else b"o"
            names.update(b"%s\0%s" % (os.fsencode(name), kind))
            if is_folder:
                folders.append((entry.path, f"{above}{name}/", name, zone_of(zone, parent, name)))
                continue
            if name == ".gitignore" and not is_link:
                ignoring.append(entry.path)
            if zone != "others" and is_named(zone, parent, name):
                watched.append(f"{above}{name}")
    return _Folder(stamp, names.digest(), folders, ignoring, repositories, watched)


def watched_below(root: str) -> list[str]:
    """The names to watch, without a digest: folders that are not searched are not entered.

    With ``/`` at its end, a folder that its owner closed to us, which is us: what is in it is opened by its name all the same.
    """
    paths: list[str] = []
    waiting: list[tuple[str, str, str, Zone]] = [(root, "", "", "project")]
    while waiting:
        place = waiting.pop()
        with suppress(OSError):  # gone meanwhile, or closed to us
            try:
                folder = _list(None, *place)
            except PermissionError:
                if os.lstat(place[0]).st_uid == getattr(os, "geteuid", lambda: None)():  # none on Windows
                    paths.append(place[1])
                continue
            waiting += [inner for inner in folder.folders if inner[3] != "others"]
            paths += folder.watched
    return paths


_Listed = tuple[int, int, Sequence[str], Sequence[str]]
"""Of a folder in ``.wfe``: its inode and ctime, both 0 where it is listed each time; the folders and the files of others in it."""


class _OthersInWfe:
    """The files in the project's ``.wfe`` folder that are not ours. A folder is listed again once its ctime has changed.

    What judges asks for the ctime of each folder of each run, 2 µs each, so a judgement costs more with the runs that ever were.
    Less would be a lie: ``tests/`` imports ``.wfe/runs/OLD/plan/1/helper.py``, which an agent puts there after the look of its
    submission, or exchanges by a rename. That changes the ctime of this one folder and of none above it, so a look that skips the
    folders of runs that are over, or compares ``.wfe/runs`` alone, binds the evidence to a tree without what the check has read.
    """

    def __init__(self, root: Path) -> None:
        self._top = f"{root}/.wfe"
        self._of_runs = frozenset({f"{self._top}/runs", f"{self._top}/approvals"})
        self._listed: dict[str, _Listed] = {}
        self._listed_runs: dict[str, _Listed] | None = None
        self._in_runs: Sequence[str] = ()

    def paths(self, *, is_whole: bool) -> list[str]:
        """Their paths below the root, at this moment; not ``is_whole``: those of the runs as they were found last (rule 5)."""
        self._listed, files = self._walk([self._top], self._listed)
        if is_whole or self._listed_runs is None:
            of_runs = self._of_runs.intersection(self._listed[self._top][2] if self._top in self._listed else ())
            self._listed_runs, self._in_runs = self._walk(sorted(of_runs), self._listed_runs or {})
        return [*files, *self._in_runs]

    def _walk(self, waiting: list[str], kept: Mapping[str, _Listed]) -> tuple[dict[str, _Listed], list[str]]:
        """The folders from ``waiting`` on, without those of the runs in ``.wfe``, and the files of others in them."""
        files: list[str] = []
        folders: dict[str, _Listed] = {}
        lstat = os.lstat
        while waiting:
            place = waiting.pop()
            try:
                facts = lstat(place)
                listed = kept.get(place)
                if listed is None or listed[1] != facts.st_ctime_ns or listed[0] != facts.st_ino:
                    listed = self._list(place, facts)
            except OSError:  # gone meanwhile, or closed to us
                continue
            folders[place] = listed
            files += listed[3]
            inside = listed[2]
            if place == self._top:
                inside = [at for at in inside if at not in self._of_runs and at.rpartition("/")[2] not in STAGED]
            waiting += inside
        return folders, files

    def _list(self, place: str, facts: os.stat_result) -> _Listed:
        """What ``place`` holds: a folder of ``.wfe``, or what is in its place."""
        if not stat.S_ISDIR(facts.st_mode):
            return 0, 0, (), (".wfe",)  # a link, or a file, in its place
        began = time.time_ns()
        folders: list[str] = []
        files: list[str] = []
        above = place[len(self._top) + 1 :]
        with os.scandir(place) as entries:
            for entry in entries:
                path = f"{above}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{self._top}/{path}")
                # A pipe is no file: it would never be read to its end.
                elif entry.is_symlink() or (entry.is_file() and not is_of_wfe(path)):
                    files.append(f".wfe/{path}")
        grain_ns = _TICK_NS if _is_local(facts.st_dev) else GRAIN_NS
        if os.name == "nt" or facts.st_ctime_ns > began - grain_ns:  # may change again under the same time
            return 0, 0, folders, files
        return facts.st_ino, facts.st_ctime_ns, folders, files


def _hash_repository(place: str, update: Callable[[bytes], None]) -> None:
    """What decides whether git takes the folder around ``place`` for a repository of its own."""
    update(b"\0git\0")
    if os.path.isdir(place):  # noqa: PTH112 - a Path each takes longer
        _hash_bytes(f"{place}{os.sep}HEAD", update)
        update(b"%d%d" % tuple(os.path.lexists(f"{place}/{name}") for name in ("objects", "refs")))
    else:
        _hash_bytes(place, update)


def _hash_bytes(place: str, update: Callable[[bytes], None]) -> None:
    try:
        with open(place, "rb", buffering=0) as file:
            content = file.read()
    except FileNotFoundError:
        update(b"\0-")
        return
    update(b"\0%d\0" % len(content))
    update(content)
