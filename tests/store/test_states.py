"""A state that is kept in memory is the one in the file; loops come back as they were written."""

from dataclasses import replace

import pytest

from tests.core.standing import same_standing
from tests.store.scene import ADA, NOW, PLAN, PLAN_READY, STARTED, create, fold, new_run, step
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.model import GoingBack, LoopState, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.rollback import rolled_back
from wfe_mcp.core.spec import LoopSpec, PhaseSpec, RunSpec
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import LoadedRun

RUN = RunId("R-1")
LOOP = PhasePath("build")
WALK = RunSpec(
    (
        PhaseSpec(LOOP, "loop", loop=LoopSpec(items="${inputs.items}", max_parallel=2, on_item_fail="continue")),
        PhaseSpec(PhasePath("build.code"), parent=LOOP),
        PhaseSpec(PhasePath("build.test"), needs=(PhasePath("build.code"),), parent=LOOP),
    )
)
OPENED = (
    e.RunStarted(spec=WALK, auto=True, started_at=NOW),
    e.PhaseReady(phase=LOOP, attempt=1),
    e.LoopOpened(phase=LOOP, attempt=1, keys=("T-10", "T-2", "T-1"), started_at=NOW, items="d" * 64),
    e.ItemOpened(phase=LOOP, attempt=1, key="T-10"),
    e.ItemOpened(phase=LOOP, attempt=1, key="T-2"),
    e.PhaseReady(phase=PhasePath("build[T-2].code"), attempt=1),
)


def read_elsewhere(url: str) -> LoadedRun | None:
    """The run as another process finds it in the file."""
    other = Store.open(url, clock=lambda: NOW)
    with other.read() as tx:
        loaded = tx.runs.load(RUN)
        assert tx.events.replay(RUN) == (loaded.state if loaded else None)
        assert tx.verification.problems(RUN) == []
    other.close()
    return loaded


def test_a_loop_is_loaded_as_it_was_saved_and_as_the_log_replays_it(store: Store, url: str) -> None:
    state = fold(RunState(), *OPENED)
    with store.tx() as tx:
        loaded = LoadedRun(tx.runs.create(new_run(tx, RUN), state, OPENED, ADA, NOW), state)
    closed = e.ItemClosed(phase=LOOP, attempt=1, key="T-10", failed=True)
    loaded = step(store, loaded, closed, e.ItemOpened(phase=LOOP, attempt=1, key="T-1"))
    assert read_elsewhere(url) == loaded
    assert loaded.state.loops == {
        LOOP: LoopState(1, ("T-10", "T-2", "T-1"), 3, ("T-2", "T-1"), ("T-10",), "d" * 64),
    }
    back = e.WentTo(
        source=LOOP,
        attempt=1,
        target=PhasePath("build[T-10].code"),
        iteration=2,
        reopened=((LOOP, "T-10"),),
        superseded=(PhasePath("build[T-10].code"), PhasePath("build[T-10].test")),
    )
    loaded = step(store, loaded, back)
    assert read_elsewhere(url) == loaded


def test_a_rollback_is_loaded_as_it_was_saved_and_any_earlier_moment_is_replayed(store: Store, url: str) -> None:
    then = fold(RunState(), *OPENED)
    with store.tx() as tx:
        loaded = LoadedRun(tx.runs.create(new_run(tx, RUN), then, OPENED, ADA, NOW), then)
    loaded = step(store, loaded, e.ItemClosed(phase=LOOP, attempt=1, key="T-10", failed=True))
    command = c.Rollback(to=len(OPENED), then=then, kind="undo", safety="c" * 40, by=ADA, at=NOW)
    begun = e.RollbackBegan(to=command.to, commit="d" * 40, safety="c" * 40, holder="me", kind="undo")
    loaded = step(store, loaded, e.CheckpointTaken(why="safety", commit="c" * 40), begun)
    assert loaded.state.going_back == GoingBack(6, "d" * 40, "c" * 40, "me", "undo")
    assert read_elsewhere(url) == loaded
    loaded = step(store, loaded, rolled_back(loaded.state, command))
    assert read_elsewhere(url) == loaded
    assert same_standing(loaded.state, then)
    with store.read() as tx:
        assert tx.events.replay(RUN, until=len(OPENED)) == then


def test_a_step_that_is_undone_leaves_no_state_behind(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
    claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW)

    def undone() -> None:
        with store.tx() as tx:
            tx.runs.save(loaded, fold(loaded.state, claimed), (claimed,), ADA, NOW)
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError):
        undone()
    with store.read() as tx:
        assert tx.runs.load(RUN) == loaded
    other = e.PhaseStarted(phase=PLAN, attempt=1, holder="other", started_at=NOW)
    saved = step(store, loaded, other)
    with store.read() as tx:
        assert tx.runs.load(RUN) == saved


def test_a_step_of_another_process_is_seen(store: Store, url: str) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
    other = Store.open(url, clock=lambda: NOW)
    moved = step(other, loaded, e.AutoSwitched(auto=False))
    other.close()
    with store.read() as tx:
        assert tx.runs.load(RUN) == moved


def test_an_attempt_that_did_not_change_is_not_written(store: Store) -> None:
    with store.tx() as tx:
        loaded = create(tx, RUN)
    same = replace(loaded.state, attempts=dict(loaded.state.attempts), auto=False)
    assert same.changed_since(loaded.state) == ()
    assert fold(RunState(), STARTED, PLAN_READY).changed_since(RunState()) == (PLAN, PhasePath("build"))


def test_the_last_revisions_of_a_run_and_all_of_one_name(store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)
        for number in range(3):
            path = PhasePath(f"build[T-{number}].code")
            tx.artifacts.add_revision(
                RUN, path, 1, 1, "change", "change@1", f'{{"n":{number}}}', "a" * 64, "mcp", "", NOW
            )
        assert [head.phase for head in tx.artifacts.last_revisions(RUN, 2)] == ["build[T-1].code", "build[T-2].code"]
        found = tx.artifacts.contents(RUN, "change")
        assert found[(PhasePath("build[T-1].code"), 1)] == '{"n":1}'
        assert (len(found), tx.artifacts.contents(RUN, "nothing")) == (3, {})
