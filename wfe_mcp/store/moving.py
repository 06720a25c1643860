"""Takes everything in one database over to an empty one of the other kind: from SQLite to PostgreSQL, and back.

    source, locked against writers ── each table, in row order ──► target, one transaction
                                                                     └── read again; another digest: nothing is committed

Rules:
1. The source is read in one transaction that lets no other process write; nothing in it changes.
2. The target is empty, and whole once the one transaction is committed. A process that is killed leaves it empty.
3. The rows are copied as they are stored, without the types of the layout: what is hashed somewhere must not be worded anew.
4. Rows are read by SQLite's rowid and by the column of that name on PostgreSQL, so their order stays. Other tables have none.
5. What a database makes by itself is not copied: the search index, the list of processes, and ``hold``, which triggers fill.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, insert, literal_column, select, text
from sqlalchemy.types import LargeBinary, Text, TypeDecorator, TypeEngine

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import Progress, plural, unheard
from wfe_mcp.store.database import Tx
from wfe_mcp.store.databases import Database, database_at
from wfe_mcp.store.layout import tables
from wfe_mcp.store.repository import Caches, Library, TransactionContext

_LEFT = (tables.FIND_RUN, tables.FIND_WAITING, tables.FIND_ENTRY, tables.PROCESS)
"""Made again by the target, or about the processes of the source alone."""
_FILLED = (tables.HOLD,)
"""Filled by triggers, and compared afterwards."""
_ROWS, _LARGE_ROWS = 500, 20
"""Rows that are held at a time; of tables with contents fewer: one of them may have megabytes."""
_CLOSING_S = 5.0
"""So long a session that has just been closed may still be listed."""

_NAMES = ", ".join(table.name for table in tables.METADATA.sorted_tables)
_NO_WRITER = text(f"LOCK TABLE {_NAMES} IN SHARE MODE")
_NO_ONE = text(f"LOCK TABLE {_NAMES} IN ACCESS EXCLUSIVE MODE")
_IN_ROW_ORDER = text(
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    "WHERE c.relnamespace = 'wfe'::regnamespace AND c.relkind = 'r' AND a.attname = 'rowid' AND NOT a.attisdropped"
)
_SESSIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name = 'wfe-mcp'"
)
_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, :column)")
_GO_ON = text("SELECT setval(CAST(:sequence AS regclass), :last)")


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What was taken over: the rows of each table that has some, and the sha256 of its rows, which is the same on both sides."""

    rows: dict[str, int]
    digests: dict[str, str]


class Differs(Exception):
    """The target would not have what the source has; nothing was committed. ``tables``: their names."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.tables = names


def move(
    source: str,
    target: str,
    *,
    clock: Callable[[], datetime],
    may_go: Callable[[Tx], object],
    before_commit: Callable[[], object],
    progress: Progress = unheard,
    durable: bool = True,
) -> MoveResult:
    """Take the database at ``source`` over to the one at ``target``, which is made where it is not there; of them one is PostgreSQL.

    ``may_go``: refuses by what is in the source, once no one else can write there. ``before_commit``: what else has to be in
    its place when the target begins to count. ``progress`` counts rows, each twice. Refuses ``unavailable``: a fault of the
    setup; ``not_ready``: a source in use; ``conflict``: a target with content; ``bad_argument``: a text that PostgreSQL
    cannot store. Raises ``Differs``.
    """
    with ExitStack() as stack:
        from_, to = (stack.enter_context(closing(database_at(url, durable=durable))) for url in (source, target))
        for database in (from_, to):
            stack.enter_context(database.refusals())
            database.prepare()
            database.close()  # of its connections: only those of other processes are to be found below
        reading = stack.enter_context(_locked_transaction(from_, is_source=True))
        may_go(Tx(TransactionContext(reading, clock, str, Caches(Library(from_.words)))))
        writing = stack.enter_context(_locked_transaction(to, is_source=False))
        _refuse_content(to, writing)
        ordered = {str(name) for name in (reading if to.has_file else writing).execute(_IN_ROW_ORDER).scalars()}
        moved = _take_over(reading, writing, ordered, _Steps(progress, 2 * _rows_of(reading)))
        before_commit()
    return moved


@contextmanager
def _locked_transaction(database: Database, *, is_source: bool) -> Generator[Connection]:
    """A transaction, committed at the end of the block, beside which no other process writes; the target's is not even read."""
    with database.writer() as connection:
        if database.has_file:  # BEGIN IMMEDIATE: readers see what was before
            with connection.begin():
                yield connection
            return
        isolated = connection.execution_options(isolation_level="REPEATABLE READ" if is_source else "READ COMMITTED")
        with isolated.begin():
            if is_source:
                _refuse_sessions(isolated, database)
            isolated.execute(_NO_WRITER if is_source else _NO_ONE)  # before the snapshot is taken
            yield isolated


