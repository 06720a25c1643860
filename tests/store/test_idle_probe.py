"""The idle probe reports "idle" exactly where the store finds nothing open, and never creates or writes a file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.scene import AS_OF_0005, NOW, create, tamper
from wfe_mcp.core.items import ItemKind, new_item, with_values
from wfe_mcp.core.model import By, RunStatus
from wfe_mcp.store import Store
from wfe_mcp.store.idle_probe import ready_items
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.store.runs.run_list import OPEN_RUNS

pytestmark = pytest.mark.sqlite_only("the probe reads the file")

KEY = "/p/.git"


def nothing_is_open(url: str, key: str) -> bool:
    return ready_items(url, key) is not None


def test_it_says_of_every_run_what_the_store_says(store: Store, url: str) -> None:
    with store.tx() as tx:
        project = create(tx, "r1").record.project_id
    for column in ("status = 'running'", "archived_at = '2026-03-01 12:00:00'", "origin_sha256 = 'abc'"):
        tamper(url, f"UPDATE run SET {column}")
        for status in RunStatus:
            tamper(url, f"UPDATE run SET status = '{status}'")
            with store.read() as tx:
                is_open = bool(tx.runs.open_ids(project))
            is_stopped = status in {RunStatus.BLOCKED, RunStatus.FAILED} and column.startswith("status")
            assert nothing_is_open(url, KEY) is not (is_open or is_stopped), (column, status)
            assert is_open is (status in OPEN_RUNS and column.startswith("status"))
        tamper(url, "UPDATE run SET archived_at = NULL")


def test_a_project_is_not_asked_about_the_runs_of_another(store: Store, url: str) -> None:
    assert nothing_is_open(url, KEY)
    with store.tx() as tx:
        create(tx, "r1")
    assert not nothing_is_open(url, KEY)
    assert nothing_is_open(url, "/other/.git")


def test_where_a_page_is_registered_someone_else_says_so(store: Store, url: str) -> None:
    with store.tx() as tx:
        tx.processes.register(ProcessRecord("host", 1, 1.0, "serve"))
    assert nothing_is_open(url, KEY)
    with store.tx() as tx:
        tx.processes.register(ProcessRecord("host", 2, 1.0, "ui", port=1))
    assert not nothing_is_open(url, KEY)


def test_it_counts_the_work_items_that_are_ready(store: Store, url: str) -> None:
    with store.tx() as tx:
        project = tx.projects.id_of(KEY, "/p")
        for status in ("ready", "planned", "ready"):
            item = new_item(tx.items.new_id(project), ItemKind.TASK, {"title": "Write"})
            tx.items.add(project, with_values(item, {"status": status}), By(), NOW)
    assert (ready_items(url, KEY), ready_items(url, "/other/.git")) == (2, 0)


def test_a_database_that_lacks_a_run_with_files_is_not_idle(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, "r1")
    tamper(url, "UPDATE run SET status = 'completed'")
    assert ready_items(url, KEY, with_files=["r1"]) == 0
    assert ready_items(url, KEY, with_files=["r1", "r2"]) is None


def test_a_folder_with_the_mark_of_another_project_is_not_idle(store: Store, url: str) -> None:
    with store.tx() as tx:
        project = tx.projects.id_of(KEY, "/p")
    ready = [ready_items(url, KEY, may_be_new=False, mark=mark) for mark in ("", project, "p-0123456789abcdef")]
    assert ready == [0, 0, None]


def gone(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def damaged(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def of_an_older_version(path: Path) -> None:
    tamper(f"sqlite:///{path}", *AS_OF_0005)


@pytest.mark.parametrize("change", [gone, empty, damaged, of_an_older_version])
def test_of_a_file_that_it_does_not_know_it_says_nothing(
    store: Store, url: str, change: Callable[[Path], object]
) -> None:
    path = store.path
    store.close()
    change(path)
    before = {each.name: each.stat().st_size for each in path.parent.iterdir()}
    assert not nothing_is_open(url, KEY)
    after = {each.name: each.stat().st_size for each in path.parent.iterdir()}
    assert {name: size for name, size in after.items() if not name.endswith(("-shm", "-wal"))} == before
    assert not after.get(f"{path.name}-wal")  # a reader of a file with a write-ahead log makes an empty one


@pytest.mark.parametrize(
    "form", ["{0}?timeout=3", "postgresql://h/{1}", "sqlite:///relative.db", "sqlite://", "sqlite+pysqlite:///{1}"]
)
def test_an_address_that_is_more_than_a_file_is_left_to_the_store(store: Store, url: str, form: str) -> None:
    assert nothing_is_open(url, KEY)
    assert not nothing_is_open(form.format(url, store.path), KEY)


def test_behind_one_who_writes_it_waits_no_longer_than_a_moment(store: Store, url: str) -> None:
    script = (
        "import sys; from wfe_mcp.store.driver import driver; db = driver().connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); input()"
    )
    argv = [sys.executable, "-c", script, str(store.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == b"locked"
        locked = nothing_is_open(url, KEY)
        writer.communicate(b"\n", timeout=120)
    is_wal = store.health().journal_mode == "wal"  # there a reader is in no one's way, and no one in a reader's
    assert locked is is_wal
    assert nothing_is_open(url, KEY)
