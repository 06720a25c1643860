"""A job has one holder at a time, and only the holder of the last claim may write its end."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.store.scene import NOW, PLAN, Clock, create, lost_jobs
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import ClaimLimits, Effect, JobRecord, JobStatus, Limit, NewJob

RUN = RunId("R-1")
CHECK = NewJob("check", "local", {"check": "test"})
QUEUES = ["local"]


def claimed(tx: Tx, clock: Clock, owner: str = "a") -> JobRecord:
    job = tx.jobs.claim(owner, QUEUES, 30, clock())
    assert job is not None
    return job


def test_a_job_is_claimed_worked_on_and_done(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        job_id = tx.jobs.enqueue(CHECK)
        assert tx.jobs.is_due(QUEUES, clock())
        job = claimed(tx, clock)

        assert (job.id, job.payload, job.fence, job.tries) == (job_id, {"check": "test"}, 1, 1)
        assert (job.lease_owner, job.lease_until) == ("a", NOW + timedelta(seconds=30))
        assert not tx.jobs.is_due(QUEUES, clock())
        assert tx.jobs.heartbeat(job.id, job.fence, clock.forward(60))
        assert tx.jobs.set_child(job.id, job.fence, 77, 1.25)
        assert [item.child_pid for item in tx.jobs.running()] == [77]
        assert tx.jobs.finish(job.id, job.fence, {"exit_code": 0})
        done = tx.jobs.get(job.id)

    assert done is not None
    assert (done.status, done.result, done.lease_owner) == (JobStatus.DONE, {"exit_code": 0}, None)
    assert done.finished_at == clock.now


@pytest.mark.requirement("B-27")
def test_two_claimers_never_get_the_same_job(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(CHECK)
        claimed(tx, clock, "a")
        assert tx.jobs.claim("b", QUEUES, 30, clock()) is None


@pytest.mark.requirement("B-27")
def test_the_job_of_a_dead_worker_returns_after_its_lease(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(CHECK)
        dead = claimed(tx, clock, "dead")
        tx.jobs.set_child(dead.id, dead.fence, 77, 1.25)
        clock.forward(31)
        assert [job.child_pid for job in lost_jobs(tx, clock)] == [77]
        taken = claimed(tx, clock, "alive")

        assert (taken.id, taken.fence, taken.tries, taken.child_pid) == (dead.id, 2, 2, None)
        assert not tx.jobs.heartbeat(dead.id, dead.fence, clock())
        assert not tx.jobs.set_child(dead.id, dead.fence, 78, 1.5)
        assert not tx.jobs.finish(dead.id, dead.fence, {})
        assert not tx.jobs.fail(dead.id, dead.fence, "late", clock())
        assert tx.jobs.finish(taken.id, taken.fence, {})


@pytest.mark.parametrize("change", [{"effect": Effect.NON_REPEATABLE}, {"max_attempts": 1}])
def test_a_lost_job_that_must_not_run_again_waits_for_a_decision(
    store: Store, clock: Clock, change: dict[str, int]
) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(replace(CHECK, **change))
        claimed(tx, clock)
        clock.forward(31)

        assert tx.jobs.claim("b", QUEUES, 30, clock()) is None
        (lost,) = lost_jobs(tx, clock)
        assert tx.jobs.park(lost.id, lost.fence, "its worker died")
        parked = tx.jobs.get(lost.id)

    assert parked is not None
    assert (parked.status, parked.error) == (JobStatus.PARKED, "its worker died")


def test_the_most_urgent_due_job_of_the_own_queues_comes_first(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(replace(CHECK, kind="normal"))
        tx.jobs.enqueue(replace(CHECK, kind="urgent", priority=1))
        tx.jobs.enqueue(replace(CHECK, kind="earlier", run_at=NOW - timedelta(seconds=1)))
        tx.jobs.enqueue(replace(CHECK, kind="not yet", priority=0, run_at=NOW + timedelta(seconds=1)))
        tx.jobs.enqueue(replace(CHECK, kind="elsewhere", priority=0, queue="models"))

        assert [claimed(tx, clock).kind for _ in range(3)] == ["urgent", "earlier", "normal"]
        assert tx.jobs.claim("a", QUEUES, 30, clock()) is None
        clock.forward(1)
        assert claimed(tx, clock).kind == "not yet"


def test_a_failed_job_runs_again_at_its_time_or_never(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(CHECK)
        job = claimed(tx, clock)
        assert tx.jobs.fail(job.id, job.fence, "flaky", NOW + timedelta(seconds=5))
        assert tx.jobs.claim("a", QUEUES, 30, clock()) is None
        clock.forward(5)
        again = claimed(tx, clock)
        assert (again.error, again.tries) == ("flaky", 2)
        assert tx.jobs.fail(again.id, again.fence, "broken", None)
        assert [item.status for item in tx.jobs.filter()] == [JobStatus.FAILED]


def test_a_known_dedupe_key_gives_the_job_that_has_it(store: Store, clock: Clock) -> None:
    once = replace(CHECK, dedupe_key="gate:R-1:plan:1")
    with store.tx() as tx:
        first = tx.jobs.enqueue(once)
        job = claimed(tx, clock)
        tx.jobs.finish(job.id, job.fence, {})

        assert tx.jobs.enqueue(once) == first
        assert tx.jobs.claim("a", QUEUES, 30, clock()) is None


def test_cancelling_ends_what_waits_and_asks_what_runs(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        of_plan = replace(CHECK, run_id=RUN, phase=PLAN, attempt=1)
        tx.jobs.enqueue(of_plan)
        running = claimed(tx, clock)
        waiting = tx.jobs.enqueue(of_plan)
        other = tx.jobs.enqueue(replace(of_plan, attempt=2))

        assert tx.jobs.request_cancel(run_id=RUN, phase=PLAN, attempt=1) == 2
        assert tx.jobs.request_cancel(run_id=RUN, phase=PLAN, attempt=1) == 0
        assert [job.id for job in tx.jobs.filter(RUN, PLAN, 1, [JobStatus.CANCELLED])] == [waiting]
        assert not tx.jobs.heartbeat(running.id, running.fence, clock())
        assert tx.jobs.cancel_done(running.id, running.fence)
        assert tx.jobs.request_cancel(other) == 1
        assert [job.status for job in tx.jobs.filter(RUN)] == [JobStatus.CANCELLED] * 3
        with pytest.raises(ValueError, match="name a job or a run"):
            tx.jobs.request_cancel()


def test_a_cancelled_job_of_a_dead_worker_is_not_given_out_again(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        job_id = tx.jobs.enqueue(CHECK)
        claimed(tx, clock)
        tx.jobs.request_cancel(job_id)
        clock.forward(31)

        assert tx.jobs.claim("b", QUEUES, 30, clock()) is None
        assert [job.id for job in lost_jobs(tx, clock)] == [job_id]


def test_jobs_are_listed_newest_first(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        for _ in range(3):
            tx.jobs.enqueue(CHECK)
            clock.forward(1)
        found = tx.jobs.filter(limit=2)

    assert len(found) == 2
    assert all(newer.created_at > older.created_at for newer, older in pairwise(found))
    with store.read() as tx:
        assert tx.jobs.get("job-0") is None


def test_a_job_is_only_there_when_the_step_that_caused_it_is(store: Store) -> None:
    def interrupted_step() -> None:
        with store.tx() as tx:
            tx.jobs.enqueue(CHECK)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted_step()

    with store.read() as tx:
        assert tx.jobs.filter() == []


def test_a_team_and_a_project_have_only_so_many_jobs_at_once_and_times_are_never_held_up(
    store: Store, clock: Clock
) -> None:
    queues = ("command:p", "llm:p", "timer:p")
    limits = ClaimLimits(team=3, project=2)
    with store.tx() as tx:
        for queue in ("command:other", "command:other", *queues, "llm:p", "timer:p", "runner:p"):
            tx.jobs.enqueue(NewJob("gate", queue, {}))

    def claim(*of: str) -> str | None:
        with store.tx() as tx:
            job = tx.jobs.claim("w", of, 30, clock(), limits)
        return None if job is None else job.queue

    assert {claim("command:p", "llm:p"), claim("command:p", "llm:p")} == {"command:p", "llm:p"}
    assert claim("command:p", "llm:p") is None, "the project has two"
    assert claim("command:other") == "command:other"
    assert claim("command:other") is None, "the team has three"
    assert [claim(*queues), claim(*queues), claim(*queues)] == ["timer:p", "timer:p", None]
    assert claim("runner:p") == "runner:p", "what a runner does takes nothing of the servers"


def test_what_a_clock_that_was_ahead_has_begun_counts_for_no_minute_of_the_right_one(
    store: Store, clock: Clock
) -> None:
    limits = ClaimLimits(queues={"local": Limit(per_minute=1)})
    with store.tx() as tx:
        for _ in range(3):
            tx.jobs.enqueue(CHECK)
        clock.forward(3600)
        assert tx.jobs.claim("a", QUEUES, 30, clock(), limits) is not None
        clock.forward(-3600)
        assert tx.jobs.claim("a", QUEUES, 30, clock(), limits) is not None
        assert tx.jobs.claim("a", QUEUES, 30, clock(), limits) is None, "one has begun in this minute"
