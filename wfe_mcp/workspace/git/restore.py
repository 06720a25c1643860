"""Restores the files of a project to a snapshot without losing data.

    safety snapshot ──kept──> all new content staged in .wfe/ ──> old files moved away, new ones into place

Rules:
1. Before anything changes, a snapshot of the present files is kept. It holds every byte that is overwritten or removed,
   also of ignored files in the way; files that it cannot hold (too large, unreadable, another repository) are not changed.
2. With ``expect``, nothing is done when a path would change whose content is neither the expected nor the wanted one.
   So repeating a restore that was killed half-way completes it.
3. Every file is replaced atomically. No link in any folder of the path is followed. Nothing outside the root changes.
4. Neither index nor HEAD, refs of others, stash or reflogs change. No filter or hook runs.
5. One restore at a time in a work tree; a lock of the operating system, which dies with its process.
"""

import os
import stat
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer
from wfe_mcp.core.units import shorten_names
from wfe_mcp.workspace.files.folders import walk
from wfe_mcp.workspace.files.paths import reserved_as
from wfe_mcp.workspace.files.staging import Staging, refusing_faults, remove_tree
from wfe_mcp.workspace.git.batch import entries_below, read_objects, sizes
from wfe_mcp.workspace.git.checkpoints import FileChange, changes, diff, diffstat, keep, list_checkpoints
from wfe_mcp.workspace.git.command import Repository, run_git, text_of
from wfe_mcp.workspace.git.file_facts import facts_of
from wfe_mcp.workspace.git.objects import Node
from wfe_mcp.workspace.git.snapshot import Snapshot, read_snapshot, require_available, take
from wfe_mcp.workspace.git.snapshot_files import Limits, SkippedPath, is_skipped, places_of
from wfe_mcp.workspace.git.trees import PathChange

