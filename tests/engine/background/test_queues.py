"""Queue limits, queue order and cancelled jobs."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, phase, refused
from tests.engine.step_scene import configure, reopen, step_states as steps_told, steps, tool, until, with_stub
from tests.store.scene import tamper
from tests.tools.stub import Stub, running_stub
from wfe_mcp.core.model import RunId, RunStatus
from wfe_mcp.engine.background.daemon import gave_up_of, new_worker, start_worker as start
from wfe_mcp.engine.background.queues import (
    QUEUES,
    cancel_job,
    find_job,
    job_overviews,
    queue_names,
    queues_now,
    work_limits,
)
from wfe_mcp.engine.runs.control import control
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.calls import CallPurpose, NewCall
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, Limit, NewJob, provider_key
from wfe_mcp.views.answers import tool_answers as answers

ENDLESS = "print('up', flush=True); import time; time.sleep(600)"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    with running_stub(tmp_path / "calls.jsonl") as running:
        yield running


def enqueue(scene: Scene, kind: str = "llm", **more: Any) -> str:
    with scene.store.tx() as tx:
        return tx.jobs.enqueue(NewJob("opinion", queue_names(scene.engine, [kind])[0], {}, **more))


def claim(scene: Scene) -> JobRecord | None:
    """What a worker of any process would get now."""
    limits = work_limits(scene.engine)().claims
    with scene.store.tx() as tx:
        return tx.jobs.claim("another:1:1.000", queue_names(scene.engine), 600, scene.clock(), limits)


def done(scene: Scene, job: JobRecord | None) -> None:
    assert job is not None
    with scene.store.tx() as tx:
        assert tx.jobs.finish(job.id, job.fence, {})


def jobs_of(scene: Scene, run: str) -> list[JobRecord]:
    with scene.store.read() as tx:
        return tx.jobs.filter(RunId(run))


def cancel(scene: Scene, job: str, reason: str = "") -> JobRecord:
    return cancel_job(scene.engine, HUMAN, job, gave_up_of(scene.engine), reason)


def gating(scene: Scene, code: str = "pass", **keys: Any) -> tuple[str, str]:
    """A run whose gate has a job, and that job."""
    scene.check("test", code)
    run = scene.start(phase("plan", command("test"), **keys))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    (job,) = jobs_of(scene, run)
    return run, job.id


# limits


def test_a_queue_does_no_more_at_once_than_configured(scene: Scene) -> None:
    configure(scene, "[queues.llm]", "concurrency = 2")
    for _ in range(3):
        enqueue(scene)
    command_job = enqueue(scene, "command")
    first, second, third = claim(scene), claim(scene), claim(scene)
    assert first is not None and second is not None and third is not None
    assert third.id == command_job, "a full queue holds up no other"
    assert claim(scene) is None
    done(scene, first)
    assert claim(scene) is not None


def test_a_queue_begins_no_more_in_a_minute_than_configured(scene: Scene) -> None:
    configure(scene, "[queues.webhook]", "per_minute = 2")
    for _ in range(3):
        enqueue(scene, "webhook")
    for _ in range(2):
        done(scene, claim(scene))
        scene.clock.advance(seconds=20)
    assert claim(scene) is None
    scene.clock.advance(seconds=21)
    assert claim(scene) is not None


def test_a_provider_gets_no_more_work_at_once_than_configured(scene: Scene) -> None:
    configure(scene, "[providers.openai]", "concurrency = 1", "requests_per_minute = 5")
    assert work_limits(scene.engine)().claims.providers == {"openai": Limit(1, 5)}
    for provider in ("openai", "openai", "anthropic"):
        enqueue(scene, limit_key=provider_key(provider))
    first, second = claim(scene), claim(scene)
    assert second is not None and second.limit_key == provider_key("anthropic")
    assert claim(scene) is None
    done(scene, first)
    assert claim(scene) is not None


def test_a_lost_job_has_its_place_already(scene: Scene) -> None:
    configure(scene, "[queues.llm]", "concurrency = 1")
    enqueue(scene)
    first = claim(scene)
    scene.clock.advance(hours=1)
    again = claim(scene)
    assert first is not None and again is not None and (again.id, again.fence) == (first.id, 2)


def test_a_job_takes_no_longer_than_its_queue_allows(scene: Scene) -> None:
    configure(scene, "[queues.command]", 'timeout = "100ms"')
    run, job = gating(scene, ENDLESS)
    assert new_worker(scene.engine).work_one()
    (ended,) = jobs_of(scene, run)
    assert (ended.id, ended.status, ended.error) == (job, JobStatus.QUEUED, "it took longer than 0.1 s")


def test_models_have_time_limits_where_no_one_says_otherwise(scene: Scene) -> None:
    configure(scene, "[queues.agent]", 'timeout = "20m"')
    timeouts = {queue.partition(":")[0]: value for queue, value in work_limits(scene.engine)().timeouts.items()}
    assert timeouts == {"llm": 300.0, "vision": 300.0, "agent": 1200.0}


# whose turn it is


@pytest.mark.requirement("S4-27")
def test_a_job_knows_its_position_and_about_when_it_is_done(scene: Scene) -> None:
    configure(scene, "[queues.llm]", "concurrency = 1")
    for _ in range(2):
        enqueue(scene)
        job = claim(scene)
        scene.clock.advance(seconds=30)
        done(scene, job)
    normal = enqueue(scene)
    scene.clock.advance(seconds=1)
    urgent, later = enqueue(scene, priority=10), enqueue(scene, run_at=scene.clock() + timedelta(hours=1))

    def turn(job: str) -> tuple[int | None, float | None]:
        found = find_job(scene.engine, job)
        return found.position, found.estimate_s

    assert [turn(job) for job in (urgent, normal, later)] == [(1, 30.0), (2, 60.0), (None, None)]
    running = claim(scene)
    assert running is not None and running.id == urgent
    scene.clock.advance(seconds=10)
    assert [turn(job) for job in (urgent, normal)] == [(None, 20.0), (1, 60.0)]
    (queue,) = queues_now(scene.engine)
    assert (queue.queue, queue.waiting, queue.running, queue.average_run_s) == ("llm", 2, 1, 30.0)
    assert queue.average_wait_s == 0.0


def test_jobs_are_listed_newest_first_by_queue_status_and_run(scene: Scene) -> None:
    run, gate = gating(scene)
    scene.clock.advance(seconds=1)
    opinion = enqueue(scene)
    with scene.store.tx() as tx:
        tx.jobs.enqueue(NewJob("opinion", "llm:p-another", {}))

    def listed(**more: Any) -> list[str]:
        return [each.job.id for each in job_overviews(scene.engine, **more)]

    assert listed() == [opinion, gate]
    assert listed(kinds=["command"]) == listed(run=run) == [gate]
    assert listed(statuses=[JobStatus.DONE]) == []
    assert listed(limit=1) == [opinion]
    assert refused(listed, kinds=["comand"]).hint == "Did you mean 'command'?"
    assert find_job(scene.engine, opinion[:12]).job.id == opinion
    assert refused(find_job, scene.engine, "job-").code == "bad_argument"
    assert refused(find_job, scene.engine, "nothing").hint == "See: wfe-mcp jobs list"


def test_a_read_inside_a_read_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner one would wait for a writer that waits for the outer one, until both give up."""
    configure(scene, "[budget]", "cost_per_run = 5")
    run, gate = gating(scene)
    with scene.store.tx() as tx:
        tx.model_calls.begin(NewCall(scene.engine.project_id, CallPurpose.OPINION, "openai", "m", run_id=RunId(run)))
    real, depth = Store.read, list[int]()

    @contextmanager
    def read(store: Store) -> Generator[Tx]:
        assert not depth
        depth.append(1)
        try:
            with real(store) as tx:
                yield tx
        finally:
            depth.clear()

    monkeypatch.setattr(Store, "read", read)
    assert scene.status(run).data["spent"] == "$0.00 of $5.00, 0 tokens"
    assert find_job(scene.engine, gate).position == 1
    assert job_overviews(scene.engine)
    assert queues_now(scene.engine)


