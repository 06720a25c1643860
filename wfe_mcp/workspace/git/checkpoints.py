"""The stored snapshots of a project's files, the differences between them, and which of them to delete.

A ref below ``refs/wfe/checkpoints/`` points to each commit, so that ``git gc`` keeps it. Branches do not show these
commits, and pushes do not send them. Names are the caller's: ``<run>/<commit>``.

Rules:
1. Of a run, the newest ``keep`` checkpoints stay while it is open, and ``keep_for`` after its end.
2. Safety checkpoints (the files before a restore) are counted separately and stay twice as long: they may be the only
   copy of a user's work. The newest one of an open run always stays, so that its rollback can be undone.
"""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.workspace.git import objects
from wfe_mcp.workspace.git.batch import entries_below
from wfe_mcp.workspace.git.command import require_repository, run_git, text_of
from wfe_mcp.workspace.git.own_refs import release_locks
from wfe_mcp.workspace.git.snapshot import refusing_disk_faults

REFS = "refs/wfe/checkpoints"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9][A-Za-z0-9_-]*)*")
_DURABLE = ("-c", "core.fsync=reference", "-c", "core.logAllRefUpdates=false")
_PLAIN = ("-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")


class FileChange(NamedTuple):
    """One path that differs. ``status``: A added, D deleted, M another content or mode, T another kind.

    ``mode`` and ``oid`` of either side are git's, all zeros where the path does not exist.
    """

    status: str
    path: str
    old_mode: str
    new_mode: str
    old_oid: str
    new_oid: str


def keep(root: Path, name: str, commit: str) -> None:
    """Point ``name`` to the commit permanently. Refuses ``conflict`` when it points to another one."""
    if not _NAME.fullmatch(name) or name.endswith(".lock") or ".lock/" in name:
        raise Refused(
            "bad_argument", f"{name!r:.100} is no name for a checkpoint.", "Use letters, digits, '-', '_', '/'."
        )
    ref = f"{REFS}/{name}"
    if objects.commit_at(root, ref) == commit or objects.create(root, ref, commit):
        return
    release_locks(require_repository(root).common, [ref])
    with refusing_disk_faults(f"The checkpoint '{name}' cannot be kept"):
        _point(root, name, commit)


def list_checkpoints(root: Path, prefix: str = "") -> dict[str, str]:
    """Name and commit of every checkpoint whose name is ``prefix`` or below it, in order of the names."""
    return _refs(root, prefix, "objectname")


def kept_at(root: Path, prefix: str = "") -> dict[str, datetime]:
    """The same names, and the time of each checkpoint (UTC)."""
    seconds_by_name = _refs(root, prefix, "committerdate:unix")
    return {name: datetime.fromtimestamp(int(seconds), UTC) for name, seconds in seconds_by_name.items() if seconds}


def drop(root: Path, names: Iterable[str]) -> None:
    """Delete these refs; unknown names are ignored. The user's next ``git gc`` removes the objects."""
    names = set(names)
    # With the commit of each: git deletes none that was moved meanwhile.
    there = list_checkpoints(root) if names else {}
    lines = [f"delete {REFS}/{name} {there[name]}\n" for name in sorted(names) if name in there]
    with refusing_disk_faults("Checkpoints cannot be dropped"):
        if lines:
            release_locks(require_repository(root).common, (f"{REFS}/{name}" for name in names if name in there))
            run_git(root, *_DURABLE, "update-ref", "--no-deref", "--stdin", stdin="".join(lines).encode())


def changes(root: Path, old: str, new: str) -> tuple[FileChange, ...]:
    """The differences between two trees (or commits) of ``take``; paths are relative to ``root``. Renames are two changes."""
    done = _diff_tree(root, "--raw", "-z", "--no-abbrev", "-r", "--no-renames", "--end-of-options", old, new)
    words = os.fsdecode(done).split("\0")
    file_changes: list[FileChange] = []
    for facts, path in zip(words[0::2], words[1::2], strict=False):
        old_mode, new_mode, old_oid, new_oid, status = facts.removeprefix(":").split(" ")
        file_changes.append(FileChange(status[0], path, old_mode, new_mode, old_oid, new_oid))
    return tuple(file_changes)


def diffstat(root: Path, old: str, new: str) -> str:
    """The number of changed lines per file, as in ``git diff --stat``; at most 60 files."""
    return os.fsdecode(_diff_tree(root, "--stat=100", "--stat-count=60", *_PLAIN, "--end-of-options", old, new)).rstrip(
        "\n"
    )