_STEM = "restore"
_BATCH_BYTES = 32_000_000
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The changes that a restore made, or would make. ``changes``: from the old to the new files; a mode change is an ``M`` too.

    ``safety``: the snapshot from before, kept as ``safety_name``. ``left``: differences that were not restored.
    """

    safety: Snapshot
    safety_name: str
    changes: tuple[FileChange, ...]
    left: tuple[SkippedPath, ...]


class RestoreValues(TypedDict):
    """What every restore of a run needs: the ref of its safety snapshot, the limits, the time."""

    safety: str
    limits: Limits
    at: datetime


def restore(root: Path, commit: str, *, expect: str | None, **values: Unpack[RestoreValues]) -> RestoreResult:
    """Make the files below ``root`` those of the snapshot ``commit``. Restoring ``Restored.safety`` undoes it.

    ``expect``: the tree (``Snapshot.tree``) that the caller expects; None: any content may be replaced.
    ``safety``: the name of the safety snapshot; one that a killed restore of the same commit has kept already stays.
    Another snapshot of this name stays too, and ``safety.2`` is used.

    Refuses ``conflict`` when files differ from ``expect``, with ``data``: ``safety``, ``diffstat`` (text), ``diff``
    (text) and ``paths``; when a folder of ignored files is in the place of a file; when another restore is running.
    ``unavailable`` for git, disk and permissions. After a refusal the files are unchanged.
    """
    with _prepare_restore(root, commit, expect, **values) as (want, done):
        _apply(root, done.changes, want)
    return done


def prepare(root: Path, commit: str, *, expect: str | None, **values: Unpack[RestoreValues]) -> RestoreResult:
    """The changes that ``restore`` would make, with the safety snapshot taken and kept. Same refusals. Changes no file.

    ``restore`` with the same arguments uses that safety snapshot, unless files have changed since.
    """
    with _prepare_restore(root, commit, expect, **values) as (_, done):
        return done


def restorable(root: Path, differing: Iterable[PathChange], want: Snapshot) -> list[PathChange]:
    """Those of ``differing`` that a restore would make: what a snapshot leaves out stays as it is.

    A tree that gates judge has the files of submodules and nested repositories, and a snapshot has none of them.
    """
    places, others = places_of(want.skipped), dict[str, bool]()

    def is_of_another(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if not name or not folder:
            return False
        if folder not in others:
            others[folder] = os.path.lexists(root / folder / ".git") or is_of_another(folder)
        return others[folder]

    return [change for change in differing if not is_skipped(change.path, places) and not is_of_another(change.path)]


def repositories_left(skipped: Iterable[SkippedPath]) -> str:
    """The submodules and nested repositories that stay as they are, as a clause; empty where there is none."""
    inside = {"submodule", "nested repository"}
    names = [f"{path.path.rstrip('/')} ({path.why})" for path in skipped if path.why in inside]
    stay = "stays as it is" if len(names) == 1 else "stay as they are"
    return f"{shorten_names(names, 3)} {stay}" if names else ""


def bring(root: Path, old: str, new: str, *, safety: str, limits: Limits, at: datetime) -> tuple[FileChange, ...]:
    """Make the changes from the snapshot ``old`` to ``new`` in the files below ``root``; what else changed there stays.

    Refuses ``conflict``, with nothing changed and ``data`` ``paths``, where a file to change is neither that of ``old`` nor
    that of ``new``. ``safety``: as in ``restore``.
    """
    repository = require_available(root)
    with refusing_faults(str(root)), _alone(repository):
        was, want = read_snapshot(root, old), read_snapshot(root, new)
        files = _files_of(root, want)
        differing = changes(root, was.tree, want.tree)
        now = take(
            root, {"before": new}, limits, at=at, besides=_obstacles(root, [change.path for change in differing])
        )
        left = {change.path for change in changes(root, now.tree, want.tree)}
        todo = [change for change in differing if change.path in left]
        todo += _modes_only(files, {change.path for change in differing}, was, want)
        own = {change.path for change in changes(root, was.tree, now.tree)}
        own |= {change.path for change in todo if is_skipped(change.path, places_of(now.skipped))}
        foreign = [change.path for change in todo if change.path in own]
        if foreign:
            raise Refused(
                "conflict",
                f"Files changed here and there: {shorten_names([*map(repr, foreign)], 3)}.",
                "Nothing was changed.",
                tuple(Detail(pointer(*path.split("/")), "changed on both sides") for path in foreign[:_SHOWN]),
                data={"paths": foreign},
            )
        if todo:
            _kept_safety(root, safety, now, {change.path for change in todo})
            _apply(root, todo, want)
    return tuple(todo)


@contextmanager
def _prepare_restore(
    root: Path, commit: str, expect: str | None, safety: str, limits: Limits, at: datetime
) -> Generator[tuple[Snapshot, RestoreResult]]:
    """The wanted snapshot, and the changes to make; no other restore runs meanwhile."""
    repository = require_available(root)
    with refusing_faults(str(root)), _alone(repository):
        want = read_snapshot(root, commit)
        files = _files_of(root, want)
        now = take(root, {"before": commit}, limits, at=at, besides=_obstacles(root, files))
        differing = changes(root, now.tree, want.tree)
        # What one of the two lacks cannot be brought back, or not be saved first: it stays as it is.
        paths = _skipped_changes(root, differing, now, want)
        gone = {path.path for path in paths}
        todo = [change for change in differing if change.path not in gone]
        # Kept before the check: a refusal names where the present files are.
        name, before = _kept_safety(root, safety, now, {change.path for change in todo})
        if expect is not None:
            _refuse_foreign(root, expect, now, {change.path for change in todo}, name)
        todo += _modes_only(files, {change.path for change in differing} | gone, now, want)
        yield want, RestoreResult(before, name, tuple(todo), paths)


def _files_of(root: Path, want: Snapshot) -> dict[str, Node]:
    """The files and links of a snapshot. Refuses a tree that ``take`` cannot have created."""
    files = entries_below(root, want.tree)
    fine: set[str] = set()
    for path in files:
        names = set(path.split("/")) - fine
        if any(name in {"", ".", ".."} or reserved_as(name) for name in names):
            raise Refused(
                "path_outside_project",
                f"The checkpoint {want.commit[:12]} names {path!r:.200}, where no checkpoint writes.",
                "wfe-mcp did not make this commit. Choose another checkpoint.",
            )
        fine |= names
    return files


def _obstacles(root: Path, paths: Iterable[str]) -> list[str]:
    """The entries in the place of a snapshot's file: at its path, or instead of a folder above it."""
    obstacles: set[str] = set()
    folders: dict[str, bool] = {"": True}
    for path in paths:
        above, blocked = "", ""
        for name in path.split("/")[:-1]:
            above = f"{above}/{name}" if above else name
            if above not in folders:
                full = root / above
                folders[above] = full.is_dir() and not full.is_symlink()
            if not folders[above]:
                blocked = above
                break
        here = blocked or path
        if os.path.lexists(os.path.join(root, here)):  # noqa: PTH118 - thousands of paths: a Path each takes longer
            obstacles.add(here)
    return sorted(obstacles)


def _skipped_changes(
    root: Path, differing: Sequence[FileChange], now: Snapshot, want: Snapshot
) -> tuple[SkippedPath, ...]:
    """The changes not made, because one of the two snapshots lacks the content of the path."""
    paths: list[SkippedPath] = []
    places = places_of((*now.skipped, *want.skipped))
    for change in differing:
        if is_skipped(change.path, places):
            paths.append(SkippedPath(change.path, 0, "not saved"))
        elif change.status != "A" and not os.path.lexists(root / change.path):
            paths.append(SkippedPath(change.path, 0, "sparse"))
    return tuple(paths)


def _kept_safety(root: Path, name: str, now: Snapshot, todo: set[str]) -> tuple[str, Snapshot]:
    """Keep ``now``, unless an earlier, unfinished restore of the same commit has kept the files from before it."""
    there = list_checkpoints(root, name.rpartition("/")[0])
    number, free_name = 1, name
    while free_name in there:
        earlier = read_snapshot(root, there[free_name])
        is_same_restore = earlier.note.get("before") == now.note["before"]
        # Every difference from that snapshot has the wanted content, so that restore made it.
        if is_same_restore and not any(change.path in todo for change in changes(root, earlier.tree, now.tree)):
            return free_name, earlier
        number += 1
        free_name = f"{name}.{number}"
    keep(root, free_name, now.commit)
    return free_name, now


