"""A PostgreSQL database as the store of several machines: its connections, its transactions, and what it refuses.

Rules:
1. Every writing transaction has a connection of its own, at READ COMMITTED. What must not change meanwhile is locked: the row of
   the run (``runs.load``), or a name (``Repository.alone``). A reading one sees one moment: REPEATABLE READ, READ ONLY.
2. Faults of the setup (no server, no rights, a full disk, a deadlock, a lost connection) are refused as ``unavailable``, with
   ``retry`` where a second try can succeed; every other error is our bug. No transaction is tried again by itself: its block has
   read what it decided by.
3. An address is shown without its password and its parameters.
4. Time is that of the server, measured with each new connection: what another machine has leased ends by one clock. The clock of
   this machine, which may be wrong or be set, has no part in it.
5. What a machine keeps for itself (keys, anchors, hooks) lies in the user's data folder, one folder for each database.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, exc, text

from wfe_mcp.core.errors import Refused
from wfe_mcp.store.driver import HEAD, Wording, in_full
from wfe_mcp.store.postgres.dialect import DRIVER
from wfe_mcp.store.postgres.schema import SCHEMA, bring_to_head, refuse_unfit
from wfe_mcp.store.postgres.tsvector import Tsvector
from wfe_mcp.store.records.runs import Health
from wfe_mcp.store.repository import Library
from wfe_mcp.store.words.index import WordIndex

WAIT_S = 10
"""How long a statement waits for a lock, and a transaction for a connection; below the 45 s of a tool call."""
_CONNECT_S = 10
_SILENT_S = 15
"""The server ends a transaction of a process that says nothing for so long, because it is frozen or its machine is gone: others
wait for what it has locked. A transaction of ours is never this slow: no gate, no git and no network inside one."""
_MEASURED_S = 3600
"""A connection is replaced when it is so old: with it the time of the server is measured again."""
WRITERS, READERS = 4, 10
"""The connections of this process, at most. Each call reads several times and would stand in line each time: so many threads read
(``dashboard/program_server.py``)."""

_VERSION = text("SELECT hashtextextended(pg_current_snapshot()::text, 0)")
"""The transactions that a snapshot leaves out change with every commit of one that wrote; no text of it comes twice. A counter of
ours would make every commit wait for the one before, or change before what it counts can be read; the position of the write-ahead
log changes with the upkeep of the server too. Those of other databases of the server change it: then who polls looks once in vain."""

_IDENTITY = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid FROM pg_database WHERE datname = current_database()"
)
"""The cluster and the database in it, by whatever name, port or role it is reached."""
_OWNER = text("SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema")

_BUSY = ("The database is busy: another transaction holds what this one needs.", "Call again in a moment.", True)
_NO_CONNECTION = ("All connections of this process with the database are in use.", "Call again in a moment.", True)
_LOST = ("The connection to the database was lost.", "Call again in a moment, and see whether the server runs.", True)
_UNREACHABLE = ("The database server cannot be reached", *_LOST[1:])
_NO_RIGHT = (
    "The role in the address may not do this in the database",
    "Grant it what docs/how-to/use-postgresql.md lists, as the owner of the schema.",
    False,
)
_FULL = ("The database server has no room left", "Free some space on it, or raise its limits, then call again.", False)
_NO_ACCESS = ("The database server refused the connection", "Check user, password and database in its address.", False)
_BAD_ADDRESS = (
    "The address has a parameter that cannot be used",
    "Correct its port or what follows the question mark.",
    False,
)
_CHANGED = ("The database was changed outside wfe-mcp", "Restore a dump of it with pg_restore.", False)
_READ_ONLY = ("The database takes no writes: it is a standby, or was set so", "Use the primary server.", False)
_REFUSALS: dict[str, tuple[str, str, bool]] = {
    "40001": _BUSY,
    "40P01": _BUSY,
    "55P03": _BUSY,
    "57014": _BUSY,
    "53300": ("The database server has no free connection", "Call again in a moment, or raise max_connections.", True),
    "08": _LOST,
    "57P": _LOST,
    "25P03": _LOST,
    "53": _FULL,
    "28": _NO_ACCESS,
    "3D000": _NO_ACCESS,
    "42501": _NO_RIGHT,
    "42P01": _CHANGED,
    "42703": _CHANGED,
    "3F000": _CHANGED,
    "25006": _READ_ONLY,
    "58": ("The disk of the database server failed", "Check it and the log of the server.", False),
    "XX": ("The database server found damaged data", "Check its log; restore a dump: pg_restore", False),
}
"""The errors caused by the setup, by their SQLSTATE or its beginning. Every other one is our bug and stays an exception."""
_TOO_LARGE = "22003"
"""A number that no column has room for, as in a file that is imported."""


class _ServerTime:
    """The time at the server: what it said at the last new connection, and how long ago that was by no clock that is set."""

    def __init__(self) -> None:
        self._measured: tuple[datetime, float] | None = None

    def measure(self, at: datetime) -> None:
        """Begin with what the server has just said."""
        self._measured = at.astimezone(UTC), time.monotonic()

    def now(self) -> datetime | None:
        """None before the first connection."""
        if self._measured is None:
            return None
        at, then = self._measured
        return at + timedelta(seconds=time.monotonic() - then)


class PostgresDatabase:
    """One database of a PostgreSQL server, in its schema ``wfe``."""

    words: WordIndex = Tsvector()
    locks_rows = True
    has_file = False

    def __init__(self, address: URL, *, durable: bool) -> None:
        self.wording: Wording = in_full
        self._address = address
        self.shown = _shown_address(address)
        self._identity = ""
        self._time = _ServerTime()
        self._write_engine = _make_engine(address, self._time, reads_only=False, durable=durable)
        self._read_engine = _make_engine(address, self._time, reads_only=True, durable=durable)

    @property
    def path(self) -> Path:
        """Refuses ``unavailable``: it is no file."""
        raise Refused(
            "unavailable",
            f"The database '{self.shown}' is on a PostgreSQL server: there is no file of it to copy, shrink or check.",
            "Back it up and restore it with pg_dump and pg_restore: docs/how-to/use-postgresql.md",
        )

    @property
    def place(self) -> Path:
        """Where a file of it would lie: beside it is what this machine keeps for itself (rule 4)."""
        import platformdirs  # 15 ms

        named = sha256(self._identity.encode()).hexdigest()[:16]
        return Path(platformdirs.user_data_dir("wfe-mcp", appauthor=False), "postgresql", named, "wfe.db")

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours needs to open the same database."""
        return {"WFE_DATABASE_URL": self._address.set(drivername="postgresql").render_as_string(hide_password=False)}

    def prepare(self) -> None:
        """Create or upgrade the schema where it is not current, and the folder of this machine's files."""
        with self._read_engine.connect() as connection, connection.begin():
            revision = refuse_unfit(connection, self.shown)
            self._identity = str(connection.execute(_IDENTITY).scalar_one())
        if revision != HEAD:
            with self._write_engine.connect() as connection, connection.begin():
                bring_to_head(connection, self.shown)
        self.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def look_at(self, library: Library) -> None:
        """Full-text search is part of the schema."""
        library.has_fts5 = library.can_find = True

    @contextmanager
    def writer(self) -> Generator[Connection]:
        """A connection for one transaction that may write."""
        with self._write_engine.connect() as connection:
            yield connection

    @contextmanager
    def reader(self) -> Generator[Connection]:
        """A connection for one transaction that reads."""
        with self._read_engine.connect() as connection:
            yield connection

    @contextmanager
    def refusals(self, *, reads_only: bool = False) -> Generator[None]:
        """Turn errors caused by the setup into ``unavailable``, as ``wording`` says; a write in a reading transaction is our own bug."""
        try:
            yield
        except Exception as error:
            if _state(error) == _TOO_LARGE:
                raise Refused(
                    "bad_argument", "A number is larger than any in the database.", "Give a smaller one."
                ) from error
            if _holds_nul(error):
                raise Refused(
                    "bad_argument",
                    "A text has the character NUL (U+0000), which PostgreSQL cannot store.",
                    "Leave it out.",
                ) from error
            refusal = _refusal(error)
            if refusal is None or (reads_only and refusal is _READ_ONLY):
                raise
            message, hint, retry = refusal
            if not message.endswith("."):
                message = f"{message}: {_first_line(getattr(error, 'orig', error))}."
            fault = Refused("unavailable", f"{message} Database: {self.shown}", hint, data={"retry": retry})
            raise self.wording(fault) from error

    def now(self) -> datetime | None:
        """The time at the server, as it was measured last and has passed since."""
        return self._time.now()

    def data_version(self) -> int:
        """A number that changes with every commit."""
        with self.refusals(reads_only=True), self._read_engine.connect() as connection:
            return int(connection.execute(_VERSION).scalar_one())

    def others_version(self) -> int:
        """The same: a caller reads once more after commits of its own, too."""
        return self.data_version()

    def connections(self) -> tuple[int, int]:
        """Those of both pools."""
        pools = [cast("QueuePool", engine.pool) for engine in (self._write_engine, self._read_engine)]
        return sum(pool.checkedout() for pool in pools), WRITERS + READERS

    def health(self) -> Health:
        """The figures for ``doctor``."""
        with self.refusals(reads_only=True), self._read_engine.connect() as connection, connection.begin():
            revision = refuse_unfit(connection, self.shown)
            is_owner = bool(connection.execute(_OWNER, {"schema": SCHEMA}).scalar())
            version = ".".join(str(number) for number in connection.dialect.server_version_info or ())
        return Health(self.shown, "", version, True, revision or "", "PostgreSQL", is_owner)

    def change_to_wal(self) -> bool:
        """A server has a write-ahead log of its own."""
        return True

    def close(self) -> None:
        """Close all connections."""
        self._write_engine.dispose()
        self._read_engine.dispose()


