"""What does a gate answer?

A verdict for the machine, words for whoever must act next, and the evidence as plain JSON. The words say what
happened, then what to do; they never hold more than 4 kB, because they travel in every answer to the agent.
"""

from dataclasses import dataclass, field
from typing import Any

from wfe_mcp.core.model import VerdictKind

__all__ = ["Judgement", "failed", "passed", "shortened", "undecided"]

MAX_MESSAGE_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """``evidence_kind`` is the gate's kind; ``log_path`` the file with the whole output, if there is one."""

    kind: VerdictKind
    message: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    evidence_kind: str = ""
    log_path: str | None = None


def passed(gate: str, message: str, data: dict[str, Any] | None = None) -> Judgement:
    """Yes, because of ``data``."""
    return Judgement(VerdictKind.PASS, message, data or {}, gate)


def failed(gate: str, message: str, next_step: str, data: dict[str, Any] | None = None) -> Judgement:
    """No; ``next_step`` is what the agent does about it."""
    return Judgement(VerdictKind.FAIL, _with_next(message, next_step), data or {}, gate)


def undecided(gate: str, message: str, next_step: str, data: dict[str, Any] | None = None) -> Judgement:
    """The gate could not judge: the setup is wrong, or the question has no answer here."""
    return Judgement(VerdictKind.ERROR, _with_next(message, next_step), data or {}, gate)


def shortened(names: list[str], limit: int = 10) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def _with_next(message: str, next_step: str) -> str:
    room = MAX_MESSAGE_CHARS - len(next_step) - len(" Next: ") - 2
    message = message if len(message) <= room else message[:room] + " …"
    separator = "\n" if "\n" in message else " "
    return f"{message}{separator}Next: {next_step}"
