"""Saves the files of a project as a commit that only wfe-mcp refers to.

    the working tree ──> files, as they are on disk ──> blobs, trees, a commit without a ref
    real index ──copy──> write-tree                     ──> what was staged: HEAD's own tree, or the second parent

Rules:
1. Index, HEAD, refs, work tree, stash and reflogs stay byte for byte unchanged; no lock of the user's is needed.
2. Files are saved as they are on disk. No clean filter, line-end or encoding conversion or LFS is applied, wherever it
   is configured.
3. Saved: tracked files, and untracked ones that are not ignored, below the root only. Never ``.wfe/``: a rollback must
   not restore configuration, nor the trust in it.
4. Left out, and listed in the snapshot: files over the limits, unreadable files, submodules and nested repositories.
   A tracked file with a filter (LFS) counts as untracked here: git does not store its content.
5. An object that was written or seen is assumed to exist as long as the last commit that needs it: git's garbage
   collection never removes one without the other.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.staging import refusing_faults
from wfe_mcp.workspace.git.command import Repository, git_program, is_set, repository, run_git, text_of
from wfe_mcp.workspace.git.file_facts import AS_IT_IS, MODE, is_home_or_disk, link_bytes
from wfe_mcp.workspace.git.objects import DURABLE, Node, Outbox, Trees, commit_content, head_of, read_loose
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.snapshot_files import GatheredFiles, Limits, SkippedPath, gather
from wfe_mcp.workspace.git.working_tree import SeenFiles, working_tree

_SUBJECT = "wfe-mcp: checkpoint of the files"
_HUGE_BYTES = 32_000_000
"""Larger files go through git, which does not load them into memory."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions that git does not store: the defaults for plain and executable files, and the exceptions."""

    plain: int = 0o644
    executable: int = 0o755
    others: Mapping[str, int] = field(default_factory=dict[str, int])

    def mode_of(self, path: str, git_mode: str) -> int:
        """The permission bits of a file."""
        return self.others.get(path, self.executable if git_mode == "100755" else self.plain)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files at one moment."""

    commit: str
    tree: str
    """Of the root."""
    head: str
    """``""`` where there is none."""
    index_tree: str
    """Of the whole repository; ``""`` during a merge with conflicts."""
    skipped: tuple[SkippedPath, ...] = ()
    modes: Modes | None = None
    """None where the file system has no meaningful permissions."""
    note: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The caller's note."""


def available(root: Path) -> str | None:
    """Why no snapshot can be taken at ``root``, as a whole sentence; None when it can."""
    repository_or_why = _repository_or_why(root)
    return repository_or_why if isinstance(repository_or_why, str) else None


class Snapshots:
    """Takes snapshots, and returns a folder's last one again when nothing has changed since."""

    def __init__(self) -> None:
        self._last: dict[Path, tuple[Limits, datetime, Snapshot]] = {}

    def take(
        self, root: Path, note: dict[str, str], limits: Limits, at: datetime, files: SeenFiles | None = None
    ) -> Snapshot:
        """The files of ``root``, as ``files`` where that is fresh: a new snapshot, or the last one. Refuses as ``take`` does."""
        before = self._last.pop(root, None)
        like = before[2] if before is not None and before[0] == limits and before[1] <= at else None
        snapshot = take(root, note, limits, at=at, like=like, seen=files)
        self._last[root] = (
            (limits, before[1], snapshot) if before is not None and snapshot is like else (limits, at, snapshot)
        )
        return snapshot


