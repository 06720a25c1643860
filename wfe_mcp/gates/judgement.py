"""A gate's result: the verdict, a message for the agent, and the evidence as plain JSON.

The message says what happened, then what to do next. It has at most ``MAX_MESSAGE_CHARS``, because every answer
to the agent contains it.
"""

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.outcomes import GateOutcome, VerdictKind
from wfe_mcp.core.units import shorten_names

MAX_MESSAGE_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """``evidence_kind``: the gate's kind. ``log_path``: the file with the whole output; None without output.

    ``reason``: the message without the next step of an agent, where there is one.
    """

    outcome: GateOutcome
    message: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    evidence_kind: str = ""
    log_path: str | None = None
    reason: str = ""

    @property
    def kind(self) -> VerdictKind:
        """How the run goes on after it."""
        return self.outcome.kind


def passed(gate: str, message: str, data: dict[str, Any] | None = None) -> Judgement:
    """The gate passes; ``data`` is its evidence."""
    return Judgement(GateOutcome.PASS, _cut(message), data or {}, gate)


def skipped(gate: str, message: str, data: dict[str, Any]) -> Judgement:
    """The template lets the revision through without a judgement; ``message`` says why there is none."""
    return Judgement(GateOutcome.SKIPPED, _cut(message), data | {"skipped": True}, gate)


def passed_with_warning(gate: str, warning: str, lines: Sequence[str], data: dict[str, Any]) -> Judgement:
    """The gate passes, although something was not judged: ``warning`` says what. ``lines``: what was judged."""
    return Judgement(GateOutcome.WARNING, _cut("\n".join([warning, *lines])), data | {"warning": warning}, gate)


def failed(gate: str, message: str, next_step: str, data: dict[str, Any] | None = None) -> Judgement:
    """The gate fails; ``next_step`` is what to do about the work: whether it can be submitted again is not known here."""
    return _not_passed(GateOutcome.FAIL, gate, message, next_step, data)


def undecided(gate: str, message: str, next_step: str, data: dict[str, Any] | None = None) -> Judgement:
    """The gate could not judge: the configuration is wrong, or a fact is missing."""
    return _not_passed(GateOutcome.ERROR, gate, message, next_step, data)


def needs_trust(gate: str, message: str, next_step: str, data: dict[str, Any] | None = None) -> Judgement:
    """The gate waits until a person trusts the configuration that it needs."""
    return _not_passed(GateOutcome.NEEDS_TRUST, gate, message, next_step, data)


def needs_credential(gate: str, message: str, next_step: str, data: dict[str, Any]) -> Judgement:
    """The gate waits until a person stores what its check logs in with: ``credentials`` of ``data``, by name."""
    return _not_passed(GateOutcome.NEEDS_CREDENTIAL, gate, message, next_step, data)


def room_note(changed: Sequence[str]) -> str:
    """The note in a verdict about files of the tree that were written where the check ran."""
    return f"While it ran, files of the tree were written in its checkout, by it or by another process: {shorten_names(changed, 5)}."


def _not_passed(
    outcome: GateOutcome, gate: str, message: str, next_step: str, data: dict[str, Any] | None
) -> Judgement:
    reason = _cut(message, MAX_MESSAGE_CHARS - len(next_step) - len(" Next: "))
    separator = "\n" if "\n" in reason else " "
    return Judgement(outcome, f"{reason}{separator}Next: {next_step}", data or {}, gate, reason=reason)


def _cut(message: str, most: int = MAX_MESSAGE_CHARS) -> str:
    """A check, an artifact or a reviewer can name anything in it."""
    return message if len(message) <= most else f"{message[: most - 2]} …"
