"""Every refusal states what happened, who can act and the next step."""

from __future__ import annotations

import pytest

from scripts.codes_page import TURN
from wfe_mcp.core.errors import CODES, Refused, Suggestion, nearest, nearest_hint, pointer
from wfe_mcp.core.model import RunStatus

RELIED_ON = [
    "invalid_artifact",
    "unknown_run",
    "unknown_phase",
    "unknown_template",
    "invalid_template",
    "illegal_transition",
    "not_ready",
    "leased",
    "needs_human",
    "needs_trust",
    "gate_failed",
    "stale_revision",
    "path_outside_project",
    "too_large",
    "conflict",
    "bad_argument",
    "unavailable",
    "internal",
]
"""Design §6, in its order."""


def test_the_codes_that_outside_checks_rely_on_come_first_and_in_order():
    assert list(CODES[: len(RELIED_ON)]) == RELIED_ON


@pytest.mark.requirement("S1-32")
def test_every_code_says_whose_turn_it_is_and_what_it_means():
    assert set(TURN) == set(CODES)
    assert {turn for turn, _ in TURN.values()} == {"agent", "human", "setup", "bug"}
    assert all(meaning.endswith(".") for _, meaning in TURN.values())


def test_a_refusal_reads_as_what_happened_what_next_and_the_code():
    assert str(Refused("not_ready", "Phase 'b' waits.", "Call status.")) == "Phase 'b' waits. Call status. [not_ready]"
    assert str(Refused("not_ready", "Phase 'b' waits.")) == "Phase 'b' waits. [not_ready]"


def test_a_refusal_is_raised_and_keeps_its_facts():
    with pytest.raises(Refused) as refusal:
        raise Refused("leased", "Held.", run="r1", phase="plan", data={"by": "h1"})
    assert (refusal.value.run, refusal.value.phase, refusal.value.data) == ("r1", "plan", {"by": "h1"})


def test_refusals_share_no_data():
    Refused("leased", "a").data["x"] = 1
    assert Refused("leased", "b").data == {}


def test_the_nearest_names_come_best_first_and_only_when_near():
    assert nearest("biuld", ["plan", "build", "built"])[0] == "build"
    assert nearest("zzz", ["plan", "build"]) == ()
    assert len(nearest("phase", [f"phase{n}" for n in range(9)], limit=2)) == 2


def test_of_hundreds_of_names_as_long_those_with_the_same_first_letter_are_compared():
    assert nearest("zeta1", [*(f"q{number:04}" for number in range(200)), "zeta2"]) == ("zeta2",)


def test_a_hint_quotes_the_nearest_name_and_says_something_else_without_one():
    assert nearest_hint("runing", RunStatus) == "Did you mean 'running'?"
    assert nearest_hint("zzz", ["plan"], "One of: plan.") == "One of: plan."
    assert nearest_hint("zzz", []) == ""
    assert nearest_hint("plam", ["plan"], then="List them.") == "Did you mean 'plan'? List them."
    assert nearest_hint("zzz", ["plan"], then="List them.") == "List them."


def test_only_a_hint_that_names_what_was_meant_is_a_suggestion():
    assert isinstance(nearest_hint("plam", ["plan"]), Suggestion)
    assert not isinstance(nearest_hint("zzz", ["plan"], "Did you mean it?"), Suggestion)


@pytest.mark.parametrize(
    ("parts", "text"),
    [((), ""), (("phases", 0, "id"), "/phases/0/id"), (("a/b", "c~d"), "/a~1b/c~0d"), (("",), "/")],
)
def test_a_pointer_is_escaped_as_rfc_6901_says(parts: tuple[str | int, ...], text: str):
    assert pointer(*parts) == text
