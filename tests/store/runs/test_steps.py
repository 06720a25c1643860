"""Storage of the steps that the server executes."""

from dataclasses import replace

import pytest

from tests.store.scene import BUILD, NOW, PLAN, create
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import StepRecord, StepStatus

RUN = RunId("R-1")
FETCH = StepRecord(RUN, PLAN, 1, "fetch", 0, "tool github.getIssue", StepStatus.QUEUED, input={"number": 7})
PUSH = StepRecord(RUN, PLAN, 1, "push", 1, "tool github.push", StepStatus.READY, idempotency_key="k")


@pytest.fixture(autouse=True)
def run(store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)


def test_a_step_is_rewritten_in_place_and_the_steps_keep_their_order(store: Store) -> None:
    done = replace(FETCH, status=StepStatus.DONE, tries=1, started_at=NOW, finished_at=NOW, output={"title": "größer"})
    with store.tx() as tx:
        for each in (PUSH, FETCH, done, replace(FETCH, attempt=2), replace(FETCH, phase=BUILD)):
            tx.steps.save(each)
    with store.read() as tx:
        assert tx.steps.of_run(RUN, PLAN, 1) == [done, PUSH]
        assert len(tx.steps.of_run(RUN)) == 4


def test_only_a_finished_step_answers_for_its_idempotency_key(store: Store) -> None:
    done = replace(PUSH, status=StepStatus.DONE, output=None)
    with store.tx() as tx:
        tx.steps.save(PUSH)
        assert tx.steps.with_key(RUN, "k") is None
        tx.steps.save(done)
        assert tx.steps.with_key(RUN, "k") == done
        assert tx.steps.with_key(RUN, "other") is None
