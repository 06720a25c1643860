"""Refusals that several rules share."""

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import RunState

_NAMED = 10
"""At most so many phases are named."""


def unknown_phase(state: RunState, phase: str) -> Refused:
    """The refusal of a phase that the run does not have, with the nearest name, else the newest phases."""
    phases = ", ".join(attempt.phase for attempt in state.open_attempts[:_NAMED]) if state.attempts else "none yet"
    return Refused(
        "unknown_phase",
        f"The run has no phase {phase[:80]!r}.",
        nearest_hint(phase, state.attempts, f"Phases: {phases}."),
    )


def illegal(message: str, hint: str) -> Refused:
    """The refusal of a command that is not possible in this state."""
    return Refused("illegal_transition", message, hint)


def needs_user(message: str) -> Refused:
    """The refusal of what only the user decides; ``with_commands_of_the_user`` adds the command."""
    return Refused("needs_human", message, "")
