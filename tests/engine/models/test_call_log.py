"""Every model call has its row, whatever happens to the call."""

import threading

import pytest

from tests.engine.call_scene import DOLLAR, MODEL, UNPRICED, calls, dollars, in_thread, job, listener
from tests.engine.scene import Scene, phase
from tests.engine.step_scene import configure, until
from wfe_mcp.core.model import RunId
from wfe_mcp.jobs.job_context import ChildStopped
from wfe_mcp.providers.call import Estimate, ProviderFault, ToolResult, Usage
from wfe_mcp.store import Store
from wfe_mcp.store.records.calls import CallPurpose, CallStatus


def test_a_call_is_on_record_before_it_is_made_and_complete_after_it(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    context = job(scene, run)
    heard = listener(scene, context)
    heard.before_call(MODEL, Estimate(1_000, 2_000))
    (begun,) = calls(scene, run)
    assert (begun.status, begun.purpose, begun.role) == (CallStatus.STARTED, CallPurpose.WORK, "author")
    assert (begun.provider, begun.model, begun.phase, begun.attempt) == ("openai", "gpt-4o", "plan", 1)
    assert (begun.job_id, begun.reserved_tokens) == (context.job.id, 3_000)
    assert begun.reserved_usd == pytest.approx(0.0225)

    heard.after_call(MODEL, Usage(1, 900, 100, 10, 5), None)
    (ended,) = calls(scene, run)
    assert (ended.status, ended.input_tokens, ended.output_tokens) == (CallStatus.DONE, 900, 100)
    assert (ended.cache_read_tokens, ended.cache_write_tokens, ended.fault) == (10, 5, None)
    assert ended.cost_usd is not None and ended.cost_usd > 0


def test_a_failed_call_keeps_its_fault_and_what_it_used_all_the_same(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    heard = listener(scene, job(scene, run))
    heard.before_call(MODEL, DOLLAR)
    heard.after_call(MODEL, Usage(), ProviderFault("rate_limited", "Too many requests.", usage=Usage(1, 7, 0)))
    (ended,) = calls(scene, run)
    assert (ended.status, ended.fault) == (CallStatus.FAILED, "rate_limited: Too many requests.")
    assert (ended.requests, ended.input_tokens) == (1, 7)


@pytest.mark.requirement("S2-25")
def test_a_model_without_a_known_price_counts_its_tokens_only(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    heard = listener(scene, job(scene, run))
    heard.before_call(UNPRICED, Estimate(10, 20))
    heard.after_call(UNPRICED, Usage(1, 10, 5), None)
    (ended,) = calls(scene, run)
    assert (ended.cost_usd, ended.reserved_usd, ended.reserved_tokens) == (None, None, 30)


def test_a_call_outside_any_run_is_on_record_too(scene: Scene) -> None:
    heard = listener(scene, None, purpose="test")
    heard.before_call(MODEL, DOLLAR)
    heard.tool_started("1", "read_file", {})
    heard.after_call(MODEL, dollars(0.25), None)
    (ended,) = calls(scene)
    assert (ended.run_id, ended.purpose, ended.cost_usd) == (None, CallPurpose.TEST, 0.25)


@pytest.mark.requirement("S1-21")
def test_every_tool_a_model_uses_is_on_record(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    context = job(scene, run)
    heard = listener(scene, context)
    heard.tool_started("a", "read_file", {"path": "x.py"})
    heard.tool_started("b", "run_check", {"name": "test"})
    heard.tool_ended("b", "run_check", ToolResult("1 failed", ok=False), 1.5)
    heard.tool_ended("a", "read_file", ToolResult("print()"), 0.25)
    heard.tool_ended("c", "never_begun", ToolResult(""), 0.0)
    with scene.store.read() as tx:
        used = {call.name: call for call in tx.tool_calls.filter(RunId(run))}
    assert set(used) == {"read_file", "run_check"}
    read, ran = used["read_file"], used["run_check"]
    assert (read.input, read.output, read.ok, read.duration_ms) == ({"path": "x.py"}, "print()", True, 250)
    assert (ran.output, ran.ok, ran.duration_ms, ran.job_id) == ("1 failed", False, 1500, context.job.id)
    assert (ran.phase, ran.attempt) == ("plan", 1)


def test_watchers_learn_of_each_call_and_each_tool(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    lines: list[str] = []
    heard = listener(scene, job(scene, run))

    def fails(_run: str) -> None:
        raise OSError("a watcher is gone")

    scene.engine.listeners += [lines.append, fails]
    heard.before_call(MODEL, DOLLAR)
    heard.tool_started("a", "list_files", {})
    heard.tool_ended("a", "list_files", ToolResult(""), 0.0)
    heard.said("a piece")
    heard.after_call(MODEL, dollars(0.1), None)
    assert lines == [run] * 4


def test_a_cancelled_job_makes_no_other_call(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    context = job(scene, run)
    with scene.store.tx() as tx:
        tx.jobs.request_cancel(context.job.id)
    with pytest.raises(ChildStopped):
        listener(scene, context).before_call(MODEL, DOLLAR)
    assert calls(scene) == [] and context.stop.reason == "cancelled"


def test_a_job_that_lost_its_claim_makes_no_other_call(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    context = job(scene, run)
    scene.clock.advance(hours=1)
    with scene.store.tx() as tx:
        assert tx.jobs.claim("another:1:1.000", [context.job.queue], 600, scene.clock()) is not None
    with pytest.raises(ChildStopped):
        listener(scene, context).before_call(MODEL, DOLLAR)
    assert calls(scene) == [] and context.stop.reason == "lost"


def test_an_end_that_cannot_be_written_costs_no_answer_and_counts_as_reserved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scene.start(phase("plan"))
    heard = listener(scene, job(scene, run))
    heard.before_call(MODEL, DOLLAR)

    def away(_: Store) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Store, "tx", away)
    heard.after_call(MODEL, dollars(0.1), None)
    monkeypatch.undo()
    assert [call.status for call in calls(scene)] == [CallStatus.STARTED]


def test_the_rate_of_a_provider_holds_over_all_that_call_it(scene: Scene) -> None:
    configure(scene, "[providers.openai]", "requests_per_minute = 2")
    run = scene.start(phase("plan"))
    first, second = listener(scene, job(scene, run)), listener(scene, None, purpose="test")
    for heard in (first, second):
        heard.before_call(MODEL, DOLLAR)
        heard.after_call(MODEL, dollars(0.1), None)
        scene.clock.advance(seconds=10)
    through = threading.Event()

    def third() -> None:
        first.before_call(MODEL, DOLLAR)
        through.set()

    with in_thread(third):
        scene.clock.advance(seconds=35)
        assert not through.wait(1.2), "55 s after the first: still two in the last minute"
        scene.clock.advance(seconds=6)
        until(through.is_set)
    assert len(calls(scene)) == 3


def test_only_so_many_calls_of_a_provider_are_in_flight(scene: Scene) -> None:
    configure(scene, "[providers.openai]", "concurrency = 1")
    run = scene.start(phase("plan"))
    first, second = listener(scene, job(scene, run)), listener(scene, job(scene, run))
    first.before_call(MODEL, DOLLAR)
    through = threading.Event()

    def wait() -> None:
        second.before_call(MODEL, DOLLAR)
        through.set()

    with in_thread(wait):
        assert not through.wait(1.2)
        first.after_call(MODEL, dollars(0.1), None)
        until(through.is_set)


def test_waiting_for_the_rate_ends_when_the_job_must_stop(scene: Scene) -> None:
    configure(scene, "[providers.openai]", "requests_per_minute = 1")
    run = scene.start(phase("plan"))
    listener(scene, None, purpose="test").before_call(MODEL, DOLLAR)
    context = job(scene, run)
    raised: list[str] = []

    def wait() -> None:
        try:
            listener(scene, context).before_call(MODEL, DOLLAR)
        except ChildStopped as stopped:
            raised.append(str(stopped))

    with in_thread(wait):
        context.stop.ask("shutdown")
    assert raised == ["shutdown"]
