"""Nested tables of a configuration: merging, and reading and changing them by the path of a key.

What each kind of validation error expected instead, in words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from wfe_mcp.core.errors import Detail, pointer

Document = dict[str, Any]
"""Tables within tables, as TOML has them."""


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Every value that is no table, by its dotted key."""
    for key, value in values.items():
        dotted = f"{above}{shown_key(key)}"
        if isinstance(value, dict):
            yield from leaves(cast("Document", value), f"{dotted}.")
        else:
            yield dotted, value


def shown_key(key: str) -> str:
    """A key as TOML writes it."""
    return key if key.replace("-", "").replace("_", "").isalnum() else f'"{key}"'


def merge(into: Document, values: Mapping[str, Any]) -> None:
    """Add ``values`` to ``into``, table by table; a value replaces what was there."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], cast("Document", value))
        elif isinstance(value, dict):
            into[key] = {}
            merge(into[key], cast("Document", value))
        else:
            into[key] = value


def put(values: Document, path: list[str], value: object) -> None:
    """Set the key at ``path``."""
    *tables, last = path
    for table in tables:
        values = values.setdefault(table, {})
    values[last] = value


def remove(values: Document, paths: Iterable[Sequence[Any]]) -> None:
    """Remove the keys at ``paths``. What is named in no table goes with what is above it: an entry of a list, for one."""
    for path in [_known_part(values, path) for path in paths]:
        table = values
        for part in path[:-1]:
            inner = table.get(part)
            table = cast("Document", inner) if isinstance(inner, dict) else {}
        table.pop(path[-1], None)


def _known_part(values: Document, path: Sequence[Any]) -> Sequence[Any]:
    """``path`` as far as it leads through tables of ``values``; its first key, at least."""
    inner: Any = values
    for number, part in enumerate(path):
        if not isinstance(inner, dict) or part not in inner:
            return path[: max(number, 1)]
        inner = cast("Document", inner)[part]
    return path


def without_nul(values: Document, where: str, problems: list[Detail]) -> Document:
    """``values`` without texts that contain NUL, each of which is a problem: programs and the database reject them."""
    waiting: list[list[Any]] = [[key] for key in values]
    while waiting:
        path = waiting.pop()
        table: Any = values
        for part in path[:-1]:
            table = table[part]
        value = table[path[-1]]
        if isinstance(value, dict) and "\x00" not in path[-1]:
            waiting += [[*path, key] for key in cast("Document", value)]
        elif any("\x00" in str(text) for text in (path[-1], *(value if isinstance(value, list) else [value]))):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - TOML
            string = ".".join(path).replace("\x00", "\\0")
            problems.append(Detail(pointer(*path), f"{where}: '{string}' does not count: it holds NUL", "plain text"))
            del table[path[-1]]
    return values


EXPECTED = {
    "string_type": "a text in quotes",
    "list_type": 'a list, for example ["a", "b"]',
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "at least one entry",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a text of the form {pattern}",
}
