"""Jobs run once, in order, and are never lost."""

import contextlib
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.conftest import Scene, until
from tests.store.scene import tamper
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.job_context import Handler, JobContext, Outcome, RetryLater, Suspended
from wfe_mcp.jobs.limits import PRIORITY, WorkLimits, backoff_s
from wfe_mcp.store import Tx
from wfe_mcp.store.driver import HEAD
from wfe_mcp.store.records.jobs import ClaimLimits, JobRecord, JobStatus, Limit, NewJob

ENDLESS = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)"]


def done(_: JobContext) -> Outcome:
    return Outcome({"ok": True})


def answering(outcome: Outcome) -> Handler:
    return lambda _context: outcome


def endless(tmp_path: Path) -> tuple[Handler, Callable[[], bool]]:
    """A handler whose child never ends by itself, and whether it is up."""
    log = tmp_path / "endless.log"

    def handle(context: JobContext) -> Outcome:
        result = context.run_child(ENDLESS, cwd=tmp_path, env=child_env(), timeout_s=600, log_path=log)
        return Outcome({"exit_code": result.exit_code})

    return handle, lambda: log.exists() and log.stat().st_size > 0


def deaf(release: threading.Event) -> tuple[Handler, Callable[[], bool]]:
    """A handler that listens to no one until ``release``."""
    entered = threading.Event()

    def handle(_: JobContext) -> Outcome:
        entered.set()
        release.wait(120)
        return Outcome({"late": True})

    return handle, entered.is_set


def test_a_due_job_is_done_and_its_result_kept(scene: Scene) -> None:
    job = scene.enqueue()
    assert scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE and scene.job(job).result == {"ok": True}
    assert not scene.worker({"work": done}).work_one()


def test_a_started_worker_wakes_at_once(scene: Scene) -> None:
    worker = scene.worker({"work": done}, poll_s=600)
    worker.start()
    job = scene.enqueue()
    worker.wake()
    until(lambda: scene.status(job) is JobStatus.DONE)
    until(lambda: not worker.running)


def test_a_worker_claims_a_job_in_the_transaction_that_enqueues_it(scene: Scene) -> None:
    worker = scene.worker({"work": done}, poll_s=600)
    worker.start()
    until(worker.is_ready)
    with scene.store.tx() as tx:
        job = tx.jobs.enqueue(NewJob("work", "command", {}))
        tx.before_commit(lambda: worker.claim_in(tx, "command", ClaimLimits))
    until(lambda: scene.status(job) is JobStatus.DONE)
    assert scene.job(job).tries == 1


def test_a_claim_that_is_undone_leaves_its_slot_free(scene: Scene) -> None:
    worker = scene.worker({"work": done}, poll_s=600, slots=1)
    worker.start()
    until(worker.is_ready)
    claimed: list[bool] = []
    with contextlib.suppress(ZeroDivisionError), scene.store.tx() as tx:
        tx.jobs.enqueue(NewJob("work", "command", {}))
        claimed.append(worker.claim_in(tx, "command", ClaimLimits))
        raise ZeroDivisionError
    with scene.store.tx() as tx:
        job = tx.jobs.enqueue(NewJob("work", "command", {}))
        claimed.append(worker.claim_in(tx, "command", ClaimLimits))
    until(lambda: scene.status(job) is JobStatus.DONE)
    assert claimed == [True, True]


def test_a_worker_without_a_free_slot_leaves_the_job_in_its_queue(scene: Scene) -> None:
    release = threading.Event()
    handler, entered = deaf(release)
    worker = scene.worker({"work": handler}, poll_s=600, slots=1)
    assert not worker.is_ready()
    worker.start()
    until(worker.is_ready)
    claimed: list[bool] = []
    jobs: list[str] = []
    for queue in ("command", "command", "of-others"):
        with scene.store.tx() as tx:
            jobs.append(tx.jobs.enqueue(NewJob("work", queue, {})))
            claimed.append(worker.claim_in(tx, queue, ClaimLimits))
    until(entered)
    assert claimed == [True, False, False]
    assert [scene.status(job) for job in jobs] == [JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.QUEUED]
    release.set()


