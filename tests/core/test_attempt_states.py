"""An attempt has the values of its status and no others."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError, fields, replace
from inspect import getattr_static
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.core.conftest import NOW, phase, run_of
from tests.core.plays import played
from tests.examples import examples
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import (
    STATES,
    Claim,
    Completed,
    FailKind,
    Failure,
    Gating,
    Handed,
    Part,
    Pending,
    Stage,
    StateValues,
)
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store import serialization as codec

PATH = PhasePath("plan")
CLAIM = Claim("h1", NOW)
FAILURE = Failure(FailKind.GATE, "user", 1)
VALUES: dict[str, Any] = {
    "stage": Stage.AFTER,
    "gate": 2,
    "claim": CLAIM,
    "deadline": NOW,
    "asked": "q1",
    "asked_tree": "t1",
    "approvals": ("ada",),
    "handed": Handed("bob", "ada", "I am away"),
    "not_before": NOW,
    "failure": FAILURE,
    "held": True,
    "judged": True,
    "next_rule": 1,
}
_LEFT = "stage not_before failure"
ALLOWED = {
    "pending": "not_before",
    "ready": "",
    "running": "claim deadline",
    "gating": "stage gate claim deadline",
    "awaiting": "stage gate claim deadline asked asked_tree approvals handed",
    "failed": "stage gate claim not_before failure",
    "completed": "held judged next_rule",
    "skipped": "not_before",
    "superseded": _LEFT,
    "rolled_back": _LEFT,
    "cancelled": _LEFT,
}
"""Status → the values that it can have."""


def built(status: AttemptStatus) -> Attempt:
    """An attempt of this status with every value that it can have."""
    kind = STATES[status]
    return Attempt(PATH, 1, 1, state=kind(**{field.name: VALUES[field.name] for field in fields(kind)}))


def test_each_status_has_one_state():
    assert set(STATES) == set(AttemptStatus)
    assert set(ALLOWED) == {str(status) for status in AttemptStatus}


@pytest.mark.parametrize("status", AttemptStatus)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_the_status_cannot_have_cannot_be_built(status: AttemptStatus, value: str):
    allowed = ALLOWED[status].split()
    assert {field.name for field in fields(STATES[status])} == set(allowed)
    attempt = built(status)
    if value in allowed:
        assert getattr(attempt, value) == VALUES[value]
        return
    assert getattr(attempt, value) in {None, 0, ()}
    kind: Any = STATES[status]
    with pytest.raises(TypeError, match=value):
        kind(**{value: VALUES[value]})
    with pytest.raises(TypeError, match=value):
        replace(attempt.state, **{value: VALUES[value]})


@pytest.mark.parametrize("status", ["gating", "awaiting", "failed"])
def test_what_a_status_needs_cannot_be_left_out(status: str):
    kind: Any = STATES[AttemptStatus(status)]
    with pytest.raises(TypeError, match="missing 1 required"):
        kind()


def test_an_attempt_takes_its_status_from_its_state_alone():
    attempt = Attempt(PATH, 1, 1)
    assert (attempt.state, attempt.status) == (Pending(), AttemptStatus.PENDING)
    wrong: dict[str, Any] = {"status": AttemptStatus.RUNNING}
    with pytest.raises(TypeError, match="status"):
        replace(attempt, **wrong)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        attempt.state = Gating(Stage.AFTER)  # pyright: ignore[reportAttributeAccessIssue] - that is the test


def test_an_event_that_does_not_fit_the_status_is_our_bug():
    scene = run_of(phase("plan"))
    with pytest.raises(AssertionError, match="attempt 1 of 'plan' is ready"):
        evolve(scene.state, e.ApprovalAsked(phase=PATH, attempt=1, request="q1"))


@pytest.mark.parametrize("status", AttemptStatus)
def test_each_state_is_read_as_it_was_written(status: AttemptStatus):
    attempt = built(status)
    text = codec.attempt_row("r1", run_of(phase("plan")).state, attempt)["state"]
    assert codec.attempt_of(text) == attempt


@pytest.mark.parametrize("then", ["rules", "compensate", "recover", "user"])
def test_what_follows_a_failure_is_read_as_it_was_written(then: Any):
    attempt = built(AttemptStatus.FAILED)
    attempt = replace(attempt, state=replace(attempt.state, failure=replace(FAILURE, then=then)))  # pyright: ignore[reportCallIssue] - it is failed
    text = codec.attempt_row("r1", run_of(phase("plan")).state, attempt)["state"]
    assert (codec.attempt_of(text), attempt.human_only) == (attempt, then == "user")
    assert attempt.repair == (then if then in {"compensate", "recover"} else "")


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_every_attempt_that_a_run_reaches_is_read_as_it_was_written(seed: int):
    state = RunState()
    for event in played(random.Random(seed)).log:
        before, state = state, evolve(state, event)
        assert codec.event_of(type(event).__name__, codec.payload_of(event)) == event
        for path in state.changed_since(before):
            for attempt in state.attempts[path]:
                assert codec.attempt_of(codec.attempt_row("r1", state, attempt)["state"]) == attempt


def test_every_value_of_a_state_is_a_property_of_the_attempt():
    assert all(isinstance(getattr_static(StateValues, name), property | Part) for name in VALUES)


def test_values_of_an_earlier_version_beyond_the_status_are_dropped():
    text = (
        '{"phase":"plan","number":1,"iteration":1,"status":"completed","gate":2,"fail_rule":1,"mending":"compensate"}'
    )
    attempt = codec.attempt_of(text)
    assert attempt == Attempt(PATH, 1, 1, state=Completed())
    with pytest.raises(ValueError, match="stage"):
        codec.attempt_of('{"phase":"plan","number":1,"iteration":1,"status":"gating"}')
