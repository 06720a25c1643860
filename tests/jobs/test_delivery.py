"""On PostgreSQL a job engine delivers jobs to the worker, which looks by itself only now and then; our rows decide."""

import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.jobs.conftest import until
from tests.postgres import Cluster
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.job_context import JobContext, Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.workspace.system.process import this_process

NEVER_S = 3600.0
"""No look of its own comes: what is done was delivered."""
JOB = NewJob("work", "checks", {})


def now() -> datetime:
    return datetime.now(UTC)


class Team:
    """A store, and workers of processes of their own, as far as they know."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stores: list[Store] = []
        self.store = self.open()
        self.workers: list[Worker] = []

    def open(self) -> Store:
        self.stores.append(Store.open(self.url, clock=now))
        return self.stores[-1]

    def worker(self, work: Any, **more: Any) -> Worker:
        options: dict[str, Any] = {"poll_s": NEVER_S, "sweep_s": NEVER_S, "take_over_s": NEVER_S, **more}
        made = Worker(self.open, this_process(), {"work": work}, now, ["checks"], **options)
        self.workers.append(made)
        made.start()
        return made

    def enqueue(self, **more: Any) -> str:
        with self.store.tx() as tx:
            return tx.jobs.enqueue(NewJob("work", "checks", {}, **more))

    def job(self, job_id: str) -> JobRecord:
        with self.store.read() as tx:
            found = tx.jobs.get(job_id)
        assert found is not None
        return found

    def is_done(self, job_id: str) -> bool:
        with suppress(Refused):  # the server is away
            return self.job(job_id).status is JobStatus.DONE
        return False


@pytest.fixture
def team(postgres_url: str) -> Iterator[Team]:
    made = Team(postgres_url)
    yield made
    for worker in made.workers:
        worker.stop()
    for store in made.stores:
        store.close()


def delivers(worker: Worker) -> bool:
    return worker.is_delivered


def do(_: JobContext) -> Outcome:
    return Outcome({})


def test_an_idle_worker_begins_what_is_queued_or_due_later_without_looking(team: Team) -> None:
    worker = team.worker(do)
    until(lambda: delivers(worker))
    jobs = [team.enqueue(), team.enqueue(run_at=now() + timedelta(seconds=1.5))]
    until(lambda: all(map(team.is_done, jobs)))


def test_a_job_that_a_busy_worker_cannot_begin_is_delivered_to_another(team: Team) -> None:
    both = threading.Barrier(2)

    def together(_: JobContext) -> Outcome:
        both.wait(30)
        return Outcome({})

    for _ in range(2):
        worker = team.worker(together, slots=1)
        until(lambda worker=worker: delivers(worker))
    jobs = [team.enqueue(), team.enqueue()]
    until(lambda: all(map(team.is_done, jobs)))


def test_a_busy_worker_leaves_what_it_gives_back_to_the_others_for_a_moment(team: Team, postgres: Cluster) -> None:
    may_end = threading.Event()

    def slow(_: JobContext) -> Outcome:
        may_end.wait(60)
        return Outcome({})

    busy = team.worker(slow, slots=1)
    until(lambda: delivers(busy))
    first = team.enqueue()
    until(lambda: team.job(first).status is JobStatus.RUNNING)
    waits = team.enqueue()
    left = """SELECT count(*) FROM procrastinate.procrastinate_jobs
        WHERE args ->> 'job_id' = %s AND status = 'todo' AND attempts > 0 AND scheduled_at > now()"""
    with postgres.connect(team.url.rpartition("/")[2]) as looking:
        until(lambda: looking.execute(left, (waits,)).fetchone()[0] == 1)
    may_end.set()
    until(lambda: all(map(team.is_done, (first, waits))))


def test_a_worker_that_ends_leaves_what_it_could_not_begin_to_another(team: Team) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_: JobContext) -> Outcome:
        begun.set()
        may_end.wait(30)
        return Outcome({})

    first = team.worker(slow, slots=1)
    until(lambda: delivers(first))
    team.enqueue()
    assert begun.wait(30)
    waits = team.enqueue()
    may_end.set()
    first.stop()
    second = team.worker(do)
    until(lambda: delivers(second))
    until(lambda: team.is_done(waits))


@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET status = 'succeeded'"])
def test_a_job_whose_delivery_is_lost_is_found_by_the_next_look(team: Team, postgres: Cluster, change: str) -> None:
    job = team.enqueue()
    name = team.url.rpartition("/")[2]
    postgres.execute("SET search_path = procrastinate", change.format("procrastinate_jobs"), database=name)
    worker = team.worker(do, sweep_s=0.05)
    until(lambda: delivers(worker))
    until(lambda: team.is_done(job))


def test_after_a_crash_of_the_server_jobs_are_delivered_again(team: Team, postgres: Cluster) -> None:
    worker = team.worker(do, poll_s=0.1)
    until(lambda: delivers(worker))
    postgres.restart("immediate")
    for _ in range(3):
        job = enqueue_when_there(team)
        until(lambda job=job: team.is_done(job))
    until(lambda: delivers(worker))
    job = enqueue_when_there(team)
    until(lambda: team.is_done(job))


def enqueue_when_there(team: Team) -> str:
    found = list[str]()

    def tries() -> bool:
        with suppress(Refused):
            found.append(team.enqueue())
        return bool(found)

    until(tries, every_s=0.05)
    return found[0]


def test_without_the_package_jobs_are_found_by_looking_and_the_log_says_so(
    team: Team, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    worker = team.worker(do, poll_s=0.02)
    job = team.enqueue()
    until(lambda: team.is_done(job))
    assert not delivers(worker)
    until(lambda: "install wfe-mcp[team]" in caplog.text)


def test_without_its_tables_jobs_are_found_by_looking_and_the_log_says_so_once(
    team: Team, postgres: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.execute("DROP SCHEMA procrastinate CASCADE", database=team.url.rpartition("/")[2])
    team.worker(do, poll_s=0.02)
    jobs = [team.enqueue()]
    until(lambda: team.is_done(jobs[0]))
    until(lambda: "until they are delivered again" in caplog.text)
    assert caplog.text.count("until they are delivered again") == 1
    assert ("does not exist" in caplog.text, "Traceback" in caplog.text) == (True, False), "the setup's fault, not ours"


@pytest.mark.sqlite_only("it opens a file")
def test_a_store_in_a_file_delivers_nothing(team: Team, tmp_path: Any) -> None:
    team.url = f"sqlite:///{tmp_path / 'wfe.db'}"
    team.store = team.open()
    worker = team.worker(do, poll_s=0.02)
    job = team.enqueue()
    until(lambda: team.is_done(job))
    assert not delivers(worker)
    assert "wfe-deliveries" not in {thread.name for thread in threading.enumerate()}
