"""Edits one table of a TOML text; every other byte stays, comments included.

    with_table      a new table at the end
    with_value      one key of a table, in place; the table too where it is missing
    without_value   removes a key
    without_table   removes a table and those below it; comments before the next table stay

Rules:
1. The text is cut into statements: the shortest runs of lines that are valid TOML by themselves. Nothing is guessed.
2. The result is parsed, and must have exactly the intended content; otherwise the edit is refused.
3. tomlkit is not used (docs/adr/0037): to it, a comment above a table is the end of the table before, and goes with it.
"""

import re
import tomllib
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple, cast

from wfe_mcp.workspace.config.edits import is_edit_at, value_at
from wfe_mcp.workspace.config.toml_text import read_toml

Path = tuple[str, ...]
Document = dict[str, Any]

_MOST_READ = 4_000_000
"""Characters that are read at most to find where the statements of one file end."""
# Every other line goes on in the next one: only lists and texts in three quotes, or a table around them, are longer than a line.
_CLOSES = re.compile(r"(?:[\]}]|\"{3}|'{3})[ \t]*(?:#.*)?\r?\n?\Z")


class NotEditable(ValueError):
    """The text is not TOML, or writes the table in a way that cannot be edited line by line."""


class _Statement(NamedTuple):
    """Lines from ``start`` to ``end`` (characters). ``table``: the table that they are in, or whose header they are.

    ``key``: the first part of the key that they set. ``is_blank``: an empty line, or a comment.
    """

    start: int
    end: int
    table: Path
    key: str | None
    is_blank: bool


def with_table(text: str, path: Path, values: Document) -> str:
    """``text`` with the new table ``path`` at its end."""
    before = _parse(text)
    if value_at(before, path) is not None:
        raise NotEditable(f"[{'.'.join(path)}] is there already")
    return _check_edit(append_table(text, path, values), before, path, values)


def with_value(text: str, path: Path, key: str, value: object) -> str:
    """``text`` with ``key`` of the table ``path`` set to ``value``."""
    before = _parse(text)
    inside = [statement for statement in _statements(text) if statement.table == path]
    if not inside:
        edited = append_table(text, path, {key: value})
    else:
        old = next((statement for statement in inside if statement.key == key), None)
        start, end = (old.start, old.end) if old else [_without_blank_end(inside)[-1].end] * 2
        newline = _newline(text)
        lead = newline if start and text[start - 1] != "\n" else ""
        line = _toml({key: value}, newline).removesuffix(newline) + _comment(text[start:end])
        edited = f"{text[:start]}{lead}{line}{newline}{text[end:]}"
    return _check_edit(edited, before, (*path, key), value)


def without_value(text: str, path: Path, key: str) -> str:
    """``text`` without ``key`` of the table ``path``; unchanged without that key."""
    before = _parse(text)
    if value_at(before, (*path, key)) is None:
        return text
    own = next((statement for statement in _statements(text) if (statement.table, statement.key) == (path, key)), None)
    if own is None:
        raise NotEditable(f"'{'.'.join(path)}' is no table of its own")
    return _check_edit(text[: own.start] + text[own.end :], before, (*path, key), None)


def without_table(text: str, path: Path) -> str:
    """``text`` without the table ``path`` and the tables below it; unchanged without that table."""
    before = _parse(text)
    if value_at(before, path) is None:
        return text
    edited = text
    for start, end in reversed(spans_of(text, path)):
        edited = edited[:start] + edited[end:]
    return _check_edit(edited, before, path, None)


def append_table(text: str, path: Sequence[str], values: Document, newline: str = "") -> str:
    """``text`` and after it the table ``path``."""
    newline = newline or _newline(text)
    document = values
    for name in reversed(path):
        document = {name: document}
    before = text if not text or text.endswith("\n") else f"{text}{newline}"
    return f"{before}{newline if before else ''}{_toml(document, newline)}"


def spans_of(text: str, path: Sequence[str]) -> list[tuple[int, int]]:
    """Where the table ``path`` and the tables below it are: their headers and values, with the blank line before each.

    Blank lines and comments after the values belong to what follows.
    """
    statements = _statements(text)
    blanks = {
        statement.start: statement for statement in statements if not text[statement.start : statement.end].strip()
    }
    spans: list[tuple[int, int]] = []
    for table, group in groupby(statements, key=lambda each: each.table):
        if table[: len(path)] == tuple(path):
            section = _without_blank_end(list(group))
            start, end = section[0].start, section[-1].end
            above = next((blank.start for blank in blanks.values() if blank.end == start), start)
            spans.append((above if end == len(text) or end in blanks else start, end))
    return spans


def _statements(text: str) -> list[_Statement]:
    """The statements of a valid text, in order."""
    statements: list[_Statement] = []
    table: Path = ()
    start = end = read = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):  # only a line feed ends a line in TOML
        end += len(line)
        if end - len(line) > start and not _CLOSES.search(line):
            continue
        read = _read_more(read, end - start)
        try:
            document = tomllib.loads(statement := text[start:end].removeprefix("\ufeff"))
        except tomllib.TOMLDecodeError:  # a string or list goes on in the next line
            continue
        is_header = statement.lstrip(" \t").startswith("[")
        if is_header:
            table = _header_path(document)
        key = None if is_header else next(iter(document), None)
        statements.append(_Statement(start, end, table, key, is_blank=not document))
        start = end
    return statements


def _read_more(before: int, characters: int) -> int:
    """How many characters are read now: each line of a text, and each ``#`` in one, may seem to end it, and is tried."""
    if before + characters > _MOST_READ:
        raise NotEditable("a text in it has too many lines or signs that could end it")
    return before + characters


def _header_path(header: Document) -> Path:
    """The path in the document of one header. A table of a list ends in ``[]``: no table that we edit has this shape."""
    names: list[str] = []
    inner: Any = header
    while inner and isinstance(inner, dict):
        ((name, inner),) = cast("Document", inner).items()
        names.append(name)
    return (*names, "[]") if isinstance(inner, list) else tuple(names)


def _without_blank_end(section: list[_Statement]) -> list[_Statement]:
    return section[: max(number for number, statement in enumerate(section, 1) if not statement.is_blank)]


def _comment(statement: str) -> str:
    """The comment at the end of a statement of one line, with the blanks before it."""
    read = 0
    for match in re.finditer(r"\s*#", statement if statement.count("\n") < 2 else ""):
        read = _read_more(read, match.start())
        try:
            tomllib.loads(statement[: match.start()])
        except tomllib.TOMLDecodeError:  # inside a string
            continue
        return statement[match.start() :].rstrip("\r\n")
    return ""


def _check_edit(made: str, before: Document, path: Path, value: object) -> str:
    if not is_edit_at(path, before, _parse(made), value):
        raise NotEditable("the table is written in a way that is not edited line by line")
    return made


def _parse(text: str) -> Document:
    try:
        return read_toml(text)
    except ValueError as exc:
        raise NotEditable(str(exc)) from None


def _toml(document: Document, newline: str) -> str:
    import tomli_w  # needed only to write configuration

    return tomli_w.dumps(document).replace("\n", newline)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
