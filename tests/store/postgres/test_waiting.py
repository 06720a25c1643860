"""Of two transactions that read and then write the same, the second waits for the first: what it decides by is as under SQLite's lock."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.postgres import Cluster
from tests.store.scene import ADA, NOW, Clock, count_words, create, step
from wfe_mcp.core import events as e
from wfe_mcp.core.model import RunId
from wfe_mcp.jobs.completion import Completion
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.store.records.templates import TemplateMark
from wfe_mcp.store.runs.phase_sums import PhaseSumRow
from wfe_mcp.store.search.index import NO_RUN

RUN = RunId("R-1")
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
def store(postgres_url: str, clock: Clock) -> Iterator[Store]:
    opened = Store.open(postgres_url, clock=clock)
    with opened.tx() as tx:
        create(tx, RUN)
    yield opened
    opened.close()


def project(tx: Tx) -> str:
    loaded = tx.runs.load(RUN, to_change=False)
    assert loaded is not None
    return loaded.record.project_id


def job(key: str) -> NewJob:
    return NewJob(kind="try", queue="checks", payload={}, dedupe_key=key)


def outside(tx: Tx) -> None:
    """The first row of what is in no run; two at once would both begin its count."""
    tx.search_notes.note(NO_RUN, (), events=tx.search_notes.outside_rows())
    tx.search_notes.write()


def beside(
    store: Store, cluster: Cluster, first: Callable[[Tx], object], second: Callable[[Tx], object]
) -> list[object]:
    """What ``second`` returns, begun while the transaction of ``first`` is open; "it waited" before it, where that is so."""
    seen = list[object]()

    def other() -> None:
        with store.tx() as tx:
            seen.append(second(tx))

    thread = threading.Thread(target=other)
    with cluster.connect() as looking:
        with store.tx() as tx:
            first(tx)
            thread.start()
            while thread.is_alive() and not seen:
                if looking.execute(WAITING).fetchone()[0]:
                    seen.append("it waited")
        thread.join(30)
    return seen


CHANGES: dict[str, Callable[[Tx], object]] = {
    "settings": lambda tx: tx.settings_log.note("SecretSet", "pin", ADA, NOW, "1"),
    "use of a secret": lambda tx: tx.secrets.note_use("used:k", "now", NOW),
    "trust": lambda tx: tx.trust.give(project(tx), "a.toml", "0" * 64, ADA, NOW),
    "trust withdrawn": lambda tx: tx.trust.withdraw(project(tx), "a.toml", ADA, NOW),
    "mark": lambda tx: tx.templates.mark(project(tx), "plan", TemplateMark.DEFAULT, ADA),
    "sums": lambda tx: tx.phase_sums.add(project(tx), "", {}, [PhaseSumRow("t", "plan", tasks=1)]),
    "sums of calls": lambda tx: tx.usage_sums.count(project(tx), 1),
    "line": lambda tx: tx.lines.enqueue(job("a"), "events"),
    "what is found in no run": lambda tx: outside(tx),
    "a run that is indexed": lambda tx: tx.search_index.index_run(RUN),
    "a run that was read before": lambda tx: tx.runs.revision(RUN),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_writes_after_what_it_read_waits_for_the_one_before(store: Store, postgres: Cluster, change: str) -> None:
    assert beside(store, postgres, CHANGES[change], CHANGES[change])[0] == "it waited"


@pytest.mark.parametrize("is_pruned_first", [True, False])
def test_a_run_that_is_pruned_while_it_is_indexed_leaves_nothing_in_the_index(
    store: Store, postgres: Cluster, postgres_url: str, *, is_pruned_first: bool
) -> None:
    def prune(tx: Tx) -> object:
        loaded = tx.runs.load(RUN)
        assert loaded is not None
        return tx.retention.prune(loaded.record, (), ADA, NOW).run_id

    def index(tx: Tx) -> object:
        return tx.search_index.index_run(RUN)

    with store.read() as tx:
        loaded = tx.runs.load(RUN, to_change=False)
    assert loaded is not None
    step(store, loaded, e.RunCancelled())
    with store.tx() as tx:
        tx.search_index.rebuild()
        tx.search_index.index_run(NO_RUN)
    seen = beside(store, postgres, *((prune, index) if is_pruned_first else (index, prune)))

    assert seen == ["it waited", 0 if is_pruned_first else RUN]
    assert count_words(postgres_url, "tiny") == 0
    with store.read() as tx:
        assert not tx.search_index.is_behind()


def test_documents_are_kept_side_by_side_and_not_while_unused_ones_are_removed(store: Store, postgres: Cluster) -> None:
    def keep(tx: Tx) -> list[str]:
        return tx.documents.keep_texts("{}")

    def remove(tx: Tx) -> object:
        return tx.retention.mentioned_runs(set(), set())

    with store.tx() as tx:
        names = keep(tx)
    assert beside(store, postgres, lambda tx: tx.documents.keep_texts("[]"), keep) == [names]
    assert beside(store, postgres, remove, keep) == ["it waited", names]
    assert beside(store, postgres, keep, remove)[0] == "it waited"


def test_a_job_that_is_renewed_or_ended_meanwhile_is_not_claimed(store: Store, postgres: Cluster, clock: Clock) -> None:
    def claim(tx: Tx) -> JobRecord | None:
        return tx.jobs.claim("other", ["checks"], 30, clock())

    for end in ("heartbeat", "finish"):
        with store.tx() as tx:
            tx.jobs.enqueue(job(end))
            mine = tx.jobs.claim("one", ["checks"], 30, clock())
            assert mine is not None
        clock.now += timedelta(minutes=1)

        def first(tx: Tx, end: str = end, mine: JobRecord = mine) -> None:
            done = (
                tx.jobs.heartbeat(mine.id, mine.fence, clock() + timedelta(minutes=1))
                if end == "heartbeat"
                else tx.jobs.finish(mine.id, mine.fence, {"by": "one"})
            )
            assert done

        assert beside(store, postgres, first, claim) == ["it waited", None]
        if end == "heartbeat":
            with store.tx() as tx:
                assert tx.jobs.finish(mine.id, mine.fence, {"by": "one"})


def test_a_job_that_is_cancelled_as_it_goes_back_to_its_queue_is_cancelled(
    store: Store, postgres: Cluster, clock: Clock
) -> None:
    def cancel(tx: Tx) -> object:
        return tx.jobs.request_cancel(run_id=RUN, reason="not needed")

    for is_first in (True, False):
        with store.tx() as tx:
            tx.jobs.enqueue(replace(job(f"cancelled first: {is_first}"), run_id=RUN))
            mine = tx.jobs.claim("one", ["checks"], 30, clock())
            assert mine is not None

        def retry(tx: Tx, mine: JobRecord = mine) -> object:
            return tx.jobs.fail(mine.id, mine.fence, "no answer", clock())

        def retry_by_worker(_tx: Tx, mine: JobRecord = mine) -> object:
            return Completion(store, clock).fail(mine, "no answer")

        seen = beside(store, postgres, *((cancel, retry_by_worker) if is_first else (retry, cancel)))

        assert seen[0] == "it waited"
        with store.read() as tx:
            ended = tx.jobs.get(mine.id)
        assert ended is not None and ended.status is JobStatus.CANCELLED
