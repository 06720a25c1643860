"""Checks inline JSON Schemas and values in this process, or in a child process where that could take exponential time.

Rules:
1. A check whose estimated work (``weight.py``) is above ``limits.CHECK_WORK`` runs in a child that ends at its limits.
   Ordinary schemas stay below it by far and do not pay for a child.
2. The engine compiles a reference once, so only patterns can make the check of a schema itself expensive.
"""

import functools
import json
from typing import Any, cast

from wfe_mcp.artifacts.inline import faults_here, schema_faults_here, subschemas
from wfe_mcp.artifacts.isolated import faults_in_child
from wfe_mcp.artifacts.weight import pattern_weight, patterns_of, weight_of
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.limits import CHECK_WORK

Schema = dict[str, Any]

_PATTERNS_HERE = 50_000
"""Patterns of this size together are compiled in this process."""


def schema_faults(schema: Schema) -> list[Detail]:
    """Why ``schema`` cannot be used, each with a pointer into it; empty when it can."""
    return list(_schema_faults(canonical_json(schema)))


def may_take_seconds(schema: Schema, value: object) -> bool:
    """True where the check of ``value``, or of ``schema`` itself, may run in a child."""
    text = canonical_json(schema)
    return _weight(text) * _parts(value) > CHECK_WORK.most or _patterns(text) > _PATTERNS_HERE


def faults_of(schema: Schema, value: dict[str, Any]) -> tuple[Detail, ...]:
    """The faults of ``value``. ``schema`` must have no ``schema_faults``. Refuses ``too_large``: a limit ended the child."""
    if _weight(canonical_json(schema)) * _parts(value) > CHECK_WORK.most:
        return faults_in_child(schema, value)
    return faults_here(schema, value)


@functools.lru_cache(maxsize=64)
def _weight(text: str) -> float:
    return weight_of(json.loads(text))


def _parts(value: object) -> int:
    """The values in ``value``, itself included."""
    count, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        count += 1
        if isinstance(item, dict):
            waiting += cast("dict[str, object]", item).values()
        elif isinstance(item, list):
            waiting += cast("list[object]", item)
    return count


@functools.lru_cache(maxsize=64)
def _patterns(text: str) -> int:
    """The size of the patterns of a schema."""
    return sum(pattern_weight(each) for _, schema in subschemas(json.loads(text), ()) for each in patterns_of(schema))


@functools.lru_cache(maxsize=64)
def _schema_faults(text: str) -> tuple[Detail, ...]:
    root: Schema = json.loads(text)
    if _patterns(text) <= _PATTERNS_HERE:
        return schema_faults_here(root)
    try:
        return faults_in_child(root, None)
    except Refused as no:
        return (Detail("", f"{no.message} {no.hint}".rstrip(".")),)
