"""The form of a view: a frozen dataclass made by ``view_model``, its JSON made by ``plain``, and text made safe to show.

1. The fields are the keys, in this order; the underscore at the end of ``from_`` is not part of the key.
2. A field without a default is always there. One with a default is left out while it has that default.
3. The fields of an ``inline`` view take its place; a later field of the same key replaces the value, not the place.

Text of agents and files may not move the cursor, change colours, or
change the reading direction: what the user sees is what is there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast, dataclass_transform

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.json_pointer import part_at

T = TypeVar("T")

Json: TypeAlias = Any
"""A value that is JSON already: an artifact, a part of one, an input."""
JsonObject: TypeAlias = Mapping[str, Json]
"""An object that is JSON already: a schema, the payload of an event, a bundle's record.

``Annotated[JsonObject, View]`` is one with the keys of ``View``, for the description of the HTTP API.
"""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def view_model(kind: type[T]) -> type[T]:
    """``kind`` as a view: a frozen dataclass of named fields."""
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)


INLINE = {"inline": True}
"""``metadata`` of a field whose own fields are keys of the view that has it."""


INTERNAL = {"internal": True}
"""``metadata`` of a field that is no part of the JSON: our own interfaces read it."""


def second(moment: datetime | None) -> str:
    """A time to the second; empty for None."""
    return "" if moment is None else moment.isoformat(timespec="seconds")


def view_of(kind: type[T], record: object, /, **others: Any) -> T:
    """A view of ``record``: its fields of the same names, and of the others what is given.

    A time becomes text to the second, a word of an enumeration plain text. What is None takes the default of its field.
    """
    for name, _, default, _ in _keys(kind):
        if name not in others and ((value := getattr(record, name)) is not None or default is MISSING):
            others[name] = _text(value)
    return kind(**others)


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return second(value)
    return str(value) if isinstance(value, Enum) else value


def plain(value: object) -> Any:
    """``value`` as JSON values; what is JSON already is copied."""
    if type(value) is str:  # nearly all of a view: the lines of its changes
        return value
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in cast("list[object]", value)]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    values: dict[str, Any] = {}
    for name, key, default, inline in _keys(type(value)):
        part = getattr(value, name)
        if part != default:
            values |= plain(part) if inline else {key: plain(part)}
    return values


@cache
def _keys(kind: Any) -> tuple[tuple[str, str, object, bool], ...]:
    """Of each field: its name, its key, the default that leaves it out, and whether it is inline."""
    return tuple(
        (
            part.name,
            part.name.removesuffix("_"),
            part.default if part.default_factory is MISSING else part.default_factory(),
            "inline" in part.metadata,
        )
        for part in fields(kind)
        if "internal" not in part.metadata
    )


_WORD = re.compile(r"(?! )[^,\"\n]+(?<! )")


def as_text(value: object) -> str:
    """A value as a person reads it: a text as it is, a list of words with commas, anything else as JSON.

    A list in which a text has a comma, a quote or space around it stays JSON: no two lists read the same.
    """
    if isinstance(value, str):
        return value
    parts = cast("list[object]", value) if isinstance(value, list) else []
    if parts and all(isinstance(part, str) and _WORD.fullmatch(part) for part in parts):
        return ", ".join(map(str, parts))
    return json.dumps(value, ensure_ascii=False)


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


@view_model
class PathNote:
    """What is to know about a place: of a source file, or of a template."""

    path: str
    message: str


def part_view(value: Json, pointer: str, *, is_whole: bool = False) -> PartView:
    """The part of ``value`` that ``pointer`` names; cut where it is long, unless ``is_whole``.

    The hint on how the rest is read names a smaller part; a text has none, and its hint is empty.
    """
    value = part_at(value, pointer)
    text = json.dumps(value, ensure_ascii=False)
    if is_whole or len(text.encode()) <= _WHOLE_BYTES:
        return PartView(pointer=pointer, content=value)
    shown = text.encode()[:_WHOLE_BYTES].decode(errors="ignore")
    keys = tuple(cast("dict[str, Any]", value)) if isinstance(value, dict) else ()
    first = "0" if isinstance(value, list) else keys[0].replace("~", "~0").replace("/", "~1") if keys else None
    hint = f"This is its beginning. Read it part by part: pointer={f'{pointer}/{first}'!r}" if first is not None else ""
    return PartView(pointer=pointer, keys=keys, cut=True, text=shown, bytes=len(text.encode()), hint=hint)
