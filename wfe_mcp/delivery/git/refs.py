"""Refs of the project's repository: read, moved only from a known commit, and HEAD moved only between equal trees.

Rules:
1. A ref moves from the commit that was seen; another one there is a ``conflict``, never overwritten.
2. The working folder stays as it is: HEAD moves only to a commit with the tree that it has.
3. No hook runs, and each change is durable when the call returns.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.delivery.fault import RETRY, DeliveryFault, in_one_line, reason_of
from wfe_mcp.workspace.git import objects
from wfe_mcp.workspace.git.command import repository, require_repository, run_git, setting
from wfe_mcp.workspace.git.repository import branch as current_branch, commit_of, head
from wfe_mcp.workspace.git.worktrees import worktrees

_DURABLE = ("-c", "core.fsync=reference,loose-object", "-c", "core.logAllRefUpdates=true")
_NAME = re.compile(r"[A-Za-z0-9_](?:(?!\.\.)[A-Za-z0-9._/-]){0,199}(?<![./])")
NONE = ""
"""In place of a commit: the ref does not exist."""


def ref_of(branch: str) -> str:
    """The full name of a branch's ref."""
    return f"refs/heads/{branch}"


class CommitFacts(NamedTuple):
    """The tree of a commit and its parents."""

    tree: str
    parents: tuple[str, ...]


def facts_of(root: Path, commit: str) -> CommitFacts:
    """What a commit holds. Refuses ``unavailable`` where there is none."""
    repo = require_repository(root)
    loose = objects.loose(repo, commit)
    if loose is None or loose[0] != "commit":
        done = run_git(root, "cat-file", "commit", commit)
        loose = "commit", done.stdout if done is not None else b""
    head_lines = loose[1].partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    values = [line.split(" ") for line in head_lines]
    return CommitFacts(values[0][1], tuple(value[1] for value in values if value[0] == "parent"))


def tree_of(root: Path, commit: str) -> str:
    """The tree of a commit."""
    return facts_of(root, commit).tree


def has_same_files(root: Path, one: str, other: str) -> bool:
    """Whether two commits have the same tree."""
    return one == other or tree_of(root, one) == tree_of(root, other)


def refuse_name(branch: str) -> None:
    """DeliveryFault for what is no plain name of a branch: letters, digits and ``._/-``, as git takes them everywhere."""
    parts = branch.split("/")
    if not _NAME.fullmatch(branch) or any(
        part in {"", "HEAD"} or part[0] == "." or part.endswith(".lock") for part in parts
    ):
        raise DeliveryFault(
            f"{branch!r} is no name for a branch. Change [delivery] branch or prefix, or the step's parameter 'branch'.",
            "configuration",
        )


def move(root: Path, ref: str, new: str, old: str, why: str) -> None:
    """Point ``ref`` to ``new`` where it is ``old`` (``NONE``: it must not exist). Raises DeliveryFault ``conflict``."""
    if objects.create(root, ref, new, old):
        return
    known = old or "0" * len(new)
    words = ("update-ref", "--create-reflog", "-m", f"wfe-mcp: {why}", ref, new, known)
    done = run_git(root, *_DURABLE, *words, ok=None)
    if done is None or done.returncode:
        _refuse(root, ref, old, done.stderr if done else b"")


def remove(root: Path, ref: str, old: str) -> None:
    """Delete ``ref`` where it is ``old``. Raises DeliveryFault ``conflict``."""
    done = run_git(root, *_DURABLE, "update-ref", "--no-deref", "-d", ref, old, ok=None)
    if done is None or done.returncode:
        _refuse(root, ref, old, done.stderr if done else b"")


_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}
"""What git keeps in its folder while the user is in the middle of something."""


def operation_in_progress(root: Path) -> str:
    """What the user is in the middle of in this folder, such as ``merge``; empty where nothing is, or without git."""
    if (repo := repository(root)) is None:
        return ""
    git = repo.index.parent
    return next((what for name, what in _UNFINISHED.items() if (git / name).exists()), "")


