"""Parses untrusted TOML.

Deeply nested lists overflow the stack in tomllib and in code that walks the document, and a key of many parts takes it time with
more than the square of their number: 60 kB took half a minute. Here both are an ordinary fault: a repository must not stop the
server with its configuration.
"""

import re
import tomllib
from typing import Any, cast

MAX_DEPTH = 32
"""Deepest nesting of tables and lists."""
_OPAQUE = re.compile(r'''"""(?:\\.|[^\\])*?"""|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*''', re.DOTALL)
"""Strings, as values and as parts of a key, and comments."""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{MAX_DEPTH}}}")


def parse_toml(text: str) -> dict[str, Any]:
    """The document of tomllib. Raises ValueError and RecursionError; no key has more than ``MAX_DEPTH`` parts.

    A byte order mark, which editors on Windows put first, counts for nothing.
    """
    if "." in text and _LONG_KEY.search(_OPAQUE.sub("_", text)):
        raise ValueError(f"a key has more than {MAX_DEPTH} parts")
    return tomllib.loads(text.removeprefix("\ufeff"))


def read_toml(content: str | bytes) -> dict[str, Any]:
    """The document. Raises ValueError for every fault, including UnicodeDecodeError and TOMLDecodeError."""
    try:
        document = parse_toml(content.decode() if isinstance(content, bytes) else content)
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
