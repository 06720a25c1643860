"""The word for a verdict: what a gate let through without judging it is ``skipped`` or a ``warning``, never ``pass``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import Attempt, RunState, Verdict
    from wfe_mcp.core.paths import PhasePath

_WORDS = {"skipped: ": "skipped", "passed with a warning: ": "warning", "overruled: ": "warning"}
"""How the message of a gate begins that let a revision through → the word for it."""
_ALLOWED = "The template allows that."
"""How the message of a command gate ends whose check is missing, in records of earlier versions."""


def verdict_word(kind: str, message: str) -> str:
    """``pass``, ``fail``, ``awaiting``, ``error``, ``skipped`` or ``warning``."""
    if kind != VerdictKind.PASS:
        return str(kind)
    if message.endswith(_ALLOWED):
        return "skipped"
    return next((word for begins, word in _WORDS.items() if message.startswith(begins)), str(kind))


def verdict_reason(message: str) -> str:
    """The message without the word at its beginning."""
    begins = next((begins for begins in _WORDS if message.startswith(begins)), "")
    return message.removeprefix(begins)


def unproved(state: RunState) -> Iterator[str]:
    """The gates of current attempts that let something through without judging it, as phrases."""
    for attempt in state.open_attempts:
        for verdict in attempt.verdicts:
            word = verdict_word(verdict.kind, verdict.message)
            if word in {"skipped", "warning"}:
                yield f"{attempt.phase}: {gate_kind(state, attempt, verdict)} gate {_HOW[word]}: {verdict_reason(verdict.message).partition(chr(10))[0]}"


_HOW = {"skipped": "skipped", "warning": "passed with a warning"}


def gate_kind(state: RunState, attempt: Attempt, verdict: Verdict) -> str:
    """The kind of the gate that gave ``verdict``."""
    spec = state.phase(attempt.phase)
    return (spec.gates_before if verdict.stage == "before" else spec.gates)[verdict.gate].kind


def last_verdict(state: RunState, place: tuple[PhasePath, int] | None) -> tuple[Attempt, Verdict] | None:
    """The verdict that was given last, at ``place``: phase and attempt. None where it is void, or none was given."""
    if place is None or not 1 <= place[1] <= len(state.attempts.get(place[0], ())):
        return None
    attempt = state.attempts[place[0]][place[1] - 1]
    if not attempt.verdicts or attempt.status is AttemptStatus.ROLLED_BACK:
        return None
    return attempt, attempt.verdicts[-1]
