"""Work trees of a repository: listed, made and removed, and the ignored files that one needs to work.

Rules:
1. No hook runs, and no filter of the repository itself: as everywhere (``command.py``).
2. ``.worktreeinclude`` names, as a ``.gitignore`` does, files that git ignores and that a new work tree needs. What git
   tracks is there anyway; what it does not ignore is work in progress, and is never copied.
3. A work tree is removed before its branch, and only while it holds nothing that would be lost.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.staging import refusing_faults
from wfe_mcp.workspace.git.command import output_of, quiet_filters, require_repository, run_git, text_of
from wfe_mcp.workspace.git.objects import OWN_BRANCHES
from wfe_mcp.workspace.git.repository import changes, commit_of, is_ancestor

INCLUDE_FILE = ".worktreeinclude"


class Worktree(NamedTuple):
    """One work tree. ``branch``: empty on a detached HEAD. ``missing``: its folder is gone; ``locked``: git keeps it."""

    path: Path
    commit: str
    branch: str
    missing: bool
    locked: bool


def worktrees(root: Path) -> list[Worktree]:
    """All work trees of the repository, the main one first. Refuses without git."""
    require_repository(root)
    entries: list[Worktree] = []
    for block in text_of(run_git(root, "worktree", "list", "--porcelain", "-z")).split("\0\0"):
        words = (line.partition(" ") for line in block.split("\0") if line)
        lines = {name: value for name, _, value in words}
        if "worktree" in lines and "bare" not in lines:
            path = Path(lines["worktree"])
            branch = lines.get("branch", "").removeprefix("refs/heads/")
            entries.append(Worktree(path, lines.get("HEAD", ""), branch, not path.is_dir(), "locked" in lines))
    return entries


def add_worktree(root: Path, path: Path, branch: str, base: str) -> None:
    """Make a work tree at ``path`` on ``branch``, which begins at ``base`` unless it is there already; empty: on no branch.

    Refuses a branch that another work tree has, a name that is none for a branch, and a base that is no commit.
    """
    require_repository(root)
    held = next((worktree for worktree in worktrees(root) if branch and worktree.branch == branch), None)
    if held is not None:
        raise Refused(
            "illegal_transition",
            f"The branch {branch} is checked out in '{held.path}'.",
            "Take another name: wfe-mcp worktree list",
        )
    done = run_git(root, "check-ref-format", "--branch", branch or "detached", ok=None)
    if done is None or done.returncode or branch.startswith("-"):
        raise Refused(
            "bad_argument",
            f"{branch!r} is no name for a branch.",
            "Letters, digits, dots, dashes and slashes are: fix-login",
        )
    is_there, begin = branch and commit_of(root, f"refs/heads/{branch}"), commit_of(root, base)
    if not begin and not commit_of(root, "HEAD"):
        raise Refused(
            "bad_argument", "There is no commit here yet that a work tree could begin with.", "Make one: git commit"
        )
    if not begin:
        raise Refused(
            "bad_argument",
            f"{base!r} names no commit of this repository.",
            "Name a branch, a tag or a commit: --base main",
        )
    where = [str(path), branch] if is_there else ["-b", branch, str(path), begin]
    where = where if branch else ["--detach", str(path), begin]
    run_git(root, "worktree", "add", "--quiet", *where, env=quiet_filters(root))


def set_head(root: Path, commit: str, branch: str, staged: str) -> None:
    """Let a linked work tree stand where another clone does: its HEAD, its branch and what is staged, and no file.

    The branch is one of this work tree alone, whatever the repository calls by that name. ``commit``: empty before the first
    one; ``branch``: empty on no branch; ``staged``: a tree, empty for that of the commit.
    """
    ref = f"{OWN_BRANCHES}{branch}"
    done = run_git(root, "check-ref-format", ref, ok=None) if branch else None
    if done is not None and done.returncode:
        raise Refused("bad_argument", f"{branch!r} is no name for a branch.", "Switch to another branch.")
    for other_ref in text_of(run_git(root, "for-each-ref", "--format=%(refname)", OWN_BRANCHES)).split():
        if other_ref != ref:  # the name of one may be the folder of another
            run_git(root, "update-ref", "--no-deref", "-d", other_ref)
    if branch:
        run_git(root, "symbolic-ref", "HEAD", ref)
        change = [ref, commit] if commit else ["-d", ref]
        run_git(root, "update-ref", *change, ok=None if not commit else (0,))
    else:
        run_git(root, "update-ref", "--no-deref", "HEAD", commit)
    run_git(root, "read-tree", *([staged or commit] if staged or commit else ["--empty"]))


def needed_files(root: Path) -> list[str]:
    """The ignored files that ``.worktreeinclude`` names, and what the project keeps in ``.wfe`` without git knowing it: its
    configuration and templates, also where ``.gitignore`` has all of ``.wfe/``.
    """
    kept = _names(root, "ls-files", "-z", "--others", "--exclude-standard", "--", ".wfe")
    used = _names(root, "ls-files", "-z", "--others", "--", ".wfe/config.toml", ".wfe/templates")
    ours = list(dict.fromkeys((*kept, *used)))
    if not (root / INCLUDE_FILE).is_file():
        return ours
    named = _names(root, "ls-files", "-z", "--others", "--ignored", f"--exclude-from={root / INCLUDE_FILE}")
    ignored = run_git(root, "check-ignore", "-z", "--stdin", stdin=os.fsencode("\0".join(named)), ok=None)
    needed = set(os.fsdecode(ignored.stdout).split("\0")) if ignored else set[str]()
    return [*ours, *(name for name in named if name in needed and not name.startswith(".wfe/"))]


def copy_files(root: Path, into: Path, names: Iterable[str]) -> int:
    """Copy files, links as links, that ``into`` does not have; how many it were. What goes on meanwhile is left out.

    A repository inside, which git names as a folder, is copied as one; a work tree is not, which belongs to another.
    """
    copied = 0
    for name in (name.rstrip("/") for name in names):
        source, target = root / name, into / name
        if os.path.lexists(target) or not os.path.lexists(source):
            continue
        is_folder = source.is_dir() and not source.is_symlink()
        if is_folder and (not (source / ".git").is_dir() or into.resolve().is_relative_to(source.resolve())):
            continue
        try:
            with walk(into, name.split("/")[:-1], make=True):
                pass
        except Refused:  # the branch has a link or a file there, which stays: what is behind a link is no part of it
            continue
        half = target.with_name(f"{target.name}.wfe-copy")
        with refusing_faults(str(target)):
            if is_folder:
                shutil.rmtree(half, ignore_errors=True)  # of one that was ended half way
                shutil.copytree(source, half, symlinks=True, ignore=_without_content)
            else:
                shutil.copy2(source, half, follow_symlinks=False)
            half.replace(target)
        copied += 1
    return copied


def _without_content(folder: str, names: Iterable[str]) -> list[str]:
    """What is neither a file, a folder nor a link: git has a socket of its own in some repositories."""
    paths = ((name, Path(folder, name)) for name in names)
    return [name for name, path in paths if not (path.is_symlink() or path.is_dir() or path.is_file())]


def remove_worktree(root: Path, tree: Worktree, *, force: bool) -> str:
    """Remove a work tree, then its branch where another one has all of it; the branch that went, empty if it stays.

    Refuses the main one, the one of ``root``, one that git keeps, and one with work that is nowhere else unless ``force``.
    """
    if tree.path == worktrees(root)[0].path or tree.path.resolve() == root.resolve():
        raise Refused("illegal_transition", f"'{tree.path}' is not removed: you are in it, or it is the main one.", "")
    lost = [] if tree.missing or force else lost_with(root, tree)
    if lost:
        raise Refused(
            "illegal_transition",
            f"'{tree.path}' holds what is nowhere else: {', '.join(lost)}.",
            f"Commit it, or lose it: wfe-mcp worktree remove '{tree.path.name}' --force",
        )
    if tree.missing:
        run_git(root, "worktree", "prune")
    else:
        run_git(root, "worktree", "remove", "--force", str(tree.path))
    if not tree.branch or not is_ancestor(root, tree.commit, "HEAD"):
        return ""
    run_git(root, "update-ref", "-d", f"refs/heads/{tree.branch}", tree.commit)
    return tree.branch


def lost_with(root: Path, tree: Worktree) -> list[str]:
    """What would be lost with the folder: changed files, and commits that no branch has."""
    files = [line[3:] for line in changes(root, tree.path)]
    lost = [*files[:3], f"{len(files) - 3} more files"] if len(files) > 4 else files
    if not tree.branch and not text_of(run_git(root, "branch", "--all", "--contains", tree.commit, ok=None)):
        lost.append(f"commit {tree.commit[:12]}")
    return lost


def _names(root: Path, *words: str) -> list[str]:
    return [name for name in os.fsdecode(output_of(root, *words)).split("\0") if name]