# cancel


def test_cancelling_a_gate_that_waits_is_an_error_of_the_gate(scene: Scene) -> None:
    run, job = gating(scene, on_fail=[{"do": "wait_human"}])
    assert cancel(scene, job, "too long").status is JobStatus.CANCELLED
    attempt = scene.attempt(run, "plan")
    assert (attempt.status, attempt.fail_kind) == ("failed", "error")
    assert attempt.reason == "The gate could not run: it was cancelled by ada: too long"
    assert scene.work() == 0


def test_after_a_cancelled_gate_the_rules_of_the_phase_apply(scene: Scene) -> None:
    run, job = gating(scene)
    cancel(scene, job)
    assert (scene.attempt(run, "plan").number, scene.attempt(run, "plan").status) == (2, "running")


@pytest.mark.requirement("S4-27")
def test_cancelling_a_running_gate_ends_its_check_with_all_it_started(scene: Scene) -> None:
    run, job = gating(scene, ENDLESS, on_fail=[{"do": "wait_human"}])
    worker = start(scene.engine)
    try:
        until(lambda: find_job(scene.engine, job).job.child_pid is not None)
        pid = find_job(scene.engine, job).job.child_pid
        assert cancel(scene, job).cancel_requested
        until(lambda: find_job(scene.engine, job).job.status is JobStatus.CANCELLED)
        assert pid is not None and not psutil.pid_exists(pid)
    finally:
        worker.stop()
    attempt = scene.attempt(run, "plan")
    assert (attempt.status, attempt.fail_kind) == ("failed", "error") and "cancelled by ada" in attempt.reason