def refuse_unfinished(root: Path) -> None:
    """Refuse to move HEAD or the index while the user merges or rebases here: it would end that. Raises DeliveryFault ``conflict``."""
    if what := operation_in_progress(root):
        raise DeliveryFault(
            f"A {what} is not finished in this folder, and this would end it as it is. Finish it, or end it with "
            f"git {what} --abort; then {RETRY}.",
            "conflict",
        )


def can_attach(root: Path, branch: str) -> bool:
    """Whether HEAD can be on ``branch``: it is there, has the files of HEAD, and no other folder has it checked out."""
    now, there = head(root), commit_of(root, ref_of(branch))
    return bool(there) and held_by(root, branch) is None and (now is None or has_same_files(root, now, there))


def attach(root: Path, branch: str) -> None:
    """Make ``branch`` the current one, where HEAD has the same files. Raises DeliveryFault ``conflict``."""
    if current_branch(root) == branch:
        return
    refuse_unfinished(root)
    now = head(root)
    if now is not None and not has_same_files(root, now, commit_of(root, ref_of(branch))):
        raise DeliveryFault(
            f"HEAD is at {now[:12]}, whose files are not those of branch '{branch}': to change over would change the "
            f"working folder. Change over yourself: git switch {branch}; then try again.",
            "conflict",
        )
    run_git(root, *_DURABLE, "symbolic-ref", "-m", "wfe-mcp: change over", "HEAD", ref_of(branch))


def detach(root: Path, commit: str) -> None:
    """HEAD is at ``commit`` and on no branch, where it has the same files. Raises DeliveryFault ``conflict``."""
    refuse_unfinished(root)
    now = head(root) or ""
    if now != commit and not has_same_files(root, now, commit):
        raise DeliveryFault(f"HEAD is at {now[:12]}, whose files are not those of {commit[:12]}.", "conflict")
    run_git(root, *_DURABLE, "update-ref", "--no-deref", "-m", "wfe-mcp: leave the branch", "HEAD", commit)


def index_follows(root: Path) -> None:
    """The index becomes that of HEAD, so that ``git status`` shows only what differs. Files stay as they are."""
    sparse = setting(root, "core.sparsecheckout", "false") or "true"
    done = run_git(root, "-c", f"core.sparseCheckout={sparse}", "reset", "-q", "--mixed", ok=None)
    if done is None or done.returncode:
        reason = reason_of(done)
        raise DeliveryFault(f"The index could not be brought along: {reason} Remove a left index.lock, then retry.")


def held_by(root: Path, branch: str) -> Path | None:
    """The other working folder in which ``branch`` is checked out."""
    if not os.path.isdir(require_repository(root).common / "worktrees"):  # noqa: PTH112 - asked before each merge
        return None
    here = require_repository(root).top.resolve()
    return next(
        (
            worktree.path
            for worktree in worktrees(root)
            if worktree.branch == branch and worktree.path.resolve() != here
        ),
        None,
    )


def remove_worktree(root: Path, folder: Path) -> None:
    """Remove another working folder. Raises DeliveryFault ``conflict`` where it has changes, or is locked."""
    done = run_git(root, "worktree", "remove", "--end-of-options", str(folder), ok=None)
    if done is None or done.returncode:
        output = reason_of(done)
        raise DeliveryFault(f"The worktree {folder} stays: {output}. Look at it, then {RETRY}.", "conflict")


def _refuse(root: Path, ref: str, old: str, stderr: bytes) -> None:
    now = commit_of(root, ref)
    seen = f"is {now[:12]}" if now else "does not exist"
    was = f"was {old[:12]}" if old else "did not exist"
    detail = in_one_line(stderr)
    if b".lock': File exists" in stderr:
        raise DeliveryFault(
            f"{ref} is locked: {detail} Where no git is running, remove that file; then {RETRY}.", "conflict"
        )
    if now == old:
        raise DeliveryFault(
            f"{ref} could not be written: {detail} Look at the space on the disk and at permissions, then {RETRY}.",
            "configuration",
        )
    raise DeliveryFault(
        f"{ref} {was} and now {seen}: it changed meanwhile, so it was left alone. {detail} See what changed it, then {RETRY}.",
        "conflict",
    )
