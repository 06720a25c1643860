"""JSON, with or without comments and trailing commas, as a tree that knows where each part lies in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import field
from typing import Any, cast

from wfe_mcp.clients.formats.splice import Edit, Unreadable, Unsplicable, indentation, line_end, line_of, line_start
from wfe_mcp.core.dataclass import dataclass

_BLANK = re.compile(r"[ \t\r\n]+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"-?\d[\d.eE+-]*|true|false|null")
_REST_OF_LINE = re.compile(r"[ \t]*(?://[^\r\n]*|(?:/\*(?:(?!\*/)[^\r\n])*\*/[ \t]*)*)(?=\r?\n)")
_STEP = 2
MAX_DEPTH = 200


@dataclass(slots=True)
class Node:
    """A value and where it lies. ``parts``: the members of an object, or the elements of a list with key None."""

    start: int
    end: int
    value: Any
    parts: list[Member] = field(default_factory=list["Member"])


@dataclass(slots=True)
class Member:
    """One member or element. ``start``: its key, or its value in a list."""

    key: str | None
    start: int
    node: Node


class _Reader:
    """Reads one document. ``has_comments``: it is no plain JSON."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.relaxed_at = text, 0, -1

    def document(self) -> Node:
        self.blank()
        node = self.value(0)
        self.blank()
        if self.at < len(self.text):
            raise self.fault("the document ends before this")
        return node

    def blank(self) -> None:
        while match := _BLANK.match(self.text, self.at):
            if match[0][0] == "/" and self.relaxed_at < 0:
                self.relaxed_at = self.at
            self.at = match.end()

    def value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fault(f"values lie deeper than {MAX_DEPTH}")
        head = self.text[self.at : self.at + 1]
        if head in ("{", "["):
            return self.container(head, depth)
        start = self.at
        match = (_STRING if head == '"' else _WORD).match(self.text, start)
        if match is None:
            raise self.fault("expected a value")
        self.at = match.end()
        return Node(start, self.at, self.scalar(match[0], start))

    def scalar(self, text: str, start: int) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            self.at = start
            raise self.fault(f"{text[:40]} is not a value") from None

    def container(self, head: str, depth: int) -> Node:
        start, closing = self.at, "}" if head == "{" else "]"
        node = Node(start, start, None)
        self.at += 1
        comma = -1
        while True:
            self.blank()
            if self.text[self.at : self.at + 1] == closing:
                break
            if node.parts and comma < 0:
                raise self.fault(f"expected , or {closing}")
            node.parts.append(self.part(head, depth))
            self.blank()
            comma = self.at if self.text[self.at : self.at + 1] == "," else -1
            self.at += comma >= 0
        if comma >= 0 and self.relaxed_at < 0:
            self.relaxed_at = comma
        self.at += 1
        node.end = self.at
        node.value = (
            {part.key: part.node.value for part in node.parts}
            if head == "{"
            else [part.node.value for part in node.parts]
        )
        return node

    def part(self, head: str, depth: int) -> Member:
        start, key = self.at, None
        if head == "{":
            match = _STRING.match(self.text, start)
            if match is None:
                raise self.fault("expected a key in double quotes")
            key = self.scalar(match[0], start)
            self.at = match.end()
            self.blank()
            if self.text[self.at : self.at + 1] != ":":
                raise self.fault("expected : after the key")
            self.at += 1
            self.blank()
        return Member(key, start, self.value(depth + 1))

    def fault(self, why: str) -> Unreadable:
        return Unreadable(why, line_of(self.text, self.at))


def read(text: str) -> Any:
    """The value of the document; an empty text is an empty object. Raises ``Unreadable``."""
    return _tree(text).value if text.strip() else {}


def relaxed_line(text: str) -> int:
    """The line of the first comment or trailing comma, which plain JSON does not have; 0 where there is none."""
    reader = _Reader(text)
    if text.strip():
        reader.document()
    return line_of(text, reader.relaxed_at) if reader.relaxed_at >= 0 else 0