def _refuse_foreign(root: Path, expect: str, now: Snapshot, todo: set[str], safety: str) -> None:
    foreign = [change for change in changes(root, expect, now.tree) if change.path in todo]
    if not foreign:
        return
    paths = [change.path for change in foreign]
    raise Refused(
        "conflict",
        f"Files changed since their state was last recorded: {shorten_names([*map(repr, paths)], 3)}. Nothing was restored.",
        f"Look at the difference. What is there now is kept as checkpoint '{safety}'; a person may restore all the same.",
        tuple(Detail(pointer(*change.path.split("/")), _VERBS[change.status]) for change in foreign[:_SHOWN]),
        data={
            "safety": safety,
            "paths": paths,
            "diffstat": diffstat(root, expect, now.tree),
            "diff": diff(root, expect, now.tree),
        },
    )


_VERBS = {"A": "came since", "D": "went since", "M": "changed since", "T": "became something else since"}


def _modes_only(files: Mapping[str, Node], known: set[str], now: Snapshot, want: Snapshot) -> list[FileChange]:
    """Files of equal content that differ in permissions that git does not store."""
    before, after = now.modes, want.modes
    if before is None or after is None:
        return []
    places = places_of(now.skipped)
    return [
        FileChange("M", path, file.mode, file.mode, file.oid, file.oid)
        for path, file in files.items()
        if path not in known
        and file.mode != "120000"
        and not is_skipped(path, places)
        and before.mode_of(path, file.mode) != after.mode_of(path, file.mode)
    ]


def _apply(root: Path, todo: Sequence[FileChange], want: Snapshot) -> None:
    if not todo:
        return
    links = text_of(run_git(root, "config", "--type=bool", "core.symlinks", ok=None)) != "false"
    with Staging(root, _STEM) as staging:
        for change in todo:
            if change.status == "D":
                staging.take_out(_parts(change.path))
        for change, content in _contents(root, [change for change in todo if change.status != "D"]):
            if change.new_mode == "120000" and links:
                staging.put_link(_parts(change.path), os.fsdecode(content))
            else:
                staging.put(_parts(change.path), content, _mode_of(root, change, want))
        try:
            staging.commit(over_links=True)
        except Refused as no:
            raise Refused(
                "conflict",
                f"{no.message} The files are as they were.",
                "It holds files that git ignores. Move it away, then try again.",
            ) from no


def _mode_of(root: Path, change: FileChange, want: Snapshot) -> int | None:
    """The wanted permissions; the present ones where those are unknown. None: the default ones."""
    if want.modes is not None:
        return want.modes.mode_of(change.path, change.new_mode)
    there = facts_of(root, change.path)
    return there.st_mode & 0o777 if there and stat.S_ISREG(there.st_mode) else None


def _contents(root: Path, wanted: Sequence[FileChange]) -> Iterator[tuple[FileChange, bytes]]:
    """The wanted content of each path, some megabytes at a time."""
    batch: list[FileChange] = []
    total = 0
    for change, size in zip(wanted, sizes(root, [file_change.new_oid for file_change in wanted]), strict=True):
        if size is None:
            raise _lost(change)
        batch.append(change)
        total += size
        if total > _BATCH_BYTES:
            yield from _read_batch(root, batch)
            batch, total = [], 0
    yield from _read_batch(root, batch)


def _read_batch(root: Path, batch: Sequence[FileChange]) -> Iterator[tuple[FileChange, bytes]]:
    for change, object_ in zip(batch, read_objects(root, [file_change.new_oid for file_change in batch]), strict=True):
        if object_ is None:
            raise _lost(change)
        yield change, object_[1]


def _lost(change: FileChange) -> Refused:
    return Refused(
        "unavailable",
        f"The content of '{change.path}' is no longer in the repository. Nothing was restored.",
        "Choose another checkpoint; `git fsck` says what else is missing.",
    )


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


@contextmanager
def _alone(repo: Repository) -> Generator[None]:
    """Hold the lock of the only restore in this work tree; remove leftovers of a killed one."""
    # Beside the index, which each work tree has of its own: two of one repository restore side by side.
    place = repo.index.parent / "wfe"
    place.mkdir(exist_ok=True)
    with ExitStack() as stack:
        file = stack.enter_context((place / "restoring").open("ab"))
        try:
            _lock(file.fileno())
        except OSError:
            raise Refused(
                "conflict",
                f"Another restore is at work in '{repo.root}'.",
                "Wait until it has ended, then look at the files before trying again.",
            ) from None
        with suppress(OSError, Refused), walk(repo.root, (".wfe",)) as folder:
            for name in folder.names():
                if name.startswith(f"{_STEM}-"):
                    remove_tree(folder, name)
        yield


def _lock(fd: int) -> None:
    """OSError when another process has it; released when the file is closed, also by a kill."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
