"""What a gate found is read from files that earlier versions wrote, and their chain still holds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.store.runs.test_runs import CLAIMED, FIRST, RUN, SUBMITTED
from tests.store.scene import AS_OF_0010, NOW, PLAN, add_plan, create, raw, step, tamper
from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.model import Attempt, Stage, Verdict
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.store import Store, serialization
from wfe_mcp.store.old_verdicts import with_outcome

BEGINNINGS = {GateOutcome.SKIPPED: "skipped: ", GateOutcome.WARNING: "passed with a warning: "}


def judged(gate: int, outcome: GateOutcome, message: str) -> e.GateJudged:
    return e.GateJudged(phase=PLAN, attempt=1, verdict=Verdict(Stage.AFTER, gate, outcome, FIRST, message, "ev-1"))


FOUND = (
    judged(0, GateOutcome.PASS, "fine"),
    judged(1, GateOutcome.SKIPPED, "no reviewer is configured"),
    judged(2, GateOutcome.WARNING, "a reviewer could not be reached\n1 of 2 reviewers pass"),
    e.OpinionOverruled(phase=PLAN, attempt=1, gate=3, sha256=FIRST, reason="it misread the plan"),
    e.ApprovalGiven(phase=PLAN, attempt=1, gate=4, sha256=FIRST, comment="skipped: I read it myself"),
    e.ApprovalGiven(phase=PLAN, attempt=1, gate=5, sha256=FIRST, comment="overruled: I read it myself"),
    judged(6, GateOutcome.NEEDS_TRUST, "needs_trust: this project has no trusted check 'test' yet."),
)


@pytest.fixture
def earlier(url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store over a file whose verdicts an earlier version wrote, opened by this one."""
    payload_of, attempt_values = serialization.payload_of, serialization.attempt_values

    def payload_before(event: e.Event) -> str:
        return _before(payload_of(event))

    def row_before(attempt: Attempt) -> dict[str, Any]:
        return _row_before(attempt_values(attempt))

    with monkeypatch.context() as patch:
        patch.setattr(serialization, "payload_of", payload_before)
        patch.setattr(serialization, "attempt_values", row_before)
        with store.tx() as tx:
            loaded = create(tx, RUN)
            add_plan(tx, RUN)
        step(store, loaded, CLAIMED, SUBMITTED, *FOUND)
    store.close()
    tamper(url, *AS_OF_0010)
    assert "outcome" not in "".join(text for (text,) in raw(url).execute("SELECT payload FROM event"))
    assert "outcome" not in "".join(text for (text,) in raw(url).execute("SELECT state FROM attempt"))
    opened = Store.open(url, clock=lambda: NOW)
    yield opened
    opened.close()


def _before(payload: str) -> str:
    values: dict[str, Any] = json.loads(payload)
    return canonical_json(values | {"verdict": _verdict_before(values["verdict"])} if "verdict" in values else values)


def _row_before(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"verdicts": [_verdict_before(one) for one in values["verdicts"]]}


def _verdict_before(verdict: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in verdict.items() if name != "outcome"}
    return rest | {"message": f"{BEGINNINGS.get(GateOutcome(verdict['outcome']), '')}{verdict['message']}"}


@pytest.mark.sqlite_only("no server has verdicts of earlier versions")
def test_verdicts_of_earlier_versions_have_their_outcome_and_the_chain_holds(earlier: Store) -> None:
    with earlier.read() as tx:
        loaded = tx.runs.load(RUN)
        assert loaded is not None
        assert tx.verification.problems(RUN) == []
        assert tx.events.replay(RUN) == loaded.state
    found = [(one.outcome, one.message.partition("\n")[0]) for one in loaded.state.attempts[PLAN][0].verdicts]
    assert found == [
        (GateOutcome.PASS, "fine"),
        (GateOutcome.SKIPPED, "no reviewer is configured"),
        (GateOutcome.WARNING, "a reviewer could not be reached"),
        (GateOutcome.OVERRULED, "overruled: it misread the plan"),
        (GateOutcome.PASS, "skipped: I read it myself"),
        (GateOutcome.PASS, "overruled: I read it myself"),
        (GateOutcome.NEEDS_TRUST, "needs_trust: this project has no trusted check 'test' yet."),
    ]


@pytest.mark.parametrize(
    ("kind", "evidence", "message", "outcome"),
    [
        ("fail", "ev-1", "skipped: no", GateOutcome.FAIL),
        ("error", None, "it could not run", GateOutcome.ERROR),
        ("pass", "ev-1", "The project has no check 'lint'. The template allows that.", GateOutcome.SKIPPED),
        ("pass", None, "Rule holds: true", GateOutcome.PASS),
    ],
)
def test_an_old_verdict_says_its_outcome(kind: str, evidence: str | None, message: str, outcome: GateOutcome) -> None:
    found = with_outcome({"kind": kind, "evidence": evidence, "message": message})
    assert (found["outcome"], found["message"]) == (outcome, message)


def test_an_outcome_that_is_stored_is_not_read_again_from_the_message() -> None:
    verdict = {"kind": "pass", "outcome": "pass", "evidence": "ev-1", "message": "skipped: a plug-in may say so"}
    assert with_outcome(verdict) == verdict


@pytest.mark.sqlite_only("no server has verdicts of earlier versions")
def test_an_upgrade_fills_what_the_server_has_to_continue_with(url: str, store: Store) -> None:
    with store.tx() as tx:
        create(tx, RUN)
    store.close()
    tamper(
        url,
        *AS_OF_0010,
        "UPDATE run SET state = json_set(state, '$.going_back', json('{\"to\": 7}'))",
        "UPDATE attempt SET state = json_set(state, '$.mending', iif(phase = 'plan', 'recover', ''))",
    )
    Store.open(url, clock=lambda: NOW).close()
    rows = raw(url).execute("SELECT going_back, phase, repair FROM run JOIN attempt ON run.id = attempt.run_id")
    assert {phase: (going_back, repair) for going_back, phase, repair in rows} == {
        "plan": (7, "recover"),
        "build": (7, None),
    }
