"""Evaluates the expressions ``${…}`` of templates.

Rules:
1. A text that is exactly one ``${…}`` keeps the type of its value; inside other text a value becomes text:
   anything but text as compact JSON. ``$${`` is a literal ``${``. ``${…}`` ends at the matching brace outside CEL strings.
2. Values are never evaluated again: the output of a tool or model, or an issue's title, is data (B-15).
3. In CEL an error is a value; here it is always an ``ExpressionError``, never ``false``.
4. Comprehensions stop after 10,000 iterations (CEL's own budget).
5. CEL's extension for texts is there: ``join``, ``split``, ``replace``, ``substring``, ``lowerAscii``, ``trim`` …
6. Conditions see the roots as maps, so ``has(artifacts.plan)`` tests for a key. Lint uses another environment, with
   dotted names (``naming.py``): there ``has`` would return the value itself.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.model.base import ROOTS
from wfe_mcp.workflow.model.phases import LoopPhase
from wfe_mcp.workflow.model.template import all_phases

if TYPE_CHECKING:
    import cel_expr_python.cel as cel

    from wfe_mcp.workflow.model.template import Template

_RAW_PREFIX = re.compile(r"(?<![A-Za-z0-9_])[bB]?[rR][bB]?$")


@dataclass(slots=True)
class ExpressionError(Exception):
    """An expression cannot be evaluated. ``text``: its source; ``reason``: CEL's message, shortened."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"${{{self.text}}} cannot be evaluated: {self.reason}"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: literal, or the source between ``${`` and ``}`` beginning at ``offset``."""

    text: str
    is_expression: bool
    offset: int


def scan(text: str) -> tuple[Part, ...]:
    """The pieces of ``text``, in order; an escaped ``$${`` is literal. Refuses (ExpressionError): an open ``${``."""
    parts: list[Part] = []
    literal: list[str] = []
    position = start = 0

    def close_literal() -> None:
        if literal:
            parts.append(Part("".join(literal), False, start))
            literal.clear()

    while (found := text.find("$", position)) >= 0:
        literal += text[position:found]
        if text.startswith("$${", found):
            literal += "${"
            position = found + 3
        elif text.startswith("${", found):
            close_literal()
            end = _closing_brace(text, found + 2)
            parts.append(Part(text[found + 2 : end], True, found))
            position = start = end + 1
        else:
            literal += "$"
            position = found + 1
    literal += text[position:]
    close_literal()
    return tuple(parts)


def source_of(text: str) -> str | None:
    """The CEL source when ``text`` is exactly one ``${…}``, else None."""
    parts = scan(text)
    return parts[0].text if len(parts) == 1 and parts[0].is_expression else None


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    position = start
    while position < len(text):
        char = text[position]
        if char in "'\"":
            position = string_end(text, position, start)
            continue
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return position
        position += 1
    raise ExpressionError(text[start : start + 60], "the closing brace is missing")


def string_end(text: str, position: int, start: int) -> int:
    """The position after the CEL string that opens at ``position``; raw strings (``r'…'``) have no escapes."""
    raw = _RAW_PREFIX.search(text[max(start, position - 3) : position]) is not None
    quote = text[position] * 3 if text.startswith(text[position] * 3, position) else text[position]
    position += len(quote)
    while position < len(text):
        if text.startswith(quote, position):
            return position + len(quote)
        position += 2 if text[position] == "\\" and not raw else 1
    return position