def _make_engine(address: URL, server_time: _ServerTime, *, reads_only: bool, durable: bool) -> Engine:
    level = "REPEATABLE READ" if reads_only else "READ COMMITTED"
    settings = {
        "search_path": f"{SCHEMA}, pg_temp",
        "TimeZone": "UTC",
        "lock_timeout": f"{WAIT_S}s",
        "idle_in_transaction_session_timeout": f"{_SILENT_S}s",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "DateStyle": "ISO",
    }
    settings |= {} if durable else {"synchronous_commit": "off"}
    settings |= {"default_transaction_read_only": "on"} if reads_only else {}
    try:
        engine = create_engine(
            address.set(drivername=DRIVER),
            isolation_level=level,
            pool_size=READERS if reads_only else WRITERS,
            max_overflow=0,
            pool_use_lifo=True,
            pool_timeout=WAIT_S,
            pool_recycle=_MEASURED_S,
            pool_pre_ping=True,
            use_native_hstore=False,
            connect_args={"connect_timeout": _CONNECT_S, "application_name": "wfe-mcp", "client_encoding": "utf8"},
        )
    except ImportError as error:
        raise Refused(
            "unavailable",
            "The address names a PostgreSQL database, and the package psycopg is not installed.",
            "Install wfe-mcp[team].",
        ) from error
    asked = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())

    def prepare(connection: Any, _record: object) -> None:
        connection.autocommit = True  # outside a transaction: a rollback would take the settings back
        server_time.measure(connection.execute(f"SELECT clock_timestamp(), {asked}").fetchone()[0])
        connection.autocommit = False

    event.listen(engine, "connect", prepare, insert=True)
    return engine


