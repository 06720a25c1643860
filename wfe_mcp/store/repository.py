"""Base of all repositories: the connection, the clock, and the conversion of rows to records.

Statements are built once, at import: SQLAlchemy then finds their compiled form by identity, and a state change costs
about 0.1 ms more than raw sqlite3.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import sqlalchemy as sa

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import RunState
from wfe_mcp.core.spec import RunSpec
from wfe_mcp.store.layout.tables import RUN

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from wfe_mcp.store.words.index import WordIndex

V = TypeVar("V")
R = TypeVar("R")
D = TypeVar("D", bound="DataclassInstance")
P = TypeVar("P")

OURS = RUN.c.origin_sha256.is_(None)
"""Local runs. An imported run is read-only: nothing in it is open, holds a lease, or was paid for here."""


_ITS_RUN = RUN.alias("its_run")


def is_of_ours(run_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """The row belongs to no imported run; a row without a run counts as local."""
    return ~sa.exists().where(_ITS_RUN.c.id == run_id, _ITS_RUN.c.origin_sha256.is_not(None))


def in_steps(names: Sequence[P]) -> Iterator[Sequence[P]]:
    """``names``, some at a time: a statement takes 65,535 parameters on PostgreSQL, and 32,766 with an older SQLite."""
    return (names[start : start + 500] for start in range(0, len(names), 500))


def bound(table: sa.Table, *names: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Each of these columns equals the parameter of its name with a ``_`` after it (``run_id_``), which no column has."""
    return tuple(table.c[name] == sa.bindparam(f"{name}_") for name in names)


def equal_where_given(wanted: Iterable[tuple[sa.Column[Any], object]]) -> list[sa.ColumnElement[bool]]:
    """Each column equals its value; a value of None asks for nothing."""
    return [column == value for column, value in wanted if value is not None]


def without_index(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """``column`` as an expression that no index has: SQLite's planner then takes the better index of another column."""
    return sa.literal_column(f"+{column}", column.type)


class Recent(Generic[V]):
    """The values last used, by sha256. Content under a hash never changes, so no entry is ever stale."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str, read: Callable[[], V]) -> V:
        """The value of ``sha256``; calls ``read`` when it is not cached."""
        with self._lock:
            if sha256 in self._values:
                self._values.move_to_end(sha256)
                return self._values[sha256]
        return self.keep(sha256, read())

    def keep(self, sha256: str, value: V) -> V:
        """Cache the value of ``sha256``; returns the value."""
        with self._lock:
            self._values[sha256] = value
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value


@dataclass(slots=True)
class Library:
    """Facts checked when the database was opened: whether it supports full-text search, and has the index."""

    words: "WordIndex"
    has_fts5: bool = False
    can_find: bool = False


@dataclass(frozen=True, slots=True)
class Caches:
    """The caches shared by all transactions of a store."""

    library: Library
    specs: Recent[RunSpec] = field(default_factory=lambda: Recent[RunSpec](64))
    documents: Recent[Any] = field(default_factory=lambda: Recent[Any](32))
    states: Recent[RunState] = field(default_factory=lambda: Recent[RunState](16))
    """By a run and the hash of its last event, which determines the state. Without this cache, a server that works on a
    loop would read the attempts of all its items with every call."""


class TransactionContext:
    """What the repositories of one transaction share, and the repositories themselves, one of each class."""

    __slots__ = ("_repositories", "caches", "clock", "connection", "locks_rows", "new_id")

    def __init__(
        self,
        connection: sa.Connection,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        caches: Caches,
        *,
        locks_rows: bool = False,
    ) -> None:
        self.locks_rows = locks_rows
        self.connection = connection
        self.clock = clock
        self.new_id = new_id
        self.caches = caches
        self._repositories: dict[type, Any] = {}

    def repository(self, of: Callable[["TransactionContext"], P]) -> P:
        """The transaction's repository of the class ``of``, created when it is first used."""
        kind = cast("type", of)
        existing = self._repositories.get(kind)
        if existing is None:
            existing = self._repositories[kind] = of(self)
        return existing


class RepositoryPart(Generic[P]):
    """A repository as an attribute of another one, or of the transaction.

    It is created on first access: a transaction is on every path, and most use two or three of thirty repositories.
    ``of``: its class, or ``module:Class`` below ``wfe_mcp.store``, which is imported on first access too: the statements of all
    of them take as long to build as a first answer.
    """

    def __init__(self, of: Callable[[TransactionContext], P] | str) -> None:
        self._of = of

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: "Repository", owner: type) -> P:
        # Python reads the attribute of the instance before this descriptor: the second access costs nothing.
        part = instance.__dict__[self._name] = instance.shared.repository(self._load())
        return part

    def _load(self) -> Callable[[TransactionContext], P]:
        if isinstance(self._of, str):
            module, _, name = self._of.partition(":")
            self._of = cast(
                "Callable[[TransactionContext], P]", getattr(import_module(f"wfe_mcp.store.{module}"), name)
            )
        return self._of