def take(
    root: Path,
    note: Mapping[str, Any],
    limits: Limits,
    *,
    at: datetime,
    besides: Sequence[str] = (),
    like: Snapshot | None = None,
    seen: SeenFiles | None = None,
) -> Snapshot:
    """Save the files below ``root``; a commit that no ref keeps yet (``checkpoints.keep``).

    ``note``: JSON that the commit carries. ``at``: its time. ``besides``: paths that are saved although git ignores
    them, unless they are missing, too large or not files. ``like``: the snapshot that is returned where it has the same files
    and its commit still exists. Refuses ``unavailable``, with nothing changed.
    """
    repo = require_available(root)
    store = _store(root)
    with (
        refusing_disk_faults("The files cannot be saved"),
        refusing_faults(str(root)),
        store.lock,
        ThreadPoolExecutor(1) as pool,
    ):
        has_modes = os.name != "nt" and is_set(root, "core.filemode", "true", repo=repo)
        outbox = Outbox(repo, store.known_objects(repo))
        state = _staged_state(repo)
        # What is staged does not depend on the files. A thread where git is asked: to start one takes longer than to look.
        staging = None if store.knows_staged(repo, state) else pool.submit(store.find_staged, repo, state, at)
        files = working_tree(root)
        look = (seen.look if seen is not None and seen.is_fresh else None) or files.look(repo, besides, is_whole=False)
        gathered = gather(files, look, limits, has_modes=has_modes)
        tree, trees = files.trees(gathered.files, repo.hash_name, "checkpoint")
        staged = store.staged if staging is None else staging.result()
        modes = _modes(gathered) if has_modes else None
        snapshot = Snapshot("", tree, staged.head, staged.tree, gathered.skipped, modes, dict(note))
        if (
            like is not None
            and replace(like, commit="", note=snapshot.note) == snapshot
            and _is_there(repo, like.commit)
        ):
            return like
        outbox.missing({**trees, **{node.oid: path for path, node in gathered.files.items()}})  # one lookup for all
        saved = _with_contents(root, gathered, outbox)
        if saved != gathered.files:  # written since they were hashed
            tree, trees = Trees(repo.hash_name).tree_of(saved)
            snapshot = replace(snapshot, tree=tree)
        for oid in outbox.missing(trees):
            outbox.add("tree", trees[oid], oid)
        outbox.send()
        metadata = {
            "note": snapshot.note,
            "head": snapshot.head,
            "index_tree": snapshot.index_tree,
            "skipped": snapshot.skipped,
            "modes": _as_json(modes),
        }
        # ASCII: file names need not be valid text, and escapes preserve the bytes.
        message = f"{_SUBJECT}\n\n{json.dumps(metadata)}\n"
        # Only now: a commit that is there has all objects that it needs.
        commit = outbox.add("commit", commit_content(tree, (staged.head, staged.commit), message, at))
        outbox.send()
        store.remember(commit, {*trees, *(node.oid for node in saved.values())})
    return replace(snapshot, commit=commit)


class _StagedState(NamedTuple):
    """HEAD, the tree of the user's index, and a commit of that tree where HEAD's differs."""

    head: str
    tree: str
    commit: str


def _staged_state(repo: Repository) -> tuple[str, bytes]:
    """What the staged state follows from: HEAD, and a digest of the index."""
    index = [repo.index, *sorted(repo.index.parent.glob("sharedindex.*"))]
    content = b"\0".join(file.read_bytes() for file in index if file.exists())
    known = head_of(repo.index.parent, repo.common)
    commit = head(repo.root) or "" if known is None else known.commit
    return commit, hashlib.blake2b(content).digest()


