"""A model call is recorded before it is made, and counted however it ends."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.store.scene import BUILD, PLAN, Clock, create
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.jobs.tool_calls import MAX_INPUT_CHARS, MAX_OUTPUT_CHARS
from wfe_mcp.store.records.calls import (
    CallPurpose,
    CallStatus,
    NewCall,
    NewToolCall,
    UsageRecord,
    Used,
)
from wfe_mcp.store.records.jobs import NewJob

RUN = RunId("R-1")
ANSWER = Used(requests=1, input_tokens=100, output_tokens=20, cost_usd=0.5)
QUEUES = ["llm"]


def call(tx: Tx, **more: Any) -> str:
    """A call in the run, which may use 1,000 tokens or 2 dollars."""
    project = tx.projects.id_of("/p/.git", "/p")
    new = NewCall(
        project, CallPurpose.OPINION, "openai", "m-1", role="reviewer", reserved_tokens=1000, reserved_usd=2.0
    )
    return tx.model_calls.begin(replace(new, **more))


def test_a_call_in_flight_is_known_and_counts_what_it_may_use_at_most(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        made = call(tx, run_id=RUN, phase=PLAN, attempt=1)

    with store.read() as tx:
        (found,) = tx.model_calls.filter(RUN)
        assert (found.id, found.status, found.started_at, found.finished_at) == (
            made,
            CallStatus.STARTED,
            clock.now,
            None,
        )
        assert tx.model_calls.usage(run_id=RUN) == UsageRecord(
            calls=1, in_flight=1, reserved_tokens=1000, reserved_usd=2.0
        )
        assert tx.model_calls.usage(run_id=RUN).spent_usd == 2.0


def test_an_ended_call_counts_what_it_used(store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        assert tx.model_calls.end(call(tx, run_id=RUN), ANSWER)
        failed = call(tx, run_id=RUN)
        assert tx.model_calls.end(failed, Used(1, 10, 0), "rate_limited: wait")
        used, kept = (
            tx.model_calls.usage(run_id=RUN),
            next(each for each in tx.model_calls.filter(RUN) if each.id == failed),
        )

    assert used == UsageRecord(
        calls=2, failed=1, unpriced=1, requests=2, input_tokens=110, output_tokens=20, cost_usd=0.5
    )
    assert kept is not None and (kept.status, kept.fault) == (CallStatus.FAILED, "rate_limited: wait")


def test_a_call_ends_once(store: Store) -> None:
    with store.tx() as tx:
        made = call(tx)
        assert tx.model_calls.end(made, ANSWER)
        assert not tx.model_calls.end(made, replace(ANSWER, cost_usd=9.0))
        assert tx.model_calls.usage().cost_usd == 0.5


@pytest.mark.parametrize("end", ["done", "failed", "again", "parked", "cancelled", "taken over"])
def test_a_call_whose_claim_ends_without_it_is_lost_and_still_counts(store: Store, clock: Clock, end: str) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(NewJob("opinion", "llm", {}))
        job = tx.jobs.claim("a", QUEUES, 30, clock())
        assert job is not None
        made = call(tx, job_id=job.id)
        ends: dict[str, Any] = {
            "done": lambda: tx.jobs.finish(job.id, job.fence, {}),
            "failed": lambda: tx.jobs.fail(job.id, job.fence, "no", None),
            "again": lambda: tx.jobs.fail(job.id, job.fence, "later", clock()),
            "parked": lambda: tx.jobs.park(job.id, job.fence, "in doubt"),
            "cancelled": lambda: tx.jobs.cancel_done(job.id, job.fence),
            "taken over": lambda: tx.jobs.claim("b", QUEUES, 30, clock.forward(31)),
        }
        assert ends[end]()
        assert [each.status for each in tx.model_calls.filter(job_id=job.id)] == [CallStatus.LOST]
        assert (tx.model_calls.usage().lost, tx.model_calls.usage().spent_usd) == (1, 2.0)

        assert tx.model_calls.end(made, ANSWER), "it came all the same: now its use is known"
        assert (tx.model_calls.usage().lost, tx.model_calls.usage().spent_usd) == (0, 0.5)


def test_a_late_end_of_a_claim_loses_no_call_of_the_next_one(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        tx.jobs.enqueue(NewJob("opinion", "llm", {}))
        old = tx.jobs.claim("a", QUEUES, 30, clock())
        new = tx.jobs.claim("b", QUEUES, 30, clock.forward(31))
        assert old is not None and new is not None
        call(tx, job_id=new.id)
        assert not tx.jobs.finish(old.id, old.fence, {})
        assert tx.model_calls.usage().in_flight == 1


def test_usage_is_reported_by_run_phase_project_and_time(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        other = tx.projects.id_of("/other/.git", "/other")
        for more in ({"run_id": RUN, "phase": PLAN, "attempt": 1}, {"run_id": RUN, "phase": BUILD, "attempt": 1}, {}):
            tx.model_calls.end(call(tx, **more), ANSWER)
        later = clock.forward(60)
        tx.model_calls.end(call(tx, project_id=other), ANSWER)

        mine = tx.projects.id_of("/p/.git", "/p")
        assert tx.model_calls.usage(run_id=RUN).calls == 2
        assert tx.model_calls.usage(run_id=RUN, phase=PLAN).calls == 1
        assert tx.model_calls.usage(run_id=RUN, phase=PLAN, attempt=2) == UsageRecord()
        assert tx.model_calls.usage(project_id=mine).calls == 3
        assert tx.model_calls.usage(since=later).calls == 1
        assert tx.model_calls.usage().calls == 4
        assert tx.model_calls.started_since("openai", later - timedelta(seconds=1)) == [later]


def test_the_newest_model_of_each_phase_is_reported_without_reading_every_call(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        for phase, model in ((PLAN, "old"), (BUILD, "other"), (PLAN, "new")):
            call(tx, run_id=RUN, phase=phase, attempt=1, model=model)
            clock.now += timedelta(seconds=1)

    with store.read() as tx:
        assert tx.model_calls.newest_models(RUN) == {PLAN: "new", BUILD: "other"}
        assert tx.model_calls.newest_models(RunId("R-9")) == {}


def test_totals_are_reported_by_template_role_model_and_day(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN, template="tiny")
        tx.model_calls.end(call(tx, run_id=RUN), ANSWER)
        clock.forward(86_400)
        tx.model_calls.end(call(tx, role="author", model="m-2"), replace(ANSWER, cost_usd=3.0))

        def reported(by: Any) -> list[tuple[str, float]]:
            return [(key, used.cost_usd) for key, used in tx.model_calls.usage_by(by)]

        assert reported("template") == [("", 3.0), ("tiny", 0.5)]
        assert reported("role") == [("author", 3.0), ("reviewer", 0.5)]
        assert reported("model") == [("m-2", 3.0), ("m-1", 0.5)]
        assert reported("purpose") == [("opinion", 3.5)]
        assert reported("provider") == [("openai", 3.5)]
        assert reported("day") == [("2026-03-02", 3.0), ("2026-03-01", 0.5)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.one_of(st.none(), st.floats(0, 100)), st.booleans()), max_size=8))
def test_reservations_and_use_always_add_up(calls: list[tuple[int, float | None, bool]]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'wfe.db'}", clock=Clock())
        try:
            with store.tx() as tx:
                for tokens, cost, is_over in calls:
                    made = call(tx, reserved_tokens=tokens, reserved_usd=cost)
                    if is_over:
                        tx.model_calls.end(made, Used(1, tokens, 0, cost_usd=cost))
                used = tx.model_calls.usage()
        finally:
            store.close()
    assert used.tokens == sum(tokens for tokens, _, _ in calls)
    assert used.spent_usd == pytest.approx(sum(cost or 0.0 for _, cost, _ in calls))
    assert used.in_flight == sum(not is_over for _, _, is_over in calls)


@pytest.mark.requirement("S1-21", "S2-21")
def test_a_tool_call_keeps_what_was_given_what_came_and_how_long_it_took(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        made = tx.tool_calls.begin(NewToolCall(RUN, PLAN, 1, "read_file", {"path": "a.py"}, "job-1"))
        (begun,) = tx.tool_calls.filter(RUN, PLAN, 1)
        assert (begun.ok, begun.input, begun.started_at) == (None, {"path": "a.py"}, clock.now)
        assert tx.tool_calls.end(made, "print()", ok=True, duration_ms=12)
        assert not tx.tool_calls.end(made, "again", ok=False, duration_ms=1)
        (ended,) = tx.tool_calls.filter(RUN)

    assert (ended.name, ended.ok, ended.output, ended.duration_ms) == ("read_file", True, "print()", 12)
    assert (ended.output_bytes, ended.job_id) == (7, "job-1")


def test_tools_are_listed_without_their_output_and_counted_by_attempt(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        first = tx.tool_calls.begin(NewToolCall(RUN, PLAN, 1, "read", {"path": "a.py"}))
        tx.tool_calls.end(first, "x" * 1000, ok=True, duration_ms=12)
        clock.now += timedelta(seconds=5)
        second = tx.tool_calls.begin(NewToolCall(RUN, PLAN, 1, "read", {"path": "b" * 1000}))
        tx.tool_calls.end(second, "no", ok=False, duration_ms=3)
        tx.tool_calls.begin(NewToolCall(RUN, BUILD, 2, "bash", {"command": "ls"}))
        uses, later = (tx.tool_calls.uses(RUN, since) for since in (clock.now - timedelta(seconds=5), clock.now))
        totals = tx.tool_calls.totals(RUN)

    assert [(one.name, one.ok, one.output_bytes) for one in uses] == [
        ("read", True, 1000),
        ("read", False, 2),
        ("bash", None, None),
    ]
    assert [one.id for one in later] == [one.id for one in uses[1:]]
    assert uses[0].given == '{"path":"a.py"}'
    assert len(uses[1].given) == 300
    assert [(one.phase, one.attempt, one.name, one.calls, one.failed, one.duration_ms) for one in totals] == [
        (PLAN, 1, "read", 2, 1, 15),
        (BUILD, 2, "bash", 1, 0, 0),
    ]


def test_what_a_model_writes_is_kept_whatever_it_is(store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        strange: dict[str, Any] = {"text": "a\x00b\ud800", "number": float("nan"), "list": [float("inf"), None, True]}
        made = tx.tool_calls.begin(NewToolCall(RUN, PLAN, 1, "t", strange))
        tx.tool_calls.end(made, "x" * (MAX_OUTPUT_CHARS + 5) + "end", ok=False, duration_ms=0)
        tx.tool_calls.begin(NewToolCall(RUN, PLAN, 2, "t", {"content": "y" * MAX_INPUT_CHARS}))
        (kept,), (large,) = tx.tool_calls.filter(RUN, PLAN, 1), tx.tool_calls.filter(RUN, PLAN, 2)

    assert kept.input == {"text": "a\ufffdb?", "number": "nan", "list": ["inf", None, True]}
    assert kept.output is not None and "8 characters left out" in kept.output and kept.output.endswith("end")
    assert kept.output_bytes == MAX_OUTPUT_CHARS + 8
    assert set(large.input or ()) == {"cut", "sha256"}
