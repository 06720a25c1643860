"""A file gets the tables of this version, by whichever way, once."""

import re
import subprocess
import sys
from contextlib import closing, nullcontext
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.store.scene import Clock, raw
from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store
from wfe_mcp.store.driver import SHOWN
from wfe_mcp.store.layout import tables as layout
from wfe_mcp.store.records.jobs import JobRecord, NewJob
from wfe_mcp.store.schema import upgrade as schema
from wfe_mcp.store.schema.tables import METADATA

MIGRATIONS = Path(schema.__file__).parent / "migrations"


FROZEN = {
    "0001_first_tables.py": "e6a443408ef4ffb2cfa4b1a1b795a7097f84dd4749d30b25da6937c15e765dfa",
    "0002_opinions.py": "e1f6886e65b41bacb4bbe548a2d81b5e3bf8195cc349b38b6b815cc9583b216b",
    "0003_pruned_runs.py": "cf6147a61c3c386f83efa2ffa7c9fbf7243943ea42aa22e80d000a116193299a",
    "0004_origins.py": "e4e1ec0bfd3705f575c1ace562104a7e29b664c4e436273a7013fd83b4c83dfa",
    "0005_find.py": "af50b279986dc8f8eee47096bb619c6f5bfe2a416156a69faf0c1a7d9e1fbaa0",
    "0006_find_waiting.py": "15f1704735557d9010d043f1bd05ca4ea36e4ca115529b07bf451a213ec9503f",
}
"""Migrations that databases have gone through: an edit would leave those unlike new ones. Add a migration instead."""


