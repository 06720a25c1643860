"""Guards of rollback, undo, redo and fork.

Rules:
1. An agent can reverse what agents did. Only the user can reverse a decision of the user, or one the user was asked for.
2. While a rollback restores files, every other command waits; the results of jobs are recorded.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.forking import fork_refused
from wfe_mcp.core.model import AttemptStatus, Channel, RunState, RunStatus
from wfe_mcp.core.rollback import changed_places

_SHOWN = 3


def rollback_refusal(state: RunState, command: c.Command, recorded: frozenset[str]) -> Refused | None:
    """Why ``command`` waits for a rollback that restores files; ``recorded``: the commands of jobs, which do not wait."""
    if state.going_back is None or isinstance(command, c.Rollback | c.AbandonRollback):
        return None
    if command.by.channel is Channel.SYSTEM and type(command).__name__ in recorded:
        return None
    return Refused(
        "leased",
        f"The run is going back to event {state.going_back.to}: its files are being restored.",
        "Call status; an interrupted rollback continues by itself.",
    )


def _rollback(state: RunState, command: c.Rollback) -> Refused | None:
    going = state.going_back
    if going is not None:  # the caller was checked when it began
        same = (going.to, going.kind) == (command.to, command.kind) and not isinstance(command, c.BeginRollback)
        return (
            None if same else Refused("leased", f"The run is already going back to event {going.to}.", "Call status.")
        )
    if command.then.status in {RunStatus.PENDING, RunStatus.CANCELLED}:
        return Refused(
            "bad_argument",
            f"You cannot go back to event {command.to}: the run is {command.then.status} there.",
            "Name a later checkpoint: wfe-mcp checkpoints.",
        )
    return None if command.by.is_human else _takes_a_person(state, command)


def _takes_a_person(state: RunState, command: c.Rollback) -> Refused | None:
    if state.is_over:
        return _person(f"The run is {state.status}: only the user can reopen it.")
    if command.people:
        more = len(command.people) - _SHOWN
        shown = ", ".join(command.people[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return _person(f"This reverses the user's decision, made or pending: {shown}.")
    for path in changed_places(state, command.then, files=command.files):
        attempt = state.current(path)
        if attempt.status is AttemptStatus.FAILED and attempt.human_only:
            return _person(f"Phase {path!r} waits for the user.")
    if command.kind == "rollback":
        return None
    if state.paused_by_human and command.then.status is not RunStatus.PAUSED:
        return _person(f"Only the user can resume this run. It was paused: {state.reason or 'by the user'}")
    if command.then.auto and not state.auto:
        return _person("Automatic mode was turned off by the user. Only the user can turn it on.")
    return None


def _abandon(state: RunState, _command: c.AbandonRollback) -> Refused | None:
    if state.going_back is not None:
        return None
    return Refused("illegal_transition", "The run is not going back.", "")


HISTORY_GUARDS: Mapping[type[c.Command], Callable[[RunState, Any], Refused | None]] = {
    c.Rollback: _rollback,
    c.BeginRollback: _rollback,
    c.AbandonRollback: _abandon,
    c.ForkRun: fork_refused,
}


def _person(message: str) -> Refused:
    return Refused("needs_human", message, "Ask the user to run: wfe-mcp rollback, or wfe-mcp undo")
