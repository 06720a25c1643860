"""Saves the files of a project as a commit that only wfe-mcp's refs point to.

    real index ──copy──> temporary index ──changed, untracked──> write-tree ──> commit-tree ──> a commit without a ref
                         in a temporary git directory of its own; objects go to the repository's own store

Rules:
1. Index, HEAD, refs, work tree, stash and reflogs stay byte for byte as they are; no lock of the user's is needed.
2. Files are saved as they lie on the disk. No clean filter, line-end or encoding conversion and no LFS takes part,
   whoever configured it: the temporary git directory switches all attributes off.
3. Saved: what git tracks and what is untracked and not ignored, below the root only. Never ``.wfe/``: going back
   must not bring back configuration, nor the trust in it.
4. Left out, and listed in the snapshot: what is over the limits, unreadable, a submodule or a nested repository.
   A tracked file with a filter (LFS) counts as untracked here: its content is not git's.
5. What the index holds (the staged state) is kept beside it: the second parent, or HEAD's own tree.
"""

import json
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.staging import refusing_faults
from wfe_mcp.workspace.git.command import Repository, repository, run_git, text_of
from wfe_mcp.workspace.git.snapshot_files import gather, update
from wfe_mcp.workspace.git.snapshot_limits import Limits, Skipped
from wfe_mcp.workspace.git.snapshot_repository import DURABLE, Bench, bench_for, facts_of, is_true, saying_why

__all__ = ["Modes", "Snapshot", "available", "read_snapshot", "require_available", "take"]

_SUBJECT = "wfe-mcp: checkpoint of the files"


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions that git does not keep: the usual ones of plain and executable files, and the files that differ."""

    plain: int = 0o644
    executable: int = 0o755
    others: Mapping[str, int] = field(default_factory=dict[str, int])

    def of(self, path: str, git_mode: str) -> int:
        """The permission bits of a file."""
        return self.others.get(path, self.executable if git_mode == "100755" else self.plain)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files at one moment. ``tree``: those of the root. ``head``, ``index_tree``: ``""`` where there is none.

    ``index_tree``: of the whole repository; none during a merge with conflicts. ``modes``: None where the file system has
    none that mean anything. ``note``: what the caller said.
    """

    commit: str
    tree: str
    head: str
    index_tree: str
    skipped: tuple[Skipped, ...] = ()
    modes: Modes | None = None
    note: Mapping[str, Any] = field(default_factory=dict[str, Any])


def available(root: Path) -> str | None:
    """Why no snapshot can be taken at ``root``, as a whole sentence; None when it can."""
    found = _repository_or_why(root)
    return found if isinstance(found, str) else None


def take(
    root: Path,
    note: Mapping[str, Any],
    limits: Limits,
    *,
    at: datetime,
    besides: Sequence[str] = (),
) -> Snapshot:
    """Save the files below ``root``; a commit that no ref keeps yet (``checkpoints.keep``).

    ``note``: JSON that the commit carries. ``at``: its time. ``besides``: paths that are saved although git ignores
    them; what is not there, no file or too large is passed over. Refuses ``unavailable``, with nothing changed.
    """
    repo = require_available(root)
    with saying_why("The files cannot be saved"), refusing_faults(str(root)), bench_for(repo) as bench:
        with ThreadPoolExecutor(2) as pool:
            staging = pool.submit(_staged, bench, at)  # what was staged has nothing to do with the files
            found = gather(bench, limits, besides)
            looking = pool.submit(_modes, bench, found.paths)  # thousands of files, while git writes
            update(bench, found.dropped, found.put)
            tree = _write_tree(bench)
            modes = looking.result()
            head, index_tree, staged = staging.result()
        told = {
            "note": dict(note),
            "head": head,
            "index_tree": index_tree,
            "skipped": found.skipped,
            "modes": _as_json(modes),
        }
        parents = [word for parent in (head, staged) if parent for word in ("-p", parent)]
        # ASCII: file names need not be text, and escapes keep what is none.
        message = f"{_SUBJECT}\n\n{json.dumps(told)}\n"
        commit = bench.commit(tree, parents, message, at)
    return Snapshot(commit, tree, head, index_tree, found.skipped, modes, dict(note))


def read_snapshot(root: Path, commit: str) -> Snapshot:
    """The snapshot that ``take`` gave as ``commit``. Refuses ``bad_argument`` for any other, ``unavailable`` without git."""
    done = run_git(root, "cat-file", "commit", "--end-of-options", commit, env={"GIT_NO_REPLACE_OBJECTS": "1"}, ok=None)
    if done is None:
        require_available(root)
    header, _, message = (text_of(done) if done is not None and done.returncode == 0 else "").partition("\n\n")
    found = _told(commit, header, message)
    if found is None:
        raise Refused(
            "bad_argument",
            f"'{commit}' is no checkpoint of the files of '{root}'.",
            "Choose one of the checkpoints that are kept.",
        )
    return found


