"""What the store needs of a database, and the two that provide it: SQLite here, PostgreSQL in ``postgres/``.

``database_at`` picks by the scheme of the address. Statements are the same for both: ``postgres/dialect.py`` writes them anew.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, text

from wfe_mcp.core.errors import Refused
from wfe_mcp.store import sqlite
from wfe_mcp.store.driver import HEAD, Wording, driver, in_full
from wfe_mcp.store.open_files import OpenFiles
from wfe_mcp.store.records.runs import Health
from wfe_mcp.store.schema.upgrade import bring_to_head, stored_revision
from wfe_mcp.store.words.fts5 import Fts5

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

    from wfe_mcp.store.repository import Library
    from wfe_mcp.store.words.index import WordIndex

NO_FILE = "Back it up and restore it with pg_dump and pg_restore: docs/how-to/use-postgresql.md"
"""What to do in place of a command that copies, shrinks or reads the file."""

_DATA_VERSION = text("PRAGMA data_version")


class Database(Protocol):
    """Everything specific to one database."""

    wording: Wording

    @property
    def words(self) -> WordIndex:
        """The words of the search index."""
        ...

    @property
    def shown(self) -> str:
        """Its address for people: no password."""
        ...

    @property
    def has_file(self) -> bool:
        """Whether it is a file of this machine."""
        ...

    @property
    def locks_rows(self) -> bool:
        """Whether several transactions write at once, so that what one decides by has to be locked."""
        ...

    @property
    def path(self) -> Path:
        """Its file. Refuses ``unavailable`` where it has none."""
        ...

    @property
    def place(self) -> Path:
        """Its file, or where one would lie: what a machine keeps for itself (keys, anchors, hooks) is beside it."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours needs to open the same database. It may have a password: never show it."""
        ...

    def prepare(self) -> None:
        """Create or upgrade its tables where needed. Refuses ``unavailable``."""
        ...

    def look_at(self, library: Library) -> None:
        """Note what it can do."""
        ...

    def writer(self) -> AbstractContextManager[Connection]:
        """A connection for one transaction that may write."""
        ...

    def reader(self) -> AbstractContextManager[Connection]:
        """A connection for one transaction that sees one moment and cannot write."""
        ...

    def refusals(self, *, reads_only: bool = False) -> AbstractContextManager[None]:
        """Turns faults of the setup into ``unavailable``, as ``wording`` says."""
        ...

    def now(self) -> datetime | None:
        """The time at the server of the database; None for a file."""
        ...

    def data_version(self) -> int:
        """A number that changes with every commit, by any process; cheap enough to poll."""
        ...

    def others_version(self) -> int:
        """A number that changes with every commit of another process; where the database can tell, with none of this one."""
        ...

    def connections(self) -> tuple[int, int]:
        """The connections that this process uses now, and how many it may use."""
        ...

    def health(self) -> Health:
        """The figures for ``doctor``."""
        ...

    def change_to_wal(self) -> bool:
        """Give a file a write-ahead log; whether there is one now."""
        ...

    def close(self) -> None:
        """Close all connections after open transactions have finished."""
        ...


_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


def database_at(url: str, *, durable: bool) -> Database:
    """The database that ``url`` names. Refuses ``unavailable``: one that is neither SQLite nor PostgreSQL."""
    if url.startswith("postgres"):
        return _postgres(url, durable=durable)
    return SqliteDatabase(url, durable=durable)


def database_file(url: str) -> Path:
    """The file that ``url`` names, there or not. Refuses ``unavailable``: an address of PostgreSQL, or of nothing that is kept."""
    if url.startswith("postgres"):
        raise Refused("unavailable", "The database is on a PostgreSQL server: it has no file here.", NO_FILE)
    return sqlite.database_file(url)


def _postgres(url: str, *, durable: bool) -> Database:
    from sqlalchemy import exc, make_url

    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):
        address = None
    # SQLAlchemy ends the password at the first @: the rest of one that is not escaped would be shown as host or database.
    if address is None or "@" in f"{address.host}{address.database}" or address.drivername not in _POSTGRES:
        raise Refused(
            "unavailable",
            "The database address begins as one of PostgreSQL, and cannot be read.",
            "Write it, in WFE_DATABASE_URL or after move-to, as postgresql://USER:PASSWORD@HOST:PORT/DATABASE. PORT is a number; "
            "in USER and PASSWORD @ is written as %40, and % as %25.",
        )
    from wfe_mcp.store.postgres.database import PostgresDatabase

    return PostgresDatabase(address, durable=durable)