class _Store:
    """Objects of a repository known to exist (rule 5): those of the last commit, while that exists."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._commit = ""
        self._known: set[str] = set()
        self._staged_state: tuple[str, bytes] | None = None
        self.staged = _StagedState("", "", "")

    def known_objects(self, repo: Repository) -> set[str]:
        """Ids of objects that certainly exist."""
        return set(self._known) if self._commit and _is_there(repo, self._commit) else set()

    def remember(self, commit: str, known: set[str]) -> None:
        """Record that ``commit`` exists, with all objects that it needs."""
        self._commit, self._known = commit, known

    def knows_staged(self, repo: Repository, state: tuple[str, bytes]) -> bool:
        """Whether ``staged`` is that of ``state``, with the objects that it needs."""
        commit = self.staged.commit
        return self._staged_state == state and (not commit or _is_there(repo, commit))

    def find_staged(self, repo: Repository, state: tuple[str, bytes], at: datetime) -> _StagedState:
        """Ask git for the staged state, which is that of ``state``."""
        with tempfile.TemporaryDirectory(prefix="wfe-index-", ignore_cleanup_errors=True) as folder:
            # In a copy: git may write to the index that it reads, and this one is the user's.
            copy = Path(folder, "index")
            with suppress(FileNotFoundError):  # there is no index before the first `git add`
                shutil.copyfile(repo.index, copy)
            words = (*DURABLE, "write-tree", "--missing-ok")
            done = run_git(repo.root, *words, env={"GIT_INDEX_FILE": str(copy)}, ok=None)
        tree = text_of(done) if done is not None and done.returncode == 0 else ""
        commit = ""
        if tree and tree != _tree_of(repo, state[0]):
            outbox = Outbox(repo, set())
            commit = outbox.add("commit", commit_content(tree, (), f"{_SUBJECT}: what was staged\n", at))
            outbox.send()
        self.staged, self._staged_state = _StagedState(state[0], tree, commit), state
        return self.staged


@lru_cache(32)
def _store(root: Path) -> _Store:
    del root
    return _Store()


def _is_there(repo: Repository, commit: str) -> bool:
    return (repo.objects / commit[:2] / commit[2:]).exists()


def _tree_of(repo: Repository, commit: str) -> str:
    """The tree of a commit; ``""`` where there is none."""
    loose = read_loose(repo.objects, commit) if commit else None
    if loose is not None:
        return loose[1].split(b"\n")[0].removeprefix(b"tree ").decode()
    words = ("rev-parse", "--verify", "-q", "--end-of-options", f"{commit}^{{tree}}")
    return text_of(run_git(repo.root, *words, ok=None)) if commit else ""


def _with_contents(root: Path, gathered: GatheredFiles, outbox: Outbox) -> dict[str, Node]:
    """Add contents that the repository lacks to ``outbox``; the files, with the ids of the added contents."""
    nodes = dict(gathered.files)
    on_disk = gathered.facts  # files left out by a sparse checkout are not
    missing = outbox.missing({nodes[path].oid: path for path in on_disk})
    for path in [path for path in on_disk if nodes[path].oid in missing] if missing else ():
        actual = _add_object(root, path, nodes[path], outbox)
        if actual:
            nodes[path] = nodes[path]._replace(oid=actual)
        else:
            del nodes[path]
    return nodes


def _add_object(root: Path, path: str, node: Node, outbox: Outbox) -> str:
    """The id of the added content; ``""`` for a file removed meanwhile."""
    place = f"{root}/{path}"
    try:
        if node.mode == "120000" and os.path.islink(place):  # noqa: PTH114 - a Path each takes longer
            return outbox.add("blob", link_bytes(place))
        if os.lstat(place).st_size > _HUGE_BYTES:
            words = (*DURABLE, "hash-object", "-w", "--no-filters", "--", path)
            return text_of(run_git(root, *words))
        with open(os.open(place, AS_IT_IS), "rb") as file:  # noqa: PTH123 - opened with care
            return outbox.add("blob", file.read())
    except OSError:
        return ""


def read_snapshot(root: Path, commit: str) -> Snapshot:
    """The snapshot that ``take`` stored as ``commit``. Refuses ``bad_argument`` for any other, ``unavailable`` without git."""
    done = run_git(root, "cat-file", "commit", "--end-of-options", commit, ok=None)
    if done is None:
        require_available(root)
    header, _, message = (text_of(done) if done is not None and done.returncode == 0 else "").partition("\n\n")
    snapshot = _parse_snapshot(commit, header, message)
    if snapshot is None:
        raise Refused(
            "bad_argument",
            f"'{commit}' is no checkpoint of the files of '{root}'.",
            "Choose one of the checkpoints that are kept.",
        )
    return snapshot


def _parse_snapshot(commit: str, header: str, message: str) -> Snapshot | None:
    subject, _, body = message.partition("\n\n")
    if subject != _SUBJECT:
        return None
    try:
        metadata: dict[str, Any] = json.loads(body)
        skipped = tuple(SkippedPath(*path_values) for path_values in metadata["skipped"])
        tree = header.split("\n")[0].removeprefix("tree ")
        return Snapshot(
            commit,
            tree,
            metadata["head"],
            metadata["index_tree"],
            skipped,
            _modes_in(metadata["modes"]),
            metadata["note"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def require_available(root: Path) -> Repository:
    """The repository of ``root``. Refuses ``unavailable`` where no snapshot can be taken."""
    repository_or_why = _repository_or_why(root)
    if isinstance(repository_or_why, str):
        raise Refused(
            "unavailable",
            f"The files cannot be saved. {repository_or_why}",
            "The state of the run is kept all the same. For the files: install git, and run `git init` in a project folder.",
        )
    return repository_or_why


def _repository_or_why(root: Path) -> Repository | str:
    if git_program(root) is None:
        return "git is not installed, or not on the PATH."
    repo = repository(root)
    if repo is None:
        return f"'{root}' lies in no git work tree, or git ignores it there."
    for place in (root, repo.top):
        if is_home_or_disk(place):
            return f"'{place.resolve()}' is a home directory or a whole disk, and is not saved as a project."
    return repo


def _modes(files: GatheredFiles) -> Modes:
    counted = Counter(map(itemgetter(MODE), files.facts.values()))
    modes = [mode & 0o777 for mode, _ in counted.most_common() if stat.S_ISREG(mode)]
    plain = next((mode for mode in modes if not mode & 0o100), 0o644)
    executable = next((mode for mode in modes if mode & 0o100), 0o755)
    unusual = {mode for mode in counted if stat.S_ISREG(mode) and mode & 0o777 not in {plain, executable}}
    others = (
        {path: facts[MODE] & 0o777 for path, facts in files.facts.items() if facts[MODE] in unusual} if unusual else {}
    )
    others = dict(sorted(others.items()))
    return Modes(plain, executable, others)


_FAULTS = (
    ("No space left on device", "the disk is full", "Make room on it, then try again."),
    ("Disk quota exceeded", "your share of the disk is used up", "Make room on it, then try again."),
    ("Read-only file system", "the repository is on a read-only disk", "Make it writable, then try again."),
    ("ermission denied", "you may not write to the repository", "Fix its permissions, then try again."),
    ("couldn't write", "the disk may be full", "Make room on it, then try again."),
    ("insufficient permission", "you may not write to the repository", "Fix its permissions, then try again."),
)


@contextmanager
def refusing_disk_faults(what: str) -> Generator[None]:
    """Turn git's errors about disk and permissions into a refusal: ``what``, then the reason, which is ``why`` in its ``data``."""
    try:
        yield
    except Refused as no:
        for words, why, hint in _FAULTS:
            if no.code == "unavailable" and words in no.message:
                message = f"{what}: {why}. Nothing was changed. ({' '.join(no.message.split())})"
                raise Refused("unavailable", message, hint, data={"why": why}) from no
        raise


def _as_json(modes: Modes | None) -> dict[str, Any] | None:
    if modes is None:
        return None
    others = {path: f"{mode:03o}" for path, mode in modes.others.items()}
    return {"plain": f"{modes.plain:03o}", "executable": f"{modes.executable:03o}", "others": others}


def _modes_in(modes: Mapping[str, Any] | None) -> Modes | None:
    if modes is None:
        return None
    # Permissions alone: a commit that came from elsewhere may name the bits that let a file act as its owner.
    others = {path: int(mode, 8) & 0o777 for path, mode in cast("dict[str, str]", modes["others"]).items()}
    return Modes(int(modes["plain"], 8) & 0o777, int(modes["executable"], 8) & 0o777, others)