def as_text(value: object) -> str:
    """A value inside text: text unchanged, anything else as compact JSON."""
    if isinstance(value, str):
        return value
    # Sorted: CEL returns maps in any order, and the same prompt must be the same bytes in every process.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class Expressions:
    """The expressions of one template, each compiled once. ``names``: the names of loop items (``as``)."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = (*ROOTS, *sorted(set(names) - set(ROOTS)))
        self._compiled: dict[str, cel.Expression] = {}
        self._env: cel.Env | None = None

    @classmethod
    def of(cls, *templates: "Template") -> "Expressions":
        """For all expressions of ``templates``: a template and its embedded ones."""
        phases = (phase for template in templates for phase in all_phases(template.phases))
        loops = [phase for phase in phases if isinstance(phase, LoopPhase)]
        return cls(loop.for_each.as_ for loop in loops if loop.for_each and loop.for_each.as_)

    def evaluate(self, text: str, roots: Mapping[str, object]) -> object:
        """The value of a field: typed when ``text`` is exactly one ``${…}``, else text. Raises ExpressionError.

        ``roots``: plain JSON by root name; a missing root is an empty map.
        """
        parts = scan(text)
        if len(parts) == 1 and parts[0].is_expression:
            return self.value(parts[0].text, roots)
        return "".join(as_text(self.value(part.text, roots)) if part.is_expression else part.text for part in parts)

    def evaluate_json(self, value: object, roots: Mapping[str, object]) -> object:
        """``value`` with every text in it evaluated; keys are not."""
        if isinstance(value, str):
            return self.evaluate(value, roots)
        if isinstance(value, dict):
            return {key: self.evaluate_json(child, roots) for key, child in cast("dict[str, object]", value).items()}
        if isinstance(value, list | tuple):
            return [self.evaluate_json(child, roots) for child in cast("list[object]", value)]
        return value

    def is_true(self, text: str, roots: Mapping[str, object]) -> bool:
        """The value of a condition (exactly one ``${…}``). Anything but true or false is an ExpressionError."""
        value = self.evaluate(text, roots)
        if not isinstance(value, bool):
            raise ExpressionError(
                source_of(text) or text, f"a condition must be true or false, not {type(value).__name__}"
            )
        return value

    def value(self, source: str, roots: Mapping[str, object]) -> object:
        """The value of CEL ``source`` (without ``${}``) as plain JSON. Raises ExpressionError."""
        # 10 ms and a 16 MB library: loaded at the first evaluation.
        import cel_expr_python.cel as cel

        data = {name: roots.get(name, {}) for name in self._names}
        try:
            result = self._compile(source).eval(data=cast("Any", data))
            value: object = result.plain_value()
        except RuntimeError as exc:  # an exhausted budget, invalid UTF-8, an invalid expression
            raise ExpressionError(source, _reason(str(exc))) from exc
        if result.type() == cel.Type.ERROR:
            raise ExpressionError(source, _reason(str(value)))
        return _plain(value, source)

    def _compile(self, source: str) -> "cel.Expression":
        import cel_expr_python.cel as cel
        from cel_expr_python.ext.ext_strings import ExtStrings

        compiled = self._compiled.get(source)
        if compiled is None:
            if self._env is None:
                self._env = cel.NewEnv(variables=dict.fromkeys(self._names, cel.Type.DYN), extensions=[ExtStrings(2)])
            compiled = self._compiled[source] = self._env.compile(source)
        return compiled


def _reason(words: str) -> str:
    """CEL's message without status codes and the source excerpt."""
    first = words.split("\n", 1)[0]
    for noise in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "INTERNAL: ", "UNKNOWN: ", "CANCELLED: ", "ERROR: <input>:"):
        first = first.removeprefix(noise)
    return first.rsplit(" [", 1)[0] if first.endswith("]") else first


def _plain(value: object, source: str) -> object:
    match value:
        case None | bool() | str():
            return value
        case int() | float() if math.isfinite(value):
            return value
        case list():
            return [_plain(item, source) for item in cast("list[object]", value)]
        case dict() if all(isinstance(key, str) for key in cast("dict[object, object]", value)):
            return {key: _plain(item, source) for key, item in cast("dict[str, object]", value).items()}
        case _:
            raise ExpressionError(source, f"its value ({type(value).__name__}) is not JSON; convert it, e.g. string(…)")
