"""The text that a running job shows to other processes: bounded, and gone with its claim."""

import threading
from contextlib import closing

import pytest

from tests.jobs.conftest import Scene, until
from wfe_mcp.jobs.job_context import JobContext, Outcome, Progress, RetryLater
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.jobs import JobStatus


def test_what_a_job_shows_is_read_while_it_runs_and_replaced_by_its_result(scene: Scene) -> None:
    begun, release = threading.Event(), threading.Event()

    def work(context: JobContext) -> Outcome:
        context.progress.add("half of it")
        begun.set()
        assert release.wait(20)
        return Outcome({"all": True})

    job = scene.enqueue()
    worker = scene.worker({"work": work})
    worker.start()
    assert begun.wait(20)
    while not scene.job(job).result:
        begun.wait(0.01)
    assert scene.job(job).result == {"text": "half of it"}
    release.set()
    while scene.status(job) is JobStatus.RUNNING:
        begun.wait(0.01)
    assert scene.job(job).result == {"all": True}


def test_a_job_that_is_tried_again_shows_nothing_of_the_try_before(scene: Scene) -> None:
    def work(context: JobContext) -> Outcome:
        with scene.store.tx() as tx:
            assert tx.jobs.show(context.job.id, context.job.fence, "half of it")
        raise RetryLater("busy", 5)

    job = scene.enqueue()
    scene.worker({"work": work}).work_one()
    assert (scene.status(job), scene.job(job).result) == (JobStatus.QUEUED, None)


def test_a_claim_after_a_crash_begins_with_nothing_and_the_late_one_shows_nothing(scene: Scene) -> None:
    job = scene.enqueue()
    with scene.store.tx() as tx:
        lost = tx.jobs.claim("gone", ["command"], 1, scene.now)
        assert lost is not None
        assert tx.jobs.show(job, lost.fence, "half of it")
    scene.pass_time(2)
    with scene.store.tx() as tx:
        claimed = tx.jobs.claim("here", ["command"], 1, scene.now)
        assert claimed is not None
        assert claimed.result is None
        assert not tx.jobs.show(job, lost.fence, "more of it")
    assert scene.job(job).result is None


def test_a_long_text_keeps_its_end() -> None:
    progress = Progress()
    for number in range(5_000):
        progress.add(f"line {number}\n")
    text = progress.news() or ""
    progress.mark_written(text)
    assert len(text) <= Progress.MOST_CHARS
    assert text.endswith("line 4999\n")
    assert progress.news() is None
    progress.end_paragraph()
    progress.add("more")
    assert (progress.news() or "").endswith("line 4999\n\nmore")


@pytest.mark.sqlite_only("its trigger is one of SQLite")
def test_a_text_that_cannot_be_written_delays_no_cancel_and_is_written_later(scene: Scene) -> None:
    begun, second, release = threading.Event(), threading.Event(), threading.Event()

    def work(context: JobContext) -> Outcome:
        context.progress.add("half of it")
        begun.set()
        while not context.stop.is_asked:
            second.wait(0.01)
        second.set()
        assert release.wait(20)
        return Outcome({})

    # The library of the store: two of them in one process do not see each other's locks, and a write may be lost.
    with closing(driver().connect(scene.url.removeprefix("sqlite:///"))) as database:
        database.execute(
            "CREATE TRIGGER no_text BEFORE UPDATE OF result ON job WHEN new.result LIKE '%half%' "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        job = scene.enqueue()
        scene.worker({"work": work}).start()
        assert begun.wait(20)
        with scene.store.tx() as tx:
            tx.jobs.request_cancel(job_id=job)
        assert second.wait(20), "the cancel arrives"
        assert scene.job(job).result is None
        database.execute("DROP TRIGGER no_text")
        until(lambda: scene.job(job).result == {"text": "half of it"})
        release.set()
