"""How do two artifacts differ, field by field?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["difference"]

_ABSENT: Any = object()


def difference(old: Any, new: Any) -> list[dict[str, Any]]:
    """``[{path, old?, new?}]`` in document order; a missing ``old`` was added, a missing ``new`` was taken away."""
    return [
        {"path": pointer(*place)} | ({} if was is _ABSENT else {"old": was}) | ({} if now is _ABSENT else {"new": now})
        for place, was, now in _walk((), old, new)
    ]


def _walk(place: tuple[str | int, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    was, now = _parts(old), _parts(new)
    if was is None or now is None or type(old) is not type(new):
        if old != new:
            yield place, old, new
        return
    for key in dict.fromkeys([*was, *now]):
        yield from _walk((*place, key), was.get(key, _ABSENT), now.get(key, _ABSENT))


def _parts(value: Any) -> dict[str | int, Any] | None:
    """The parts of an object or list by key or index; None for what has none."""
    if isinstance(value, dict):
        return cast("dict[str | int, Any]", value)
    return dict(enumerate(cast("list[Any]", value))) if isinstance(value, list) else None
