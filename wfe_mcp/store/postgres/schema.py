"""Creates the tables in a PostgreSQL database, and compares those that are there with ours.

    no schema ``wfe`` ── tables, rowid, triggers, stamp ──► HEAD     one transaction, under an advisory lock
    an older one      ── Alembic upgrade ─────────────────► HEAD     migrations after ``FIRST``; they branch by dialect
    a newer, foreign  ────────────────────────────────────► refused

Rules:
1. The layout is that of SQLite (``layout/tables.py``), made at once: migrations up to ``FIRST`` never run here.
2. A later migration runs on both: what only one of them understands is under ``op.get_bind().dialect.name``.
3. The triggers are those of ``sqlite.py``. A role that does not own the tables cannot drop them, nor TRUNCATE.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from wfe_mcp.core.errors import Refused
from wfe_mcp.store.driver import HEAD, MIGRATIONS
from wfe_mcp.store.layout import tables
from wfe_mcp.store.postgres import delivery, tsvector
from wfe_mcp.store.schema.upgrade import VERSION_TABLE, migrate, unlike

SCHEMA = "wfe"
FIRST = "0017"
"""The revision at which PostgreSQL begins."""

_OURS = 0x776665  # "wfe", so that no other program waits for the same lock
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_FACTS = text(
    "SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datlocprovider AS provider, d.datcollate AS collation, "
    "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate) AS locale, "
    "EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'wfe') AS has_schema, "
    "to_regclass('wfe.alembic_version') IS NOT NULL AS has_version, "
    "EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'wfe') AS is_used "
    "FROM pg_database d WHERE d.datname = current_database()"
)
_REVISION = select(VERSION_TABLE.c.version_num)
_BY_BYTES = {"c", "posix", "c.utf-8", "c.utf8"}
_PROVIDERS = {"c": "libc", "i": "ICU", "b": "PostgreSQL"}
_OLDEST_SERVER = 15

_IN_ORDER = (
    *(tables.EVENT, tables.ITEM_EVENT, tables.RUN, tables.TOOL_CALL),
    *(tables.EVIDENCE, tables.REQUEST, tables.DECISION, tables.OPINION, tables.MODEL_CALL, tables.DOCUMENT),
)
"""The tables whose rows are read in the order in which they were written: SQLite's rowid."""
_READ_ON = _IN_ORDER[:4]
"""Those of them that are read on from a row: it has an index."""

_APPEND_ONLY = (tables.EVENT.name, tables.SETTING_EVENT.name, tables.ITEM_EVENT.name, tables.PRUNED_RUN.name)
_REMOVED_WITH = {tables.EVENT.name: tables.PRUNED_RUN.name}

_HOLD_RANK = "CASE NEW.status WHEN 'gating' THEN '~' ELSE coalesce(to_char(NEW.lease_until, 'YYYY-MM-DD HH24:MI:SS.US'), '~') END"
_NO_HOLDS = "DELETE FROM hold WHERE run_id = OLD.run_id AND phase = OLD.phase AND attempt = OLD.attempt;"
_NEW_HOLDS = f"""
INSERT INTO hold (run_id, phase, attempt, scope, name, rank)
SELECT NEW.run_id, NEW.phase, NEW.attempt, run.worktree, '', {_HOLD_RANK}
FROM run WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL AND NEW.exclusive
AND ((NEW.status = 'running' AND NEW.holder IS NOT NULL) OR (NEW.stage = 'after'
AND (NEW.status = 'gating' OR (NEW.status = 'awaiting' AND NEW.holder IS NOT NULL))));
INSERT INTO hold (run_id, phase, attempt, scope, name, rank)
SELECT DISTINCT NEW.run_id, NEW.phase, NEW.attempt, run.project_id, lock.value #>> '{{}}', {_HOLD_RANK}
FROM run, json_array_elements(CASE WHEN json_typeof(NEW.state::json -> 'locks') = 'array'
THEN NEW.state::json -> 'locks' ELSE '[]' END) AS lock(value)
WHERE run.id = NEW.run_id AND run.origin_sha256 IS NULL
AND json_typeof(lock.value) = 'string' AND NEW.status IN ('running', 'gating', 'awaiting', 'failed');
"""  # noqa: S608 - our names

_ONLY_OURS = f"SET search_path = {SCHEMA}, pg_temp"
"""A trigger reads our tables, whatever tables of these names a session has made for itself."""


def _raises(message: str) -> str:
    """As SQLite's RAISE(ABORT): an error of integrity, which is a mistake of ours or of who writes past the store."""
    return f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"


