"""Search lists a failure once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.scene import PLAN, create, step
from tests.store.search.test_find import found
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import Feedback, GateOutcome, Stage, Verdict

if TYPE_CHECKING:
    from wfe_mcp.store import Store


@pytest.mark.parametrize("limit", [1, 50])
def test_a_failure_is_found_once_however_many_events_repeat_its_text(store: Store, limit: int) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    running, notes = loaded.state.attempts[PLAN][0].status, list[Feedback]()
    for number, text in enumerate(("1 of 2 tests failed: zephyr", "2 of 2 tests failed: zephyr"), start=1):
        notes.append(Feedback(PLAN, number, text))
        verdict = Verdict(Stage.AFTER, 0, GateOutcome.FAIL, "ab", text)
        again = e.AttemptOpened(phase=PLAN, attempt=number + 1, status=running, feedback=tuple(notes))
        failed = e.AttemptFailed(phase=PLAN, attempt=number, kind=FailKind.GATE, reason=text)
        judged = e.GateJudged(phase=PLAN, attempt=number, verdict=verdict)
        loaded = step(store, loaded, judged, failed, again)

    assert [hit.text for hit in found(store, "zephyr", limit=limit)] == [note.message for note in notes[::-1]]


@pytest.mark.parametrize("event", [e.RunBlocked, e.RunFailed])
def test_the_end_of_the_run_for_a_failure_is_no_second_hit(
    store: Store, event: type[e.RunBlocked | e.RunFailed]
) -> None:
    with store.tx() as tx:
        loaded = create(tx, "R-1")
    text = "1 of 2 tests failed: zephyr"
    judged = e.GateJudged(phase=PLAN, attempt=1, verdict=Verdict(Stage.AFTER, 0, GateOutcome.FAIL, "ab", text))
    failed = e.AttemptFailed(phase=PLAN, attempt=1, kind=FailKind.GATE, reason=text)
    loaded = step(store, loaded, judged, failed, event(reason=f"{PLAN!r} failed: {text}"))
    step(store, loaded, e.RunPaused(by_human=True, reason="no zephyr"))

    assert [hit.text for hit in found(store, "zephyr")] == ["no zephyr", text]
