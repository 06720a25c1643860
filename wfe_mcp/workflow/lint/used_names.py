"""Finds the names in an expression that cannot exist.

CEL checks names only down to the first dot; this checks the rest, ``artifacts.plan.steps[0].title`` and
``artifacts.plan.steps.all(s, s.title != '')``, against what is ``Known``. It reads tokens, not a syntax tree: forms it
does not recognise are open, and CEL has checked the syntax before.
"""

import re
from collections.abc import Mapping
from dataclasses import field

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.lint.known import OPEN, Fields, Known

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      | (?P<text>(?:[bB]?[rR]|[rR][bB])(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|"[^"\n]*")
               | [bB]?(?:'''(?:\\.|.)*?'''|\"\"\"(?:\\.|.)*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      | (?P<number>\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?)
      | (?P<name>[A-Za-z_]\w*|`[^`]*`)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_WORDS = frozenset({"true", "false", "null", "in"})

_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that cannot exist: ``owner`` has no ``name``. ``valid``: its names; ``why``: where the name exists."""

    owner: str
    name: str
    valid: tuple[str, ...]
    why: str = ""


@dataclass(slots=True)
class Used:
    """The names of an expression. ``value``: what is known of its value, when it is one chain of names."""

    roots: set[str] = field(default_factory=set[str])
    whole_roots: set[str] = field(default_factory=set[str])
    unknown: list[Unknown] = field(default_factory=list[Unknown])
    value: Known = OPEN


def used_names(source: str, roots: Mapping[str, Known]) -> Used:
    """The names of ``source``, looked up from ``roots``. CEL reports an unknown root."""
    return _Walk(source, roots).used


class _Walk:
    """One pass over the tokens; ``position`` is the next token."""

    def __init__(self, source: str, roots: Mapping[str, Known]) -> None:
        self.tokens = [
            (str(found.lastgroup), found[0]) for found in _TOKEN.finditer(source) if found.lastgroup != "space"
        ]
        self.position = 0
        self.roots = roots
        self.used = Used()
        if _depth(self.tokens) > _DEEPEST:  # CEL refuses it; the recursion here must not overflow before
            return
        operands = self._operands({}, end="")
        self.used.value = operands[0] if len(operands) == 1 else OPEN

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else ("end", "")

    def _operands(self, bound: Mapping[str, Known], end: str) -> list[Known]:
        """Every operand up to the sign ``end``, which is consumed. Operators are ignored."""
        found: list[Known] = []
        while self.position < len(self.tokens):
            kind, text = self._peek()
            if kind == "sign" and text == end:
                self.position += 1
                break
            if kind == "sign" and text not in "([{":
                self.position += 1
                if text not in ".,":
                    found.append(OPEN)
                continue
            found.append(self._operand(bound))
        return found

    def _operand(self, bound: Mapping[str, Known]) -> Known:
        kind, text = self._peek()
        self.position += 1
        if kind == "sign":
            inner = self._operands(bound, {"(": ")", "[": "]", "{": "}"}[text])
            return self._postfix(inner[0] if text == "(" and len(inner) == 1 else OPEN, "(…)", bound)
        if kind != "name" or text in _WORDS:
            return self._postfix(OPEN, text, bound)
        if self._peek() == ("sign", "("):
            self.position += 1
            self._operands(bound, ")")
            return self._postfix(OPEN, f"{text}(…)", bound)
        if text in bound:
            return self._postfix(bound[text], text, bound)
        self.used.roots.add(text)
        if self._peek() != ("sign", ".") or self._peek(2) == ("sign", "("):
            self.used.whole_roots.add(text)
        return self._postfix(self.roots.get(text, OPEN), text, bound)

    def _postfix(self, known: Known, path: str, bound: Mapping[str, Known]) -> Known:
        while True:
            sign, name = self._peek(), self._peek(1)
            if sign == ("sign", ".") and name[0] == "name":
                self.position += 2
                if self._peek() == ("sign", "("):
                    self.position += 1
                    known = self._call(name[1], known, bound)
                    path = f"{path}.{name[1]}(…)"
                else:
                    known, path = self._select(known, path, name[1].strip("`")), f"{path}.{name[1]}"
            elif sign == ("sign", "["):
                known, path = self._index(known, path, bound)
            else:
                return known

    def _select(self, known: Known, path: str, name: str) -> Known:
        below = known.field(name)
        if below is not None:
            return below
        why = known.hidden.get(name, "") if isinstance(known, Fields) else ""
        self.used.unknown.append(Unknown(path, name, known.names, why))
        return OPEN

    def _index(self, known: Known, path: str, bound: Mapping[str, Known]) -> tuple[Known, str]:
        (kind, text), after = self._peek(1), self._peek(2)
        self.position += 1
        if kind == "text" and after == ("sign", "]") and text[0] in "'\"" and "\\" not in text:
            self.position += 2
            return self._select(known, path, text.strip("'\"")), f"{path}[{text}]"
        self._operands(bound, "]")
        return known.at_index(), f"{path}[{text if kind == 'number' and after == ('sign', ']') else '…'}]"

    def _call(self, name: str, known: Known, bound: Mapping[str, Known]) -> Known:
        kind, variable = self._peek()
        if name in _MACROS and kind == "name" and self._peek(1) == ("sign", ","):
            self.position += 2
            self._operands({**bound, variable: known.element()}, ")")
            return known if name == "filter" else OPEN
        self._operands(bound, ")")
        return OPEN


def _depth(tokens: list[tuple[str, str]]) -> int:
    depth = deepest = 0
    for kind, text in tokens:
        if kind == "sign":
            depth += (text in "([{") - (text in ")]}")
            deepest = max(deepest, depth)
    return deepest
