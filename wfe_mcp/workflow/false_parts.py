"""Why a condition is false: the parts of it that are, the values that they read, and the first item that breaks one over a list.

    ${artifacts.plan.steps.all(s, s.title != '')}         the first item where the inner condition is false
    ${!artifacts.plan.steps.exists(s, s.title == '')}     the first item where it is true
    ${inputs.a == 'x' && inputs.b == 'y'}                 each part that is false, with what it reads

Conditions joined by ``&&`` are looked at one after the other; any other form is one part. The verdict of a gate does not
depend on this module.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.workflow.expressions import ExpressionError, signs, source_of
from wfe_mcp.workflow.model.base import ROOTS

_FULL_PATH = re.compile(
    rf"(?<![\w.])(?:{'|'.join(root for root in ROOTS if root != 'env')})(?:\.[a-z_]\w*(?!\w|\s*\())+",
    re.ASCII | re.IGNORECASE,
)
"""Its last name is no method: ``artifacts.text.body`` of ``artifacts.text.body.contains('x')``. What ``env`` holds is repeated nowhere."""
_CALL = re.compile(r"(?P<list>.+)\.\s*(?P<macro>all|exists)\s*\Z", re.DOTALL)
_VARIABLE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\Z")


@dataclass(frozen=True, slots=True)
class FailedItem:
    """``index``: from 0, in the list that the expression ``of`` names; for a map, ``value`` is the key, in order."""

    of: str
    index: int
    value: object


@dataclass(frozen=True, slots=True)
class FalsePart:
    """``source``: the part as it is written. ``paths``: what it reads, such as ``artifacts.review.verdict``, each once."""

    source: str
    paths: tuple[str, ...]


def false_parts(condition: str, value_of: Callable[[str], object]) -> list[FalsePart]:
    """The parts of ``condition`` (``${…}``, found false) that are false; for those over a list see ``failed_item``."""
    parts: list[FalsePart] = []
    for part in _conjuncts(source_of(condition) or ""):
        with suppress(ExpressionError):  # it decided nothing
            if _comprehension(part) is None and value_of(part) is False:
                outside_texts = "".join(char for _, char, _ in signs(part))
                parts.append(FalsePart(part.strip(), tuple(dict.fromkeys(_FULL_PATH.findall(outside_texts)))))
    return parts


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
        breaking = next(((index, item) for index, (item, held) in enumerate(pairs) if held is breaks), None)
        if breaking is not None:
            return FailedItem(listed, *breaking)
    return None


def _comprehension(part: str) -> tuple[str, str, str, bool] | None:
    """List, variable, inner condition, and the value of it that breaks the condition."""
    part = part.strip()
    while part.startswith("(") and _closes(part, 0):
        part = part[1:-1].strip()
    negated = part.startswith("!")
    part = part.removeprefix("!").strip()
    parts = list(signs(part))
    is_call = parts[-1:] == [(len(part) - 1, ")", 0)]
    opening = next((at for at, char, depth in reversed(parts) if is_call and char == "(" and depth == 0), None)
    call = None if opening is None else _CALL.match(part[:opening])
    if opening is None or call is None or negated != (call["macro"] == "exists"):
        return None
    inside = part[opening + 1 : -1]
    comma = next((at for at, char, depth in signs(inside) if char == "," and depth == 0), None)
    variable = None if comma is None else _VARIABLE.match(inside[:comma])
    if comma is None or variable is None:
        return None
    return call["list"].strip(), variable[1], inside[comma + 1 :].strip(), negated


def _conjuncts(source: str) -> list[str]:
    """The parts that ``&&`` joins; the whole where another operator binds them."""
    cuts = [at for at, char, depth in signs(source) if char == "&" and depth == 0 and source.startswith("&&", at)]
    if any(char in "|?" and depth == 0 for _, char, depth in signs(source)):
        return [source]
    starts, ends = [0, *(at + 2 for at in cuts)], [*cuts, len(source)]
    return [source[start:end] for start, end in zip(starts, ends, strict=True)]


def _closes(part: str, opening: int) -> bool:
    """True when the bracket at ``opening`` is closed by the last character."""
    depth_there = next(depth for at, _, depth in signs(part) if at == opening)
    closing = next(
        (at for at, char, depth in signs(part) if at > opening and char == ")" and depth == depth_there), None
    )
    return closing == len(part) - 1
