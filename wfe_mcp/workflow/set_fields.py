"""Lists the set fields of a template: with their place, the expressions they accept, and which of them this version lacks."""

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, pointer
from wfe_mcp.workflow.model.base import Shape, TakesKind, takes
from wfe_mcp.workflow.model.template import Template


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
    written = shape.model_fields_set
    for name, key, step, kind in _keys(type(shape)):
        if name not in written or key in skip:
            continue
        value = cast("object", getattr(shape, name))
        here = at + step
        if value is not None:
            yield SetField(here, shape, key, value, kind)
        for inner, place in _shapes(value, here):
            yield from set_fields(inner, place)


@lru_cache(maxsize=256)  # of each model there is one, and to search its annotations took a third of a lint
def _keys(model: type[Shape]) -> tuple[tuple[str, str, str, TakesKind | None], ...]:
    """Of each field of ``model``: its name, its key in JSON, that as a step of a pointer, and what it takes."""
    named = ((name, info.alias or name, info) for name, info in model.model_fields.items())
    return tuple((name, key, pointer(key), takes(info)) for name, key, info in named)


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


NOT_YET: tuple[tuple[type[Shape], str], ...] = ((Template, "webhooks"),)
"""The features of the format ``wfe/1`` that this version lacks, as models and keys: building one deletes its row."""


def not_yet(template: Template) -> Iterator[Detail]:
    """An error for each use of a feature that is not available yet."""
    for field in set_fields(template, "", skip=("defaults",)):
        is_missing = any(key == field.key and isinstance(field.owner, model) for model, key in NOT_YET)
        if is_missing and field.value:  # an empty list or false uses no feature
            yield Detail(field.pointer, f"{field.key!r} is not available yet")
