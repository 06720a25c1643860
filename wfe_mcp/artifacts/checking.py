"""Checks inline JSON Schemas and values in this process, or in a child process where that could take exponential time.

Rules:
1. A schema above ``limits.SCHEMA_WEIGHT`` is refused without being used: that takes milliseconds, however busy the machine.
2. Listing faults costs 10 µs and a kilobyte for each step of the estimated work (``weight.py``); finding out that there are
   none costs a hundredth. So a value above ``limits.CHECK_WORK`` is first only asked whether it is valid, and its faults are
   listed by a child that ends at its limits. Where ``limits.VALID_WORK`` is exceeded too, the child does both.
3. The engine compiles a reference once, so only patterns can make the check of a schema itself expensive.
"""

import functools
import json
import math
from typing import Any, cast

from wfe_mcp.artifacts.inline import faults_here, is_valid_here, schema_faults_here, subschemas
from wfe_mcp.artifacts.isolated import faults_in_child
from wfe_mcp.artifacts.weight import pattern_weight, patterns_of, weight_of
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.core.limits import CHECK_WORK, SCHEMA_WEIGHT, VALID_WORK

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
    work = _weight(canonical_json(schema)) * _parts(value)
    if work <= CHECK_WORK.most:
        return faults_here(schema, value)
    return () if work <= VALID_WORK.most and is_valid_here(schema, value) else faults_in_child(schema, value)


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
    return sum(
        pattern_weight(pattern) for _, schema in subschemas(json.loads(text), ()) for pattern in patterns_of(schema)
    )


@functools.lru_cache(maxsize=64)
def _schema_faults(text: str) -> tuple[Detail, ...]:
    root: Schema = json.loads(text)
    weight = weight_of(root, patterns=False)
    if SCHEMA_WEIGHT.most < weight < math.inf:  # one without an estimate has its child
        return (Detail("", f"the schema {SCHEMA_WEIGHT.fault(int(weight))}. {SCHEMA_WEIGHT.remedy}".rstrip(".")),)
    if _patterns(text) <= _PATTERNS_HERE:
        return schema_faults_here(root)
    try:
        return faults_in_child(root, None)
    except Refused as no:
        return (Detail("", no.text.rstrip(".")),)
