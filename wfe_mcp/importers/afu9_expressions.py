"""Converts the ``${…}`` of an AFU-9 workflow to CEL.

    ${input.x}            ${inputs.x}
    ${repo.owner}         ${inputs.repo.owner}
    ${variables.x}        ${vars.x} after a step that assigns x, else ${inputs.variables.x}
    ${issue.number}       ${vars.issue.number} after a step that assigns issue
    if "${branch}"        there, and neither null, false, 0 nor ''
    if "'${x}' === 'bug'" ${has(vars.x) && vars.x == 'bug'}
    more JavaScript       ``afu9_script``

Rules:
1. An undefined name is an error; the old engine left it as literal text (S2-06).
2. In a condition a missing value is false, as before; a comparison treats numbers and texts alike (``'42'`` and 42),
   because the old engine compared texts (S2-07).
3. Nothing is evaluated by text substitution: a tool's result stays data (B-15).
"""

import json
import re

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.importers.afu9_script import plain, translate_script, translated_condition
from wfe_mcp.importers.afu9_tokens import PATH, Names, UnreadableError, cel_of, end_of_script, has_value

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>\$\{|===|!==|==|!=|>=|<=|&&|\|\||[}()!<>])|(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|(?P<number>-?\d+(?:\.\d+)?)|(?P<path>[A-Za-z_$][\w$-]*(?:\.[\w$-]+|\[\d+\])*))"""
)
_CALL = re.compile(r"[\w)\]]\s*\(|=>|`|\.length\b")
"""What only ``afu9_script`` reads: a call, a function, a template literal, a length."""
_MOST_NESTED = 50
_LITERALS = {"true": "true", "false": "false", "null": "null", "undefined": "null"}


def text(value: str, names: Names) -> str:
    """A text of ``params``: every ``${path}`` as CEL; a lone ``${`` is escaped. Raises UnreadableError."""
    pieces: list[str] = []
    position = 0
    while (begin := value.find("${", position)) >= 0 and (end := end_of_script(value, begin + 2)) >= 0:
        source = value[begin + 2 : end]
        is_path = PATH.fullmatch(source) and source.strip() not in _LITERALS and not _CALL.search(source)
        expression = f"${{{names.value(source, required=True)}}}" if is_path else translate_script(source, names)
        pieces += [plain(value[position:begin]), expression]
        position = end + 1
    return "".join([*pieces, value[position:].replace("${", "$${")])


def condition(value: str, names: Names) -> str:
    """An ``if`` as one ``${…}`` of CEL. Raises UnreadableError."""
    if _CALL.search(value):
        whole = value.strip()
        is_whole = whole.startswith("${") and end_of_script(whole, 2) == len(whole) - 1
        return f"${{{translated_condition(whole[2:-1] if is_whole else whole, names)}}}"
    reader = _Reader(_tokens(value), names)
    truth = _truth(reader.either())
    if reader.here != "end":
        raise UnreadableError(f"{reader.shown!r} is not expected here")
    return f"${{{truth}}}"


# -- conditions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Value:
    """A path (``way``) or a literal (CEL source)."""

    way: tuple[str | int, ...] = ()
    literal: str = ""


_Node = _Value | str
"""A value, or CEL that is true or false."""


def _tokens(value: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position, source = 0, value.rstrip()
    while position < len(source):
        token = _TOKEN.match(source, position)
        if token is None or token.lastgroup is None:
            raise UnreadableError(f"{source[position : position + 20].strip()!r} is no part of a condition")
        tokens.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    if sum(value in {"(", "!", "${"} for _, value in tokens) > _MOST_NESTED:
        raise UnreadableError(f"it nests more than {_MOST_NESTED} times")
    return [*tokens, ("end", "")]


class _Reader:
    """Reads a condition from left to right: ``||``, ``&&``, ``!``, comparisons, values."""

    def __init__(self, tokens: list[tuple[str, str]], names: Names) -> None:
        self._tokens = tokens
        self._names = names
        self._at = 0

    @property
    def here(self) -> str:
        """The present token: an operator itself, else its kind."""
        kind, value = self._tokens[self._at]
        return value if kind == "op" else kind

    @property
    def shown(self) -> str:
        """The present token, to be quoted."""
        return self._tokens[self._at][1] or "the end"

    def either(self) -> _Node:
        """``a || b``."""
        node = self._both()
        while self._take("||"):
            node = f"({_truth(node)} || {_truth(self._both())})"
        return node

    def _both(self) -> _Node:
        node = self._negation()
        while self._take("&&"):
            node = f"({_truth(node)} && {_truth(self._negation())})"
        return node

    def _negation(self) -> _Node:
        if self._take("!"):
            return f"!({_truth(self._negation())})"
        return self._comparison()

    def _comparison(self) -> _Node:
        node, operator = self._value(), self.here
        if operator not in {"===", "!==", "==", "!=", "<", ">", "<=", ">="}:
            return node
        self._at += 1
        right = self._value()
        if isinstance(node, str) or isinstance(right, str):
            raise UnreadableError(f"only values can be compared with {operator}")
        if operator in {"===", "=="}:
            return _equal(node, right)
        if operator in {"!==", "!="}:
            return f"!({_equal(node, right)})"
        return _guard_existence(node, right, f"{_source(node)} {operator} {_source(right)}")

    def _value(self) -> _Node:
        kind, value = self._tokens[self._at]
        if self._take("(") or self._take("${"):
            closing = ")" if value == "(" else "}"
            node = self.either()
            if not self._take(closing):
                raise UnreadableError(f"{closing!r} is missing before {self.shown!r}")
            return node
        self._at += kind != "end"
        if kind == "number":
            return _Value(literal=value)
        if kind == "text":
            return self._text(value)
        if kind == "path":
            return _Value(literal=_LITERALS[value]) if value in _LITERALS else self._path(value)
        raise UnreadableError(f"a value is missing before {value or 'the end'!r}")

    def _text(self, quoted: str) -> _Value:
        inner = quoted[1:-1]
        if inner.startswith("${") and inner.endswith("}"):
            return self._path(inner[2:-1])
        if "${" in inner:
            raise UnreadableError(f"{quoted} mixes text and a value; compare the value itself")
        return _Value(literal=json.dumps(re.sub(r"\\(.)", r"\1", inner)))

    def _path(self, path: str) -> _Value:
        return _Value(tuple(self._names.resolve(path, required=False)))

    def _take(self, operator: str) -> bool:
        taken = self.here == operator
        self._at += taken
        return taken


def _truth(node: _Node) -> str:
    """``node`` as boolean CEL, with JavaScript's truth rules."""
    if isinstance(node, str):
        return node
    if not node.way:
        return "false" if node.literal in {"false", "null", '""', "0"} else "true"
    return f"({has_value(list(node.way))} && !({_source(node)} in [null, false, 0, '']))"


def _equal(left: _Value, right: _Value) -> str:
    if "null" in (left.literal, right.literal):
        value = right if left.literal == "null" else left
        return f"!({_guard_existence(value, value, f'{_source(value)} != null')})"
    if left.literal and not right.literal:
        left, right = right, left
    if not right.literal:
        return _guard_existence(left, right, f"{_source(left)} == {_source(right)}")
    alike = _alike(right.literal) if left.way else [right.literal]
    compared = " || ".join(f"{_source(left)} == {literal}" for literal in alike)
    return _guard_existence(left, left, compared if len(alike) == 1 else f"({compared})")


def _alike(literal: str) -> list[str]:
    """The literals with the same text: ``42`` and ``"42"``."""
    if not literal.startswith('"'):
        return [literal, json.dumps(literal)]
    inner = str(json.loads(literal))
    return [literal, inner] if inner in {"true", "false"} or re.fullmatch(r"-?\d{1,15}(\.\d+)?", inner) else [literal]


def _guard_existence(left: _Value, right: _Value, compared: str) -> str:
    """``compared``, where both values exist; else false."""
    guards = dict.fromkeys(has_value(list(value.way)) for value in (left, right) if value.way)
    return f"({' && '.join([*guards, compared])})"


def _source(value: _Value) -> str:
    return cel_of(list(value.way)) if value.way else value.literal
