"""Backup, integrity check, restore and vacuum of the whole database while other processes use it.

    copy         SQLite's online backup: one moment of the file, also during writes
    faults_of    what SQLite finds wrong in a file: damaged pages, foreign keys to missing rows
    write_over   replaces the content of a database with another's, in one SQLite transaction
    vacuum       returns unused pages to the disk

Rules:
1. An open database is never replaced by another file: other processes would continue to write into the old one.
2. A copy is one file without a journal, readable only by its owner.
3. A copy is read in steps. With a write-ahead log it is of one moment, and writers go on. With a rollback journal they write
   between steps and the copy begins again; the fourth time it holds them off until its end.
4. Ctrl-C ends the work within a moment: SQLite asks, after so many of its instructions, whether to go on.
"""

import contextlib
import os
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import Progress, unheard
from wfe_mcp.store import sqlite
from wfe_mcp.store.driver import HEAD, driver

_STEP_PAGES = 1024
_MOST_RESTARTS = 3
_STEPS_BETWEEN_LOOKS = 100_000
_MOST_FAULTS = 10


@dataclass(frozen=True, slots=True)
class DatabaseSummary:
    """Summary of a database. ``newest``: the time of its last event; None without events."""

    revision: str
    projects: int
    runs: int
    events: int
    size_bytes: int
    newest: datetime | None


def copy(source: Path, target: Path, progress: Progress = unheard) -> None:
    """Copy a database, as it is at one moment, into ``target``, a new or empty file; ``progress`` counts pages.

    Refuses ``unavailable``: no room, a disk that fails, a source that stays locked or is damaged.
    """
    with sqlite.refusals(source), closing(_open(source, reads_only=True)) as from_:
        _refuse_where_no_room(target, size_of(from_))
        os.close(os.open(target, os.O_RDWR | os.O_CREAT, 0o600))
        with _writing(target), closing(_open(target)) as to:
            if from_.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                _hold(from_)
            from_.backup(to, pages=_STEP_PAGES, progress=_steps(source, from_, progress), sleep=0.01)
            to.execute("PRAGMA journal_mode=DELETE")
        sync(target)


def write_over(source: Path, target: Path) -> None:
    """Replace the content of ``target`` with that of ``source``, atomically for every process that has it open.

    Refuses ``unavailable`` like ``copy``, and while another process keeps ``target`` locked.
    """
    with sqlite.refusals(target), closing(_open(source, reads_only=True)) as from_, closing(_open(target)) as to:
        _refuse_where_no_room(target, size_of(from_))
        to.execute("PRAGMA synchronous=FULL")
        from_.backup(to, pages=_STEP_PAGES, progress=_patience(target))
        # Checkpoint the write-ahead log into the file: it is as large as the database now.
        to.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def faults_of(path: Path, *, deep: bool = True) -> list[str]:
    """The faults of the file, each with its place; empty when it is intact.

    ``deep``: also compares indexes with their tables, and checks foreign keys.
    """
    try:
        with _stoppable(), closing(_open(path, reads_only=True)) as connection:
            faults = _pages(connection, "integrity_check" if deep else "quick_check")
            if deep and not faults:
                rows = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_FAULTS)
                faults = [
                    f"{table} row {row}: what it names in {parent} is not there" for table, row, parent, _ in rows
                ]
            return faults
    except driver().DatabaseError as error:
        return [str(error)]


def _pages(connection: Any, check: str) -> list[str]:
    try:
        rows = connection.execute(f"PRAGMA {check}({_MOST_FAULTS})").fetchall()
    except driver().DatabaseError as error:
        # SQLite gave up without a location: check one table after the other.
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        hurt = [name for (name,) in tables if not _is_whole(connection, check, name)]
        return [f"table {name}, or an index of it: {error}" for name in hurt] or [str(error)]
    messages = [" ".join(str(row[0]).removeprefix("*** in database main ***").split()) for row in rows]
    return [] if messages == ["ok"] else messages


def _is_whole(connection: Any, check: str, table: str) -> bool:
    try:
        return connection.execute(f"PRAGMA {check}('{table}')").fetchall() == [("ok",)]
    except driver().DatabaseError:
        return False


def is_ours(path: Path) -> bool:
    """True when the file is a database written by any version of wfe-mcp."""
    try:
        with closing(_open(path, reads_only=True)) as connection:
            query = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'setting_event')"
            return connection.execute(query).fetchone()[0] == 2
    except driver().DatabaseError:
        return False


def held_in(path: Path) -> DatabaseSummary:
    """Summary of the database; it must be one of ours, of any version."""
    with sqlite.refusals(path), closing(_open(path, reads_only=True)) as connection:

        def scalar(query: str) -> Any:
            return connection.execute(query).fetchone()[0]

        newest = scalar(
            "SELECT max(at) FROM (SELECT max(updated_at) AS at FROM run UNION SELECT max(at) FROM setting_event)"
        )
        return DatabaseSummary(
            scalar("SELECT version_num FROM alembic_version") or HEAD,
            scalar("SELECT count(*) FROM project"),
            scalar("SELECT count(*) FROM run"),
            scalar("SELECT coalesce(sum(last_seq), 0) FROM run"),
            size_of(connection),
            None if newest is None else datetime.fromisoformat(newest).replace(tzinfo=UTC),
        )