def _triggers() -> Iterator[tuple[str, str, str, str]]:
    """Each trigger: its name, when, its table, and what it does."""
    for table in _APPEND_ONLY:
        refused = _raises(f"{table} rows are append-only")
        removed = _REMOVED_WITH.get(table)
        unless = f"IF EXISTS (SELECT 1 FROM {removed} WHERE run_id = OLD.run_id) THEN RETURN OLD; END IF; "  # noqa: S608 - our names
        yield f"{table}_no_update", "BEFORE UPDATE", table, refused
        yield f"{table}_no_delete", "BEFORE DELETE", table, f"{unless if removed else ''}{refused}"
        yield f"{table}_no_truncate", "BEFORE TRUNCATE", table, refused
    yield (
        *("pruned_run_only_over", "BEFORE INSERT", "pruned_run"),
        "IF EXISTS (SELECT 1 FROM run WHERE id = NEW.run_id AND ended_at IS NULL) "  # noqa: S608 - our names
        "OR EXISTS (SELECT 1 FROM kept_run WHERE run_id = NEW.run_id) "
        f"THEN {_raises('a run that is not over, or is kept, is not removed')} END IF; RETURN NEW;",
    )
    waits = "INSERT INTO find_waiting (run_id) VALUES ({}) ON CONFLICT DO NOTHING;"
    waits_no_more = "DELETE FROM find_waiting WHERE run_id = {};"
    yield "run_is_new", "AFTER INSERT", "run", f"{waits.format('NEW.id')} RETURN NULL;"
    yield "run_is_gone", "AFTER DELETE", "run", f"{waits_no_more.format('OLD.id')} RETURN NULL;"
    yield "find_run_is_new", "AFTER INSERT", "find_run", f"{waits_no_more.format('NEW.run_id')} RETURN NULL;"
    is_there = "IF EXISTS (SELECT 1 FROM run WHERE id = OLD.run_id)"
    gone = f"{is_there} THEN {waits.format('OLD.run_id')} END IF; RETURN NULL;"
    yield "find_run_is_gone", "AFTER DELETE", "find_run", gone
    yield "attempt_is_new", "AFTER INSERT", "attempt", f"{_NEW_HOLDS} RETURN NULL;"
    yield "attempt_has_changed", "AFTER UPDATE", "attempt", f"{_NO_HOLDS} {_NEW_HOLDS} RETURN NULL;"
    yield "attempt_is_gone", "AFTER DELETE", "attempt", f"{_NO_HOLDS} RETURN NULL;"


def refuse_unfit(connection: Connection, shown: str) -> str | None:
    """The stored revision, None without our tables. Refuses ``unavailable``: an old server, another order of texts, a foreign schema."""
    server = [int(number) for number in connection.dialect.server_version_info or (0,)]
    if server[0] < _OLDEST_SERVER:
        raise Refused(
            "unavailable",
            f"The database '{shown}' is PostgreSQL {server[0]}; {_OLDEST_SERVER} or later is needed.",
            "Upgrade the server, or use another one.",
        )
    facts = connection.execute(_FACTS).one()
    sorts_by_bytes = facts.provider == "b" or (facts.provider == "c" and facts.collation.lower() in _BY_BYTES)
    if not sorts_by_bytes or facts.encoding != "UTF8":
        raise Refused(
            "unavailable",
            f"The database '{shown}' sorts texts as '{facts.locale}' of {_PROVIDERS.get(facts.provider, facts.provider)} and stores "
            f"them as {facts.encoding}. Here texts are in order by their bytes in UTF8, as by the collation C of libc.",
            "This cannot be changed later. Create another one: createdb --template=template0 --encoding=UTF8 --locale-provider=libc --locale=C NAME",
        )
    revision = str(connection.execute(_REVISION).scalar() or "base") if facts.has_version else None
    if (revision is None and facts.is_used) or (revision is not None and revision < FIRST):
        raise Refused(
            "unavailable",
            f"The schema '{SCHEMA}' of the database '{shown}' is of another program.",
            "Use a database that has no schema of this name.",
        )
    if revision is not None and revision not in MIGRATIONS:
        raise Refused(
            "unavailable",
            f"The database '{shown}' was written by a newer wfe-mcp (revision {revision}; this one knows {HEAD}).",
            "Upgrade wfe-mcp, or use another database.",
        )
    return revision


