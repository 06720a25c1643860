"""Creates the tables in a new file and upgrades an older one.

    empty file ─── tables + triggers ──────→ HEAD      no Alembic: its import costs 240 ms and 12 MB
    older file ─── Alembic upgrade ────────→ HEAD      a test compares the tables of both ways
    newer file, foreign file ──────────────→ refused

Rules:
1. Usually the stored revision is current and nothing happens. Otherwise each migration is one BEGIN IMMEDIATE, after a
   second check: of several processes that start at once, each does what the others have left. Once migrations have held
   writers up for ``TURN_S``, they get a turn before the next. What stops an upgrade leaves the file at a whole revision; the next start continues.
2. Migrations only add: an older process may still have the file open.
3. What the file has besides our schema, or lacks of it, is named by ``differences``: a trigger or a view of others would act
   in every transaction.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable

from wfe_mcp.core.errors import Refused
from wfe_mcp.store.driver import HEAD, MIGRATIONS, SHOWN, driver
from wfe_mcp.store.layout import tables
from wfe_mcp.store.sqlite import FIND_TEXT, HOLDS, WAITING_FOR_INDEX, append_only, has_fts5, only_over

TURN_S = 0.1
"""A writer that waits for SQLite looks at most so much later again: without a pause it may find the lock taken each time."""

VERSION_TABLE = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table; kept out of our metadata, or autogenerate would drop or add it."""

