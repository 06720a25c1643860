"""The part of a value that one answer shows."""

from __future__ import annotations

import json
from typing import Any, cast

from wfe_mcp.core.errors import Refused, Suggestion
from wfe_mcp.views.model import Json, view_model

_WHOLE_BYTES = 6_000


_NONE = object()


@view_model
class PartView:
    """A part of a value: ``content`` whole, or its beginning as ``text`` with the names of its keys."""

    pointer: str = ""
    content: Json = _NONE
    keys: tuple[str, ...] = ()
    cut: bool = False
    text: str = ""
    bytes: int = 0
    hint: str = ""


def part_view(value: Json, pointer: str) -> PartView:
    """The part of ``value`` that ``pointer`` names, whole or cut."""
    value = _part(value, pointer)
    text = json.dumps(value, ensure_ascii=False)
    if len(text.encode()) <= _WHOLE_BYTES:
        return PartView(pointer=pointer, content=value)
    shown = text.encode()[:_WHOLE_BYTES].decode(errors="ignore")
    keys = tuple(cast("dict[str, Any]", value)) if isinstance(value, dict) else ()
    return PartView(
        pointer=pointer, keys=keys, cut=True, text=shown, bytes=len(text.encode()), hint="name a part with pointer"
    )


def _part(value: Any, pointer: str) -> Any:
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


def _index(key: str) -> int:
    """The place in a list that ``key`` names, counted from 0. Raises ValueError where it names none."""
    index = int(key)
    if str(index) != key or index < 0:
        raise ValueError(key)
    return index


def _parts_in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(list(cast("dict[str, Any]", value))[:10])
    return f"a list of {len(cast('list[Any]', value))}" if isinstance(value, list) else "no parts"
