"""The change of state that each event of a run made.

    {run: {status, …}, phases: {PATH: {attempt, state, …}}, loops: {PATH: {open, failed, …}}}

What has its default is left out, but for the state. Of each phase the newest attempt is shown;
a difference names what an event changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Attempt, RunState
from wfe_mcp.store.serialization import attempt_values
from wfe_mcp.views.diff import difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.events import Event
    from wfe_mcp.core.paths import PhasePath

_ELSEWHERE = {"spec", "attempts", "loops"}
_CALLED = {"number": "attempt", "status": "state"}
_SHOWN_ALREADY = {"phase"}


def stepped(events: Iterable[Event]) -> Iterator[tuple[RunState, list[dict[str, Any]]]]:
    """For each event: the state after it, and the difference that it made."""
    before = RunState()
    for event in events:
        after = evolve(before, event)
        yield after, changes_by(before, after)
        before = after


def changes_by(before: RunState, after: RunState) -> list[dict[str, Any]]:
    """How ``after`` differs from ``before``; costs what differs, not what there is."""
    paths = after.changed_since(before)
    loops = [path for path in {*before.loops, *after.loops} if before.loops.get(path) is not after.loops.get(path)]
    return difference(state_view(before, paths, loops), state_view(after, paths, loops))


def state_view(state: RunState, paths: Iterable[PhasePath], loops: Iterable[PhasePath]) -> dict[str, Any]:
    """The state of a run with these phases and loops of it."""
    return {
        "run": {item.name: _plain(getattr(state, item.name)) for item in fields(state) if item.name not in _ELSEWHERE},
        "phases": {path: _attempt(state.current(path)) for path in paths if path in state.attempts},
        "loops": {path: _fields(state.loops[path]) for path in sorted(loops) if path in state.loops},
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    blank = attempt_values(Attempt(attempt.phase, 0, 0))
    return {
        _CALLED.get(name, name): _plain(given)
        for name, given in attempt_values(attempt).items()
        if name not in _SHOWN_ALREADY and (given != blank[name] or name == "status")
    }


def _fields(value: Any) -> dict[str, Any]:
    return {
        item.name: _plain(given) for item in fields(value) if (given := getattr(value, item.name)) != _default(item)
    }


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return str(value)
        case datetime():
            return value.isoformat(timespec="seconds")
        case tuple():
            return [_plain(part) for part in cast("tuple[Any, ...]", value)]
        case Mapping():
            return {str(key): _plain(part) for key, part in cast("Mapping[Any, Any]", value).items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {key: _plain(part) for key, part in asdict(value).items()}
        case _:
            return value
