"""What does ``doctor`` say of the database's health, of room, copies, old runs and what a crash has left?

Each line that is no ``ok`` ends with the command that mends it.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wfe_mcp.engine.kernel.engine import Engine

__all__ = ["HealthFinding", "care_of"]

QUICKLY_READ_BYTES = 200_000_000
"""A larger database is read whole with ``--deep`` only."""

_MB = 1_000_000
_NEARLY_FULL_BYTES, _FULL_BYTES = 1_000 * _MB, 50 * _MB
_BACKUP_DAYS = 30
_LEFT_S = 3_600
"""What is younger may be in use."""


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One thing looked at. A ``note`` may matter to you; a ``problem`` stops work, and ends doctor with exit code 1."""

    topic: str
    level: Literal["ok", "note", "problem"]
    message: str


def care_of(engine: Engine, *, deep: bool = False) -> Iterator[HealthFinding]:
    """The database, its room and copies, then runs, jobs and files."""
    yield from _content(engine, deep=deep)
    yield from _room(engine, deep=deep)
    yield from _backups(engine)
    yield from _old_runs(engine)
    yield from _jobs(engine)
    yield from _left(engine)


def _content(engine: Engine, *, deep: bool) -> Iterator[HealthFinding]:
    from wfe_mcp.store.maintenance import copies

    path = engine.store.path
    if not deep and path.stat().st_size > QUICKLY_READ_BYTES:
        yield HealthFinding("database content", "note", "too large to be read each time: wfe-mcp doctor --deep")
        return
    faults = copies.faults_of(path, deep=deep)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        told = f"damaged: {faults[0]}{more}. Put a backup back: wfe-mcp restore FILE"
        yield HealthFinding("database content", "problem", told)
    else:
        read = "all of it read" if deep else "its pages read; wfe-mcp doctor --deep reads indexes and references too"
        yield HealthFinding("database content", "ok", f"no damage, {read}")


def _room(engine: Engine, *, deep: bool) -> Iterator[HealthFinding]:
    from wfe_mcp.store.maintenance import copies

    path = engine.store.path
    size, log, unused = copies.room_in(path)
    largest = copies.tables_by_size(path)[:3] if deep or size <= QUICKLY_READ_BYTES else []
    tables = ", ".join(f"{name} {_mb(each)}" for name, each in largest)
    yield HealthFinding("database size", "ok", _mb(size) + (f"; largest: {tables}" if tables else ""))
    if unused > 10 * _MB and unused > size // 4:
        yield HealthFinding("database size", "note", f"{_mb(unused)} are not used: wfe-mcp vacuum gives them back")
    if log > 64 * _MB:
        yield HealthFinding("database size", "note", f"its write-ahead log has {_mb(log)}: wfe-mcp vacuum folds it in")
    free = shutil.disk_usage(path.parent).free
    if free < _FULL_BYTES:
        told = f"full: {_mb(free)} free in {path.parent}. Free some space; wfe-mcp prune --dry-run lists old runs"
        yield HealthFinding("disk", "problem", told)
    elif free < max(_NEARLY_FULL_BYTES, 2 * size):
        told = f"nearly full: {_mb(free)} free in {path.parent}; wfe-mcp prune --dry-run lists old runs"
        yield HealthFinding("disk", "note", told)
    else:
        yield HealthFinding("disk", "ok", f"{_mb(free)} free in {path.parent}")


def _backups(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.maintenance.backups import backups_folder

    folder = backups_folder(engine)
    found = sorted((each.stat().st_mtime, each.name) for each in folder.glob("*.db") if not each.name.startswith("."))
    if not found:
        yield HealthFinding("backup", "note", f"none in {folder}: wfe-mcp backup")
        return
    days = int((time.time() - found[-1][0]) // 86_400)
    level, hint = ("note", ": wfe-mcp backup") if days > _BACKUP_DAYS else ("ok", "")
    yield HealthFinding("backup", level, f"{len(found)} in {folder}, the last {days} day(s) old{hint}")


def _old_runs(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.engine.maintenance.pruning import prunable
    from wfe_mcp.engine.runs.archive import MAY_BE_STALE, stale_before

    with engine.store.read() as tx:
        stale = tx.list_runs(
            engine.project_id, status=MAY_BE_STALE, limit=1000, untouched_since=stale_before(engine), archived=False
        )
    if stale.runs:
        told = f"{len(stale.runs)} open run(s) untouched for long: wfe-mcp list --stale shows, wfe-mcp cancel --stale ends them"
        yield HealthFinding("stale runs", "note", told)
    if engine.settings().settings.retention.runs is not None:
        old = prunable(engine)
        if old:
            yield HealthFinding(
                "retention", "note", f"{len(old)} run(s) are older than you keep them: wfe-mcp prune --dry-run"
            )
        else:
            yield HealthFinding("retention", "ok", "no run is older than you keep them")


def _jobs(engine: Engine) -> Iterator[HealthFinding]:
    from wfe_mcp.workspace.system.process import is_alive, parse_holder

    with engine.store.read() as tx:
        held = tx.running_jobs()
    owners = [parse_holder(job.lease_owner or "") for job in held]
    orphans = sum(1 for owner in owners if owner is not None and not is_alive(owner))
    if orphans:
        told = f"{orphans} of processes that are gone; the next server takes them over, or now: wfe-mcp worker"
        yield HealthFinding("jobs", "note", told)


def _left(engine: Engine) -> Iterator[HealthFinding]:
    """What crashes, removed runs and other databases have left in the project and beside the database."""
    from wfe_mcp.workspace.files.mirror import runs_with_files
    from wfe_mcp.workspace.git import checkpoints

    files = set(runs_with_files(engine.root))
    refs = set[str]()
    if engine.project.is_git:
        with suppress(Refused):
            refs = {name.partition("/")[0] for name in checkpoints.kept(engine.root)}
    with engine.store.read() as tx:
        known = tx.tails(sorted(files | refs))
        pruned = {str(one.run_id) for one in tx.pruned_runs(engine.project_id)}
    gone = (files | refs) & pruned
    if gone:
        yield HealthFinding("files of runs", "note", f"those of {len(gone)} removed run(s) are left: wfe-mcp prune removes them")  # fmt: skip
    unknown = sorted(files - known.keys() - pruned)
    if unknown:
        told = f"{len(unknown)} folder(s) of no run in this database, the first: {engine.root / '.wfe' / 'runs' / unknown[0]}"
        yield HealthFinding("files of runs", "note", f"{told}. If no other database has them, remove them: rm -r")
    foreign = sorted(refs - known.keys() - pruned)
    if foreign:
        told = f"{len(foreign)} run(s) that this database does not have, the first: {checkpoints.REFS}/{foreign[0]}"
        yield HealthFinding("checkpoints", "note", f"{told}. If no other database has them: git update-ref -d")
    left = [*_old(engine.store.path.parent, ".*.new*"), *_old(engine.store.path.parent / "backups", ".*.new*")]
    left += [each for form in ("stage-*", ".wfe-new-*") for each in _old(engine.root / ".wfe", form)]
    if left:
        yield HealthFinding("left by a crash", "note", f"{len(left)} file(s) that nobody needs, the first: {left[0]}; remove them: rm -r")  # fmt: skip


def _old(folder: Path, form: str) -> list[Path]:
    return [each for each in folder.glob(form) if each.lstat().st_mtime < time.time() - _LEFT_S]


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _MB:,.1f} MB"
