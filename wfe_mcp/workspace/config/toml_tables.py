"""Edits one table of a TOML text; every other byte stays, comments included.

    with_table      a new table at the end
    with_value      one key of a table, in place; the table too where it is missing
    without_value   removes a key
    without_table   removes a table and those below it; comments before the next table stay

Rules:
1. A line starts a statement when all lines before it are valid TOML by themselves; nothing is guessed.
2. The result is parsed, and must have exactly the intended content; otherwise the edit is refused.
"""

import copy
import re
import tomllib
from collections.abc import Callable
from typing import Any, cast

from wfe_mcp.workspace.config.toml_text import read_toml

Path = tuple[str, ...]
Document = dict[str, Any]


class NotEditable(ValueError):
    """The text is not TOML, or writes the table in a way that cannot be edited line by line."""


def with_table(text: str, path: Path, values: Document) -> str:
    """``text`` with the new table ``path`` at its end."""
    before = _parsed(text)
    if _at(before, path) is not None:
        raise NotEditable(f"[{'.'.join(path)}] is there already")
    return _checked(_appended(text, path, values), before, lambda document: _put(document, path, values))


def with_value(text: str, path: Path, key: str, value: object) -> str:
    """``text`` with ``key`` of the table ``path`` set to ``value``."""
    before = _parsed(text)
    lines = _lines(text)
    header = next((index for index, found in _headers(lines) if found == path), None)
    if header is None:
        made = _appended(text, path, {key: value})
    else:
        begin, end, comment = _statement(lines, header, key)
        line = f"{_toml({key: value}, _newline(text)).rstrip()}{comment}{_newline(text)}"
        before_it = lines[:begin]
        if before_it and not before_it[-1].endswith("\n"):
            before_it[-1] += _newline(text)
        made = "".join([*before_it, line, *lines[end:]])
    return _checked(made, before, lambda document: _put(document, (*path, key), value))


def without_value(text: str, path: Path, key: str) -> str:
    """``text`` without ``key`` of the table ``path``; unchanged without that key."""
    before = _parsed(text)
    table = _at(before, path)
    if table is None or key not in table:
        return text
    lines = _lines(text)
    header = next((index for index, found in _headers(lines) if found == path), None)
    if header is None:
        raise NotEditable(f"'{'.'.join(path)}' is no table of its own")
    begin, end, _ = _statement(lines, header, key)
    return _checked("".join([*lines[:begin], *lines[end:]]), before, lambda document: _drop(document, (*path, key)))


def without_table(text: str, path: Path) -> str:
    """``text`` without the table ``path`` and the tables below it; unchanged without that table."""
    before = _parsed(text)
    if _at(before, path) is None:
        return text
    lines = _lines(text)
    headers = _headers(lines)
    kept = list(lines)
    for number, (begin, found) in enumerate(headers):
        if found[: len(path)] == path:
            next_one = headers[number + 1][0] if number + 1 < len(headers) else len(lines)
            end = _end_of_statements(lines, begin, next_one)
            if begin and not lines[begin - 1].strip() and (end == len(lines) or not lines[end].strip()):
                begin -= 1  # the blank line before it
            kept[begin:end] = [""] * (end - begin)
    return _checked("".join(kept), before, lambda document: _drop(document, path))


def _checked(made: str, before: Document, change: Callable[[Document], None]) -> str:
    meant = copy.deepcopy(before)
    change(meant)
    if _without_empty(_parsed(made)) != _without_empty(meant):
        raise NotEditable("the table is written in a way that is not edited line by line")
    return made


def _parsed(text: str) -> Document:
    try:
        return read_toml(text)
    except ValueError as exc:
        raise NotEditable(str(exc)) from None


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _lines(text: str) -> list[str]:
    """The lines with their ends. Only a line feed ends a line in TOML."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _headers(lines: list[str]) -> list[tuple[int, Path]]:
    """The line and path of each table header."""
    return [
        (index, _named(line))
        for index, line in enumerate(lines)
        if line.lstrip().startswith("[") and _is_whole("".join(lines[:index]))
    ]


def _named(header: str) -> Path:
    document: Any = tomllib.loads(header)
    names: list[str] = []
    while document:
        ((name, document),) = cast("Document", document).items()
        names.append(name)
        if isinstance(document, list):  # [[a.b]]: no table that we edit has this shape
            return (*names, "[]")
    return tuple(names)


def _statement(lines: list[str], header: int, key: str) -> tuple[int, int, str]:
    """First line, end and comment of the statement of ``key`` below ``header``; its place to insert when it is missing."""
    headers = [index for index, _ in _headers(lines)]
    limit = next((index for index in headers if index > header), len(lines))
    pattern = re.compile(rf"""\s*(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')\s*=""")
    for begin in range(header + 1, limit):
        if pattern.match(lines[begin]) and _is_whole("".join(lines[:begin])):
            end = next(end for end in range(begin + 1, limit + 1) if _is_whole("".join(lines[:end])))
            return begin, end, _comment(lines[begin]) if end == begin + 1 else ""
    place = _end_of_statements(lines, header, limit)
    return place, place, ""


def _comment(line: str) -> str:
    """The comment at the end of a statement of one line, with the blanks before it."""
    for found in re.finditer(r"\s*#", line):
        if _is_whole(line[: found.start()]):
            return line[found.start() :].rstrip("\r\n")
    return ""


def _end_of_statements(lines: list[str], begin: int, limit: int) -> int:
    """Where the statements from ``begin`` end: the blank lines and comments before ``limit`` belong to what follows."""
    end = limit
    while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        if not _is_whole("".join(lines[: end - 1])):  # not a comment: the last line of a multi-line string
            break
        end -= 1
    return end


def _appended(text: str, path: Path, values: Document) -> str:
    newline = _newline(text)
    document: Document = values
    for name in reversed(path):
        document = {name: document}
    before = text if not text or text.endswith("\n") else f"{text}{newline}"
    return f"{before}{newline if before else ''}{_toml(document, newline)}"


def _toml(document: Document, newline: str) -> str:
    import tomli_w  # needed only to write configuration

    return tomli_w.dumps(document).replace("\n", newline)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _at(document: Document, path: Path) -> Document | None:
    found: Any = document
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return None
        found = cast("Document", found)[name]
    return cast("Document", found) if isinstance(found, dict) else None


def _put(document: Document, path: Path, value: object) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


def _drop(document: Document, path: Path) -> None:
    for name in path[:-1]:
        document = document[name]
    del document[path[-1]]


def _without_empty(document: Document) -> Document:
    """``document`` without empty tables: removing ``[a.b]`` leaves an empty ``a``."""
    found: Document = {}
    for name, value in document.items():
        inner: object = _without_empty(cast("Document", value)) if isinstance(value, dict) else value
        if inner != {}:
            found[name] = inner
    return found
