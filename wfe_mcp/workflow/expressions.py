"""Evaluates the expressions ``${…}`` of templates: alone, in an object, and over the items of a list.

Rules:
1. A text that is exactly one ``${…}`` keeps the type of its value; inside other text a value becomes text:
   anything but text as compact JSON. ``$${`` is a literal ``${``. ``${…}`` ends at the matching brace outside CEL strings.
2. Values are never evaluated again: the output of a tool or model, or an issue's title, is data (B-15).
3. In CEL an error is a value; here it is always an ``ExpressionError``, never ``false``.
4. Comprehensions stop after 10,000 iterations (CEL's own budget).
5. CEL's extension for texts is there: ``join``, ``split``, ``replace``, ``substring``, ``lowerAscii``, ``trim`` …
6. Conditions see the roots as maps, so ``has(artifacts.plan)`` tests for a key. Lint uses another environment, with
   dotted names (``naming.py``): there ``has`` would return the value itself.
7. A path (``inputs.problem``), as most expressions are, is followed here: CEL takes 15 MB and 40 ms of a process. Where there
   is no value that CEL could hold, CEL says why.

``fill_shape`` evaluates the fields that take text or JSON with ``${…}``. Conditions, single expressions and prompts stay
unevaluated: their users evaluate them.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError

from wfe_mcp.artifacts.explain import kind_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.cel_faults import in_plain_words
from wfe_mcp.workflow.faults import faults_of
from wfe_mcp.workflow.model.base import RESERVED_WORDS, ROOTS, Shape, takes
from wfe_mcp.workflow.model.phases import LoopPhase
from wfe_mcp.workflow.model.template import Template, all_phases

if TYPE_CHECKING:
    import cel_expr_python.cel as cel


_PATH = re.compile(r"\s*([a-z_]\w*(?:\.[a-z_]\w*)*)\s*", re.ASCII | re.IGNORECASE)
_READ = re.compile(rf"(?<![\w.])(?:{'|'.join(ROOTS)})\.[a-z_]\w*", re.ASCII | re.IGNORECASE)
_RAW_PREFIX = re.compile(r"(?<![A-Za-z0-9_])[bB]?[rR][bB]?$")


@dataclass(slots=True)
class ExpressionError(Exception):
    """An expression cannot be evaluated. ``text``: its source, or as it is written; ``reason``: CEL's message, shortened."""

    text: str
    reason: str

    def __str__(self) -> str:
        written = self.text if self.text.startswith("${") else f"${{{self.text}}}"
        return f"{written} cannot be evaluated: {self.reason}"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of a text: literal, or the source between ``${`` and ``}`` beginning at ``offset``."""

    text: str
    is_expression: bool
    offset: int


def scan(text: str) -> tuple[TextPart, ...]:
    """The pieces of ``text``, in order; an escaped ``$${`` is literal. Refuses (ExpressionError): an open ``${``."""
    parts: list[TextPart] = []
    literal: list[str] = []
    position = start = 0

    def close_literal() -> None:
        if literal:
            parts.append(TextPart("".join(literal), False, start))
            literal.clear()

    while (dollar := text.find("$", position)) >= 0:
        literal += text[position:dollar]
        if text.startswith("$${", dollar):
            literal += "${"
            position = dollar + 3
        elif text.startswith("${", dollar):
            close_literal()
            end = _closing_brace(text, dollar + 2)
            parts.append(TextPart(text[dollar + 2 : end], True, dollar))
            position = start = end + 1
        else:
            literal += "$"
            position = dollar + 1
    literal += text[position:]
    close_literal()
    return tuple(parts)


def source_of(text: str) -> str | None:
    """The CEL source when ``text`` is exactly one ``${…}``, else None."""
    parts = scan(text)
    return parts[0].text if len(parts) == 1 and parts[0].is_expression else None


def names_of_path(source: str) -> list[str]:
    """The names of a CEL source that is a path, as ``inputs.problem``, and nothing else; empty for any other."""
    names = match[1].split(".") if (match := _PATH.fullmatch(source)) else []
    return [] if RESERVED_WORDS.intersection(names) else names


def names_read(source: str) -> tuple[str, ...]:
    """What a CEL source reads, such as ``artifacts.review``, each once; nothing inside its texts."""
    return tuple(dict.fromkeys(_READ.findall("".join(char for _, char, _ in signs(source)))))


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


_TOO_MUCH: dict[type[Exception], str] = {
    RecursionError: "its value is nested too deep",
    MemoryError: "there is not enough memory for what it builds",
}


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
            raise ExpressionError(source_of(text) or text, f"a condition must be true or false, not {kind_of(value)}")
        return value

    def value(self, source: str, roots: Mapping[str, object]) -> object:
        """The value of CEL ``source`` (without ``${}``) as plain JSON. Raises ExpressionError."""
        path = names_of_path(source)
        if path and path[0] in self._names:
            with suppress(LookupError, TypeError, UnicodeEncodeError, RecursionError, ExpressionError):
                return _plain(reduce(getitem, path, cast("Any", roots)), source)
        data = {name: roots.get(name, {}) for name in self._names}
        try:
            result = self._compile(source).eval(data=cast("Any", data))
            value: object = result.plain_value()
            if result.type().name() != "ERROR":
                return _plain(value, source)
        except tuple(_TOO_MUCH) as exc:
            raise ExpressionError(source, _TOO_MUCH[type(exc)]) from exc
        except RuntimeError as exc:  # an exhausted budget, invalid UTF-8, an invalid expression
            raise ExpressionError(source, _reason(str(exc))) from exc
        raise ExpressionError(source, _reason(str(value)))

    def _compile(self, source: str) -> "cel.Expression":
        compiled = self._compiled.get(source)
        if compiled is None:
            self._env = self._env or new_environment(self._names)
            compiled = self._compiled[source] = self._env.compile(source)
        return compiled


def new_environment(names: Iterable[str]) -> "cel.Env":
    """An environment in which each of ``names`` has a value of any type."""
    import cel_expr_python.cel as cel  # 15 MB and 40 ms: only for what is no path
    from cel_expr_python.ext.ext_strings import ExtStrings

    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN), extensions=[ExtStrings(2)])


def _reason(words: str) -> str:
    """CEL's message without status codes and the source excerpt."""
    first = words.split("\n", 1)[0]
    for noise in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "INTERNAL: ", "UNKNOWN: ", "CANCELLED: ", "ERROR: <input>:"):
        first = first.removeprefix(noise)
    first = first.rsplit(" [", 1)[0] if first.endswith("]") else first
    return in_plain_words(re.sub(r"\A\d+:\d+: ", "", first))


def _plain(value: object, source: str) -> object:
    match value:
        case None | bool():
            return value
        case str():
            value.encode()  # CEL holds no lone surrogate
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [_plain(item, source) for item in cast("list[object]", value)]
        case dict() if all(isinstance(key, str) for key in cast("dict[object, object]", value)):
            return {key: _plain(item, source) for key, item in cast("dict[str, object]", value).items()}
        case _:
            raise ExpressionError(source, f"its value ({type(value).__name__}) is not JSON; convert it, e.g. string(…)")


S = TypeVar("S", bound=Shape)


def fill_shape(shape: S, roots: Mapping[str, object], expressions: Expressions) -> S:
    """``shape`` with values. A list inside a list is flattened into it. Raises ExpressionError."""
    document = _document(shape, roots, expressions)
    try:
        return type(shape).model_validate(document)
    except ValidationError as exc:
        (at, detail), *_ = faults_of(exc, document)
        raise ExpressionError(
            str(_write_shape(shape, at)), f"its value does not fit {detail.path}: {detail.message}"
        ) from exc


def _document(shape: Shape, roots: Mapping[str, object], expressions: Expressions) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, info in type(shape).model_fields.items():
        if name not in shape.model_fields_set:
            continue
        value = cast("object", getattr(shape, name))
        if isinstance(value, Shape):
            value = _document(value, roots, expressions)
        elif isinstance(value, tuple):
            value = _entries(cast("tuple[object, ...]", value), roots, expressions)
        elif takes(info) in {"text", "json"}:
            value = expressions.evaluate_json(value, roots)
        document[info.alias or name] = value
    return document


def _entries(values: tuple[object, ...], roots: Mapping[str, object], expressions: Expressions) -> list[object]:
    entries: list[object] = []
    for value in values:
        entry = expressions.evaluate_json(value, roots)
        entries += cast("list[object]", entry) if isinstance(entry, list) else [entry]
    return entries


def _write_shape(shape: Shape, at: tuple[str | int, ...]) -> object:
    node: object = shape.model_dump(by_alias=True)
    for part in at:
        if isinstance(node, dict):
            node = cast("dict[str | int, object]", node)[part]
    return node


def signs(source: str) -> Iterator[tuple[int, str, int]]:
    """Each character outside texts, with its position and the number of brackets around it."""
    depth = position = 0
    while position < len(source):
        char = source[position]
        if char in "'\"":
            position = string_end(source, position, 0)
            continue
        depth -= char in ")]}"
        yield position, char, depth
        depth += char in "([{"
        position += 1