_LOCK_RUN = sa.select(RUN.c.id).where(RUN.c.id == sa.bindparam("run_")).with_for_update(key_share=True)
"""FOR UPDATE would block every insert of a row that names the run."""
_ALONE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_BESIDE = sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")


class Repository:
    """The base of the repositories: what they share, and how they read and write rows."""

    def __init__(self, shared: TransactionContext) -> None:
        self.shared = shared
        self._connection = shared.connection
        self._clock = shared.clock
        self._new_id = shared.new_id
        self._caches = shared.caches

    def alone(self, *name: str, shared: bool = False) -> None:
        """Wait until no other transaction has said the same, and keep it until the end of this one.

        For what is read and then written, where no row can be locked: the next number, the end of a chain. SQLite has one writer
        at a time, so nothing is asked of it. ``shared``: others that say so may go on, too.
        """
        if self.shared.locks_rows:
            self._connection.execute(_BESIDE if shared else _ALONE, {"name": "/".join(("wfe", *name))})

    def lock_run(self, run_id: str) -> None:
        """Wait until no other transaction changes the run, and keep it until the end of this one; nothing on SQLite, as ``alone``."""
        if self.shared.locks_rows:
            self._connection.execute(_LOCK_RUN, {"run_": run_id})

    def _all(
        self, record: Callable[..., R], statement: sa.Executable, values: Mapping[str, Any] | None = None
    ) -> list[R]:
        # All at once: a row that cannot be read would leave the statement open, and the connection at this moment.
        return [record(*row) for row in self._connection.execute(statement, values).all()]

    def _first(
        self, record: Callable[..., R], statement: sa.Executable, values: Mapping[str, Any] | None = None
    ) -> R | None:
        row = self._connection.execute(statement, values).first()
        return None if row is None else record(*row)

    def _run(
        self, statement: sa.Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> int:
        """Execute a write; the number of rows affected. An empty list of rows writes nothing."""
        if isinstance(values, list) and not values:
            return 0
        return self._connection.execute(statement, values).rowcount


def columns_for(record: type, table: sa.Table) -> tuple[sa.Column[Any], ...]:
    """The columns of ``table`` in the order of the fields of ``record``, so that ``record(*row)`` fits."""
    return tuple(table.c[item.name] for item in fields(record))


def row_from(record: "DataclassInstance", table: sa.Table) -> dict[str, Any]:
    """The values of those fields of ``record`` that are columns of ``table``."""
    return {name: getattr(record, name) for name in _shared_names(type(record), table)}


@cache
def _shared_names(kind: "type[DataclassInstance]", table: sa.Table) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.name in table.c)


def record_from(record: type[D], row: Mapping[str, Any]) -> D:
    """The record of ``row``, without reading it back. KeyError when a field has no value."""
    return record(**{item.name: row[item.name] for item in fields(record)})
