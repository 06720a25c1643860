"""Checks that may take seconds are answered ahead of the transaction that needs them."""

from typing import Any

import pytest

from tests.artifacts.test_isolated import exploding
from wfe_mcp.artifacts import ahead
from wfe_mcp.artifacts.ahead import Unjudged, judge_ahead, judged_now

PLAIN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}


def slow(number: int = 0) -> dict[str, Any]:
    """A schema that takes a child, unlike any other."""
    return exploding(20) | {"$comment": f"{number}"}


def test_an_ordinary_check_is_answered_at_once() -> None:
    assert judged_now(PLAIN, {"a": "b"}).ok
    assert [fault.path for fault in judged_now(PLAIN, {"a": 1}).faults] == ["/a"]
    assert judged_now("plan@1", {}).faults


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, [], "text"])
def test_what_no_artifact_can_hold_is_a_fault_at_once(value: object) -> None:
    assert judged_now(slow(), value).faults


def test_a_check_that_may_take_seconds_is_answered_only_when_it_was_made_ahead() -> None:
    value = {"x": {"never": "seen"}}
    with pytest.raises(Unjudged) as due:
        judged_now(slow(), value)
    assert due.value.sha256 == Unjudged(slow(), value).sha256 != Unjudged(slow(1), value).sha256
    assert "ended" in judge_ahead(due.value.schema, due.value.value).faults[0].message
    assert "ended" in judged_now(slow(), value).faults[0].message


def test_a_schema_whose_patterns_are_checked_in_a_child_counts_as_one() -> None:
    patterns = PLAIN | {"properties": {"a": {"type": "string", "pattern": "^[ab]{0,900}c{0,90}$"}}}
    with pytest.raises(Unjudged):
        judged_now(patterns, {"a": "abc"})
    assert judge_ahead(patterns, {"a": "abc"}).ok
    assert judged_now(patterns, {"a": "abc"}).ok


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_KEPT", 1)
    patterns = [PLAIN | {"properties": {"a": {"pattern": f"^[ab]{{0,900}}c{{0,{90 + n}}}$"}}} for n in (0, 1)]
    for schema in patterns:
        judge_ahead(schema, {"a": "abc"})
    assert judged_now(patterns[1], {"a": "abc"}).ok
    with pytest.raises(Unjudged):
        judged_now(patterns[0], {"a": "abc"})


def test_an_ordinary_answer_is_not_kept() -> None:
    before = dict(ahead._answers)  # pyright: ignore[reportPrivateUsage]
    assert judge_ahead(PLAIN, {"a": "b"}).ok
    assert dict(ahead._answers) == before  # pyright: ignore[reportPrivateUsage]
