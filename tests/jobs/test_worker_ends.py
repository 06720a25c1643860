"""A worker ends a job that is cancelled, late, taken over or in the way of a stop, and survives a store that is away."""

import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.conftest import Scene, until
from tests.jobs.test_worker import ENDLESS, deaf, done, endless
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.completion import Completion
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome, RetryLater
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import Effect, JobRecord, JobStatus


def test_cancelling_ends_the_child_of_a_running_job(scene: Scene, tmp_path: Path) -> None:
    handle, is_up = endless(tmp_path)
    job = scene.enqueue("endless")
    worker = scene.worker({"endless": handle}, beat_s=600)
    worker.start()
    until(is_up)
    until(lambda: scene.job(job).child_pid is not None)
    assert scene.job(job).child_started_at is not None
    with scene.store.tx() as tx:
        assert tx.jobs.request_cancel(job_id=job) == 1
    worker.wake()
    until(lambda: scene.status(job) is JobStatus.CANCELLED)


def test_a_child_that_ends_at_once_is_not_written_on_the_row(scene: Scene, tmp_path: Path) -> None:
    def quick(context: JobContext) -> Outcome:
        ran = context.run_child([sys.executable, "-V"], cwd=tmp_path, env=child_env(), timeout_s=60)
        return Outcome({"exit_code": ran.exit_code})

    job = scene.enqueue("quick")
    scene.worker({"quick": quick}).work_one()
    assert scene.job(job).result == {"exit_code": 0} and scene.job(job).child_pid is None


def test_an_outcome_that_comes_after_a_cancel_is_not_written(scene: Scene) -> None:
    written: list[str] = []

    def slow(context: JobContext) -> Outcome:
        with context.store.tx() as tx:
            tx.jobs.request_cancel(job_id=context.job.id)
        return Outcome({}, lambda _tx: written.append("late"))

    job = scene.enqueue("slow")
    scene.worker({"slow": slow}).work_one()
    assert scene.status(job) is JobStatus.CANCELLED and written == []


def test_a_job_that_fails_after_a_cancel_is_not_tried_again(scene: Scene) -> None:
    reasons: list[str] = []

    def fails(context: JobContext) -> Outcome:
        with context.store.tx() as tx:
            tx.jobs.request_cancel(job_id=context.job.id, reason="it was cancelled by ada")
        raise RetryLater("the provider is busy")

    def gave_up(_tx: Tx, _job: JobRecord, reason: str) -> None:
        reasons.append(reason)

    job = scene.enqueue("fails", max_attempts=3)
    scene.worker({"fails": fails}, gave_up=gave_up).work_one()
    # Queued again it would stay so for ever: no worker takes a job that is to be cancelled.
    assert (scene.status(job), reasons) == (JobStatus.CANCELLED, ["it was cancelled by ada"])


def test_a_job_that_takes_too_long_is_ended_and_tried_again(scene: Scene, tmp_path: Path) -> None:
    handle, _ = endless(tmp_path)
    job = scene.enqueue("endless", timeout_s=0.05)
    scene.worker({"endless": handle}).work_one()
    assert scene.status(job) is JobStatus.QUEUED
    assert scene.job(job).error == "it took longer than 0.05 s"


def test_leases_are_renewed_while_a_job_runs(scene: Scene) -> None:
    release = threading.Event()
    handle, is_up = deaf(release)
    job = scene.enqueue("deaf")
    worker = scene.worker({"deaf": handle}, lease_s=30.0, beat_s=0.01)
    worker.start()
    until(is_up)
    scene.pass_time(20)
    until(lambda: (scene.job(job).lease_until or scene.now) >= scene.now + timedelta(seconds=30))
    release.set()
    until(lambda: scene.status(job) is JobStatus.DONE)


