"""Refusals that several rules share."""

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import RunState
from wfe_mcp.core.paths import name_of

_NAMED = 10
"""At most so many phases are named."""


def unknown_phase(state: RunState, phase: str) -> Refused:
    """The refusal of a phase that the run does not have, with its paths where it is one of a loop, else the nearest name or
    the newest phases.
    """
    open_paths = [attempt.phase for attempt in state.open_attempts]
    inner = [path for path in dict.fromkeys((*open_paths, *state.attempts)) if name_of(path) == phase != path]
    phases = ", ".join(open_paths[:_NAMED]) if state.attempts else "none yet"
    return Refused(
        "unknown_phase",
        f"The run has no phase {phase[:80]!r}.",
        f"Give its whole path: {', '.join(inner[:_NAMED])}."
        if inner
        else nearest_hint(phase, state.attempts, f"Phases: {phases}."),
    )


def illegal(message: str, hint: str) -> Refused:
    """The refusal of a command that is not possible in this state."""
    return Refused("illegal_transition", message, hint)


def needs_user(message: str) -> Refused:
    """The refusal of what only the user decides; ``with_commands_of_the_user`` adds the command."""
    return Refused("needs_human", message, "")