def test_jobs_run_side_by_side_up_to_the_number_of_slots(scene: Scene) -> None:
    both, release = threading.Barrier(3, timeout=120), threading.Event()

    def meet(_: JobContext) -> Outcome:
        both.wait()
        release.wait(120)
        return Outcome()

    jobs = [scene.enqueue(kind="meet"), scene.enqueue(kind="meet"), scene.enqueue()]
    worker = scene.worker({"meet": meet, "work": done}, slots=2)
    worker.start()
    both.wait()
    assert len(worker.running) == 2 and scene.status(jobs[2]) is JobStatus.QUEUED
    release.set()
    until(lambda: all(scene.status(job) is JobStatus.DONE for job in jobs))


def test_a_long_job_of_one_queue_takes_no_place_of_another(scene: Scene) -> None:
    release = threading.Event()
    handle, is_up = deaf(release)
    long = [scene.enqueue("deaf") for _ in range(5)]
    worker = scene.worker({"deaf": handle, "work": done}, slots={"command": 2, "timer": 1})
    worker.start()
    until(is_up)
    quick = scene.enqueue(queue="timer")
    worker.wake()
    until(lambda: scene.status(quick) is JobStatus.DONE)
    until(lambda: len(worker.running) == 2)
    assert sum(scene.status(job) is JobStatus.QUEUED for job in long) == 3
    release.set()
    until(lambda: all(scene.status(job) is JobStatus.DONE for job in long))


def test_a_worker_claims_within_the_limits_of_the_moment(scene: Scene) -> None:
    allowed = [WorkLimits(ClaimLimits({"command": Limit(per_minute=1)}))]
    first, second = scene.enqueue(), scene.enqueue()
    worker = scene.worker({"work": done}, limits=lambda: allowed[-1])
    assert worker.work_one() and not worker.work_one()
    allowed.append(WorkLimits())
    assert worker.work_one() and scene.status(first) is scene.status(second) is JobStatus.DONE


def test_a_job_has_the_time_limit_of_its_queue_unless_it_has_one(scene: Scene, tmp_path: Path) -> None:
    handle, _ = endless(tmp_path)
    limits = WorkLimits(timeouts={"command": 0.05})
    job = scene.enqueue("endless")
    scene.worker({"endless": handle}, limits=lambda: limits).work_one()
    assert scene.job(job).error == "it took longer than 0.05 s"


def test_what_someone_cancelled_for_a_reason_is_reported(scene: Scene, tmp_path: Path) -> None:
    lines: list[tuple[str | None, str]] = []

    def gave_up(tx: Tx, job: JobRecord, reason: str) -> None:
        found = tx.jobs.get(job.id)
        assert found is not None and found.status is JobStatus.CANCELLED
        lines.append((job.cancel_reason, reason))

    handle, is_up = endless(tmp_path)
    job = scene.enqueue("endless")
    worker = scene.worker({"endless": handle}, gave_up=gave_up)
    worker.start()
    until(is_up)
    with scene.store.tx() as tx:
        tx.jobs.request_cancel(job_id=job, reason="it was cancelled by ada")
    worker.wake()
    until(lambda: scene.status(job) is JobStatus.CANCELLED)
    assert lines == [("it was cancelled by ada", "it was cancelled by ada")]


def test_a_job_of_a_paused_run_ends_without_a_result_of_its_own(scene: Scene) -> None:
    def pause(_: JobContext) -> Outcome:
        raise Suspended("the budget is used up")

    job = scene.enqueue("pause")
    scene.worker({"pause": pause}).work_one()
    assert scene.status(job) is JobStatus.DONE and scene.job(job).result == {"suspended": "the budget is used up"}


