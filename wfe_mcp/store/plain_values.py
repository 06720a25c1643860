"""Reads values of ``core`` from JSON by the types of their fields. Pydantic does the same, but takes 0.1 s to load.

Rules:
1. A value is read where JSON has exactly what its type says. All else is ``Unread``, and the caller asks Pydantic: it alone
   converts and refuses. A test compares both.
2. Text only: no field is guessed, a key that no field has is ignored, as Pydantic does for dataclasses.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, cast, get_args, get_origin, get_type_hints

Read = Callable[[Any], Any]

_SCALARS = (str, int, bool, NoneType)


class Unread(Exception):
    """The value, or its type, is not plain."""


@cache
def reader(kind: Any) -> Read:
    """What reads a value of ``kind``, and raises ``Unread``. Raises ``Unread`` itself for a type that it does not know."""
    if isinstance(kind, NewType):
        return reader(kind.__supertype__)
    match get_origin(kind), get_args(kind):
        case None, _:
            return _of_class(kind)
        case origin, (one, other) if origin in {Union, UnionType} and other is NoneType:
            return _optional(reader(one))
        case origin, values if origin is Literal:
            return _one_of(values)
        case origin, (item, end) if origin is tuple and end is ...:
            return _sequence(reader(item))
        case origin, items if origin is tuple and items:
            return _row(tuple(reader(item) for item in items))
        case origin, (key, item) if origin in {dict, Mapping} and reader(key) is reader(str):
            return _mapping(reader(item))
        case _:
            raise Unread


@cache
def of_fields(kind: Any, names: tuple[str, ...]) -> Read:
    """What reads the values of these fields of the dataclass ``kind``, by name."""
    hints = get_type_hints(kind)
    known = [(each.name, reader(hints[each.name]), _is_required(each)) for each in fields(kind) if each.name in names]

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Unread
        found: dict[str, Any] = {}
        for name, part, is_required in known:
            if name in value:
                found[name] = part(value[name])
            elif is_required:
                raise Unread
        return found

    return read


def _of_class(kind: Any) -> Read:
    if kind in _SCALARS:
        return _exactly(kind)
    if kind is float:
        return _number
    if kind is datetime:
        return _moment
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of(tuple(kind))
    if is_dataclass(kind):  # pyright: ignore[reportUnknownArgumentType] - narrowed to an unknown type
        made: Any = kind
        values = of_fields(made, tuple(each.name for each in fields(made) if each.init))
        return lambda value: made(**values(value))
    raise Unread


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@cache
def _exactly(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise Unread
        return value

    return read


def _number(value: Any) -> float:
    if type(value) not in {int, float}:
        raise Unread
    return float(value)


def _moment(value: Any) -> datetime:
    if type(value) is not str or "T" not in value:
        raise Unread
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Unread from None
    if found.tzinfo is not UTC:  # all times are written in UTC
        raise Unread
    return found


def _one_of(values: tuple[Any, ...]) -> Read:
    """Members of an enum, by their values, or literal values."""
    known: dict[Any, Any] = {}
    for each in values:
        plain: object = each.value if isinstance(each, Enum) else each
        known[type(plain), plain] = each

    def read(value: Any) -> Any:
        try:
            return known[type(value), value]
        except (KeyError, TypeError):
            raise Unread from None

    return read


def _optional(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unread
    return cast("list[Any]", value)


def _sequence(read: Read) -> Read:
    return lambda value: tuple([read(item) for item in _items(value)])


def _row(reads: tuple[Read, ...]) -> Read:
    def read(value: Any) -> Any:
        if len(_items(value)) != len(reads):
            raise Unread
        return tuple([one(item) for one, item in zip(reads, value, strict=True)])

    return read


def _mapping(read: Read) -> Read:
    def read_all(value: Any) -> Any:
        if type(value) is not dict:
            raise Unread
        return {key: read(item) for key, item in cast("dict[str, Any]", value).items()}

    return read_all