_REVISION = sa.select(VERSION_TABLE.c.version_num)
_IS_OURS = sa.text("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
_OBJECTS = sa.text(
    "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' "
    "AND NOT (type = 'table' AND name IN ('find_text', 'find_text_config', 'find_text_data', 'find_text_idx'))"
)
"""Without what SQLite makes by itself, and the full-text index, which not every library has."""
_COLUMNS = sa.text("SELECT name FROM pragma_table_info(:of) ORDER BY name")
_TABLES = sa.text("SELECT count(*) FROM sqlite_master WHERE type = 'table'")


def stored_revision(connection: sa.Connection) -> str | None:
    """The revision of the file: None without our tables, ``base`` when every migration was undone."""
    if not connection.execute(_IS_OURS).scalar_one():
        return None
    return connection.execute(_REVISION).scalar() or "base"


def bring_to_head(begin: Callable[[], AbstractContextManager[sa.Connection]], path: Path) -> None:
    """Create or upgrade the tables. ``begin``: a transaction that holds the write lock."""
    with begin() as connection:
        revision = stored_revision(connection)
        if revision is None:
            _create_in(connection, path)
        if revision in {None, HEAD}:
            return
    assert revision is not None
    total, held_s = len(_after(revision)), 0.0
    for needed in ("alembic.command", "wfe_mcp.store.schema.tables"):
        import_module(needed)  # before the lock: half a second of CPU, for which writers would wait
    with SHOWN.upgrade() as progress:
        while revision != HEAD:
            with begin() as connection:
                # Other processes may have done some meanwhile.
                began_s = monotonic()
                revision = stored_revision(connection) or HEAD
                if revision != HEAD:
                    migrate(connection, revision, str(path))
                    revision = stored_revision(connection) or HEAD
            held_s += monotonic() - began_s
            progress(total - len(_after(revision)), total)
            if held_s >= TURN_S and revision != HEAD:
                sleep(TURN_S)
                held_s = 0.0


def _after(revision: str) -> list[str]:
    """The migrations that a file of this revision lacks, the next one first."""
    return sorted(name for name in MIGRATIONS if revision == "base" or name > revision)


def _create_in(connection: sa.Connection, path: Path) -> None:
    if connection.execute(_TABLES).scalar_one():
        raise Refused(
            "unavailable",
            f"The file '{path}' is a database of another program.",
            "Set WFE_DATABASE_URL to sqlite:///<path of a file> that is not there yet.",
        )
    _create(connection)


def differences(connection: sa.Connection) -> Iterator[tuple[str, str, str]]:
    """What the file has besides our schema, lacks of it, or has in another form: its place, what is wrong, and a code."""
    yield from unlike(connection, _our_objects(), _objects(connection))


def unlike(
    connection: sa.Connection, wanted: Mapping[tuple[str, str], object], found: Mapping[tuple[str, str], object]
) -> Iterator[tuple[str, str, str]]:
    """The same of the objects of any database, by their kind and name."""
    versions = [str(revision) for revision in connection.execute(_REVISION).scalars()]
    if versions != [HEAD]:
        yield "schema version", f"it is {', '.join(versions) or 'missing'}, not {HEAD}", "schema_version"
    for place in sorted({*wanted, *found}):
        where = " ".join(place)
        if place not in wanted:
            yield where, "it is not part of the schema: another program added it", "schema_foreign"
        elif place not in found:
            yield where, "it is part of the schema, and missing", "schema_missing"
        elif wanted[place] != found[place]:
            yield where, "it is not as in the schema", "schema_edited"


def _objects(connection: sa.Connection) -> dict[tuple[str, str], tuple[str, ...]]:
    """Tables by their columns, everything else by its statement. Columns stand where a migration put them."""
    return {
        (row.type, row.name): tuple(connection.execute(_COLUMNS, {"of": row.name}).scalars())
        if row.type == "table"
        else tuple((row.sql or "").split())
        for row in connection.execute(_OBJECTS)
    }


@functools.cache
def _our_objects() -> dict[tuple[str, str], tuple[str, ...]]:
    with sa.create_engine("sqlite://", module=driver(), poolclass=sa.NullPool).connect() as connection:
        _create(connection)
        return _objects(connection)


def _create(connection: sa.Connection) -> None:
    pruned = tables.PRUNED_RUN.name
    raw: Any = connection.connection.dbapi_connection  # as statements of SQLAlchemy they take three times as long
    for statement in (
        *_tables_and_indexes(),
        *append_only(tables.EVENT.name, removed_with=pruned),
        *append_only(tables.SETTING_EVENT.name),
        *append_only(tables.ITEM_EVENT.name),
        *append_only(pruned),
        only_over(pruned),
        *WAITING_FOR_INDEX,
        *HOLDS,
    ):
        raw.execute(statement)
    if has_fts5(connection):
        raw.execute(FIND_TEXT)
    connection.execute(sa.insert(VERSION_TABLE), {"version_num": HEAD})


@functools.cache
def _tables_and_indexes() -> tuple[str, ...]:
    """The statements of ``METADATA.create_all``, which takes 15 ms to word them each time."""
    statements = [
        construct
        for table in (*tables.METADATA.sorted_tables, VERSION_TABLE)
        for construct in (
            CreateTable(table),
            *(CreateIndex(index) for index in sorted(table.indexes, key=lambda one: str(one.name))),
        )
    ]
    return tuple(str(statement.compile(dialect=dialect())) for statement in statements)


def migrate(connection: sa.Connection, revision: str, shown: str) -> None:
    """Do the next migration after ``revision``. ``shown``: the database, for people. Refuses ``unavailable``: see ``bring_to_head``."""
    # Imported here: Alembic costs 240 ms, and the revision is current at nearly every start.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        # A revision that this version does not know has nothing after it: Alembic refuses it.
        command.upgrade(config, next(iter(_after(revision)), "head"))
    except CommandError as error:
        raise Refused(
            "unavailable",
            f"The database '{shown}' was written by a newer wfe-mcp (revision {revision}; this one knows {HEAD}).",
            "Upgrade wfe-mcp, or set WFE_DATABASE_URL to another file.",
        ) from error
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_ERROR":
            raise
        raise Refused(
            "unavailable",
            f"The database '{shown}' cannot be upgraded: it says that it is of revision {revision}, and its tables are not "
            f"those of that revision ({error.orig}).",
            "It was changed outside wfe-mcp, and is left as it is. Restore a backup: wfe-mcp restore FILE",
        ) from error
