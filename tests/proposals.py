"""Every text of the program that names a command to run, and where a printed text came from."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import wfe_mcp
from wfe_mcp.core.readers import for_person

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(wfe_mcp.__file__).parent
"""In the checkout, or installed: ``python -m bench attacks`` plays tests against the wheel."""
HOLE = "{}"
_VALUE = re.compile(r"\{\w*\}|\bRUN\b")
_COMMAND = re.compile(
    r"wfe-mcp ([a-z](?:'[^']*'|[^'\n])*?)"
    r"(?=,| ;|; |`| or | and |, then | (?:opens|shows|lists|reports|prints|does|looks|has|serves|where|in|again|until|show what) |: | \(|\)|\.(?: |$)| \[|\n|$)"
)
_SENTENCE = re.compile(
    r"wfe-mcp (?:and|did|does|in|authors|writes|for|starts|brings|reads|made|announces|cannot|has|not|is|was|will)\b"
)
"""What follows the program's name where a sentence is about it."""


@dataclass(frozen=True)
class Proposal:
    """A text of the source with a command; a value inside it is ``{}``."""

    text: str
    where: str = ""

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """What finds it in what was printed: as an agent reads it, and as a person."""
        return tuple(_pattern(each) for each in dict.fromkeys((self.text, for_person(self.text))))

    def found_in(self, printed: str) -> str:
        """The end of the line in which it was printed, from the text on; empty where it was not."""
        for pattern in self.patterns:
            if found := pattern.search(printed):
                return printed[found.start() : found.end()] + printed[found.end() :].partition("\n")[0][:100]
        return ""

    def commands_in(self, printed: str) -> list[str]:
        """The commands that it proposed there, ready to be pasted."""
        most = len(re.findall(r"wfe-mcp ", _SENTENCE.sub("", self.text)))
        return [each.strip() for each in _COMMAND.findall(_SENTENCE.sub("", self.found_in(printed)))[:most]]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    pieces = [re.escape(each) for each in _VALUE.split(text.strip())]
    return re.compile(r"[^\n]{0,300}?".join(pieces) + (r"[^\n]*" if _VALUE.search(text[-4:]) else ""), re.IGNORECASE)


@cache
def proposals() -> tuple[Proposal, ...]:
    """Each text once, with the first place that has it."""
    found: dict[str, Proposal] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "wfe-mcp" not in source:  # three quarters of the files: to parse them takes seconds
            continue
        for line, text in texts([*ast.walk(ast.parse(source))]):
            if re.search(r"wfe-mcp [a-z{]", _SENTENCE.sub("", text)):
                found.setdefault(text, Proposal(text, f"{file.relative_to(PACKAGE.parent).as_posix()}:{line}"))
    return tuple(found.values())


def texts(module: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Each text among the nodes of a module that is no docstring, with its line; a value inside it is ``{}``."""
    skipped: set[ast.AST] = {node.value for node in module if isinstance(node, ast.Expr)}
    for node in module:
        if isinstance(node, ast.JoinedStr):
            skipped |= set(node.values)
            if node not in skipped:
                parts = (str(each.value) if isinstance(each, ast.Constant) else HOLE for each in node.values)
                yield node.lineno, "".join(parts)
    for node in module:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value
