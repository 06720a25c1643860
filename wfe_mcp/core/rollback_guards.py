"""Who may go back, and where to?

Rules:
1. An agent takes back what agents did. What a person decided, or was to decide, takes a person.
2. While files are being put back nothing else is asked of the run; what its jobs bring is recorded.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.forking import fork_refused
from wfe_mcp.core.model import AttemptStatus, Channel, RunState, RunStatus
from wfe_mcp.core.rollback import changed_places

__all__ = ["HISTORY_GUARDS", "is_going_back"]

_SHOWN = 3


def is_going_back(state: RunState, command: c.Command, recorded: frozenset[str]) -> Refused | None:
    """Why ``command`` has to wait for the files; ``recorded``: what jobs bring."""
    if state.going_back is None or isinstance(command, c.Rollback | c.AbandonRollback):
        return None
    if command.by.channel is Channel.SYSTEM and type(command).__name__ in recorded:
        return None
    return Refused("leased", f"The run is going back to event {state.going_back.to}: its files are being put back.",
                   "Ask for its status; a rollback that was interrupted goes on by itself.")  # fmt: skip


def _rollback(state: RunState, command: c.Rollback) -> Refused | None:
    going = state.going_back
    if going is not None:  # who may was judged when it began
        same = (going.to, going.kind) == (command.to, command.kind) and not isinstance(command, c.BeginRollback)
        return None if same else Refused("leased", f"The run is going back to event {going.to} already.", "Ask for its status.")  # fmt: skip
    if command.then.status in {RunStatus.PENDING, RunStatus.CANCELLED}:
        return Refused("bad_argument", f"A run does not go back to event {command.to}, where it is {command.then.status}.",
                       "Name a later checkpoint: wfe-mcp checkpoints lists them.")  # fmt: skip
    return None if command.by.is_human else _takes_a_person(state, command)


def _takes_a_person(state: RunState, command: c.Rollback) -> Refused | None:
    if state.is_over:
        return _person(f"The run is {state.status}: only a person opens it again.")
    if command.people:
        more = len(command.people) - _SHOWN
        shown = ", ".join(command.people[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return _person(f"This takes back what a person decided, or is to decide: {shown}.")
    for path in changed_places(state, command.then, files=command.files):
        attempt = state.current(path)
        if attempt.status is AttemptStatus.FAILED and attempt.human_only:
            return _person(f"Phase {path!r} was stopped for a person.")
    if command.kind == "rollback":
        return None
    if state.paused_by_human and command.then.status is not RunStatus.PAUSED:
        return _person(f"Only a person resumes this run. It was paused: {state.reason or 'by a person'}")
    if command.then.auto and not state.auto:
        return _person("Automatic mode was switched off for a person to look; a person switches it on.")
    return None


def _abandon(state: RunState, _command: c.AbandonRollback) -> Refused | None:
    if state.going_back is not None:
        return None
    return Refused("illegal_transition", "The run is not going back.", "")


HISTORY_GUARDS: Mapping[type[c.Command], Callable[[RunState, Any], Refused | None]] = {
    c.Rollback: _rollback, c.BeginRollback: _rollback, c.AbandonRollback: _abandon, c.ForkRun: fork_refused,
}  # fmt: skip


def _person(message: str) -> Refused:
    return Refused("needs_human", message, "Ask the user to go back at a terminal: wfe-mcp rollback, or wfe-mcp undo.")
