"""Parses untrusted TOML.

Deeply nested lists overflow the stack in tomllib and in code that walks the document. Here they are an ordinary fault: a
repository must not stop the server with its configuration.
"""

import tomllib
from typing import Any, cast

MAX_DEPTH = 32
"""Deepest nesting of tables and lists."""


def read_toml(content: str | bytes) -> dict[str, Any]:
    """The document. Raises ValueError for every fault, including UnicodeDecodeError and TOMLDecodeError."""
    try:
        document = tomllib.loads(content.decode() if isinstance(content, bytes) else content)
    except RecursionError:
        raise ValueError(f"tables and lists lie deeper than {MAX_DEPTH}") from None
    waiting: list[tuple[int, object]] = [(0, document)]
    while waiting:
        depth, value = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"tables and lists lie deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            table = cast("dict[str, object]", value)
            waiting += [(depth + 1, inner) for inner in table.values()]
        elif isinstance(value, list):
            waiting += [(depth + 1, inner) for inner in cast("list[object]", value)]
    return document
