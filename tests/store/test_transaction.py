"""A transaction has a repository for each noun, and one of each."""

import contextlib
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.scene import AGENT, Clock, create
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.driver import driver
from wfe_mcp.store.sqlite import next_pause_s


def test_a_transaction_has_one_repository_of_each_noun(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        assert tx.runs is tx.runs
        create(tx, "R-1")
        # the run was written through the transaction's own log and search notes, not through copies of them
        assert tx.events.tails(["R-1"])["R-1"][0] == 2
        assert (tx.settings_log.has_changed, tx.settings_log.tail()[0]) == (False, 0)
        tx.secrets.set("pin", "1234", AGENT, clock())
        assert (tx.settings_log.has_changed, tx.settings_log.tail()[0]) == (True, 1)


def test_who_has_waited_longer_for_a_lock_looks_more_often() -> None:
    pauses = [next_pause_s(waited) for waited in (0.0, 0.05, 0.1, 0.2, 5.0)]
    assert pauses == sorted(pauses, reverse=True) and pauses[-1] > 0.001


@pytest.mark.sqlite_only("a file has one writer")
@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux says who waits")
def test_writers_of_several_connections_write_in_the_order_in_which_they_came(
    store: Store, url: str, clock: Clock
) -> None:
    order: list[int] = []

    def write(number: int) -> None:
        with closing(Store.open(url, clock=clock)) as own, own.tx():
            order.append(number)

    def in_line() -> int:
        file = Path(f"{store.path.resolve()}-line")
        return Path("/proc/locks").read_text().count(f":{file.stat().st_ino} ") if file.exists() else 0

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    with store.tx():
        for number, writer in enumerate(writers):
            writer.start()
            end = time.monotonic() + 20
            while in_line() == number and time.monotonic() < end:
                time.sleep(0.001)  # until it stands behind the others
    for writer in writers:
        writer.join()

    assert order == [0, 1, 2, 3, 4, 5]


@pytest.mark.sqlite_only("a file has one writer")
def test_a_writer_waits_for_a_reader_of_another_connection(store: Store) -> None:
    # Through the same library: another one in this process would not see our locks, and remove the log of an open database.
    other = driver().connect(str(store.path), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM run").fetchone()
    ending = threading.Timer(0.05, lambda: other.execute("COMMIT"))
    ending.start()
    with store.tx() as tx:
        create(tx, "R-1")
    ending.join()
    other.close()
    with store.read() as tx:
        assert tx.runs.load(RunId("R-1")) is not None


def test_actions_run_before_the_commit_after_it_and_after_a_rollback(store: Store) -> None:
    ran: list[str] = []
    with store.tx() as tx:
        tx.before_commit(lambda: create(tx, "R-1"))
        tx.after_rollback(lambda: ran.append("never"))
        tx.after_commit(lambda: ran.append("second"))
        tx.after_commit(lambda: ran.append("first"), first=True)
    with contextlib.suppress(ZeroDivisionError), store.tx() as tx:
        tx.after_rollback(lambda: ran.append("undone"))
        raise ZeroDivisionError
    with store.read() as tx:
        assert tx.runs.load(RunId("R-1")) is not None
    assert ran == ["first", "second", "undone"]


def test_the_data_version_changes_with_every_writer(store: Store, url: str, clock: Clock) -> None:
    other = Store.open(url, clock=clock)
    seen = [store.data_version(), store.data_version()]
    with store.tx() as tx:
        tx.projects.id_of("/p/.git", "/p")
    seen.append(store.data_version())
    with other.tx() as tx:
        tx.projects.id_of("/q/.git", "/q")
    seen.append(store.data_version())
    other.close()

    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


@pytest.mark.sqlite_only("a server does not tell who committed")
def test_the_version_of_others_shows_that_another_process_wrote(store: Store, url: str, clock: Clock) -> None:
    other = Store.open(url, clock=clock)
    before = store.others_version()
    with store.tx() as tx:
        tx.projects.id_of("/p/.git", "/p")
    own = store.others_version()
    with other.tx() as tx:
        tx.projects.id_of("/q/.git", "/q")
    after = store.others_version()
    other.close()

    assert before == own != after
