"""Titles of runs: what a run is about, in the first words that say it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from wfe_mcp.core.texts import clean, cut

TITLE_CHARS = 60
"""Letters of a title that is taken from inputs."""

GIVEN_CHARS = 120
"""Letters of a title that a user or an agent wrote."""

_NAMES = ("title", "name", "id")
"""What an object is called, the best first."""


def title_of(given: str, title_from: str, inputs: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The title of a run: ``given``, else the input that ``title_from`` names, else what its inputs say; "" without any.

    ``title_from``: of an object among the inputs, a text in it: ``plan.title``. ``schema``: of the inputs; what equals
    its default says nothing.
    """
    named: object = inputs
    for key in filter(None, title_from.split(".")):
        named = cast("dict[str, object]", named).get(key) if isinstance(named, dict) else None
    about = named if isinstance(named, str) else ""
    return first_words(given, GIVEN_CHARS) or first_words(about) or first_words(", ".join(_said_by(inputs, schema)))


def first_words(text: str, most: int = TITLE_CHARS) -> str:
    """The first paragraph of ``text`` in one line of at most ``most`` letters, cut after a word, or within a long one."""
    paragraph = re.split(r"\n\s*\n", text.strip()[: most * 20], maxsplit=1)[0]
    line = clean(" ".join(paragraph.split()))
    if len(line) <= most:
        return line
    head, _, _ = line[:most].rpartition(" ")
    return f"{head.rstrip(' ,;:.')}…" if len(head) > most // 2 else cut(line, most)


def _said_by(inputs: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Each input that was given, the required ones first: a sentence as it is, anything shorter behind its name."""
    required: tuple[str, ...] = tuple(schema.get("required", ()))
    properties: Mapping[str, object] = schema.get("properties", {})
    for name in dict.fromkeys((*required, *inputs)):
        value: object = inputs.get(name)
        declared = properties.get(name)
        if isinstance(declared, dict) and cast("dict[str, object]", declared).get("default") == value:
            continue
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = str(value).strip()
            yield from [text if " " in text else f"{name.replace('_', ' ')} {text}"] if text else []
        elif text := _name_of(value):
            yield text


def _name_of(value: object) -> str:
    """What an object, or the first one in it that has a name, is called; "" without any."""
    own, inner = "", list[object]()
    if isinstance(value, list):
        inner = cast("list[object]", value)
    elif isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        own = next((text for key in _NAMES if isinstance(text := parts.get(key), str) and text.strip()), "")
        inner = list(parts.values())
    return own or next((text for member in inner if (text := _name_of(member))), "")
