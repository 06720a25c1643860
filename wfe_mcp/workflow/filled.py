"""Evaluates the expressions in one object of a template, such as a gate or an output.

``filled`` evaluates the fields that take text or JSON with ``${…}``. Conditions, single expressions and prompts stay
unevaluated: their users evaluate them.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from wfe_mcp.workflow.expressions import ExpressionError, Expressions
from wfe_mcp.workflow.faults import faults_of
from wfe_mcp.workflow.model import Shape
from wfe_mcp.workflow.model.base import takes

S = TypeVar("S", bound=Shape)


def filled(shape: S, roots: Mapping[str, object], expressions: Expressions) -> S:
    """``shape`` with values. A list inside a list is flattened into it. Raises ExpressionError."""
    document = _document(shape, roots, expressions)
    try:
        return type(shape).model_validate(document)
    except ValidationError as exc:
        (at, detail), *_ = faults_of(exc)
        raise ExpressionError(
            str(_written(shape, at)), f"its value does not fit {detail.path}: {detail.message}"
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
    found: list[object] = []
    for value in values:
        one = expressions.evaluate_json(value, roots)
        found += cast("list[object]", one) if isinstance(one, list) else [one]
    return found


def _written(shape: Shape, at: tuple[str | int, ...]) -> object:
    node: object = shape.model_dump(by_alias=True)
    for part in at:
        if isinstance(node, dict):
            node = cast("dict[str | int, object]", node)[part]
    return node
