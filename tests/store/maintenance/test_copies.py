"""A backup is one moment of the file, even during writes; a restore is one transaction, even when killed."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.store import writers
from tests.store.scene import Clock, create, lost_jobs
from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store, sqlite
from wfe_mcp.store.driver import driver
from wfe_mcp.store.maintenance import copies
from wfe_mcp.store.records.jobs import Effect, NewJob

pytestmark = pytest.mark.sqlite_only("a server is backed up with pg_dump")

CONTEXT: Any = multiprocessing.get_context("spawn")
WAIT_S = 120
EACH = 6

Start = Callable[..., BaseProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a function in a process of its own; whatever still runs at the end is killed."""
    started: list[BaseProcess] = []

    def start_one(target: Callable[..., None], *arguments: object) -> BaseProcess:
        process = CONTEXT.Process(target=target, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.join(WAIT_S)
        process.close()


def runs_of(path: Path, clock: Clock) -> set[str]:
    """The runs in the database; each of them adds up."""
    store = Store.open(f"sqlite:///{path.as_posix()}", clock=clock)
    with store.read() as tx:
        found = {run.id for run in tx.runs.page(limit=10_000).runs}
        assert [problem for run in found for problem in tx.verification.problems(run)] == []
    store.close()
    return set(found)


def test_copies_made_while_eight_processes_write_have_all_that_was_there_and_hinder_no_one(
    start: Start, store: Store, url: str, clock: Clock, tmp_path: Path
) -> None:
    together = CONTEXT.Barrier(9, timeout=WAIT_S)
    writing = [start(writers.create_runs, url, f"w{number}", EACH, together) for number in range(8)]
    together.wait()
    seen: list[tuple[set[str], Path]] = []
    while len(seen) < 4:
        with store.read() as tx:
            there = {str(run.id) for run in tx.runs.page(limit=10_000).runs}
        copy = tmp_path / f"copy-{len(seen)}.db"
        copies.copy(store.path, copy)
        seen.append((there, copy))
    for process in writing:
        process.join(WAIT_S)

    assert [process.exitcode for process in writing] == [0] * 8, "nobody was refused"
    assert len(runs_of(store.path, clock)) == 8 * EACH
    assert [copy.name for there, copy in seen if not there <= runs_of(copy, clock)] == []
    assert [copies.faults_of(copy) for _, copy in seen] == [[]] * len(seen)


@pytest.mark.parametrize("step", [1, 2, 5, 9])
def test_a_process_killed_while_a_copy_is_restored_leaves_the_old_content(
    start: Start, store: Store, url: str, clock: Clock, tmp_path: Path, step: int
) -> None:
    with store.tx() as tx:
        create(tx, "old")
    copies.copy(store.path, tmp_path / "copy.db")
    with store.tx() as tx:
        create(tx, "new")

    process = start(writers.put_back_and_die, str(tmp_path / "copy.db"), str(store.path), step)
    process.join(WAIT_S)

    assert process.exitcode not in (0, None)
    assert runs_of(store.path, clock) == {"old", "new"}
    assert copies.faults_of(store.path) == []


def test_a_process_with_the_database_open_sees_what_was_restored(store: Store, clock: Clock, tmp_path: Path) -> None:
    with store.tx() as tx:
        create(tx, "old")
    copies.copy(store.path, tmp_path / "copy.db")
    with store.tx() as tx:
        create(tx, "new")
    before = store.data_version()

    copies.write_over(tmp_path / "copy.db", store.path)

    assert store.data_version() != before
    with store.tx() as tx:
        assert [run.id for run in tx.runs.page().runs] == ["old"]
        create(tx, "next")
    assert runs_of(store.path, clock) == {"old", "next"}


def test_a_database_that_someone_keeps_locked_is_busy_and_not_changed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.copy(store.path, tmp_path / "copy.db")
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0)
    other = driver().connect(str(store.path), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Refused) as no:
        copies.write_over(tmp_path / "copy.db", store.path)
    other.execute("ROLLBACK")
    other.close()
    assert (no.value.code, no.value.data["retry"]) == ("unavailable", True)


