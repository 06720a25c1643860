"""Merges without a working folder: the commit that a strategy leads to, and how its tree differs from the approved one."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wfe_mcp.delivery.fault import DeliveryFault, reason_of
from wfe_mcp.delivery.forges.protocol import Strategy
from wfe_mcp.delivery.git.commits import commit, list_paths
from wfe_mcp.delivery.git.refs import tree_of
from wfe_mcp.workspace.git.command import output_of, run_git, text_of
from wfe_mcp.workspace.git.repository import commits_between, is_ancestor
from wfe_mcp.workspace.system.temporary import temporary_folder

_TAKE_IN = "Nothing was merged. Bring the base into the change, have that approved, then retry the phase."
_LATER = "Nothing was taken out. Undo what changed these later first, or take it out in a run of your own."
_ALGORITHMS: tuple[tuple[str, ...], ...] = ((), ("--diff-algorithm=histogram",))
"""What ``git merge-file`` does by itself, and what ``git merge`` does, which it can since git 2.44; an older one refuses the option."""


def merge_commit(root: Path, base: str, tip: str, strategy: Strategy, message: str) -> str:
    """The commit that ``base`` becomes; the same one for the same arguments. Raises DeliveryFault ``conflict``."""
    if is_ancestor(root, tip, base):
        return base
    at = _committed_at(root, tip)
    if strategy == "ff":
        if not is_ancestor(root, base, tip):
            raise DeliveryFault(
                f"The base is at {base[:12]}, which the change does not build on, so it is no fast-forward. Set [delivery] "
                'strategy to "merge", "squash" or "rebase", or bring the base into the change and have it approved; then retry.',
                "conflict",
            )
        return tip
    if strategy == "rebase":
        return _rebase(root, base, tip, at)
    tree = _merged_tree(root, base, tip)
    return commit(root, tree, [base, tip] if strategy == "merge" else [base], message, at)


def revert_tree(root: Path, now: str, changes: Sequence[tuple[str, str]]) -> str:
    """The tree of ``now`` without what led from the first to the second of each pair of commits, in this order.

    Raises DeliveryFault ``conflict``.
    """
    tree = tree_of(root, now)
    for start, merged in changes:
        tree = _picked_tree(root, tree, start, merged, _committed_at(root, merged), _LATER)
    return tree


def changed_files(root: Path, one: str, other: str) -> list[str]:
    """The paths whose content differs between two commits or trees."""
    output = output_of(root, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", one, other)
    return [path for path in os.fsdecode(output).split("\0") if path]


def clean_merges(root: Path, ancestor: bytes, ours: bytes, theirs: bytes) -> Iterator[bytes]:
    """What becomes of one text with the changes of both sides, for each algorithm that finds no conflict.

    From bytes alone: no repository, attribute, driver or configuration takes part.

    ``root``: whose git it is, which is no program of the project. Raises OSError where nothing can be written aside.
    """
    with temporary_folder("merge") as folder:
        names = {"ours": ours, "ancestor": ancestor, "theirs": theirs}
        for name, content in names.items():
            (folder / name).write_bytes(content)
        env = {"GIT_DIR": str(folder / "none"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for options in _ALGORITHMS:
            done = run_git(root, "-C", str(folder), "merge-file", "-p", "-q", *options, *names, env=env, ok=None)
            if done is not None and done.returncode == 0:
                yield done.stdout


def _rebase(root: Path, base: str, tip: str, at: datetime) -> str:
    on = base
    for picked in commits_between(root, base, tip):
        facts = text_of(run_git(root, "show", "-s", "--format=%P%x00%an%x00%ae%x00%ad%x00%B", "--date=raw", picked))
        parents, name, address, date, message = facts.split("\0", 4)
        if " " in parents:
            raise DeliveryFault(
                f"Commit {picked[:12]} of the change is a merge, which is not rebased. Choose another strategy.",
                "conflict",
            )
        author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address, "GIT_AUTHOR_DATE": date}
        on = commit(
            root, _picked_tree(root, tree_of(root, on), picked, parents, at), [on], f"{message.rstrip()}\n", at, author
        )
    return on


def _merged_tree(root: Path, ours: str, theirs: str, remedy: str = _TAKE_IN) -> str:
    done = run_git(
        root, "-c", "core.fsync=loose-object", "merge-tree", "--write-tree", "-z", "--name-only", ours, theirs, ok=None
    )
    if done is None or done.returncode not in {0, 1}:
        output = reason_of(done)
        raise DeliveryFault(f"The merge could not be computed (git 2.38 or later is needed): {output}", "configuration")
    tree, *names = os.fsdecode(done.stdout).split("\0")
    if done.returncode:
        paths = list(dict.fromkeys(names[: names.index("")] if "" in names else names))
        raise DeliveryFault(f"The change and the base conflict in {list_paths(paths)}. {remedy}", "conflict")
    return tree


def _picked_tree(root: Path, ours: str, each: str, parent: str, at: datetime, remedy: str = _TAKE_IN) -> str:
    """The tree ``ours`` with what ``each`` changed: a merge of commits whose only common one is ``parent``'s tree."""
    start, theirs = tree_of(root, parent), tree_of(root, each)
    if ours == start:
        return theirs
    start = commit(root, start, [], "start", at)
    return _merged_tree(root, *(commit(root, tree, [start], "side", at) for tree in (ours, theirs)), remedy=remedy)


def _committed_at(root: Path, commit: str) -> datetime:
    return datetime.fromtimestamp(int(text_of(run_git(root, "show", "-s", "--format=%ct", commit))), UTC)