def test_cancelling_the_work_of_the_server_leaves_its_attempt_to_a_person(scene: Scene) -> None:
    scene.check("slow", ENDLESS)
    run = scene.start(
        steps(
            {"id": "one", "check": "slow"},
            {"id": "two", "builtin": "set"},
            on_fail=[{"do": "retry", "max_attempts": 5}],
        )
    )
    worker = start(scene.engine)
    try:
        until(lambda: any(each.child_pid for each in jobs_of(scene, run)))
        (job,) = [each for each in jobs_of(scene, run) if each.kind == "step"]
        cancel(scene, job.id)
        until(lambda: scene.attempt(run, "ci").status == "failed")
    finally:
        worker.stop()
    attempt = scene.attempt(run, "ci")
    assert attempt.number == 1 and attempt.human_only, "no rule begins it again"
    assert attempt.reason == "The work of the server on 'ci' ended: it was cancelled by ada."
    assert scene.status(run).waiting_on == "human"
    assert steps_told(scene, run) == {"one": "cancelled"}


def test_a_person_reopens_what_was_cancelled_before_it_began(scene: Scene, stub: Stub) -> None:
    with_stub(scene, stub)
    run = scene.start(steps(tool("say", "stub.echo", params={"value": "hi"})))
    (job,) = [each for each in jobs_of(scene, run) if each.kind == "step"]
    cancel(scene, job.id)
    assert scene.attempt(run, "ci").human_only and stub.called() == []
    reopen(scene, run)
    assert scene.attempt(run, "ci").status == "completed" and len(stub.called()) == 1


def test_cancelling_what_undoes_an_attempt_leaves_that_to_a_person(scene: Scene, stub: Stub) -> None:
    with_stub(scene, stub)
    undone: dict[str, Any] = {"compensate": [tool("undo", params={"words": "no"})], "on_fail": [{"do": "compensate"}]}
    run = scene.start(steps({"id": "health", "builtin": "fail"}, **undone))
    until(lambda: scene.work_one() and scene.attempt(run, "ci").repair)
    (job,) = [each for each in jobs_of(scene, run) if each.status is JobStatus.QUEUED]
    cancel(scene, job.id)
    attempt = scene.attempt(run, "ci")
    assert attempt.human_only and "Step 'compensate.undo' (tool stub.say) failed" in attempt.reason
    assert (scene.status(run).waiting_on, stub.called()) == ("human", [])


def test_a_cancel_that_comes_after_the_attempt_ended_changes_nothing(scene: Scene) -> None:
    run, job = gating(scene)
    control(scene.engine, HUMAN, run, "cancel")
    assert refused(cancel, scene, job).code == "illegal_transition"
    assert scene.state(run).status is RunStatus.CANCELLED


def test_the_books_of_a_run_are_no_work_to_cancel(scene: Scene) -> None:
    run = scene.start(phase("plan", timeout="1h"))
    scene.begin(run)
    (timer,) = jobs_of(scene, run)
    no = refused(cancel, scene, timer.id)
    assert no.code == "illegal_transition" and f"wfe-mcp cancel {run}" in no.hint


def test_a_job_without_a_run_is_cancelled_too(scene: Scene) -> None:
    job = enqueue(scene)
    assert cancel(scene, job).status is JobStatus.CANCELLED
    assert refused(cancel, scene, job).message == f"Job {job} is cancelled: there is nothing to cancel."


def test_every_queue_has_its_places(scene: Scene) -> None:
    assert {"llm", "agent", "command", "vision", "webhook"} < set(QUEUES)
    assert len(queue_names(scene.engine)) == len(QUEUES)


def test_a_run_that_only_a_newer_version_can_read_keeps_its_job_for_that_version(scene: Scene) -> None:
    _, job = gating(scene)
    newer = ("UPDATE attempt SET state = '[]'", "UPDATE run SET last_hash = 'newer'")
    tamper(scene.url, *newer, "UPDATE alembic_version SET version_num = '9999'")
    for _ in range(7):
        scene.work_one()
        scene.clock.advance(seconds=600)
    with scene.store.read() as tx:
        queued = tx.jobs.get(job)
    assert queued is not None and queued.status is JobStatus.QUEUED


def test_a_call_that_a_worker_began_and_gave_back_is_for_a_person(scene: Scene, stub: Stub) -> None:
    with_stub(scene, stub)
    run = scene.start(steps(tool("say", params={"words": "hi"})))
    tamper(scene.url, "UPDATE step_run SET status = 'running'")  # as one that could not read the answer leaves it
    assert scene.work() == 1
    assert (steps_told(scene, run), stub.called()) == ({"say": "unknown"}, [])
    assert scene.status(run).waiting_on == "human"