def _shown_address(address: URL) -> str:
    """Where it is and as whom, without what may be secret: parameters can name a password too."""
    host = address.host or str(address.query.get("host", "")) or "localhost"
    port = f":{address.port}" if address.port else ""
    user = f"{address.username}@" if address.username else ""
    return f"postgresql://{user}{host}{port}/{address.database or ''}"


_CONNECT_REFUSALS = (
    (
        _NO_ACCESS,
        ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist", "not permitted to log in"),
    ),
    (
        _BAD_ADDRESS,
        (
            "invalid connection option",
            "invalid sslmode",
            "invalid port",
            "invalid integer value",
            "certificate",
            "does not support SSL",
            "requires a value",
        ),
    ),
)
"""What a connection that failed is about, by the text of libpq: there is no SQLSTATE before one is open."""


def _refusal(error: Exception) -> tuple[str, str, bool] | None:
    if isinstance(error, exc.TimeoutError):
        return _NO_CONNECTION
    if not isinstance(error, exc.DBAPIError):
        return None
    state = _state(error)
    for length in (5, 3, 2):
        if (refusal_of_state := _REFUSALS.get(state[:length] if len(state) >= length else "")) is not None:
            return refusal_of_state
    if error.connection_invalidated:
        return _LOST
    if state or not isinstance(error, (exc.OperationalError, exc.ProgrammingError)):
        return None
    reported = str(error.orig)
    for refusal, words in _CONNECT_REFUSALS:
        if any(word in reported for word in words):
            return refusal
    return _UNREACHABLE if isinstance(error, exc.OperationalError) else None


def _state(error: Exception) -> str:
    """Its SQLSTATE; empty for what the server did not report."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _first_line(error: object) -> str:
    """What the server reported, in one line; it has the user and the host, never the password."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def _holds_nul(error: Exception) -> bool:
    """Whether a value with NUL was refused, by the driver: it has no SQLSTATE then."""
    if not isinstance(error, exc.DataError) or _state(error):
        return False
    rows = cast("list[dict[str, object]]", error.params if isinstance(error.params, list) else [error.params or {}])
    return any("\0" in value for row in rows for value in row.values() if isinstance(value, str))