def insertion(text: str, path: Sequence[str], value: Any, newline: str) -> list[Edit]:
    """The edits that put ``value`` at ``path``; under an existing list it becomes the first element.

    Raises ``Unsplicable`` where something on the path is neither an object nor, at its end, a list.
    """
    if not text.strip():
        return [Edit(len(text), len(text), _dump(_nest(path, value), "", " " * _STEP, newline) + newline)]
    node, rest = _tree(text), list(path)
    while rest and (inner := next((part.node for part in reversed(node.parts) if part.key == rest[0]), None)):
        node = inner
        rest.pop(0)
    kind = type(cast("object", node.value))
    if rest and kind is dict:
        return [_first(text, node, rest[0], _nest(rest[1:], value), newline)]
    if not rest and kind is list and isinstance(value, list):
        return [_first(text, node, None, item, newline) for item in cast("list[Any]", value)]
    raise Unsplicable(f"{'.'.join(path)} has another form than expected")


def removal(text: str, path: Sequence[str], element: Any = None) -> list[Edit]:
    """The edits that remove the member at ``path``, or ``element`` of the list there. Raises ``Unsplicable`` without it."""
    node = _tree(text)
    for key in path if element is not None else path[:-1]:
        node = next((member.node for member in reversed(node.parts) if member.key == key), Node(0, 0, None))
    wanted = [
        number
        for number, member in enumerate(node.parts)
        if (member.key == path[-1] if element is None else member.node.value == element)
    ]
    if len(wanted) != 1:
        raise Unsplicable(f"{'.'.join(path)} is there {len(wanted)} times")
    number = wanted[0]
    part = node.parts[number]
    start = part.start - len(text[: part.start]) + len(text[: part.start].rstrip(" \t\r\n"))
    comma = _comma(text, part.node.end)
    if comma >= 0:
        return [Edit(start, part.node.end), Edit(comma, comma + 1)]
    before = _comma(text, node.parts[number - 1].node.end) if number else -1
    return [Edit(start, part.node.end), *([Edit(before, before + 1)] if before >= 0 else [])]


def _tree(text: str) -> Node:
    return _Reader(text).document()


def _comma(text: str, at: int) -> int:
    """Where the comma after ``at`` is; -1 without one."""
    reader = _Reader(text)
    reader.at = at
    reader.blank()
    return reader.at if text[reader.at : reader.at + 1] == "," else -1


def _nest(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _first(text: str, node: Node, key: str | None, value: Any, newline: str) -> Edit:
    """The insertion of a first part: in lines of its own, unless the container lies on one line."""
    head = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
    after = node.start + 1
    inner = text[after : node.parts[0].start] if node.parts else text[after : node.end - 1]
    in_line = "\n" not in inner if node.parts else "\n" not in text.strip() and text.strip() not in ("{}", "[]")
    if in_line:
        return Edit(after, after, f"{head}{json.dumps(value, ensure_ascii=False)}" + (", " if node.parts else ""))
    base = indentation(text, node.start)
    step = _step(text, node, base)
    rest = _REST_OF_LINE.match(text, after)
    at = rest.end() if rest and rest.end() <= line_end(text, after) else after
    written = f"{newline}{base}{step}{head}{_dump(value, base + step, step, newline)}"
    if node.parts:
        return Edit(at, at, f"{written},")
    return Edit(at, at, written if "\n" in text[at : node.end - 1] else f"{written}{newline}{base}")


def _step(text: str, node: Node, base: str) -> str:
    """One level of indentation, as this container or the document has it."""
    for container in (node, _tree(text)):
        if container.parts:
            start = container.parts[0].start
            indent = indentation(text, start)
            outer = base if container is node else ""
            alone = not text[line_start(text, start) : start].strip()
            if alone and indent.startswith(outer) and len(indent) > len(outer):
                return indent[len(outer) :]
    return " " * _STEP


def _dump(value: Any, indent: str, step: str, newline: str) -> str:
    """``value`` in lines; lists of plain values stay on one."""
    if isinstance(value, dict) and value:
        rows = [
            f"{indent}{step}{json.dumps(key)}: {_dump(inner, indent + step, step, newline)}"
            for key, inner in cast("dict[str, Any]", value).items()
        ]
        return f"{{{newline}{f',{newline}'.join(rows)}{newline}{indent}}}"
    return json.dumps(value, ensure_ascii=False)
