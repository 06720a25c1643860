"""A store opens a usable file; otherwise the refusal names the reason and the next step."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psutil
import pytest
from sqlalchemy import exc, text

from tests.store.scene import NOW, PLAN, Clock, add_plan, create, raw
from wfe_mcp import store as package
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store, sqlite
from wfe_mcp.store.driver import driver


def refusal(url: str, clock: Clock) -> Refused:
    with pytest.raises(Refused) as refused:
        Store.open(url, clock=clock)
    assert refused.value.code == "unavailable"
    assert refused.value.hint
    return refused.value


@pytest.mark.requirement("B-17", "S2-17")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host/db",
        "sqlite+aiosqlite:///x.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x",
        "??",
    ],
)
def test_what_is_not_an_sqlite_file_is_refused_and_nothing_runs_unpersisted(url: str, clock: Clock) -> None:
    assert "secret" not in str(refusal(url, clock))


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("in the way")

    refused = refusal(f"sqlite:///{tmp_path / 'file' / 'wfe' / 'state.db'}", clock)

    assert str(tmp_path / "file") in refused.message
    assert "WFE_DATABASE_URL" in refused.hint


@pytest.mark.sqlite_only("a file and its journal")
def test_a_path_that_is_a_folder_is_refused(tmp_path: Path, clock: Clock) -> None:
    assert "cannot be written" in refusal(f"sqlite:///{tmp_path}", clock).message


@pytest.mark.sqlite_only("a file and its journal")
def test_a_folder_without_room_for_a_journal_is_refused(
    url: str, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who may write everywhere: only the answer of the system is put in."""
    store.close()

    def never(*_question: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", never)

    assert "its folder is read-only" in refusal(url, clock).message


@pytest.mark.sqlite_only("a file and its journal")
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state.db").write_text("dear diary " * 100)

    assert "not an SQLite database" in refusal(f"sqlite:///{tmp_path / 'state.db'}", clock).message


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_the_file_and_its_folder_are_for_their_owner_only(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "data" / "state.db"
    Store.open(f"sqlite:///{path}", clock=clock).close()

    assert [oct(item.stat().st_mode & 0o777) for item in (path, path.parent)] == ["0o600", "0o700"]


@pytest.mark.sqlite_only("a file and its journal")
@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_wal_is_used_only_by_a_library_without_the_reset_bug(
    version: tuple[int, ...], safe: bool, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver(), "sqlite_version_info", version)

    opened = Store.open(url, clock=clock)
    health = opened.health()
    opened.close()

    assert sqlite.wal_is_safe(version) is safe
    assert (health.journal_mode, health.wal_is_safe) == ("wal" if safe else "delete", safe)
    assert health.version == ".".join(map(str, version))


def journal_mode(url: str) -> str:
    connection = raw(url)
    mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    connection.close()
    return mode


@pytest.mark.sqlite_only("a file and its journal")
def test_a_wal_file_goes_back_when_an_unsafe_library_has_it_alone(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 53, 4))
    safe = Store.open(url, clock=clock)
    with safe.tx() as tx:
        create(tx, "R-1")
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 40, 1))

    together = Store.open(url, clock=clock)
    assert (together.health().journal_mode, together.health().wal_is_safe) == ("wal", False)
    together.close()
    safe.close()
    alone = Store.open(url, clock=clock)
    with alone.read() as tx:
        assert tx.runs.load(RunId("R-1"))
    alone.close()

    assert journal_mode(url) == "delete"


@pytest.mark.sqlite_only("a file and its journal")
def test_a_rollback_file_stays_one_under_a_safe_library(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 40, 1))
    Store.open(url, clock=clock).close()
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 53, 4))
    Store.open(url, clock=clock).close()

    assert journal_mode(url) == "delete"


def test_the_newer_library_is_used_when_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pysqlite3"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "dbapi2.py").write_text("from sqlite3.dbapi2 import *")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert driver().__name__ == "pysqlite3.dbapi2"
    for name in ("pysqlite3", "pysqlite3.dbapi2"):
        monkeypatch.delitem(sys.modules, name)


@contextmanager
def a_writer_elsewhere(url: str) -> Generator[None]:
    connection = raw(url)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.close()


