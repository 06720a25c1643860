"""Rules between parts of a value: unique and existing references, and what an artifact leaves open.

A schema says what must be there; these rules say what a reader misses. They refuse nothing: a gate can (`expr`).

A *selector* names places: ``steps.*.id`` is the id of every step. It accepts values of any shape and skips missing
parts, so that these faults are reported together with those of the schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from wfe_mcp.core.errors import Detail, near_miss, pointer

MOST = 20
"""At most so many questions, the first ones."""

MIN_TITLE, MIN_DESCRIPTION = 3, 10
"""Characters of a title and of a description that say something."""

_ITEMS = {"plan@1": ("steps",), "task_list@1": ("items",), "milestone_plan@1": ("milestones", "tasks")}
"""Where the schemas keep what is to be done."""

RULED = frozenset({"spec@1", *_ITEMS})
"""The schemas that have rules."""

_VAGUE = frozenset({"complete", "completed", "done", "finished", "implemented", "it works", "ok", "tested", "works"})
"""Criteria that cannot be checked."""


class Question(NamedTuple):
    """A question about the part of the artifact at ``path``, its keys joined by dots."""

    path: str
    text: str


def questions(schema: str, value: object) -> tuple[Question, ...]:
    """What ``value`` leaves open, in its order; empty for schemas without rules."""
    if not isinstance(value, Mapping):
        return ()
    content = cast("Mapping[str, Any]", value)
    if schema == "spec@1":
        return tuple(_of_spec(content))[:MOST]
    keys = _ITEMS.get(schema)
    return () if keys is None else tuple(_of_items(schema, content, keys))[:MOST]


def _of_spec(spec: Mapping[str, Any]) -> Iterator[Question]:
    if not spec.get("acceptance"):
        yield Question("acceptance", "How can anyone check that it is done? There is no acceptance criterion.")
    for number, text in enumerate(_list(spec.get("open_questions"))):
        yield Question(f"open_questions.{number}", str(text))


def _of_items(schema: str, content: Mapping[str, Any], keys: tuple[str, ...], above: str = "") -> Iterator[Question]:
    first, *rest = keys
    items = _list(content.get(first))
    if not items:
        yield Question(f"{above}{first}", f"What is to be done? There are no {first}.")
    for number, value in enumerate(items):
        path = f"{above}{first}.{number}"
        item = cast("Mapping[str, Any]", value if isinstance(value, Mapping) else {})
        if rest:
            yield from _of_items(schema, item, tuple(rest), f"{path}.")
        else:
            yield from _of_item(schema, item, path)


def _of_item(schema: str, item: Mapping[str, Any], path: str) -> Iterator[Question]:
    name = item.get("id") or path
    criteria = [str(criterion).strip().rstrip(".").lower() for criterion in _list(item.get("acceptance"))]
    if len(str(item.get("title") or "").strip()) < MIN_TITLE:
        yield Question(f"{path}.title", f"What is {name} about? Its title has fewer than {MIN_TITLE} characters.")
    if schema == "task_list@1" and len(str(item.get("description") or "").strip()) < MIN_DESCRIPTION:
        few = f"Its description has fewer than {MIN_DESCRIPTION} characters."
        yield Question(f"{path}.description", f"What exactly is to be done in {name}? {few}")
    if not criteria:
        yield Question(f"{path}.acceptance", f"What shows that {name} is done? It has no acceptance criterion.")
    elif _VAGUE.issuperset(criteria):
        yield Question(f"{path}.acceptance", f"What shows that {name} is done? No criterion of it can be checked.")


def _list(value: object) -> list[object]:
    """``value`` where it is a list; a draft that a person forced may have any shape."""
    return cast("list[object]", value) if isinstance(value, list) else []


Place = tuple[tuple[str | int, ...], object]
"""The parts of a pointer, and the value there."""


def select(value: object, selector: str) -> Iterator[Place]:
    """Every place that ``selector`` names in ``value``, in document order."""
    places: list[Place] = [((), value)]
    for part in selector.split("."):
        places = [inner for place in places for inner in _step(place, part)]
    yield from places


def repeated_texts(value: object, selector: str) -> Iterator[Detail]:
    """A fault for each repeated text."""
    first: dict[str, str] = {}
    for parts, text in select(value, selector):
        if isinstance(text, str):
            where = first.setdefault(text, pointer(*parts))
            if where != pointer(*parts):
                yield Detail(
                    pointer(*parts), f"{text[:80]!r} is used twice, first at {where}", "a value used once", text[:80]
                )


def unmatched_references(value: object, references: str, names: str) -> Iterator[Detail]:
    """A fault for each text at ``references`` that is not at any place of ``names``."""
    valid = dict.fromkeys(name for _, name in select(value, names) if isinstance(name, str))
    for parts, reference in select(value, references):
        if isinstance(reference, str) and reference not in valid:
            meant = near_miss(reference[:80], [*valid][:500])
            listed = ", ".join(valid)
            expected = f"one of {listed}" if len(listed) < 150 else f"one of {len(valid)} ids in this artifact"
            yield Detail(
                pointer(*parts),
                f"{reference[:80]!r} refers to nothing in this artifact{meant}",
                expected,
                reference[:80],
            )


def _step(place: Place, part: str) -> list[Place]:
    parts, value = place
    if part == "*":
        items = cast("list[object]", value) if isinstance(value, list) else []
        return [((*parts, index), item) for index, item in enumerate(items)]
    if isinstance(value, dict) and part in value:
        return [((*parts, part), cast("dict[str, Any]", value)[part])]
    return []