def config(connection: Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.attributes["connection"] = connection
    return made


@pytest.fixture
def migrated(tmp_path: Path) -> Engine:
    """A file that took the long way: every migration, from nothing."""
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(config(connection), "head")
    return engine


def definitions(path: Path) -> dict[str, str]:
    """Every table, index and trigger by its name, without the order of constraints."""
    connection = raw(f"sqlite:///{path}")
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {
        name: " ".join(sorted(part.strip(" ,()\t") for part in _ADDED.sub("\n", sql).splitlines()))
        for name, sql in rows
    }


_ADDED = re.compile(r", (?=\w+ (VARCHAR|INTEGER|DATETIME|TEXT|BOOLEAN|FLOAT)\b)")
"""SQLite writes a column that was added later into the last line."""


def test_no_migration_that_databases_went_through_has_changed() -> None:
    found = {name: sha256((MIGRATIONS / "versions" / name).read_bytes()).hexdigest() for name in FROZEN}
    assert found == FROZEN


def test_a_record_has_the_fields_of_its_columns() -> None:
    assert {item.name for item in fields(JobRecord)} == set(layout.JOB.c.keys())
    filled = {item.name for item in fields(JobRecord)} - {item.name for item in fields(NewJob)}
    assert {"id", "status", "tries", "fence", "lease_owner", "result"} <= filled
    assert not filled & {"kind", "queue", "payload", "effect", "run_at"}


def test_the_newest_migration_is_the_one_this_version_asks_for() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == schema.HEAD


def test_autogenerate_finds_no_difference_between_models_and_migrations(migrated: Engine) -> None:
    with migrated.connect() as connection:

        def is_ours(name: str | None, *_: object) -> bool:
            return not str(name).startswith("find_text")  # FTS5, with its own tables

        options: dict[str, Any] = {"include_name": is_ours}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
    migrated.dispose()


@pytest.mark.sqlite_only("migrations up to 0017 ran on files only")
def test_a_new_file_has_the_same_tables_as_a_migrated_one(migrated: Engine, store: Store, tmp_path: Path) -> None:
    migrated.dispose()
    assert store.health().revision == schema.HEAD

    assert definitions(tmp_path / "state.db") == definitions(tmp_path / "migrated.db")


@pytest.mark.sqlite_only("migrations up to 0017 ran on files only")
def test_a_file_that_lacks_migrations_is_upgraded(url: str, store: Store, clock: Clock, tmp_path: Path) -> None:
    """There is only one migration yet: a file from before it stands for an older one."""
    whole = definitions(tmp_path / "state.db")
    store.close()
    (tmp_path / "state.db").unlink()
    connection = raw(url)
    connection.execute(
        "CREATE TABLE alembic_version (\nversion_num VARCHAR(32) NOT NULL, \nCONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n)"
    )
    connection.close()

    upgraded = Store.open(url, clock=clock)
    with upgraded.tx() as tx:
        assert tx.projects.id_of("/p/.git", "/p")
    upgraded.close()

    assert definitions(tmp_path / "state.db") == whole


def test_opening_a_file_that_is_up_to_date_does_not_load_alembic(url: str, store: Store) -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from wfe_mcp.store import Store;"
        f"Store.open({url!r}, clock=lambda: datetime.now(UTC)).close(); sys.exit('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert store.health().revision == schema.HEAD


def test_a_file_of_a_newer_version_is_refused(url: str, store: Store, clock: Clock) -> None:
    store.close()
    connection = raw(url)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(Refused, match="newer wfe-mcp") as refused:
        Store.open(url, clock=clock)

    assert refused.value.code == "unavailable"


@pytest.mark.sqlite_only("a server: tests/store/postgres")
def test_a_database_of_another_program_is_refused_and_left_alone(url: str, clock: Clock) -> None:
    connection = raw(url)
    connection.execute("CREATE TABLE music (title TEXT)")
    connection.close()

    with pytest.raises(Refused, match="another program"):
        Store.open(url, clock=clock)

    assert list(definitions(Path(url.removeprefix("sqlite:///")))) == ["music"]


def test_the_tables_that_statements_name_are_the_classes_that_say_what_is_kept() -> None:
    def written(metadata: MetaData) -> dict[str, list[str]]:
        return {
            name: [str(CreateTable(table)), *sorted(str(CreateIndex(index)) for index in table.indexes)]
            for name, table in metadata.tables.items()
        }

    assert written(layout.METADATA) == written(METADATA)


@pytest.mark.sqlite_only("migrations up to 0017 ran on files only")
def test_an_upgrade_lets_other_writers_in_once_it_has_held_them_up(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("0*.py"))
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(config(connection), names[-4])
    pauses: list[float] = []

    def write(pause_s: float) -> None:
        pauses.append(pause_s)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS mine (part INTEGER)")

    monkeypatch.setattr(schema, "sleep", write)
    monkeypatch.setattr(schema, "monotonic", iter([0.0, 0.05, 1.0, 1.08, 2.0, 2.5]).__next__)
    Store.open(url, clock=clock).close()
    engine.dispose()

    assert pauses == [schema.TURN_S], "after 0.05 s none, after 0.13 s one, and none after the last"


@pytest.mark.sqlite_only("migrations up to 0017 ran on files only")
def test_an_upgrade_says_how_far_it_is_and_continues_where_it_was_stopped(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, old, between, last, _ = sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("0*.py"))
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(config(connection), old)
    seen: list[tuple[int, int]] = []
    revisions: list[str | None] = []

    def stopped(part: int, total: int) -> None:
        seen.append((part, total))
        with engine.begin() as connection:  # another process, which need not wait for the rest
            connection.exec_driver_sql("CREATE TABLE mine (part INTEGER)" if part == 1 else "DROP TABLE mine")
            revisions.append(schema.stored_revision(connection))
        if part == 2:
            raise KeyboardInterrupt

    def continued(part: int, total: int) -> None:
        seen.append((part, total))

    monkeypatch.setattr(SHOWN, "upgrade", lambda: nullcontext(stopped))
    with pytest.raises(KeyboardInterrupt):
        Store.open(url, clock=clock)
    with engine.begin() as connection:
        assert schema.stored_revision(connection) == last
    monkeypatch.setattr(SHOWN, "upgrade", lambda: nullcontext(continued))
    Store.open(url, clock=clock).close()
    assert (seen, revisions) == ([(1, 3), (2, 3), (1, 1)], [between, last])


@pytest.mark.sqlite_only("migrations up to 0017 ran on files only")
def test_an_upgrade_does_what_another_process_has_left_of_it(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, old, _, _, last = sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("0*.py"))
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(config(connection), old)
    seen: list[tuple[int, int]] = []

    def overtaken(part: int, total: int) -> None:
        seen.append((part, total))
        if len(seen) == 1:
            with engine.begin() as connection:
                command.upgrade(config(connection), "head")

    monkeypatch.setattr(SHOWN, "upgrade", lambda: nullcontext(overtaken))
    with closing(Store.open(url, clock=clock)):
        assert seen == [(1, 3), (3, 3)]
    with engine.begin() as connection:
        assert schema.stored_revision(connection) == last