@pytest.mark.sqlite_only("a file and its journal")
def test_a_busy_file_is_refused_with_the_advice_to_call_again(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With WAL a reader never waits: the rollback journal shows both refusals.
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    opened = Store.open(url, clock=clock)
    refused: list[Refused] = []

    def try_both() -> None:
        with pytest.raises(Refused) as on_write, opened.tx():
            pass
        with pytest.raises(Refused) as on_read, opened.read() as tx:
            tx.projects.find("/p")
        refused.extend((on_write.value, on_read.value))

    with a_writer_elsewhere(url):
        try_both()
    with opened.tx() as tx:
        create(tx, "R-1")
    opened.close()

    for answer in refused:
        assert (answer.code, answer.hint, answer.data) == ("unavailable", "Call again in a moment.", {"retry": True})


@pytest.mark.sqlite_only("a file and its journal")
def test_a_commit_that_a_reader_holds_up_is_refused_and_the_next_one_is_possible(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    opened = Store.open(url, clock=clock)
    reader = raw(url)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM run").fetchone()

    with pytest.raises(Refused, match="busy"), opened.tx() as tx:
        create(tx, "R-1")
    reader.close()
    with opened.tx() as tx:
        create(tx, "R-1")
    opened.close()


@pytest.mark.sqlite_only("a file and its journal")
def test_a_thread_that_waits_long_for_its_turn_is_refused(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LINE_TIMEOUT_S", 0.01)
    opened = Store.open(url, clock=clock)

    with opened.tx(), pytest.raises(Refused, match="another call of this process"), opened.tx():
        pass
    opened.close()


@pytest.mark.sqlite_only("a file and its journal")
def test_when_all_readers_are_taken_one_more_is_refused(
    url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(sqlite, "READERS", 1)
    opened = Store.open(url, clock=clock)

    with opened.read(), pytest.raises(Refused, match="busy"), opened.read():
        pass
    opened.close()


def test_a_read_cannot_write_and_that_is_our_own_mistake(store: Store) -> None:
    with pytest.raises(exc.DBAPIError, match=r"read-?only"), store.read() as tx:
        tx.projects.id_of("/p/.git", "/p")


def test_a_read_sees_one_moment(store: Store, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.has_file:
        store.close()
        store.path.unlink()
    # With a rollback journal the writer would wait for the reader: WAL shows that the reader sees its own moment.
    monkeypatch.setattr(driver(), "sqlite_version_info", (3, 53, 4))
    opened = Store.open(url, clock=clock)
    with opened.tx() as tx:
        project = create(tx, "R-1").record.project_id

    with opened.read() as before:
        assert len(before.runs.page(project).runs) == 1
        with opened.tx() as tx:
            create(tx, "R-2")
        assert len(before.runs.page(project).runs) == 1
    with opened.read() as after:
        assert len(after.runs.page(project).runs) == 2
    opened.close()


@pytest.mark.usefixtures("url")
def test_threads_take_turns(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")

    def add_ten() -> None:
        for _ in range(10):
            with store.tx() as tx:
                add_plan(tx, RunId("R-1"))

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.read() as tx:
        assert [head.revision for head in tx.artifacts.revisions(RunId("R-1"), PLAN)] == list(range(1, 41))


def test_what_is_to_follow_a_step_follows_once_it_is_durable(store: Store) -> None:
    lines: list[int] = []

    def count() -> None:
        with store.read() as tx:
            lines.append(len(tx.runs.page().runs))

    def interrupted_step() -> None:
        with store.tx() as tx:
            tx.after_commit(count)
            raise ZeroDivisionError

    with store.tx() as tx:
        create(tx, "R-1")
        tx.after_commit(count)
    with pytest.raises(ZeroDivisionError):
        interrupted_step()

    assert lines == [1]


def test_our_own_mistakes_are_not_dressed_up(store: Store) -> None:
    with pytest.raises(exc.IntegrityError), store.tx() as tx:
        add_plan(tx, RunId("nobody"))


def test_times_come_back_as_the_same_instant(store: Store) -> None:
    in_berlin = datetime(2026, 7, 1, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    with store.tx() as tx:
        create(tx, "R-1", at=in_berlin)
        loaded = tx.runs.load(RunId("R-1"))

    assert loaded is not None
    assert loaded.record.created_at == in_berlin
    assert loaded.record.created_at.tzinfo is UTC


def test_a_time_without_a_zone_is_our_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"), store.tx() as tx:
        create(tx, "R-1", at=NOW.replace(tzinfo=None))


def test_the_package_offers_the_store_and_nothing_else() -> None:
    assert package.__all__ == ["Store", "Tx"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing  # pyright: ignore[reportAttributeAccessIssue] - that is the point


DURABILITY = """
import sys
from datetime import UTC, datetime
from wfe_mcp.store import Store
store = Store.open(sys.argv[1], clock=lambda: datetime.now(UTC))
with store.tx() as tx, store.read() as reading:
    print(*(each._connection.exec_driver_sql("PRAGMA synchronous").scalar_one() for each in (tx, reading)))
store.close()
"""


@pytest.mark.sqlite_only("a file and its journal")
def test_a_commit_waits_for_the_disk_unless_a_test_asks_otherwise(url: str, clock: Clock) -> None:
    """In this process tests/conftest.py asks otherwise, so another one is asked for what everybody gets."""
    child = subprocess.run([sys.executable, "-c", DURABILITY, url], capture_output=True, text=True, check=False)
    store = Store.open(url, clock=clock, durable=False)
    with store.tx() as tx:
        here = tx._connection.exec_driver_sql("PRAGMA synchronous").scalar_one()  # pyright: ignore[reportPrivateUsage] - no public way to a PRAGMA
    store.close()

    assert (child.stdout.split(), here) == (["2", "2"], 0), child.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="open files of a process are not listed there")
@pytest.mark.sqlite_only("about the file")
def test_a_read_that_outlasts_its_store_leaves_no_file_open(store: Store) -> None:
    with store.read() as tx:
        assert tx.runs.page(limit=1).runs == ()
        store.close()
    assert str(store.path) not in {each.path for each in psutil.Process().open_files()}


def test_stores_of_one_process_share_what_they_compiled(tmp_path: Path, clock: Clock) -> None:
    first, second = (sqlite.make_engine(tmp_path / name, driver(), reads_only=False, durable=False) for name in "ab")
    question = text("SELECT 1")
    caches = [engine.get_execution_options()["compiled_cache"] for engine in (first, second)]
    with first.connect() as connection:
        connection.execute(question)
    before = len(caches[0])
    with second.connect() as connection:
        connection.execute(question)
    first.dispose()
    second.dispose()

    assert caches[0] is caches[1]
    assert first.dialect is second.dialect
    assert len(caches[0]) == before