class SqliteDatabase:
    """The file of one user, under the rules of ``sqlite.py``.

    A process has one writing connection and a few reading ones: threads queue here, processes at the file.
    """

    words: WordIndex = Fts5()
    has_file = True
    locks_rows = False

    def __init__(self, url: str, *, durable: bool) -> None:
        self.wording: Wording = in_full
        self._path = sqlite.database_file(url)
        head = sqlite.make_file(self._path)
        library = driver()
        with self.refusals():
            self._journal_mode = sqlite.choose_journal(self._path, library, head)
        self._version = tuple[int, ...](library.sqlite_version_info)
        self._writing = threading.Lock()
        self._watching = threading.Lock()
        self._files = OpenFiles(self._path)
        self._write_engine = sqlite.make_engine(
            self._path, library, reads_only=False, durable=durable, files=self._files
        )
        self._read_engine = sqlite.make_engine(self._path, library, reads_only=True, durable=durable, files=self._files)
        self._writer: Connection | None = None
        self._watcher: Connection | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def place(self) -> Path:
        """The file."""
        return self._path

    @property
    def shown(self) -> str:
        """The path of the file."""
        return str(self._path)

    @property
    def environment(self) -> dict[str, str]:
        """Its absolute path: a child's working directory may differ, and a relative one would name another file."""
        return {"WFE_DATABASE_URL": f"sqlite:///{self._path.resolve().as_posix()}"}

    def prepare(self) -> None:
        """Create or upgrade the tables where needed."""
        with self._read_engine.connect() as connection, connection.begin():
            if stored_revision(connection) == HEAD:
                return
        bring_to_head(self._write_engine.begin, self._path)
        # The reading connection saw the file without its tables. SQLite looks again when it next reads, but while the
        # file is locked it says "no such table" instead of "busy".
        self._read_engine.dispose()
        self._files.forget()

    def look_at(self, library: Library) -> None:
        """Whether this SQLite has full-text search, and the file the index."""
        with self._read_engine.connect() as connection, connection.begin():
            library.has_fts5 = sqlite.has_fts5(connection)
            library.can_find = library.has_fts5 and sqlite.has_find_text(connection)

    def refusals(self, *, reads_only: bool = False) -> AbstractContextManager[None]:
        """Errors caused by the setup, with the path of the file."""
        return sqlite.refusals(self._path, reads_only=reads_only, wording=self.wording)

    @contextmanager
    def writer(self) -> Generator[Connection]:
        """The writing connection, when it is this thread's turn."""
        with self._turn():
            writer = self._writer = self._writer or self._write_engine.connect()
            try:
                yield writer
            finally:
                self._end_what_is_open(writer)

    @staticmethod
    def _end_what_is_open(writer: Connection) -> None:
        """With a rollback journal readers may hold a commit up for too long; the driver then leaves the transaction open."""
        connection: Any = writer.connection.dbapi_connection
        if connection is not None and connection.in_transaction:
            connection.rollback()

    @contextmanager
    def reader(self) -> Generator[Connection]:
        """One of the reading connections. Of a database that is closed meanwhile it is closed, too: its pool is no one's any more."""
        pool = self._read_engine.pool
        try:
            with self._read_engine.connect() as connection:
                yield connection
        finally:
            if self._read_engine.pool is not pool:
                pool.dispose()

    def now(self) -> datetime | None:
        """Every process that has the file open has the clock of this machine."""
        return None

    def data_version(self) -> int:
        """A number that changes with every commit to the file."""
        with self._watching, self.refusals():
            if self._watcher is None:
                self._watcher = self._read_engine.connect()
            with self._watcher.begin():
                return int(self._watcher.execute(_DATA_VERSION).scalar_one())

    def others_version(self) -> int:
        """The same without the commits of this process."""
        with self._turn(), self.refusals():
            self._writer = self._writer or self._write_engine.connect()
            # SQLite leaves out the commits of the connection that asks
            raw: Any = self._writer.connection.dbapi_connection
            return int(sqlite.patiently(raw, "PRAGMA data_version")[0])

    def connections(self) -> tuple[int, int]:
        """One writes; those that read are as many as are needed."""
        return int(self._writing.locked()), 1

    def health(self) -> Health:
        """The figures of the file and of the library."""
        with self.refusals(), self._read_engine.connect() as connection, connection.begin():
            revision = stored_revision(connection)
        version = ".".join(str(part) for part in self._version)
        return Health(str(self._path), self._journal_mode, version, sqlite.wal_is_safe(self._version), revision or "")

    def change_to_wal(self) -> bool:
        """Give the file a write-ahead log; whether it has one now. The caller knows that no other process uses the file."""
        self.close()
        self._journal_mode = sqlite.change_to_wal(self._path, driver())
        return self._journal_mode == "wal"

    def close(self) -> None:
        """Close all connections after open transactions have finished."""
        with self._writing, self._watching:
            for connection in (self._writer, self._watcher):
                if connection is not None:
                    connection.close()
            self._writer = self._watcher = None
            self._write_engine.dispose()
            self._read_engine.dispose()
            self._files.forget()

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._writing.acquire(timeout=sqlite.LINE_TIMEOUT_S):
            raise Refused(
                "unavailable",
                "The database is busy: another call of this process has been writing for long.",
                "Call again in a moment.",
                data={"retry": True},
            )
        try:
            yield
        finally:
            self._writing.release()