def _told(commit: str, header: str, message: str) -> Snapshot | None:
    subject, _, body = message.partition("\n\n")
    if subject != _SUBJECT:
        return None
    try:
        told: dict[str, Any] = json.loads(body)
        skipped = tuple(Skipped(*each) for each in told["skipped"])
        tree = header.split("\n")[0].removeprefix("tree ")
        return Snapshot(commit, tree, told["head"], told["index_tree"], skipped, _modes_in(told["modes"]), told["note"])
    except (ValueError, KeyError, TypeError):
        return None


def require_available(root: Path) -> Repository:
    """The repository of ``root``. Refuses ``unavailable`` where no snapshot can be taken."""
    found = _repository_or_why(root)
    if isinstance(found, str):
        raise Refused(
            "unavailable",
            f"The files cannot be saved. {found}",
            "The state of the run is kept all the same. For the files: install git, and run `git init` in a project folder.",
        )
    return found


def _repository_or_why(root: Path) -> Repository | str:
    if shutil.which("git") is None:
        return "git is not installed, or not on the PATH."
    found = repository(root)
    if found is None:
        return f"'{root}' lies in no git work tree, or git ignores it there."
    for place in (root.resolve(), found.top.resolve()):
        if place == Path(place.anchor) or place == Path.home().resolve():
            return f"'{place}' is a home directory or a whole disk, and is not saved as a project."
    return found


def _write_tree(bench: Bench) -> str:
    prefix = bench.repo.prefix
    if prefix:
        _drop_conflicts_elsewhere(bench)
    tree = bench.ours("write-tree", "--missing-ok", *([f"--prefix={prefix}"] if prefix else []), ok=(0, 128))
    # Nothing is left below the prefix: the empty tree.
    return tree or bench.ours("hash-object", "-t", "tree", "-w", "--stdin")


def _drop_conflicts_elsewhere(bench: Bench) -> None:
    """No tree of any folder is written while some path of the index is in conflict."""
    listed = bench.ours("ls-files", "-u", "-z", "--full-name", "--", ":/").split("\0")
    paths = sorted({line.partition("\t")[2] for line in listed if line})
    if paths:
        none = "0" * 40
        bench.ours("update-index", "-z", "--index-info", stdin=[f"0 {none}\t{path}" for path in paths])


def _staged(bench: Bench, at: datetime) -> tuple[str, str, str]:
    """HEAD, the tree of the user's index, and a commit of that tree where HEAD does not have it."""
    root = bench.repo.root
    done = run_git(root, "log", "-1", "--no-color", "--format=%H %T", "HEAD", "--", env=bench.their_env, ok=None)
    head, _, tree = (text_of(done) if done is not None and done.returncode == 0 else "").partition(" ")
    with tempfile.TemporaryDirectory(prefix="wfe-index-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "index")
        with suppress(FileNotFoundError):
            shutil.copyfile(bench.repo.index, copy)
        env = {**bench.our_env, "GIT_INDEX_FILE": str(copy)}
        done = run_git(root, *DURABLE, "write-tree", "--missing-ok", env=env, ok=None)
    index_tree = text_of(done) if done is not None and done.returncode == 0 else ""
    staged = bench.commit(index_tree, (), f"{_SUBJECT}: what was staged\n", at) if index_tree not in {"", tree} else ""
    return head, index_tree, staged


def _modes(bench: Bench, paths: Iterable[str]) -> Modes | None:
    root = bench.repo.root
    if os.name == "nt" or not is_true(bench.config.get("core.filemode", "true")):  # the file system has no such bits
        return None
    seen = ((path, facts.st_mode) for path in paths if (facts := facts_of(root, path)))
    found = {path: mode & 0o777 for path, mode in seen if stat.S_ISREG(mode)}
    counted = Counter(found.values())
    plain = next((mode for mode, _ in counted.most_common() if not mode & 0o100), 0o644)
    executable = next((mode for mode, _ in counted.most_common() if mode & 0o100), 0o755)
    others = {path: mode for path, mode in sorted(found.items()) if mode not in {plain, executable}}
    return Modes(plain, executable, others)


def _as_json(modes: Modes | None) -> dict[str, Any] | None:
    if modes is None:
        return None
    others = {path: f"{mode:03o}" for path, mode in modes.others.items()}
    return {"plain": f"{modes.plain:03o}", "executable": f"{modes.executable:03o}", "others": others}


def _modes_in(told: Mapping[str, Any] | None) -> Modes | None:
    if told is None:
        return None
    others = {path: int(mode, 8) for path, mode in cast("dict[str, str]", told["others"]).items()}
    return Modes(int(told["plain"], 8), int(told["executable"], 8), others)
