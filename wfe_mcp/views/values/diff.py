"""Field-by-field difference of two artifacts.

    {path, old?, new?}    a field; a missing ``old`` was added, a missing ``new`` was taken away
    {path, moved}         an item that moved; ``moved``: its place before
    {path, diff}          a text of several lines, as a unified diff without its two head lines

Rules:
1. Fields come first, then texts; each kind in document order.
2. Items that carry an ``id`` (files of a bundle: a ``path``) are the same item wherever they are, as long as these are
   unique in both lists. So one item more is one change, not one for each item behind it.
3. ``path`` is a JSON pointer into the new value; for what was taken away, into the old one.
"""

import difflib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias, cast

from wfe_mcp.core.errors import pointer
from wfe_mcp.views.values.model import Json, JsonObject, view_model

_ABSENT: Any = object()
_NAMES = ("id", "path")
_CONTEXT = 2
_MOST_PAIRS = 25_000_000
"""Comparing texts line by line takes time in the product of their lines; beyond this one is all gone, the other all new."""

Place = tuple[str | int, ...]


@view_model
class FieldChange:
    """One entry of a difference; which keys it has, see above."""

    path: str
    old: Json = None
    new: Json = None
    moved: str = ""
    diff: str = ""


ChangeJson: TypeAlias = Annotated[JsonObject, FieldChange]


def difference(old: Any, new: Any) -> list[dict[str, Any]]:
    """What to change in ``old`` to get ``new``, see above; empty when they are equal."""
    changes = list(_walk((), old, new))
    return [change for change in changes if "diff" not in change] + [change for change in changes if "diff" in change]


def _walk(place: Place, old: Any, new: Any) -> Iterator[dict[str, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        was, now = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        for key in dict.fromkeys([*was, *now]):
            yield from _walk((*place, key), was.get(key, _ABSENT), now.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(place, cast("list[Any]", old), cast("list[Any]", new))
    elif isinstance(old, str) and isinstance(new, str) and old != new and "\n" in old + new:
        yield {"path": pointer(*place), "diff": _text(old.split("\n"), new.split("\n"))}
    elif old != new or type(cast("object", old)) is not type(cast("object", new)):  # for Python, true is 1
        sides: dict[str, Any] = {"old": old, "new": new}
        yield {"path": pointer(*place)} | {key: value for key, value in sides.items() if value is not _ABSENT}


def _items(place: Place, old: list[Any], new: list[Any]) -> Iterator[dict[str, Any]]:
    names = _same_items(old, new)
    if names is None:
        for index in range(max(len(old), len(new))):
            was, now = (values[index] if index < len(values) else _ABSENT for values in (old, new))
            yield from _walk((*place, index), was, now)
        return
    was, now = names
    for name, index in was.items():
        if name not in now:
            yield from _walk((*place, index), old[index], _ABSENT)
    kept = [name for name in now if name in was]
    stays = _longest_rising([was[name] for name in kept])
    for name, index in now.items():
        if name not in was:
            yield from _walk((*place, index), _ABSENT, new[index])
            continue
        if was[name] not in stays:
            yield {"path": pointer(*place, index), "moved": pointer(*place, was[name])}
        yield from _walk((*place, index), old[was[name]], new[index])


def _same_items(old: list[Any], new: list[Any]) -> tuple[dict[str, int], dict[str, int]] | None:
    """The index of each item in both lists, by the first name that they all have; None where there is no such name."""
    for name in _NAMES:
        was, now = _index_by_name(old, name), _index_by_name(new, name)
        if was is not None and now is not None:
            return was, now
    return None


def _index_by_name(items: list[Any], name: str) -> dict[str, int] | None:
    """The index of each item by what it calls itself; None unless every item has its own name."""
    places: dict[str, int] = {}
    for index, item in enumerate(items):
        own = cast("dict[str, Any]", item).get(name) if isinstance(item, dict) else None
        if not isinstance(own, str) or own in places:
            return None
        places[own] = index
    return places


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """A longest rising row among ``numbers``: what need not be moved to bring all of them into order."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(places[length - 1] if length else -1)
        ends[length:] = [number, *ends[length + 1 :]]
        places[length:] = [place, *places[length + 1 :]]
    row: set[int] = set()
    place = places[-1] if places else -1
    while place >= 0:
        row.add(numbers[place])
        place = before[place]
    return row


def _text(old: list[str], new: list[str]) -> str:
    """The lines that differ, with a few around them."""
    if len(old) * len(new) > _MOST_PAIRS:
        lines = [f"@@ -1,{len(old)} +1,{len(new)} @@", *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
        return "\n".join(lines)
    return "\n".join(list(difflib.unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:])
