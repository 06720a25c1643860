"""Everything specific to SQLite: the one module to change for another database.

Rules:
1. Writes begin with BEGIN IMMEDIATE: a deferred transaction that reads and then writes fails at once, without the
   busy timeout, when another process wrote in between.
2. WAL only on a library without the WAL-reset bug (https://sqlite.org/wal.html), else a rollback journal. The mode is
   chosen when the file is made. A WAL file met by an unsafe library goes back only if no other process has it open
   (SQLite refuses otherwise); a rollback file stays one, because a process with an unsafe library may have it open, until
   a person asks for the change and no other process uses the file (``change_to_wal``).
3. synchronous=FULL: acknowledged commits survive a power cut. Only tests open a store with ``durable=False``: it does
   not wait for the disk; its commits survive the end of the process, but may be lost in a power cut.
4. ``isolation_level=None`` keeps the driver from opening and ending transactions by itself.
5. A process that wants to write while another does waits in line (``waiting_line.py``). One that waits for any other lock looks again after a
   few milliseconds, and the more often the longer it has waited. SQLite's own wait sleeps for longer and longer, up to
   100 ms: the last to come was served first, and one of sixteen agents waited seconds.
   A transaction waits where it takes a lock: as it begins, and as it commits.
6. All connections of a process share one dialect and one cache of compiled statements: compiling costs 1 to 6 ms each,
   and every store has two engines. The dialect begins and commits: with a listener of an engine, SQLAlchemy asks for
   listeners six times per statement.
"""

import errno
import os
import random
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Engine, QueuePool, Table, create_engine, event, exc
from sqlalchemy.dialects import registry, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.util import LRUCache

from wfe_mcp.core.errors import Refused
from wfe_mcp.store.driver import Wording, in_full
from wfe_mcp.store.open_files import OpenFiles
from wfe_mcp.store.waiting_line import place_in_line

BUSY_TIMEOUT_S = 10
"""How long a statement waits for another process before the call is refused."""
LINE_TIMEOUT_S = 15
"""How long a writer waits for its turn, among the threads of its process and then among the processes. The three waits
together stay below the 45 s of a tool call."""

_FIRST_S, _NEXT_S, _OLDEST_S = 0.002, 0.012, 0.004
"""The pauses of a waiter: of the first in line, of one without a line, and the shortest of one that has waited for long."""
_OLD_S = 0.1
"""How long a waiter has waited when its pauses are half as long."""

READERS = 12
"""At most; a process of one agent opens some four. Not fewer than the threads of a server (``dashboard/program_server.py``): each
call reads several times, and would stand in line each time."""


