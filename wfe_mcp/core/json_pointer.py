"""The part of a JSON value that a JSON pointer (RFC 6901), or the name of a member, names."""

from collections.abc import Collection, Iterable
from typing import Any, cast

from wfe_mcp.core.errors import Refused, Suggestion


def part_at(value: Any, pointer: str) -> Any:
    """The part of ``value`` at ``pointer``, the whole for an empty one. Refuses ``bad_argument``: it leads nowhere."""
    if pointer and not pointer.startswith("/"):
        raise Refused(
            "bad_argument",
            f"{pointer!r:.80} is no JSON pointer: one begins with '/'.",
            Suggestion(f"Did you mean '/{pointer:.80}'?"),
        )
    for raw in pointer.split("/")[1:] if pointer else []:
        key = raw.replace("~1", "/").replace("~0", "~")
        try:
            value = value[_index(key) if isinstance(value, list) else key]
        except (KeyError, IndexError, ValueError, TypeError):
            hint = f"There: {_parts_in_words(value)}."
            raise Refused("bad_argument", f"The pointer {pointer!r} leads nowhere at {key!r}.", hint) from None
    return value


def member(value: object, key: str) -> Any:
    """What ``value`` has under ``key``; None where it is no object, or has nothing there."""
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None


def under(value: object, key: str) -> dict[str, Any]:
    """The object that ``value`` has under ``key``; an empty one where anything else is there."""
    inner = member(value, key)
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def keys_at(value: object, parts: Iterable[str | int]) -> Collection[str]:
    """The keys of the object that is at ``parts`` of ``value``; none where no object is there."""
    for part in parts:
        if isinstance(part, int):
            items = cast("list[object]", value) if isinstance(value, list) else []
            value = items[part] if part < len(items) else None
        else:
            value = member(value, part)
    return cast("dict[str, object]", value) if isinstance(value, dict) else ()


def _index(key: str) -> int:
    """The place in a list that ``key`` names, counted from 0. Raises ValueError where it names none."""
    index = int(key)
    if str(index) != key or index < 0:
        raise ValueError(key)
    return index


def _parts_in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(list(cast("dict[str, Any]", value))[:10]) or "an empty object"
    return f"a list of {len(cast('list[Any]', value))}" if isinstance(value, list) else "no parts"