def bring_to_head(connection: Connection, shown: str) -> None:
    """Create or upgrade the tables, in the transaction of ``connection``: of several processes that begin at once, one does."""
    connection.execute(_LOCK, {"key": _OURS})
    revision = refuse_unfit(connection, shown)
    if revision is None:
        if not connection.execute(_FACTS).one().has_schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        for statement in (*_statements(connection), *delivery.trigger()):
            connection.exec_driver_sql(statement)
        delivery.create(connection)
        VERSION_TABLE.create(connection, checkfirst=False)
        connection.execute(insert(VERSION_TABLE), {"version_num": HEAD})
    while revision not in {None, HEAD}:
        migrate(connection, str(revision), shown)
        revision = connection.execute(_REVISION).scalar()


def _statements(connection: Connection) -> Iterator[str]:
    dialect = connection.dialect
    for table in tables.METADATA.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        if table in _IN_ORDER:
            yield f"ALTER TABLE {table.name} ADD COLUMN rowid BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY"
        if table in _READ_ON:
            yield f"CREATE UNIQUE INDEX ix_{table.name}_rowid ON {table.name} (rowid)"
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            where = index.dialect_options["sqlite"]["where"]
            partly = "" if where is None else f" WHERE {where}"
            yield f"{CreateIndex(index).compile(dialect=dialect)}{partly}"
    yield from (tsvector.TABLE, tsvector.INDEX)
    for name, when, table_name, action in _triggers():
        level = "STATEMENT" if "TRUNCATE" in when else "ROW"
        yield f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {_ONLY_OURS} AS $wfe$BEGIN {action} END$wfe$"
        yield f"CREATE TRIGGER {name} {when} ON {table_name} FOR EACH {level} EXECUTE FUNCTION {name}()"


_COLUMNS = text(
    "SELECT c.relname AS name, string_agg(a.attname, ' ' ORDER BY a.attname) AS columns "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "WHERE c.relnamespace = 'wfe'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY c.relname"
)
_INDEXES = text(
    "SELECT c.relname AS name FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
    "WHERE c.relnamespace = 'wfe'::regnamespace AND NOT i.indisprimary "
    "AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)"
)
_TRIGGERS = text(
    "SELECT t.tgname AS name, r.relname AS on_table, t.tgenabled AS enabled, p.prosrc AS body, "
    "array_to_string(p.proconfig, ' ') AS settings "
    "FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE r.relnamespace = 'wfe'::regnamespace AND NOT t.tgisinternal"
)


def differences(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """What the schema ``wfe`` has besides ours, lacks of it, or has in another form: its place, what is wrong, and a code."""
    yield from unlike(connection, _our_objects(), _objects(connection))


def _objects(connection: Connection) -> dict[tuple[str, str], str]:
    objects = {("table", row.name): str(row.columns) for row in connection.execute(_COLUMNS)}
    objects |= {("index", row.name): "" for row in connection.execute(_INDEXES)}
    # A trigger that is switched off ('D') or fires elsewhere is not as in the schema.
    bodies = (
        (row.name, f"{row.on_table} {row.enabled} {row.settings} {' '.join(row.body.split())}")
        for row in connection.execute(_TRIGGERS)
    )
    objects |= {("schema", delivery.SCHEMA): ""} if delivery.is_there(connection) else {}
    return objects | {("trigger", name): body for name, body in bodies}


def _our_objects() -> dict[tuple[str, str], str]:
    wanted = {
        ("table", table.name): " ".join(sorted([*table.c.keys(), *(["rowid"] if table in _IN_ORDER else [])]))
        for table in tables.METADATA.sorted_tables
    }
    wanted[("table", VERSION_TABLE.name)] = " ".join(VERSION_TABLE.c.keys())
    wanted[("table", "find_text")], wanted[("index", "ix_find_text_words")] = "rowid words", ""
    indexes = (str(index.name) for table in tables.METADATA.sorted_tables for index in table.indexes)
    wanted |= {("index", name): "" for name in (*indexes, *(f"ix_{table.name}_rowid" for table in _READ_ON))}
    for name, _, table, action in _triggers():
        wanted[("trigger", name)] = _as_made(table, f"{SCHEMA}, pg_temp", action)
    wanted[("schema", delivery.SCHEMA)] = ""
    wanted[("trigger", delivery.NAME)] = _as_made(delivery.TABLE, delivery.PATH, delivery.ACTION)
    return wanted


def _as_made(table: str, path: str, action: str) -> str:
    return f"{table} O search_path={path} {' '.join(f'BEGIN {action} END'.split())}"