_HEAD_BYTES = 20
_MODES = {
    b"SQLite format 3\0" + pages + versions: mode
    for pages in ((1 << bits if bits < 16 else 1).to_bytes(2, "big") for bits in range(9, 17))
    for versions, mode in ((b"\1\1", "delete"), (b"\2\2", "wal"))
}
"""The first bytes of a database: its name, the size of a page, the versions that may write and read it, which are those of
the journal (https://sqlite.org/fileformat.html, 1.3). Every other file is SQLite's to judge."""


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """True when this SQLite does not have the WAL-reset bug (fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def database_file(url: str) -> Path:
    """The file that ``url`` names. Refuses ``unavailable``: another database, an explicit driver, no file."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise Refused(
            "unavailable",
            "The database address cannot be read.",
            "Write sqlite:///<path of a file>. Where WFE_DATABASE_URL is not set, it is a file in your data folder.",
        ) from None
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise Refused(
            "unavailable",
            f"The database '{parsed.render_as_string(hide_password=True)}' is neither SQLite nor PostgreSQL.",
            "Set WFE_DATABASE_URL to sqlite:///<path of a file> or postgresql://USER@HOST/DATABASE, or unset it.",
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise Refused(
            "unavailable",
            f"The database '{url}' names no file, so nothing would be kept.",
            "Write sqlite:///<path of a file>. Where WFE_DATABASE_URL is not set, it is a file in your data folder.",
        )
    return Path(parsed.database)


def make_file(path: Path) -> bytes:
    """Create the file (0600) and its folder (0700) where they are missing. SQLite gives its journals the same mode.

    Returns the first bytes of the file, for ``choose_journal``; none of a new one.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            head = os.read(file, _HEAD_BYTES)
        finally:
            os.close(file)
        if not os.access(path.parent, os.W_OK):  # the journal is created beside the file
            raise PermissionError(errno.EACCES, "its folder is read-only")
    except OSError as error:
        raise Refused(
            "unavailable",
            f"The database file '{path}' cannot be written: {error.strerror}.",
            "Make the folder writable, or set WFE_DATABASE_URL to sqlite:///<path of a file> elsewhere.",
        ) from error
    return head


def make_engine(
    path: Path, library: ModuleType, *, reads_only: bool, durable: bool, files: OpenFiles | None = None
) -> Engine:
    """An engine with one writing connection, or with several read-only ones. ``files``: shared by the engines of a store."""
    files = files or OpenFiles(path)
    dialect = _dialect(library)
    # With the first row it reads, a reader has its lock until its end.
    begin = ("BEGIN", "SELECT 1 FROM sqlite_master LIMIT 1") if reads_only else ("BEGIN IMMEDIATE",)
    pool = QueuePool(
        lambda: library.connect(str(path), timeout=0, isolation_level=None, check_same_thread=False),
        pool_size=READERS if reads_only else 1,
        max_overflow=0,
        use_lifo=True,  # the others stay unused, and small
        timeout=BUSY_TIMEOUT_S,
        dialect=dialect,
    )
    engine = Engine(pool, dialect, make_url("sqlite://"), execution_options={"compiled_cache": _COMPILED})
    synchronous = "FULL" if durable else "OFF"
    pragmas = ["foreign_keys=ON", f"synchronous={synchronous}", *(["query_only=ON"] if reads_only else [])]

    def prepare(connection: Any, record: Any) -> None:
        for pragma in pragmas:
            patiently(connection, f"PRAGMA {pragma}")
        record.info.update({_BEGIN: begin, _FILES: files, _READS_ONLY: reads_only})

    event.listen(engine, "connect", prepare)
    return engine


_BEGIN, _FILES, _READS_ONLY = "begin", "files", "reads only"


class Transactions(sqlite.pysqlite.SQLiteDialect_pysqlite):
    """SQLAlchemy's dialect for SQLite; its transactions begin and end under rules 1 and 5."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin as the connection's engine does."""
        raw, files = dbapi_connection.dbapi_connection, dbapi_connection.info[_FILES]
        files.refuse_others(raw)
        line_at = "" if dbapi_connection.info[_READS_ONLY] else files.database
        for statement in dbapi_connection.info[_BEGIN]:
            patiently(raw, statement, line_at)  # as a statement of SQLAlchemy it takes twenty times as long
        files.note()

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit once no other connection is in the way; what was written, into the files that are at their paths."""
        if not dbapi_connection.info[_READS_ONLY]:
            dbapi_connection.info[_FILES].refuse_others(dbapi_connection.dbapi_connection)
        patiently(dbapi_connection.dbapi_connection, "COMMIT")


_DRIVER = "sqlite.wfe"
registry.register(_DRIVER, __name__, Transactions.__name__)


def patiently(connection: Any, statement: str, line_at: str = "") -> Any:
    """The first row of ``statement``, once no other connection is in its way (rule 5). ``line_at``: where writers stand in line."""
    began, is_first = time.monotonic(), False
    with ExitStack() as line:
        while True:
            try:
                return connection.execute(statement).fetchone()
            except Exception as error:
                waited_s = time.monotonic() - began
                if waited_s >= BUSY_TIMEOUT_S or _error_name(error) != "SQLITE_BUSY":
                    raise
            if line_at:
                is_first = line.enter_context(place_in_line(line_at, LINE_TIMEOUT_S))
                began, line_at = time.monotonic(), ""
            else:
                pause_s = _FIRST_S if is_first else next_pause_s(waited_s)
                time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def next_pause_s(waited_s: float) -> float:
    """How long who has waited for ``waited_s`` pauses before the next look, on average: the shorter, the longer it waits."""
    return max(_OLDEST_S, _NEXT_S / (1 + waited_s / _OLD_S))


_COMPILED: LRUCache[Any, Any] = LRUCache(1000)


@cache
def _dialect(library: ModuleType) -> Dialect:
    """SQLAlchemy's dialect for ``library``, initialized with what it normally queries from the first connection."""
    asking = create_engine(f"{_DRIVER.replace('.', '+')}://", module=library)
    asking.connect().close()
    asking.dispose()
    return asking.dialect


def choose_journal(path: Path, library: ModuleType, head: bytes) -> str:
    """Set and return the journal mode of the file, by rule 2. ``head``: what ``make_file`` returned.

    Where the first bytes say that nothing is to change, the file is not opened: that takes a millisecond, an eighth of
    ``wfe-mcp status``, since each connection reads the whole schema.
    """
    safe = wal_is_safe(cast("tuple[int, ...]", library.sqlite_version_info))
    kept = _MODES.get(head)
    if kept == "delete" or (kept == "wal" and safe):
        return kept
    is_new = path.stat().st_size == 0
    connection = library.connect(str(path), timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        wanted = "wal" if safe and is_new else "delete" if not safe else mode
        if mode == wanted:
            return mode
        connection.execute("PRAGMA busy_timeout=0")
        # Refused while another process has the file open: then the present mode stays.
        with suppress(library.OperationalError):
            connection.execute(f"PRAGMA journal_mode={wanted}")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000:.0f}")
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


def change_to_wal(path: Path, library: ModuleType) -> str:
    """Give a rollback file a write-ahead log where the library is safe; the journal mode that it has then.

    The caller has closed its own connections and knows of no other process. SQLite refuses while one reads or writes.
    """
    connection = library.connect(str(path), timeout=0, isolation_level=None)
    try:
        if wal_is_safe(cast("tuple[int, ...]", library.sqlite_version_info)):
            with suppress(library.OperationalError):
                connection.execute("PRAGMA journal_mode=WAL")
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


def append_only(table: str, *, removed_with: str = "") -> tuple[str, ...]:
    """The statements that make the rows of ``table`` unchangeable: they prevent accidents; the chain reveals tampering.

    ``removed_with``: a table that must have a row for the same ``run_id`` before rows may be deleted.
    """
    unless = f"WHEN NOT EXISTS (SELECT 1 FROM {removed_with} WHERE run_id = OLD.run_id) " if removed_with else ""  # noqa: S608 - our names
    return tuple(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {only}"
        f"BEGIN SELECT RAISE(ABORT, '{table} rows are append-only'); END"
        for verb, only in (("UPDATE", ""), ("DELETE", unless))
    )


def only_over(table: str) -> str:
    """The trigger that keeps unfinished runs, and runs marked to keep, out of ``table``."""
    return (
        f"CREATE TRIGGER {table}_only_over BEFORE INSERT ON {table} WHEN EXISTS "  # noqa: S608 - our names
        "(SELECT 1 FROM run WHERE id = NEW.run_id AND ended_at IS NULL) "
        "OR EXISTS (SELECT 1 FROM kept_run WHERE run_id = NEW.run_id) "
        "BEGIN SELECT RAISE(ABORT, 'a run that is not over, or is kept, is not removed'); END"
    )


_NO_HOLDS = "DELETE FROM hold WHERE run_id = OLD.run_id AND phase = OLD.phase AND attempt = OLD.attempt"
_NEW_HOLDS = (
    "INSERT INTO hold (run_id, phase, attempt, scope, name, rank) "
    "SELECT NEW.run_id, NEW.phase, NEW.attempt, run.worktree, '', "
    "CASE NEW.status WHEN 'gating' THEN '~' ELSE coalesce(NEW.lease_until, '~') END "
    "FROM run WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL AND NEW.exclusive "
    "AND ((NEW.status = 'running' AND NEW.holder IS NOT NULL) OR (NEW.stage = 'after' "
    "AND (NEW.status = 'gating' OR (NEW.status = 'awaiting' AND NEW.holder IS NOT NULL)))); "
    "INSERT INTO hold (run_id, phase, attempt, scope, name, rank) "
    "SELECT DISTINCT NEW.run_id, NEW.phase, NEW.attempt, run.project_id, lock.value, "
    "CASE NEW.status WHEN 'gating' THEN '~' ELSE coalesce(NEW.lease_until, '~') END "
    "FROM run, json_each(NEW.state, '$.locks') AS lock WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL "
    "AND lock.type = 'text' AND NEW.status IN ('running', 'gating', 'awaiting', 'failed')"
)
HOLDS = (
    f"CREATE TRIGGER attempt_is_new AFTER INSERT ON attempt BEGIN {_NEW_HOLDS}; END",
    f"CREATE TRIGGER attempt_has_changed AFTER UPDATE ON attempt BEGIN {_NO_HOLDS}; {_NEW_HOLDS}; END",
    f"CREATE TRIGGER attempt_is_gone AFTER DELETE ON attempt BEGIN {_NO_HOLDS}; END",
)
"""The triggers that maintain ``hold``, which finds possible holders by name without reading the open runs."""

WAITING_FOR_INDEX = (
    "CREATE TRIGGER run_is_new AFTER INSERT ON run "
    "BEGIN INSERT OR IGNORE INTO find_waiting (run_id) VALUES (NEW.id); END",
    "CREATE TRIGGER run_is_gone AFTER DELETE ON run BEGIN DELETE FROM find_waiting WHERE run_id = OLD.id; END",
    "CREATE TRIGGER find_run_is_new AFTER INSERT ON find_run "
    "BEGIN DELETE FROM find_waiting WHERE run_id = NEW.run_id; END",
    "CREATE TRIGGER find_run_is_gone AFTER DELETE ON find_run WHEN EXISTS (SELECT 1 FROM run WHERE id = OLD.run_id) "
    "BEGIN INSERT OR IGNORE INTO find_waiting (run_id) VALUES (OLD.run_id); END",
)
"""The triggers that list the runs without an index. Every search needs the list, so it must not count runs, nor rely on
other writers (older processes, imports, libraries without FTS5) to maintain it."""

FIND_TEXT = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS find_text USING fts5("
    "place, title, text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')"
)
"""The indexed words without the texts. No column sizes: hits are ordered by time, not by bm25, which would read every
occurrence of a common word first."""


def has_fts5(connection: Connection) -> bool:
    """True when this SQLite supports full-text search; some systems build it without."""
    return connection.exec_driver_sql("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").first() is not None


def has_find_text(connection: Connection) -> bool:
    """True when the file has the full-text index."""
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'find_text'").first() is not None


def insert_new(table: Table) -> sqlite.Insert:
    """Insert rows that do not exist yet; leave existing ones unchanged."""
    return sqlite.insert(table).on_conflict_do_nothing()


_BUSY = ("The database is busy: other processes are writing to it.", "Call again in a moment.")
_REFUSALS: dict[str, tuple[str, str]] = {
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_FULL": ("The disk is full: the database cannot grow.", "Free some space, then call again."),
    "SQLITE_READONLY": ("The database file cannot be written.", "Make the file and its folder writable."),
    "SQLITE_CANTOPEN": ("The database file cannot be opened.", "Make the file and its folder readable and writable."),
    "SQLITE_IOERR": (
        "The disk under the database is full, or it failed.",
        "Free some space or check the disk, then run: wfe-mcp verify",
    ),
    "SQLITE_CORRUPT": ("The database file is damaged.", "Restore a backup; run: wfe-mcp doctor"),
    "SQLITE_NOTADB": (
        "The database file is not an SQLite database.",
        "Set WFE_DATABASE_URL to another file, or move this one away.",
    ),
}
"""The errors caused by the setup. Every other SQLite error is our bug and stays an exception."""


@contextmanager
def refusals(path: Path, *, reads_only: bool = False, wording: Wording = in_full) -> Generator[None]:
    """Turn errors caused by the setup into ``unavailable``, as ``wording`` says; a write in a reading transaction is our own bug.

    A number that SQLite has no room for, as of an event that is looked for, is refused as ``bad_argument``.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OverflowError):
            raise Refused(
                "bad_argument", "A number is larger than any in the database.", "Give a smaller one."
            ) from error
        name = _error_name(error)
        refusal = _not_our_schema(error) if name == "SQLITE_ERROR" else _REFUSALS.get(name)
        if refusal is None or (reads_only and name == "SQLITE_READONLY"):
            raise
        message, hint = refusal
        fault = Refused("unavailable", f"{message} File: {path}", hint, data={"retry": refusal is _BUSY})
        raise wording(fault) from error


_MISSING = ["no", "such"]
"""How SQLite's messages about a missing table or column begin."""


def _not_our_schema(error: Exception) -> tuple[str, str] | None:
    """What to say where a table or a column is missing, which the version of the schema has; None for our own bugs."""
    cause = str(error.orig if isinstance(error, exc.DBAPIError) else error)
    if cause.split()[:2] != _MISSING:
        return None
    return f"The database was changed outside wfe-mcp: {cause}.", "Restore a backup: wfe-mcp restore FILE"


def _error_name(error: Exception) -> str:
    """The SQLite error name, such as ``SQLITE_BUSY``; empty for other errors."""
    if isinstance(error, exc.TimeoutError):  # every reading connection of this process is in use
        return "SQLITE_BUSY"
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    # SQLITE_BUSY_SNAPSHOT is a kind of SQLITE_BUSY.
    return "_".join(str(getattr(cause, "sqlite_errorname", "")).split("_")[:2])