def _refuse_sessions(connection: Connection, database: Database) -> None:
    """Refuse ``not_ready`` while a process of any machine is connected: this one could not ask whether it lives."""
    end = time.monotonic() + _CLOSING_S
    with connection.engine.connect() as other:
        asking = other.execution_options(isolation_level="AUTOCOMMIT")  # else each answer would be of the first moment
        while count := int(asking.execute(_SESSIONS).scalar_one()) - 1:  # without ``connection``
            if time.monotonic() > end:
                raise Refused(
                    "not_ready",
                    f"{plural(count, 'other connection')} to '{database.shown}' may still write there, perhaps from other machines. Nothing was copied.",
                    "Stop your clients, servers, workers and decision pages, then run it again.",
                )
            time.sleep(0.05)


def _refuse_content(database: Database, connection: Connection) -> None:
    used = [
        table.name
        for table in tables.METADATA.sorted_tables
        if connection.execute(select(table).limit(1)).first() is not None
    ]
    if used:
        raise Refused(
            "conflict",
            f"The database '{database.shown}' is in use: {plural(len(used), 'table')} of it {'has' if len(used) == 1 else 'have'} rows, "
            f"the first is '{used[0]}'. Two databases are never merged.",
            "Name an empty database. Nothing has changed.",
        )


class _Steps:
    """Counts rows up to ``total``."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


def _take_over(reading: Connection, writing: Connection, ordered: set[str], steps: _Steps) -> MoveResult:
    rows, digests = dict[str, int](), dict[str, str]()
    to_postgres = writing.dialect.name == "postgresql"
    for table in tables.METADATA.sorted_tables:
        if table in _LEFT:
            continue
        digest, new = sha256(), insert(_plain(table))
        for batch in _batches(reading, table, ordered):
            _add(digest, batch)
            if table not in _FILLED:
                if to_postgres:
                    _refuse_nul(table, batch)
                writing.execute(new, [row._asdict() for row in batch])
            rows[table.name] = rows.get(table.name, 0) + len(batch)
            steps.add(len(batch))
        digests[table.name] = digest.hexdigest()
    if to_postgres:
        _go_on_counting(writing)
    differ: list[str] = []
    for name, expected in digests.items():
        digest = sha256()
        for batch in _batches(writing, tables.METADATA.tables[name], ordered):
            _add(digest, batch)
            steps.add(len(batch))
        differ += [name] if digest.hexdigest() != expected else []
    if differ:
        raise Differs(differ)
    return MoveResult(rows, digests)


def _rows_of(connection: Connection) -> int:
    moved_tables = (table for table in tables.METADATA.sorted_tables if table not in _LEFT)
    return sum(int(connection.execute(select(func.count()).select_from(table)).scalar_one()) for table in moved_tables)


def _batches(connection: Connection, table: Table, ordered: set[str]) -> Iterator[list[Any]]:
    """The rows of a table, without the types of the layout, in an order that is the same on both sides."""
    plain = _plain(table)
    in_order: ColumnElement[Any] = literal_column("rowid")
    order = [in_order] if table.name in ordered else [plain.c[column.name] for column in table.primary_key]
    size = _LARGE_ROWS if any(isinstance(column.type, Text | LargeBinary) for column in plain.c) else _ROWS
    result = connection.execution_options(yield_per=size).execute(select(plain).order_by(*order))
    yield from (list(batch) for batch in result.partitions())


def _plain(table: Table) -> Table:
    """The table with the types in which its values are stored."""
    types: dict[str, TypeEngine[Any]] = {
        column.name: column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
        for column in table.columns
    }
    return Table(table.name, MetaData(), *(Column(name, type_) for name, type_ in types.items()))


def _add(digest: Any, batch: list[Any]) -> None:
    for row in batch:
        digest.update(repr(tuple(row)).encode("utf-8", "surrogatepass"))


def _refuse_nul(table: Table, batch: list[Any]) -> None:
    for row in batch:
        texts = [name for name, value in row._asdict().items() if isinstance(value, str) and "\0" in value]
        if texts:
            key = ", ".join(str(row._asdict()[column.name]) for column in table.primary_key)
            raise Refused(
                "bad_argument",
                f"The text '{texts[0]}' of '{table.name}' {key} has the character NUL (U+0000), which PostgreSQL cannot store.",
                "Stay with SQLite, or remove the run that has it. Nothing has changed.",
            )


def _go_on_counting(connection: Connection) -> None:
    """Let the numbers that PostgreSQL gives go on after those that were taken over."""
    for table in tables.METADATA.sorted_tables:
        column = table.autoincrement_column
        if column is None or table in _LEFT:
            continue
        sequence = connection.execute(_SEQUENCE, {"table": table.name, "column": column.name}).scalar()
        last = connection.execute(select(func.max(column))).scalar()
        if sequence is not None and last is not None:
            connection.execute(_GO_ON, {"sequence": sequence, "last": last})
