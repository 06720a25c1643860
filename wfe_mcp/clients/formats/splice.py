"""Edits of a text: where characters are inserted or removed, and what a fault of the text is called."""

from collections.abc import Iterable

from wfe_mcp.core.dataclass import dataclass


class Unreadable(ValueError):
    """The text is not of its format. ``line`` counts from 1; 0: unknown."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.line = line


class Unsplicable(ValueError):
    """The text is valid, but an entry cannot be added or removed without changing the rest."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters from ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str = ""


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """``text`` after all ``edits``, which do not overlap."""
    for change in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def line_of(text: str, position: int) -> int:
    """The line of a position, counted from 1."""
    return text.count("\n", 0, position) + 1


def line_start(text: str, position: int) -> int:
    """Where the line of a position begins."""
    return text.rfind("\n", 0, position) + 1


def line_end(text: str, position: int) -> int:
    """Where the line of a position ends, before its line break."""
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    return end - 1 if end > position and text[end - 1] == "\r" else end


def indentation(text: str, position: int) -> str:
    """The spaces and tabs at the beginning of the line of a position."""
    start = line_start(text, position)
    line = text[start : line_end(text, start)]
    return line[: len(line) - len(line.lstrip(" \t"))]
