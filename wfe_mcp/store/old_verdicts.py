"""Outcomes of verdicts that were stored before there were outcomes: the beginning of the message said what a gate found.

Stored events are never rewritten, as the chain hashes them: they are read through here. Migration 0011 rewrote the rows of
attempts; those that an older process writes into an open file are read through here too.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.outcomes import GateOutcome

_BEGINNINGS = {"skipped: ": GateOutcome.SKIPPED, "passed with a warning: ": GateOutcome.WARNING}
"""How the message of a judged gate began that let a revision through; the rest is the message now."""
_OVERRULED = "overruled: "
_ALLOWED = "The template allows that."
"""How the message of a command gate ended whose check was missing."""


def with_outcome(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The stored values of a verdict, with the outcome that an old one has in its words."""
    if "outcome" in verdict:
        return dict(verdict)
    outcome, message = _read(
        str(verdict.get("kind")), verdict.get("evidence") is not None, str(verdict.get("message", ""))
    )
    return {**verdict, "outcome": outcome.value, "message": message}


def with_outcomes(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """The stored values of an attempt, each of its verdicts with an outcome."""
    return {**attempt, "verdicts": [with_outcome(verdict) for verdict in attempt.get("verdicts", ())]}


def _read(kind: str, has_evidence: bool, message: str) -> tuple[GateOutcome, str]:
    """The outcome and the message. A pass without evidence is an approval, whose message is a person's, or overruled."""
    if kind != "pass":
        return GateOutcome.NEEDS_TRUST if kind == "awaiting" else GateOutcome(kind), message
    if not has_evidence:
        return GateOutcome.OVERRULED if message.startswith(_OVERRULED) else GateOutcome.PASS, message
    for beginning, outcome in _BEGINNINGS.items():
        if message.startswith(beginning):
            return outcome, message.removeprefix(beginning)
    return GateOutcome.SKIPPED if message.endswith(_ALLOWED) else GateOutcome.PASS, message