def test_a_worker_that_lost_its_claim_writes_nothing(scene: Scene) -> None:
    written: list[str] = []

    def lose(context: JobContext) -> Outcome:
        scene.pass_time(3600)
        with scene.store.tx() as tx:
            assert tx.jobs.claim("another:1:1.000", ("command",), 30, scene.now) is not None
        return Outcome({"mine": True}, lambda _tx: written.append("mine"))

    job = scene.enqueue("lose")
    scene.worker({"lose": lose}, beat_s=600).work_one()
    assert written == [] and scene.status(job) is JobStatus.RUNNING
    assert scene.job(job).lease_owner == "another:1:1.000"


def test_a_lost_claim_ends_the_child_that_worked_on_it(scene: Scene, tmp_path: Path) -> None:
    handle, is_up = endless(tmp_path)
    scene.enqueue("endless")
    worker = scene.worker({"endless": handle}, beat_s=600, take_over_s=600)
    worker.start()
    until(is_up)
    scene.pass_time(3600)
    with scene.store.tx() as tx:
        assert tx.jobs.claim("another:1:1.000", ("command",), 3600, scene.now) is not None
    until(lambda: not worker.running)


def test_a_child_that_starts_after_the_claim_was_lost_is_ended(scene: Scene, tmp_path: Path) -> None:
    seen: list[str] = []

    def lose(context: JobContext) -> Outcome:
        scene.pass_time(3600)
        with scene.store.tx() as tx:
            assert tx.jobs.claim("another:1:1.000", ("command",), 30, scene.now) is not None
        try:
            context.run_child(ENDLESS, cwd=tmp_path, env=child_env(), timeout_s=600)
        except ChildStopped as stopped:
            seen.append(str(stopped))
            raise
        return Outcome()

    scene.enqueue("lose")
    scene.worker({"lose": lose}, beat_s=600, watch_s=600).work_one()
    assert seen == ["lost"]


def test_a_handler_may_end_its_child_and_continue_with_its_output(scene: Scene, tmp_path: Path) -> None:
    heard: list[str] = []

    def ask(context: JobContext) -> Outcome:
        code = "import sys, time; print(sys.stdin.read().upper(), flush=True); time.sleep(600)"
        result = context.run_child(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=child_env(),
            timeout_s=600,
            stdin=b"hello",
            on_line=heard.append,
            should_stop=lambda: bool(heard),
        )
        return Outcome({"cancelled": result.cancelled, "heard": heard})

    job = scene.enqueue("ask")
    assert scene.worker({"ask": ask}).work_one()
    assert scene.status(job) is JobStatus.DONE
    assert heard == ["HELLO"]


