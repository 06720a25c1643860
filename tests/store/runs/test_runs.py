"""A step of a run is durable as a whole, or not at all."""

from datetime import timedelta

import pytest

from tests.store.scene import (
    ADA,
    AGENT,
    BUILD,
    NOW,
    PLAN,
    PLAN_READY,
    SPEC,
    STARTED,
    add_plan,
    create,
    fold,
    new_run,
    step,
)
from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, Feedback, RunId, RunState, RunStatus, Stage, Verdict
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.store import Store

RUN = RunId("R-1")
CLAIMED = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW, lease_until=NOW + timedelta(minutes=1))
FIRST = sha256_hex(canonical_json({"steps": [{"title": "first"}]}))
SUBMITTED = e.RevisionSubmitted(phase=PLAN, attempt=1, revision=1, sha256=FIRST, tree="t1")
PASSED = e.GateJudged(phase=PLAN, attempt=1, verdict=Verdict(Stage.AFTER, 0, GateOutcome.PASS, FIRST, "fine", "ev-1"))


def test_a_created_run_is_loaded_as_it_was_created(store: Store) -> None:
    with store.tx() as tx:
        created = create(tx, RUN)

    with store.read() as tx:
        assert tx.runs.load(RUN) == created
        assert tx.documents.load(created.record.inputs_sha256) == {"goal": "größer"}
        assert tx.documents.load(created.record.frozen_sha256) == {"checks": {}}


def test_the_ends_of_more_runs_than_a_statement_can_name_are_read(store: Store) -> None:
    """A folder has the files of as many runs as there ever were, and doctor asks for all of them."""
    with store.tx() as tx:
        create(tx, RUN)

    with store.read() as tx:
        assert list(tx.events.tails([*map(str, range(260_000)), RUN])) == [RUN]


def test_an_unknown_run_is_none(store: Store) -> None:
    with store.read() as tx:
        assert tx.runs.load(RunId("nobody")) is None
        assert tx.runs.revision(RunId("nobody")) == 0


@pytest.mark.requirement("B-03", "S4-09", "S1-18")
def test_each_step_is_loaded_as_it_was_saved_and_as_the_log_replays_it(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        add_plan(tx, RUN)
        loaded = tx.runs.load(RUN)
    assert loaded is not None
    failed = e.AttemptOpened(
        phase=PLAN, attempt=2, status=AttemptStatus.RUNNING, holder="h", feedback=(Feedback(PLAN, 1, "no", "plan"),)
    )
    for events in ((CLAIMED,), (SUBMITTED, PASSED), (failed,), (e.AutoSwitched(auto=False),)):
        loaded = step(store, loaded, *events, by=ADA)
        other = Store.open(url, clock=lambda: NOW)  # our own store remembers what it wrote
        with other.read() as tx:
            assert tx.runs.load(RUN) == loaded
            assert tx.events.replay(RUN) == loaded.state
            assert tx.verification.problems(RUN) == []
        other.close()

    assert loaded.record.revision == 5
    assert [item.status for item in loaded.state.attempts[PLAN]] == [AttemptStatus.SUPERSEDED, AttemptStatus.RUNNING]


def test_a_run_opened_by_a_second_store_has_its_specification(store: Store, url: str) -> None:
    with store.tx() as tx:
        create(tx, RUN)
    other = Store.open(url, clock=lambda: NOW)

    with other.read() as tx:
        loaded = tx.runs.load(RUN)
    other.close()

    assert loaded is not None
    assert loaded.state.spec == SPEC
    assert loaded.state.phase(BUILD).exclusive


def test_a_run_that_moved_meanwhile_refuses_the_older_step(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
    step(store, loaded, CLAIMED)

    with pytest.raises(Refused) as refused:
        step(store, loaded, e.AutoSwitched(auto=False))

    assert refused.value.code == "conflict"
    assert refused.value.run == RUN
    with store.read() as tx:
        assert len(tx.events.of_run(RUN)) == 3
        assert tx.runs.revision(RUN) == 2


def test_a_step_that_raises_leaves_nothing_behind(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)

    def interrupted_step() -> None:
        with store.tx() as tx:
            tx.runs.save(loaded, fold(loaded.state, CLAIMED), [CLAIMED], AGENT, NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted_step()

    with store.read() as tx:
        assert tx.runs.load(RUN) == loaded
        assert tx.verification.problems(RUN) == []


def test_a_step_without_events_changes_nothing(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)

        assert tx.runs.save(loaded, loaded.state, [], AGENT, NOW) is loaded
        with pytest.raises(ValueError, match="by events only"):
            tx.runs.save(loaded, fold(loaded.state, CLAIMED), [], AGENT, NOW)


def test_an_ended_run_knows_when_it_ended_and_a_reopened_one_does_not(store: Store) -> None:
    later = NOW + timedelta(hours=1)
    with store.tx() as tx:
        loaded = create(tx, RUN)

    ended = step(store, loaded, e.RunCompleted(), at=later)
    reopened = step(store, ended, e.RunReopened(), at=later)

    assert (ended.record.status, ended.record.ended_at) == (RunStatus.COMPLETED, later)
    # Two steps never share a moment: an undo separates commands by it.
    assert (reopened.record.ended_at, reopened.record.updated_at) == (None, later + timedelta(microseconds=1))


@pytest.mark.requirement("S2-20")
def test_an_idempotency_key_leads_to_its_run_and_refuses_other_arguments(store: Store) -> None:
    with store.tx() as tx:
        new = new_run(tx, RUN, key="k")
        tx.runs.create(new, fold(RunState(), STARTED, PLAN_READY), [STARTED, PLAN_READY], AGENT, NOW)

        assert tx.runs.for_key(new.project_id, "k", new.args_sha256) == RUN
        assert tx.runs.for_key("p-other", "k", new.args_sha256) is None
        with pytest.raises(Refused) as refused:
            tx.runs.for_key(new.project_id, "k", "other")

    assert refused.value.code == "conflict"


def test_open_attempts_are_those_someone_may_have_to_look_after(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
        create(tx, "R-2")
        tx.runs.archive(RunId("R-2"), NOW)
    step(store, loaded, CLAIMED)

    with store.read() as tx:
        (found,) = tx.runs.open_attempts()
        assert (found.run_id, found.phase, found.status, found.holder) == (RUN, PLAN, AttemptStatus.RUNNING, "h")
        assert found.lease_until == NOW + timedelta(minutes=1)
        assert [item.phase for item in tx.runs.open_attempts([AttemptStatus.PENDING])] == [BUILD]


def test_a_working_tree_belongs_to_the_exclusive_attempt_from_claim_to_completion(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN, worktree="/mine")
    holders: list[list[tuple[str, str | None]]] = []
    for event in (
        e.PhaseReady(phase=BUILD, attempt=1),
        e.PhaseStarted(phase=BUILD, attempt=1, holder="h", started_at=NOW),
        e.RevisionSubmitted(phase=BUILD, attempt=1, revision=1, sha256="ab"),
        e.PhaseCompleted(phase=BUILD, attempt=1),
    ):
        loaded = step(store, loaded, event)
        with store.read() as tx:
            holders.append([(item.phase, item.holder) for item in tx.runs.holders("/mine")])
            assert list(tx.runs.holders("/other")) == list(tx.runs.holders("/mine", besides=RUN)) == []

    assert holders == [[], [(BUILD, "h")], [(BUILD, "h")], []]