def heads_of(path: Path) -> dict[str, int]:
    """The number of the last event of each run; empty where the file cannot be read."""
    try:
        with closing(_open(path, reads_only=True)) as connection:
            return {str(run): int(seq) for run, seq in connection.execute("SELECT id, last_seq FROM run")}
    except driver().DatabaseError:
        return {}


def tables_by_size(path: Path) -> list[tuple[str, int]]:
    """Each table with the bytes that it and its indexes take, the largest first; empty where SQLite cannot report it."""
    query = (
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name "
        "GROUP BY m.tbl_name ORDER BY 2 DESC, 1"
    )
    try:
        with closing(_open(path, reads_only=True)) as connection:
            return [(str(name), int(size)) for name, size in connection.execute(query)]
    except driver().DatabaseError:  # built without dbstat, or damaged
        return []


def room_in(path: Path) -> tuple[int, int, int]:
    """The bytes of the file, of its write-ahead log, and of its unused pages."""
    with sqlite.refusals(path), closing(_open(path, reads_only=True)) as connection:
        free, page = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("freelist_count", "page_size")
        )
        size = size_of(connection)
    log = path.with_name(f"{path.name}-wal")
    return size, log.stat().st_size if log.exists() else 0, free * page


def vacuum(path: Path) -> tuple[int, int]:
    """Return unused pages to the disk; the bytes before and after. Refuses ``unavailable`` while the file is busy.

    The file is rewritten in one transaction, so it takes up to twice its size meanwhile.
    """
    with sqlite.refusals(path), _stoppable(), closing(_open(path)) as connection:
        before = _on_disk(path)
        _refuse_where_no_room(path, 2 * size_of(connection))
        with contextlib.suppress(driver().OperationalError):  # no full-text index, or a library without FTS5
            connection.execute("INSERT INTO find_text (find_text) VALUES ('optimize')")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return before, _on_disk(path)


def size_of(connection: Any) -> int:
    """The bytes of the pages of an open database."""
    pages, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
    return pages * size


def sync(path: Path) -> None:
    """Wait until the disk has the file and, where folders are files, its name."""
    number = os.open(path, os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
    directory: int | None = getattr(os, "O_DIRECTORY", None)
    if directory is not None:
        folder = os.open(path.parent, os.O_RDONLY | directory)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _on_disk(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _open(path: Path, *, reads_only: bool = False) -> Any:
    # A read-only URI refuses a write-ahead log that must be recovered first; query_only also prevents writes.
    connection = driver().connect(str(path), timeout=sqlite.BUSY_TIMEOUT_S, isolation_level=None)
    if reads_only:
        connection.execute("PRAGMA query_only=ON")
    connection.set_progress_handler(lambda: 0, _STEPS_BETWEEN_LOOKS)
    return connection


@contextmanager
def _stoppable() -> Generator[None]:
    """Ctrl-C inside SQLite as what it is: the driver reports that the statement was interrupted."""
    try:
        yield
    except driver().OperationalError as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise KeyboardInterrupt from None
        raise


def _hold(connection: Any) -> None:
    """Begin to read: what the connection sees from here on is of this moment."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _steps(path: Path, source: Any, progress: Progress) -> Callable[[int, int, int], None]:
    """Counts the steps of a copy, and ends its restarts: other processes' writes make SQLite begin again."""
    patience, restarts, before = _patience(path), 0, 0

    def look(status: int, remaining: int, total: int) -> None:
        nonlocal restarts, before
        patience(status, remaining, total)
        if status in {0, 101}:  # SQLITE_OK, SQLITE_DONE
            restarts, before = restarts + (0 < before >= total - remaining), total - remaining
            if restarts > _MOST_RESTARTS and not source.in_transaction:
                _hold(source)
            progress(before, total)

    return look


def _patience(path: Path) -> Callable[[int, int, int], None]:
    """A limit on waiting: by itself, the driver retries a locked file for ever."""
    end: float | None = None

    def look(status: int, _remaining: int, _total: int) -> None:
        nonlocal end
        if status not in {5, 6}:  # SQLITE_BUSY, SQLITE_LOCKED
            end = None
            return
        end = end or time.monotonic() + sqlite.BUSY_TIMEOUT_S
        if time.monotonic() > end:
            raise Refused(
                "unavailable",
                f"The database is busy: another process keeps it locked. File: {path}",
                "Call again in a moment.",
                data={"retry": True},
            )

    return look


@contextmanager
def _writing(target: Path) -> Generator[None]:
    """Report disk errors as errors of the copy, not of the database."""
    try:
        yield
    except Exception as error:
        # pysqlite3 names no error of a backup: what it raises is about the file that it writes.
        unnamed = "SQLITE_IOERR" if isinstance(error, driver().OperationalError) else ""
        name = str(getattr(error, "sqlite_errorname", unnamed))
        if not name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise
        raise Refused(
            "unavailable",
            f"The copy could not be written: the disk is full, or fails. File: {target}",
            "Free some space, or name a file on another disk. Nothing has changed.",
        ) from error


def _refuse_where_no_room(target: Path, size_bytes: int) -> None:
    import shutil

    free = shutil.disk_usage(target.parent).free
    if free < size_bytes:
        raise Refused(
            "unavailable",
            f"The disk is nearly full: {size_bytes:,} bytes are needed in '{target.parent}', {free:,} are free.",
            "Free some space, or name a file on another disk. Nothing has changed.",
        )
