"""The quorum of an opinion gate."""

from __future__ import annotations

from typing import Any

import pytest

from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.gates.opinion import ReviewerResult, judge_opinions, no_reviewer
from wfe_mcp.workflow.model.gates import OpinionGate

FINDING = {
    "severity": "high",
    "title": "It divides by zero",
    "detail": "mean([])",
    "file": "src/stats.py",
    "line": 12,
    "recommendation": "Test it",
}


def gate(*reviewers: str, **more: Any) -> OpinionGate:
    return OpinionGate(kind="opinion", reviewers=reviewers or ("a", "b", "c"), **more)


def reported(reviewer: str, verdict: str, **more: Any) -> ReviewerResult:
    return ReviewerResult(reviewer, "openai", "gpt", {"verdict": verdict, "findings": [], **more})


def unreachable(reviewer: str) -> ReviewerResult:
    return ReviewerResult(reviewer, "openai", "gpt", None, "rate limited")


def test_a_quorum_of_passes_passes_and_shows_the_dissent():
    answer = judge_opinions(
        gate(quorum=2), [reported("a", "pass"), reported("b", "fail", summary="no tests"), reported("c", "pass")]
    )
    assert answer.kind is VerdictKind.PASS
    assert "2 of 3" in answer.message
    assert "b (gpt): fail: no tests" in answer.message
    assert answer.data["opinions"][1]["opinion"]["summary"] == "no tests"


@pytest.mark.parametrize(
    ("verdicts", "quorum", "kind"),
    [
        ("pass concerns", 1, VerdictKind.PASS),
        ("concerns concerns", 1, VerdictKind.FAIL),
        ("pass concerns", 2, VerdictKind.FAIL),
        ("pass fail", 1, VerdictKind.PASS),
        ("pass fail", 2, VerdictKind.FAIL),
        ("fail fail", 1, VerdictKind.FAIL),
    ],
)
def test_concerns_neither_count_nor_stop(verdicts: str, quorum: int, kind: VerdictKind):
    reviews = [reported(f"r{index}", verdict) for index, verdict in enumerate(verdicts.split())]
    assert judge_opinions(gate(quorum=quorum), reviews).kind is kind


def test_a_fail_names_severity_place_and_what_would_make_it_right():
    answer = judge_opinions(gate("a"), [reported("a", "fail", findings=[FINDING] * 8)])
    assert answer.kind is VerdictKind.FAIL
    assert "high: src/stats.py:12: It divides by zero (mean([]); Test it)" in answer.message
    assert "and 2 more in the evidence" in answer.message
    assert "Next: fix what the reviewers found" in answer.message


@pytest.mark.parametrize(("allowed", "shown"), [(True, True), (False, False)])
def test_a_rewrite_is_handed_on_only_where_the_gate_allows_it(allowed: bool, shown: bool):
    answer = judge_opinions(gate("a", allow_rewrite=allowed), [reported("a", "fail", suggestion="def mean(): …" * 300)])
    assert ("a suggests instead:\ndef mean" in answer.message) is shown
    assert len(answer.message) <= 4_000


def test_a_reviewer_who_cannot_be_reached_is_an_error_where_its_vote_decides():
    blocked = judge_opinions(gate("a", "b", quorum=2), [reported("a", "pass"), unreachable("b")])
    assert blocked.kind is VerdictKind.ERROR
    assert "b (rate limited)" in blocked.message
    warned = judge_opinions(
        gate("a", "b", quorum=2, on_provider_error="warn"), [reported("a", "pass"), unreachable("b")]
    )
    assert (warned.outcome, warned.kind) == (GateOutcome.WARNING, VerdictKind.PASS)
    assert warned.message.startswith("b (rate limited) could not be reached")


def test_a_reviewer_who_cannot_be_reached_does_not_matter_where_its_vote_decides_nothing():
    reached = judge_opinions(gate("a", "b"), [reported("a", "pass"), unreachable("b")])
    assert reached.kind is VerdictKind.PASS
    lost = judge_opinions(
        gate("a", "b", "c", quorum=3), [reported("a", "fail"), unreachable("b"), reported("c", "pass")]
    )
    assert lost.kind is VerdictKind.FAIL


def test_a_gate_without_any_configured_reviewer_is_a_note_or_an_error():
    missing = {"a": "There is no role. Name one: wfe-mcp providers role a PROVIDER MODEL"}
    assert no_reviewer(gate("a", if_missing="note"), missing).outcome is GateOutcome.SKIPPED
    error = no_reviewer(gate("a"), missing)
    assert error.kind is VerdictKind.ERROR
    assert "(a: There is no role. Name one: wfe-mcp providers role a PROVIDER MODEL)." in error.message
