"""Finds the item for which a condition over a list does not hold.

    ${artifacts.plan.steps.all(s, s.title != '')}         the first item where the inner condition is false
    ${!artifacts.plan.steps.exists(s, s.title == '')}     the first item where it is true

Conditions joined by ``&&`` are looked at one after the other. For any other form there is no item to name: the gate's
verdict does not depend on this module.
"""

import re
from collections.abc import Callable, Iterator
from typing import cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.expressions import ExpressionError, source_of, string_end

_CALL = re.compile(r"(?P<list>.+)\.\s*(?P<macro>all|exists)\s*\Z", re.DOTALL)
_VARIABLE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\Z")


@dataclass(frozen=True, slots=True)
class FailedItem:
    """``index``: from 0, in the list that the expression ``of`` names; for a map, ``value`` is the key, in order."""

    of: str
    index: int
    value: object


def failed_item(condition: str, value_of: Callable[[str], object]) -> FailedItem | None:
    """The first item for which ``condition`` (``${…}``, found false) does not hold; None when it names none.

    ``value_of``: evaluates CEL source; it may raise ExpressionError.
    """
    for part in _conjuncts(source_of(condition) or ""):
        parsed = _comprehension(part)
        if parsed is None:
            continue
        listed, variable, inner, breaks = parsed
        try:
            looked = value_of(f"{listed}.map({variable}, [{variable}, {inner}])")
            of_map = isinstance(value_of(listed), dict)
        except ExpressionError:  # an item has no value; ``all`` takes no notice where another one decides
            continue
        pairs = cast("list[list[object]]", looked)
        if of_map:  # its keys come in any order
            pairs = sorted(pairs, key=lambda pair: str(pair[0]))
        found = next(((index, item) for index, (item, held) in enumerate(pairs) if held is breaks), None)
        if found is not None:
            return FailedItem(listed, *found)
    return None


def _comprehension(part: str) -> tuple[str, str, str, bool] | None:
    """List, variable, inner condition, and the value of it that breaks the condition."""
    part = part.strip()
    while part.startswith("(") and _is_enclosed(part):
        part = part[1:-1].strip()
    negated = part.startswith("!")
    part = part.removeprefix("!").strip()
    opening = next((at for at, char, depth in _signs(part) if char == "(" and depth == 0 and _closes(part, at)), None)
    call = None if opening is None else _CALL.match(part[:opening])
    if opening is None or call is None or negated != (call["macro"] == "exists"):
        return None
    inside = part[opening + 1 : -1]
    comma = next((at for at, char, depth in _signs(inside) if char == "," and depth == 0), None)
    variable = None if comma is None else _VARIABLE.match(inside[:comma])
    if comma is None or variable is None:
        return None
    return call["list"].strip(), variable[1], inside[comma + 1 :].strip(), negated


def _conjuncts(source: str) -> list[str]:
    """The parts that ``&&`` joins; the whole where another operator binds them."""
    cuts = [at for at, char, depth in _signs(source) if char == "&" and depth == 0 and source.startswith("&&", at)]
    if any(char in "|?" and depth == 0 for _, char, depth in _signs(source)):
        return [source]
    starts, ends = [0, *(at + 2 for at in cuts)], [*cuts, len(source)]
    return [source[start:end] for start, end in zip(starts, ends, strict=True)]


def _is_enclosed(part: str) -> bool:
    return _closes(part, 0)


def _closes(part: str, opening: int) -> bool:
    """True when the bracket at ``opening`` is closed by the last character."""
    depth_there = next(depth for at, _, depth in _signs(part) if at == opening)
    closing = next(
        (at for at, char, depth in _signs(part) if at > opening and char == ")" and depth == depth_there), None
    )
    return closing == len(part) - 1


def _signs(source: str) -> Iterator[tuple[int, str, int]]:
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