def test_the_most_urgent_job_goes_first(scene: Scene) -> None:
    order: list[str] = []

    def note(context: JobContext) -> Outcome:
        order.append(context.job.payload["name"])
        return Outcome()

    for name in ("low", "normal", "critical", "high"):
        scene.enqueue("note", payload={"name": name}, priority=PRIORITY[name])  # type: ignore[index]
    worker = scene.worker({"note": note})
    while worker.work_one():
        pass
    assert order == ["critical", "high", "normal", "low"]


def test_a_timer_is_a_job_that_waits_for_its_time(scene: Scene) -> None:
    job = scene.enqueue(queue="timer", run_at=scene.now + timedelta(minutes=5))
    worker = scene.worker({"work": done})
    assert not worker.work_one()
    scene.pass_time(301)
    assert worker.work_one() and scene.status(job) is JobStatus.DONE


def test_what_an_outcome_writes_is_written_with_the_end_of_the_job(scene: Scene) -> None:
    after: list[str] = []

    def apply(tx: Tx) -> None:
        assert after == []
        tx.projects.id_of("key", "/root")

    scene.enqueue()
    assert scene.worker({"work": answering(Outcome({}, apply, lambda: after.append("told")))}).work_one()
    with scene.store.read() as tx:
        assert tx.projects.id_of("key", "/root")
    assert after == ["told"]


def test_an_outcome_that_cannot_be_written_undoes_the_end_of_the_job(scene: Scene) -> None:
    def apply(tx: Tx) -> None:
        tx.jobs.enqueue(NewJob("other", "command", {}))
        raise ZeroDivisionError("our bug")

    job = scene.enqueue()
    scene.worker({"work": answering(Outcome({}, apply))}).work_one()
    assert scene.status(job) is JobStatus.QUEUED and "our bug" in (scene.job(job).error or "")
    with scene.store.read() as tx:
        assert len(tx.jobs.filter()) == 1


def test_an_answer_that_no_one_waits_for_is_dropped_and_says_why(scene: Scene) -> None:
    def apply(_: Tx) -> None:
        raise Refused("stale_revision", "The attempt is closed.")

    lines: list[str] = []
    job = scene.enqueue()
    outcome = Outcome({}, apply, lambda: lines.append("told"))
    scene.worker({"work": answering(outcome)}).work_one()
    assert scene.job(job).result == {"dropped": "stale_revision", "message": "The attempt is closed."}
    assert lines == []


