"""Lists the set fields of a template with their place and the expressions they accept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from wfe_mcp.core.errors import pointer
from wfe_mcp.workflow.model import Shape
from wfe_mcp.workflow.model.base import TakesKind, takes


@dataclass(frozen=True, slots=True)
class SetField:
    """A key that the author wrote (or that a default filled in)."""

    pointer: str
    owner: Shape
    key: str
    value: object
    takes: TakesKind | None


def set_fields(shape: Shape, at: str, *, skip: tuple[str, ...] = ()) -> Iterator[SetField]:
    """Every set field of ``shape`` and of the objects in it, in order; not those below the keys ``skip`` of ``shape``."""
    for name, info in type(shape).model_fields.items():
        key = info.alias or name
        if name not in shape.model_fields_set or key in skip:
            continue
        value = cast("object", getattr(shape, name))
        here = at + pointer(key)
        if value is not None:
            yield SetField(here, shape, key, value, takes(info))
        for inner, place in _shapes(value, here):
            yield from set_fields(inner, place)


def _shapes(value: object, at: str) -> Iterator[tuple[Shape, str]]:
    if isinstance(value, Shape):
        yield value, at
    elif isinstance(value, tuple):
        for index, item in enumerate(cast("tuple[object, ...]", value)):
            yield from _shapes(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            yield from _shapes(item, at + pointer(key))


def texts(value: object, at: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value with its pointer; texts of objects of the template are their own fields'."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[object]", value)):
            yield from texts(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            yield from texts(item, at + pointer(key))
