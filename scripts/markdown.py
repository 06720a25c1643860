"""Markdown of the generated pages: tables, code, types and sentences of docstrings."""

from collections.abc import Iterable, Iterator
from typing import Any


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def plain(docstring: str) -> str:
    """A docstring as Markdown: one line, code in single backticks."""
    return " ".join(docstring.replace("``", "`").split())


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring, with its full stop."""
    return plain(docstring).split(". ")[0].rstrip(".") + "."


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "number": "number",
    "null": "nothing",
}


def kind(schema: dict[str, Any]) -> str:
    """The type in a reader's words."""
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value or '""') for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(arm) for arm in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    return _WORDS.get(str(schema.get("type", "")), str(schema.get("type", "any JSON")))