def test_rows_that_name_what_is_not_there_are_faults(store: Store) -> None:
    raw = driver().connect(str(store.path), isolation_level=None)
    raw.execute("INSERT INTO idempotency VALUES ('p-none', 'k', 'x', 'r-none', '2026-01-01 00:00:00')")
    raw.close()
    assert [fault.split(" row ")[0] for fault in copies.faults_of(store.path)] == ["idempotency", "idempotency"]
    assert copies.faults_of(store.path, deep=False) == []


def test_a_file_that_is_no_database_has_a_fault_and_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("words, not pages " * 100)
    assert copies.faults_of(tmp_path / "words") == ["file is not a database"]
    assert not copies.is_ours(tmp_path / "words")
    assert copies.heads_of(tmp_path / "words") == {}


def test_vacuum_gives_back_what_nothing_uses(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        for number in range(50):
            create(tx, f"r-{number}")
    raw = driver().connect(str(store.path), isolation_level=None)
    raw.execute("CREATE TABLE ballast AS SELECT randomblob(4000) FROM event LIMIT 100")
    raw.execute("DROP TABLE ballast")
    raw.close()
    before, after = copies.vacuum(store.path)
    assert before - after >= 100 * 4000
    assert len(runs_of(store.path, clock)) == 50


def test_what_may_not_run_twice_and_waits_in_a_copy_is_left_to_a_person(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        once = tx.jobs.enqueue(NewJob("step", "local", {}, effect=Effect.NON_REPEATABLE))
        again = tx.jobs.enqueue(NewJob("step", "local", {}))
        assert tx.jobs.hold_unrepeatable(clock()) == 1
    clock.forward(1)
    with store.tx() as tx:
        assert [job.id for job in lost_jobs(tx, clock)] == [once], "so it is parked by the next server"
        claimed = tx.jobs.claim("me", ["local"], 30, clock())
        assert claimed is not None
        assert claimed.id == again
        assert tx.jobs.claim("me", ["local"], 30, clock()) is None


def large(path: Path, mode: str) -> Any:
    """A database of more pages than a step of a copy reads, and a writer that waits for nothing."""
    writer = driver().connect(str(path), timeout=0, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode={mode}")
    writer.execute("CREATE TABLE filling (content)")
    writer.executemany("INSERT INTO filling VALUES (zeroblob(?))", [(4_000_000,)] * 4)
    return writer


@pytest.mark.parametrize(("mode", "written"), [("wal", 100), ("delete", 3)])
def test_writers_write_between_the_steps_of_a_copy(tmp_path: Path, mode: str, written: int) -> None:
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    writer, times, parts = large(source, mode), list[int](), list[int]()

    def write(done: int, total: int) -> None:
        parts.append(100 * done // total)
        if done < total and len(times) < written:
            writer.execute("INSERT INTO filling VALUES (1)")
            times.append(done)

    copies.copy(source, target, write)
    writer.close()
    connection = driver().connect(str(target))
    (found,) = connection.execute("SELECT count(*) FROM filling WHERE content = 1").fetchone()
    connection.close()
    assert (len(times) >= 3, parts[-1]) == (True, 100)
    assert found == (0 if mode == "wal" else 3), "it is of one moment"
    assert copies.faults_of(target) == []


def test_a_copy_that_is_disturbed_again_and_again_ends_all_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    writer, refused = large(source, "delete"), list[str]()

    def write(done: int, total: int) -> None:
        try:
            writer.execute("INSERT INTO filling VALUES (1)")
        except driver().OperationalError as error:
            refused.append(error.sqlite_errorname)

    copies.copy(source, tmp_path / "target.db", write)
    writer.close()
    assert {*refused} == {"SQLITE_BUSY"}, "in the end it holds them off"
