"""A person is asked once about the same bytes, and answers once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.scene import NOW, PLAN, create
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Channel, RunId, Stage
from wfe_mcp.store import Store
from wfe_mcp.store.records.runs import DecisionRecord, NewRequest, RequestStatus

RUN = RunId("R-1")
QUESTION = NewRequest(RUN, PLAN, 1, Stage.AFTER, 1, "ab" * 32, Assurance.HUMAN, tree="t1", data={"title": "Plan"})
YES = DecisionRecord(True, "ada", Channel.CLI, Assurance.HUMAN, NOW, "go")
LATER = NOW + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def project(store: Store) -> str:
    with store.tx() as tx:
        return create(tx, RUN).record.project_id


def test_asking_again_about_the_same_bytes_is_the_same_request(store: Store, project: str) -> None:
    with store.tx() as tx:
        asked = tx.approvals.request(QUESTION, NOW)

        assert tx.approvals.request(QUESTION, LATER) == asked
        assert tx.approvals.open_request(RUN, PLAN, 1) == asked
        assert (
            tx.approvals.open_requests()
            == tx.approvals.open_requests(project)
            == tx.approvals.open_requests(run_id=RUN)
            == [asked]
        )
        assert tx.approvals.open_requests("p-other") == []
        assert asked.data == {"title": "Plan"}


@pytest.mark.parametrize("change", [{"sha256": "cd" * 32}, {"tree": "t2"}, {"gate": 2}])
def test_a_question_about_something_else_voids_the_one_before(store: Store, change: dict[str, str]) -> None:
    with store.tx() as tx:
        old = tx.approvals.request(QUESTION, NOW)
        new = tx.approvals.request(replace(QUESTION, **change), LATER)
        voided = tx.approvals.get(old.id)

        assert tx.approvals.open_request(RUN, PLAN, 1) == new
        assert voided is not None
        assert (voided.status, voided.closed_at) == (RequestStatus.VOID, LATER)
        with pytest.raises(Refused, match="the revision it asked about is closed"):
            tx.approvals.decide(old.id, YES)


def test_a_decision_closes_its_request(store: Store) -> None:
    with store.tx() as tx:
        asked = tx.approvals.request(QUESTION, NOW)
        closed = tx.approvals.decide(asked.id, YES)

        assert (closed.status, closed.closed_at) == (RequestStatus.APPROVED, NOW)
        assert tx.approvals.decision(asked.id) == YES
        assert tx.approvals.open_request(RUN, PLAN, 1) is None


def test_a_second_answer_is_refused(store: Store) -> None:
    with store.tx() as tx:
        asked = tx.approvals.request(QUESTION, NOW)
        no = replace(YES, approved=False, to=PLAN)
        assert tx.approvals.decide(asked.id, no).status is RequestStatus.REJECTED

        with pytest.raises(Refused, match="it was answered") as refused:
            tx.approvals.decide(asked.id, YES)
        assert tx.approvals.decision(asked.id) == no

    assert (refused.value.code, refused.value.run, refused.value.phase) == ("stale_revision", RUN, PLAN)


def test_the_same_question_may_be_asked_again_after_an_answer(store: Store) -> None:
    with store.tx() as tx:
        first = tx.approvals.request(QUESTION, NOW)
        tx.approvals.decide(first.id, YES)
        assert tx.approvals.request(QUESTION, LATER).id != first.id


def test_an_expired_request_takes_no_answer_and_is_asked_again(store: Store) -> None:
    expiring = replace(QUESTION, expires_at=NOW + timedelta(minutes=1))
    with store.tx() as tx:
        old = tx.approvals.request(expiring, NOW)
        with pytest.raises(Refused, match="it has expired"):
            tx.approvals.decide(old.id, replace(YES, at=LATER))

        assert tx.approvals.request(replace(expiring, expires_at=LATER), LATER).id != old.id


def test_an_answer_to_no_request_is_refused(store: Store) -> None:
    with store.tx() as tx, pytest.raises(Refused, match="there is none with this id"):
        tx.approvals.decide("rq-0", YES)


def test_requests_of_a_closed_attempt_can_be_voided(store: Store) -> None:
    with store.tx() as tx:
        tx.approvals.request(QUESTION, NOW)
        assert tx.approvals.void(RUN, PLAN, 1, LATER) == 1
        assert tx.approvals.void(RUN, PLAN, 1, LATER) == 0
        assert tx.approvals.open_request(RUN, PLAN, 1) is None