def diff(root: Path, old: str, new: str, max_chars: int = 60_000) -> str:
    """The differences as a diff; above ``max_chars`` it is cut, with a note."""
    text = _diff_tree(root, "-p", *_PLAIN, "--end-of-options", old, new).decode(errors="replace")
    return text if len(text) <= max_chars else f"{text[:max_chars]}\n[cut: {max_chars:,} of {len(text):,} characters]"


def files(root: Path, commit: str) -> dict[str, str]:
    """The paths of a snapshot, relative to ``root``, and git's mode of each. Refuses ``unavailable`` when it no longer exists."""
    try:
        return {path: node.mode for path, node in entries_below(root, commit).items()}
    except Refused as no:
        gone = f"The files of checkpoint {commit[:12]} are gone."
        raise Refused("unavailable", gone, "They were pruned, or are in another repository.") from no


def content(root: Path, commit: str, path: str) -> bytes:
    """The bytes of one file of a snapshot (of a link: its target). Refuses ``bad_argument`` when it has no such file."""
    done = run_git(root, "cat-file", "blob", "--end-of-options", f"{commit}:{path}", ok=None)
    if done is None or done.returncode:
        raise Refused(
            "bad_argument", f"The checkpoint {commit[:12]} has no file '{path}'.", "Look at the list of its files."
        )
    return done.stdout


def _refs(root: Path, prefix: str, field: str) -> dict[str, str]:
    where = f"{REFS}/{prefix}".rstrip("/")
    done = run_git(root, "for-each-ref", f"--format=%({field}) %(refname)", where, ok=None)
    lines = text_of(done).split("\n") if done is not None and done.returncode == 0 else []
    refs = (line.partition(" ") for line in lines if line)
    return {ref.removeprefix(f"{REFS}/"): value for value, _, ref in refs}


def _point(root: Path, name: str, commit: str) -> None:
    # An empty old value: the ref must not exist yet.
    done = run_git(root, *_DURABLE, "update-ref", "--no-deref", f"{REFS}/{name}", commit, "", ok=None)
    there = "" if done is not None and done.returncode == 0 else list_checkpoints(root, name).get(name)
    if there in {"", commit}:
        return
    if there is not None:
        raise Refused("conflict", f"The checkpoint '{name}' is {there[:12]} already.", "Choose another name.")
    reason = done.stderr.decode(errors="replace").strip()[-300:] if done is not None else "git is not installed"
    raise Refused(
        "unavailable",
        f"The checkpoint '{name}' could not be kept: {reason}",
        f"A file {REFS}/{name}.lock in the repository that no git is using may be removed.",
    )


def _diff_tree(root: Path, *words: str) -> bytes:
    done = run_git(root, "diff-tree", *words, ok=None)
    if done is None or done.returncode:
        raise Refused(
            "unavailable",
            f"The files of {words[-2][:12]} or {words[-1][:12]} are no longer known here, so they cannot be compared.",
            "Was the checkpoint dropped, or the repository cloned again?",
        )
    return done.stdout


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that a ref keeps. ``run_ended_at``: None while the run is open; for an unknown run, the checkpoint's own time."""

    name: str
    run: str
    taken_at: datetime
    is_safety: bool = False
    run_ended_at: datetime | None = None


def to_drop(checkpoints: Iterable[KeptCheckpoint], *, keep: int, keep_for: timedelta, now: datetime) -> tuple[str, ...]:
    """The names of the checkpoints to delete, in order."""
    dropped: list[str] = []
    seen: dict[tuple[str, bool], int] = {}
    for checkpoint in sorted(checkpoints, key=lambda one: (one.taken_at, one.name), reverse=True):
        kind = checkpoint.run, checkpoint.is_safety
        newer = seen.get(kind, 0)
        seen[kind] = newer + 1
        if _may_go(checkpoint, newer, keep, keep_for, now):
            dropped.append(checkpoint.name)
    return tuple(sorted(dropped))


def _may_go(checkpoint: KeptCheckpoint, newer: int, keep: int, keep_for: timedelta, now: datetime) -> bool:
    """``newer``: how many of its run and kind are newer."""
    if checkpoint.is_safety:
        # An open run can still undo its last rollback: that needs these files.
        is_last = newer == 0 and checkpoint.run_ended_at is None
        return (
            not is_last
            and now - max(checkpoint.taken_at, checkpoint.run_ended_at or checkpoint.taken_at) > 2 * keep_for
        )
    return newer >= keep or (checkpoint.run_ended_at is not None and now - checkpoint.run_ended_at > keep_for)
