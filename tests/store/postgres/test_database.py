"""On PostgreSQL several transactions write at once; faults of the server are refused and the next call works."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster
from tests.store.scene import AGENT, NOW, PLAN, Clock, PastTheStore, add_plan, create, fold
from wfe_mcp.core import events as e
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.records.calls import CallPurpose, NewCall

RUN = RunId("R-1")


@pytest.fixture
def store(postgres_url: str, clock: Clock) -> Iterator[Store]:
    opened = Store.open(postgres_url, clock=clock, durable=True)
    with opened.tx() as tx:
        create(tx, RUN)
    yield opened
    opened.close()


def test_one_run_is_changed_by_one_transaction_at_a_time_and_others_are_changed_meanwhile(store: Store) -> None:
    claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW)
    order: list[str] = []

    def second() -> None:
        with store.tx() as tx:
            loaded = tx.runs.load(RUN)
            assert loaded is not None
            order.append("second")
            assert loaded.record.revision == 2

    with store.tx() as tx:
        loaded = tx.runs.load(RUN)
        assert loaded is not None
        thread = threading.Thread(target=second)
        thread.start()
        with store.tx() as other:  # another run, and a row that names the first one
            create(other, "R-2")
            other.evidence.of_run(RUN)
        tx.runs.save(loaded, fold(loaded.state, claimed), [claimed], AGENT, NOW)
        order.append("first")
    thread.join(30)

    assert order == ["first", "second"]


def test_rows_that_name_a_run_are_written_while_it_is_changed(store: Store, postgres_url: str) -> None:
    past = PastTheStore(postgres_url)
    past.execute("SET lock_timeout = '200ms'")
    with store.tx() as tx:
        tx.runs.load(RUN)
        past.execute(
            "INSERT INTO attachment VALUES ('a', 'R-1', 1, 'plan', 1, 1, 'n', 't', 0, 's', '', 'ada', 'cli', now(), '')"
        )
    past.close()


def test_a_deadlock_is_refused_with_the_advice_to_call_again(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-2")
    locked, refused = threading.Barrier(2, timeout=30), list[Refused]()

    def lock(first: str, then: str) -> None:
        try:
            with store.tx() as tx:
                tx.runs.load(RunId(first))
                locked.wait()
                tx.runs.load(RunId(then))
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=lock, args=each) for each in (("R-1", "R-2"), ("R-2", "R-1"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [(error.code, error.data) for error in refused] == [("unavailable", {"retry": True})]


def test_after_a_crash_of_the_server_the_call_is_refused_and_the_next_one_works(
    store: Store, postgres: Cluster
) -> None:

    def write_during_the_crash() -> None:
        with store.tx() as tx:
            create(tx, "R-2")
            postgres.restart("immediate")
            create(tx, "R-3")

    with pytest.raises(Refused) as lost:
        write_during_the_crash()
    assert (lost.value.code, lost.value.data) == ("unavailable", {"retry": True})

    with store.tx() as tx:
        create(tx, "R-4")
    with store.read() as tx:
        assert {run.id for run in tx.runs.page().runs} == {RUN, "R-4"}


def test_a_server_that_is_not_there_is_refused_without_the_password(postgres: Cluster, clock: Clock) -> None:
    url = "postgresql+psycopg://ada:s3cret@127.0.0.1:1/wfe?password=s3cret&application_name=s3cret"
    with pytest.raises(Refused) as refused:
        Store.open(url, clock=clock)

    assert refused.value.code == "unavailable"
    assert refused.value.data == {"retry": True}
    assert "postgresql://ada@127.0.0.1:1/wfe" in refused.value.message
    assert "s3cret" not in f"{refused.value.message}{refused.value.hint}{refused.value!r}"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+asyncpg://ada:s3cret@h/wfe",
        "postgresql+psycopg2://ada:s3cret@h/wfe",
        "postgresqlx://ada:s3cret@h/wfe",
        "postgresql://ada:p@s3cret@h/wfe",
        "postgresql://ada:s3cret@h:http/wfe",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_showing_it(address: str, clock: Clock) -> None:
    with pytest.raises(Refused) as refused:
        Store.open(address, clock=clock)

    assert refused.value.code == "unavailable"
    assert "%40" in refused.value.hint
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("database", "named"),
    [
        ("not_there", "not_there"),
        ("postgres?sslmode=perhaps", "sslmode"),
        ("postgres?colour=red", "colour"),
        ("postgres?user=stranger", "stranger"),
        ("postgres?sslmode=require", "SSL"),
    ],
)
def test_an_address_that_the_server_refuses_is_named_and_not_tried_again(
    postgres: Cluster, clock: Clock, database: str, named: str
) -> None:
    with pytest.raises(Refused) as refused:
        Store.open(postgres.url(database), clock=clock)

    assert (refused.value.code, refused.value.data) == ("unavailable", {"retry": False})
    assert named in refused.value.message


def test_a_number_that_no_column_has_room_for_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="bad_argument") as refused, store.tx() as tx:
        tx.model_calls.begin(NewCall("p-1", CallPurpose.WORK, "openai", "m", reserved_tokens=2**63))
    assert refused.value.message == "A number is larger than any in the database."


def test_a_text_with_nul_is_refused(store: Store) -> None:
    with pytest.raises(Refused) as refused, store.tx() as tx:
        tx.projects.id_of("/p\0/.git", "/p")

    assert refused.value.code == "bad_argument"
    assert "NUL" in refused.value.message


def test_there_is_no_file_and_who_asks_for_it_learns_what_to_do_instead(store: Store) -> None:
    assert not store.has_file
    with pytest.raises(Refused) as refused:
        _ = store.path

    assert refused.value.code == "unavailable"
    assert "pg_dump" in refused.value.hint


def test_what_a_machine_keeps_for_itself_is_in_the_users_data_folder(
    store: Store, postgres_url: str, tmp_path: Path, clock: Clock
) -> None:
    by_another_role = Store.open(postgres_url, clock=clock)
    assert store.place == by_another_role.place
    assert store.place.is_relative_to(tmp_path)
    assert store.place.parent.is_dir() and not store.place.exists()
    by_another_role.close()


def test_a_child_process_opens_the_same_database(store: Store, clock: Clock) -> None:
    child = Store.open(store.environment["WFE_DATABASE_URL"], clock=clock)
    with child.read() as tx:
        assert tx.runs.load(RUN)
    child.close()


def test_a_call_that_waits_long_for_a_run_is_refused(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wfe_mcp.store.postgres.database.WAIT_S", 1)
    waiting = Store.open(postgres_url, clock=Clock())
    with store.tx() as tx:
        tx.runs.load(RUN)
        with pytest.raises(Refused, match="busy") as refused, waiting.tx() as other:
            other.runs.load(RUN)
    waiting.close()

    assert refused.value.data == {"retry": True}


def test_revisions_of_several_writers_have_their_own_numbers(store: Store) -> None:
    def add_five() -> None:
        for _ in range(5):
            with store.tx() as tx:
                add_plan(tx, RUN)

    threads = [threading.Thread(target=add_five) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.read() as tx:
        assert [head.revision for head in tx.artifacts.revisions(RUN, PLAN)] == list(range(1, 16))


def test_the_driver_that_is_missing_is_named(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Refused) as refused:
        Store.open("postgresql://h/wfe", clock=clock)

    assert "wfe-mcp[team]" in refused.value.hint
