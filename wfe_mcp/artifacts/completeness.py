"""What an artifact leaves open: questions to ask before work begins on it.

A schema says what must be there; these rules say what a reader misses. They refuse nothing: a gate can (`expr`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

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
    for number, text in enumerate(spec.get("open_questions") or ()):
        yield Question(f"open_questions.{number}", str(text))


def _of_items(schema: str, content: Mapping[str, Any], keys: tuple[str, ...], above: str = "") -> Iterator[Question]:
    first, *rest = keys
    items: list[Mapping[str, Any]] = content.get(first) or []
    if not items:
        yield Question(f"{above}{first}", f"What is to be done? There are no {first}.")
    for number, item in enumerate(items):
        path = f"{above}{first}.{number}"
        if rest:
            yield from _of_items(schema, item, tuple(rest), f"{path}.")
        else:
            yield from _of_item(schema, item, path)


def _of_item(schema: str, item: Mapping[str, Any], path: str) -> Iterator[Question]:
    name = item.get("id") or path
    criteria = [str(each).strip().rstrip(".").lower() for each in item.get("acceptance") or ()]
    if len(str(item.get("title") or "").strip()) < MIN_TITLE:
        yield Question(f"{path}.title", f"What is {name} about? Its title has fewer than {MIN_TITLE} characters.")
    if schema == "task_list@1" and len(str(item.get("description") or "").strip()) < MIN_DESCRIPTION:
        few = f"Its description has fewer than {MIN_DESCRIPTION} characters."
        yield Question(f"{path}.description", f"What exactly is to be done in {name}? {few}")
    if not criteria:
        yield Question(f"{path}.acceptance", f"What shows that {name} is done? It has no acceptance criterion.")
    elif _VAGUE.issuperset(criteria):
        yield Question(f"{path}.acceptance", f"What shows that {name} is done? No criterion of it can be checked.")
