"""Consistency checks between parts of a value: unique and existing references.

A *selector* names places: ``steps.*.id`` is the id of every step. It accepts values of any shape and skips missing
parts, so that these faults are reported together with those of the schema.
"""

from collections.abc import Iterator
from typing import Any, cast

from wfe_mcp.core.errors import Detail, near_miss, pointer

Place = tuple[tuple[str | int, ...], object]
"""The parts of a pointer, and the value there."""


def select(value: object, selector: str) -> Iterator[Place]:
    """Every place that ``selector`` names in ``value``, in document order."""
    places: list[Place] = [((), value)]
    for part in selector.split("."):
        places = [found for place in places for found in _step(place, part)]
    yield from places


def repeated(value: object, selector: str) -> Iterator[Detail]:
    """A fault for each repeated text."""
    first: dict[str, str] = {}
    for parts, found in select(value, selector):
        if isinstance(found, str):
            where = first.setdefault(found, pointer(*parts))
            if where != pointer(*parts):
                yield Detail(
                    pointer(*parts), f"{found[:80]!r} is used twice, first at {where}", "a value used once", found[:80]
                )


def unmatched(value: object, references: str, names: str) -> Iterator[Detail]:
    """A fault for each text at ``references`` that is not at any place of ``names``."""
    valid = dict.fromkeys(found for _, found in select(value, names) if isinstance(found, str))
    for parts, found in select(value, references):
        if isinstance(found, str) and found not in valid:
            meant = near_miss(found[:80], [*valid][:500])
            listed = ", ".join(valid)
            expected = f"one of {listed}" if len(listed) < 150 else f"one of {len(valid)} ids in this artifact"
            yield Detail(
                pointer(*parts), f"{found[:80]!r} refers to nothing in this artifact{meant}", expected, found[:80]
            )


def _step(place: Place, part: str) -> list[Place]:
    parts, value = place
    if part == "*":
        items = cast("list[object]", value) if isinstance(value, list) else []
        return [((*parts, index), item) for index, item in enumerate(items)]
    if isinstance(value, dict) and part in value:
        return [((*parts, part), cast("dict[str, Any]", value)[part])]
    return []
