"""How long did each phase of a run work, and how long did it wait for whom?

    working     somebody is at it, or its gates judge
    people      it awaits a decision, or only a person lets it go on
    a worker    it is ready, and nobody has begun it

All tries count. A loop has no time of its own: the phases inside it have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import AttemptStatus, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from wfe_mcp.core.events import Event
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.core.spec import PhasePath

__all__ = ["Times", "times"]

_What = Literal["working_s", "people_s", "worker_s"]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of working, of waiting for people, and of waiting for a worker."""

    working_s: float = 0.0
    people_s: float = 0.0
    worker_s: float = 0.0


def times(log: Iterable[tuple[Event, datetime]], until: datetime) -> dict[PhasePath, Times]:
    """The times of each phase that had any, from its log with the moment of each event. ``until``: what is open ends then."""
    spent: dict[PhasePath, Times] = {}
    begun: dict[PhasePath, tuple[_What, datetime]] = {}
    state = RunState()
    for event, at in log:
        before, state = state, evolve(state, event)
        for path in state.changed_since(before):
            what = _what(state, state.current(path))
            known = begun.get(path)
            if known is not None and known[0] == what:
                continue
            if known is not None:
                _add(spent, path, *begun.pop(path), at)
            if what is not None:
                begun[path] = what, at
    for path, (what, since) in begun.items():
        _add(spent, path, what, since, until)
    return {path: spent[path] for path in state.attempts if path in spent}


def _add(spent: dict[PhasePath, Times], path: PhasePath, what: _What, since: datetime, at: datetime) -> None:
    known = spent.get(path, Times())
    more = max(0.0, (at - since).total_seconds())
    spent[path] = replace(known, **{what: getattr(known, what) + more})


def _what(state: RunState, attempt: Attempt) -> _What | None:
    if attempt.phase in state.loops:
        return None
    match attempt.status:
        case AttemptStatus.RUNNING | AttemptStatus.GATING:
            return "working_s"
        case AttemptStatus.AWAITING:
            return "people_s"
        case AttemptStatus.FAILED if attempt.human_only:
            return "people_s"
        case AttemptStatus.FAILED if attempt.mending:
            return "working_s"
        case AttemptStatus.READY:
            return "people_s" if state.phase(attempt.phase).kind == "human" else "worker_s"
        case _:
            return "people_s" if attempt.held else None