def test_stopping_hands_the_work_back_at_once(scene: Scene, tmp_path: Path) -> None:
    handle, is_up = endless(tmp_path)
    job = scene.enqueue("endless")
    first = scene.worker({"endless": handle})
    first.start()
    until(is_up)
    first.stop()
    assert scene.status(job) is JobStatus.QUEUED and first.running == ()
    assert scene.worker({"endless": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_stopping_does_not_wait_for_a_handler_that_does_not_listen(scene: Scene) -> None:
    release = threading.Event()
    handle, is_up = deaf(release)
    job = scene.enqueue("deaf")
    worker = scene.worker({"deaf": handle})
    worker.start()
    until(is_up)
    worker.stop(timeout_s=0.05)
    assert scene.status(job) is JobStatus.QUEUED
    release.set()
    until(lambda: not worker.running)
    assert scene.status(job) is JobStatus.QUEUED and scene.job(job).result is None


def test_stopping_parks_what_must_not_run_twice(scene: Scene, tmp_path: Path) -> None:
    lines: list[str] = []
    handle, is_up = endless(tmp_path)
    job = scene.enqueue("endless", effect=Effect.NON_REPEATABLE)

    def gave_up(_tx: Tx, _job: JobRecord, reason: str) -> None:
        lines.append(reason)

    worker = scene.worker({"endless": handle}, gave_up=gave_up)
    worker.start()
    until(is_up)
    worker.stop()
    assert scene.status(job) is JobStatus.PARKED
    assert "may have had its effect" in lines[0]


def test_a_job_claimed_while_stopping_goes_back_too(scene: Scene, tmp_path: Path) -> None:
    handle, _ = endless(tmp_path)
    job = scene.enqueue("endless")
    worker = scene.worker({"endless": handle})
    worker.stop()
    worker.work_one()
    assert scene.status(job) is JobStatus.QUEUED


def test_a_worker_that_is_stopped_while_it_opens_the_database_has_ended_then(scene: Scene) -> None:
    opens, goes_on, order = threading.Event(), threading.Event(), list[str]()

    def factory() -> Store:
        opens.set()
        goes_on.wait(60)
        order.append("opened")
        return scene.store

    worker = scene.worker({}, factory)
    worker.start()
    assert opens.wait(60)
    stopping = threading.Thread(target=lambda: (worker.stop(60), order.append("stopped")))
    stopping.start()
    stopping.join(0.2)
    goes_on.set()
    stopping.join()
    assert order == ["opened", "stopped"]


def test_a_store_that_is_away_for_a_moment_costs_nothing_and_one_line_of_the_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def factory() -> Store:
        tries.append(1)
        if len(tries) < 3:
            raise Refused("unavailable", "The database is busy.")
        return scene.store

    worker = scene.worker({"work": done}, factory)
    job = scene.enqueue()
    worker.start()
    until(lambda: scene.status(job) is JobStatus.DONE)
    assert caplog.text.count("The database is busy.") == 1


def test_an_end_that_cannot_be_written_at_first_is_written_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Store.tx, [0]

    def sometimes(store: Store) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise Refused("unavailable", "The disk is full.")
        return real(store)

    job = scene.enqueue()
    monkeypatch.setattr(Store, "tx", sometimes)
    monkeypatch.setattr("wfe_mcp.jobs.worker._STORE_PAUSE_S", 0.001)
    scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_an_end_is_written_once_the_store_is_back_however_long_it_was_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, complete = [0], Completion.complete

    def away(self: Completion, job: JobRecord, outcome: Outcome) -> bool:
        tries[0] += 1
        if tries[0] < 20:
            raise Refused("unavailable", "The database server cannot be reached.")
        return complete(self, job, outcome)

    job = scene.enqueue()
    monkeypatch.setattr(Completion, "complete", away)
    monkeypatch.setattr("wfe_mcp.jobs.worker._STORE_PAUSE_S", 0)
    scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_an_end_that_can_never_be_written_is_left_to_the_lease(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("broken")

    job = scene.enqueue()
    monkeypatch.setattr("wfe_mcp.jobs.completion.Completion.complete", broken)
    monkeypatch.setattr("wfe_mcp.jobs.worker._STORE_PAUSE_S", 0.001)
    scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.RUNNING
    monkeypatch.undo()
    scene.pass_time(31)
    scene.worker({"work": done}).work_one()
    assert scene.status(job) is JobStatus.DONE


def test_a_heart_survives_a_store_that_is_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    release, asked = threading.Event(), threading.Event()
    handle, is_up = deaf(release)
    job = scene.enqueue("deaf")
    worker = scene.worker({"deaf": handle})
    worker.start()
    until(is_up)

    def away(_: Store) -> int:
        asked.set()
        raise Refused("unavailable", "away")

    monkeypatch.setattr(Store, "data_version", away)
    assert asked.wait(120)
    release.set()
    until(lambda: scene.status(job) is JobStatus.DONE)


@pytest.mark.requirement("B-27")
def test_two_workers_never_do_the_same_job(tmp_path: Path, scene: Scene) -> None:
    seen: list[str] = []

    def note(context: JobContext) -> Outcome:
        seen.append(context.job.id)
        return Outcome()

    jobs = sorted(scene.enqueue("note") for _ in range(30))
    for _ in range(2):
        other = scene.open()
        scene.worker({"note": note}, lambda store=other: store).start()
    until(lambda: all(scene.status(job) is JobStatus.DONE for job in jobs))
    assert sorted(seen) == jobs