def test_what_follows_a_job_may_fail_without_harm(scene: Scene) -> None:
    job = scene.enqueue()
    scene.worker({"work": answering(Outcome({}, None, lambda: 1 / 0))}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_a_failed_job_is_tried_again_after_a_backoff(scene: Scene) -> None:
    calls: list[int] = []

    def flaky(context: JobContext) -> Outcome:
        calls.append(context.job.tries)
        if context.job.tries < 3:
            raise OSError("away")
        return Outcome()

    job = scene.enqueue("flaky")
    worker = scene.worker({"flaky": flaky}, backoff_base_s=10.0)
    assert worker.work_one()
    assert scene.job(job).run_at == scene.now + timedelta(seconds=5) and scene.job(job).error == "OSError: away"
    assert not worker.work_one()
    scene.pass_time(6)
    assert worker.work_one()
    assert scene.job(job).run_at == scene.now + timedelta(seconds=10)
    scene.pass_time(11)
    assert worker.work_one() and scene.status(job) is JobStatus.DONE and calls == [1, 2, 3]


def test_a_job_may_say_itself_when_to_come_back(scene: Scene) -> None:
    def later(_: JobContext) -> Outcome:
        raise RetryLater("429", after_s=90)

    job = scene.enqueue("later")
    scene.worker({"later": later}).work_one()
    assert scene.job(job).run_at == scene.now + timedelta(seconds=90)


def test_used_up_tries_are_reported_in_the_transaction_that_ends_the_job(scene: Scene) -> None:
    lines: list[tuple[str, str]] = []

    def broken(_: JobContext) -> Outcome:
        raise OSError("gone")

    def gave_up(tx: Tx, job: JobRecord, reason: str) -> None:
        found = tx.jobs.get(job.id)
        assert found is not None and found.status is JobStatus.FAILED
        lines.append((job.id, reason))

    job = scene.enqueue("broken", max_attempts=1)
    scene.worker({"broken": broken}, gave_up=gave_up).work_one()
    assert scene.status(job) is JobStatus.FAILED and lines == [(job, "OSError: gone")]


def test_a_refusal_is_never_tried_again_unless_the_setup_is_away(scene: Scene) -> None:
    def refuse(context: JobContext) -> Outcome:
        raise Refused(context.job.payload["code"], "No.")

    never = scene.enqueue("refuse", payload={"code": "bad_argument"})
    later = scene.enqueue("refuse", payload={"code": "unavailable"})
    worker = scene.worker({"refuse": refuse})
    assert worker.work_one() and worker.work_one()
    assert scene.status(never) is JobStatus.FAILED and scene.status(later) is JobStatus.QUEUED


def test_giving_up_on_a_closed_attempt_harms_no_one(scene: Scene) -> None:
    def refuse(_tx: Tx, _job: JobRecord, _reason: str) -> None:
        raise Refused("stale_revision", "The attempt is closed.")

    def fail(_: JobContext) -> Outcome:
        raise RetryLater("no answer")

    job = scene.enqueue(max_attempts=1)
    scene.worker({"work": fail}, gave_up=refuse).work_one()
    assert scene.status(job) is JobStatus.FAILED


def test_a_kind_that_this_version_does_not_know_waits_for_one_that_does(scene: Scene) -> None:
    newer, ours = scene.enqueue("newer", priority=PRIORITY["critical"]), scene.enqueue()
    older = scene.worker({"work": done})
    while older.work_one():
        scene.pass_time(600)
    assert scene.status(ours) is JobStatus.DONE
    assert (scene.status(newer), scene.job(newer).tries) == (JobStatus.QUEUED, 0)
    assert scene.worker({"newer": done}).work_one()
    assert scene.status(newer) is JobStatus.DONE


@pytest.mark.parametrize("is_upgraded", [True, False])
def test_a_job_that_cannot_be_read_waits_for_the_version_that_has_upgraded_the_database(
    scene: Scene, *, is_upgraded: bool
) -> None:
    def cannot_read(_: JobContext) -> Outcome:
        raise KeyError("of a newer format")

    job = scene.enqueue()
    tamper(scene.url, f"UPDATE alembic_version SET version_num = '{'9999' if is_upgraded else HEAD}'")
    worker = scene.worker({"work": cannot_read})
    for _ in range(7):
        worker.work_one()
        scene.pass_time(600)
    assert scene.status(job) is (JobStatus.QUEUED if is_upgraded else JobStatus.FAILED)
    assert "of a newer format" in (scene.job(job).error or "")


def test_what_an_older_version_left_waits_for_it_but_not_for_a_worker_of_the_newer_one(scene: Scene) -> None:
    def cannot_read(_: JobContext) -> Outcome:
        raise KeyError("of a newer format")

    job = scene.enqueue()
    older = scene.worker({"work": cannot_read}, take_over_s=0)
    tamper(scene.url, "UPDATE alembic_version SET version_num = '9999'")
    assert [older.work_one(), older.work_one()] == [True, False]
    tamper(scene.url, f"UPDATE alembic_version SET version_num = '{HEAD}'")
    assert scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_the_backoff_doubles_is_capped_and_jitters_fully() -> None:
    assert [backoff_s(n, 2, 60, lambda: 1.0) for n in (1, 2, 3, 6, 5000)] == [2, 4, 8, 60, 60]
    assert backoff_s(3, 2, 60, lambda: 0.0) == 0
