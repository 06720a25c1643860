"""On PostgreSQL the store makes its schema once, keeps to it, and refuses a database that is not fit or not its own."""

import multiprocessing
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.postgres import Cluster
from tests.store import writers
from tests.store.scene import ADA, NOW, Clock, PastTheStore, create
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.driver import HEAD

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "use-postgresql.md"
CONTEXT: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)


def refusal(url: str) -> Refused:
    with pytest.raises(Refused) as refused:
        Store.open(url, clock=Clock())
    assert refused.value.code == "unavailable"
    assert refused.value.hint
    return refused.value


def test_an_empty_database_gets_the_schema_and_the_health_names_it(postgres_url: str, clock: Clock) -> None:
    Store.open(postgres_url, clock=clock).close()
    store = Store.open(postgres_url, clock=clock)
    health = store.health()
    with store.read() as tx:
        assert tx.verification.schema_problems() == []
    store.close()

    assert (health.library, health.revision, health.is_owner) == ("PostgreSQL", HEAD, True)
    assert health.path.startswith("postgresql://postgres@127.0.0.1:")


def test_of_processes_that_start_at_once_one_makes_the_schema(postgres_url: str, clock: Clock) -> None:
    together = CONTEXT.Barrier(4, timeout=120)
    started = [
        CONTEXT.Process(target=writers.create_runs, args=(postgres_url, f"p{number}", 1, together), daemon=True)
        for number in range(4)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)

    assert [process.exitcode for process in started] == [0] * 4
    store = Store.open(postgres_url, clock=clock)
    with store.read() as tx:
        assert len(tx.runs.page().runs) == 4
    store.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'",
            "as 'en' of ICU and stores them as UTF8",
        ),
        ("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", "LATIN1"),
    ],
)
def test_a_database_with_another_order_or_encoding_is_refused(postgres: Cluster, options: str, said: str) -> None:
    postgres.drop("unfit")
    postgres.execute(f"CREATE DATABASE unfit TEMPLATE template0 {options}")
    refused = refusal(postgres.url("unfit"))
    postgres.drop("unfit")

    assert said in refused.message
    assert "by their bytes in UTF8" in refused.message
    assert "--locale=C" in refused.hint


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("CREATE SCHEMA wfe", "CREATE TABLE wfe.invoice (id int)"), "another program"),
        (
            ("CREATE SCHEMA wfe", "CREATE TABLE wfe.alembic_version AS SELECT '0007'::text AS version_num"),
            "another program",
        ),
        (
            ("CREATE SCHEMA wfe", "CREATE TABLE wfe.alembic_version AS SELECT '9999'::text AS version_num"),
            "a newer wfe-mcp",
        ),
    ],
)
def test_a_schema_of_another_program_or_of_a_newer_version_is_refused_and_left_alone(
    postgres_url: str, statements: tuple[str, ...], said: str
) -> None:
    past = PastTheStore(postgres_url)
    for statement in statements:
        past.execute(statement)
    assert said in refusal(postgres_url).message

    tables = past.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'wfe'").fetchone()
    past.close()
    assert tables == (1,)


def test_an_older_server_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfe_mcp.store.postgres.schema._OLDEST_SERVER", 99)

    assert "99 or later is needed" in refusal(postgres_url).message


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DROP TRIGGER event_no_update ON event", "schema_missing"),
        ("ALTER TABLE event DISABLE TRIGGER event_no_delete", "schema_edited"),
        (
            "CREATE OR REPLACE FUNCTION event_no_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "schema_edited",
        ),
        ("ALTER TABLE run ADD COLUMN mine text", "schema_edited"),
        ("CREATE TABLE mine (id int)", "schema_foreign"),
        ("DROP INDEX ix_event_rowid", "schema_missing"),
        ("UPDATE alembic_version SET version_num = '0001'", "schema_version"),
    ],
)
def test_what_others_did_to_the_schema_is_named(postgres_url: str, clock: Clock, statement: str, code: str) -> None:
    store = Store.open(postgres_url, clock=clock)
    past = PastTheStore(postgres_url)
    past.execute(statement)
    past.close()
    with store.read() as tx:
        found = tx.verification.schema_problems()
    store.close()

    assert [problem.code for problem in found] == [code]


@pytest.mark.parametrize("table", ["event", "setting_event", "item_event", "pruned_run"])
@pytest.mark.parametrize("verb", ["TRUNCATE {0}", "TRUNCATE {0} CASCADE"])
def test_not_even_the_owner_empties_a_log_by_accident(postgres_url: str, clock: Clock, table: str, verb: str) -> None:
    Store.open(postgres_url, clock=clock).close()
    past = PastTheStore(postgres_url)
    with pytest.raises(Exception, match="append-only"):
        past.execute(verb.format(table))
    past.close()


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


def test_the_role_of_the_manual_works_and_can_neither_drop_a_trigger_nor_empty_a_table(
    postgres: Cluster, postgres_url: str, clock: Clock
) -> None:
    """The statements are those of the page, which an owner runs once."""
    Store.open(postgres_url, clock=clock).close()
    (sql,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    past = PastTheStore(postgres_url)
    for statement in sql.split(";"):
        if statement.strip():
            past.execute(statement)
    past.close()

    store = Store.open(as_role(postgres_url, "wfe_app"), clock=clock)
    with store.tx() as tx:
        create(tx, "R-1")
        tx.secrets.set("pin", "x", ADA, NOW)
    with store.read() as tx:
        assert tx.runs.load(RunId("R-1"))
        assert tx.verification.problems(RunId("R-1")) == []
        assert tx.verification.schema_problems() == []
    assert not store.health().is_owner
    store.close()

    mine = PastTheStore(as_role(postgres_url, "wfe_app"))
    for forbidden in (
        "DROP TRIGGER event_no_update ON event",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "TRUNCATE hold",
        "DROP TABLE event",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE mine (id int)",
        "UPDATE event SET actor = 'eve'",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(Exception, match=r"must be owner|permission denied|append-only"):
            mine.execute(forbidden)
    # A table of the session's own does not replace ours in a trigger.
    mine.execute("SET search_path = pg_temp, wfe")
    mine.execute("CREATE TEMP TABLE pruned_run AS SELECT 'R-1'::text AS run_id")
    with pytest.raises(Exception, match="append-only"):
        mine.execute("DELETE FROM wfe.event")
    mine.close()
    postgres.execute("DROP OWNED BY wfe_app", database=make_url(postgres_url).database or "")
    postgres.execute("DROP ROLE wfe_app")


def test_a_role_without_rights_is_refused_with_what_to_grant(postgres: Cluster, postgres_url: str) -> None:
    postgres.execute("CREATE ROLE nobody_here LOGIN")
    refused = refusal(as_role(postgres_url, "nobody_here"))
    postgres.execute("DROP ROLE nobody_here")

    assert "may not" in refused.message
    assert "use-postgresql.md" in refused.hint
