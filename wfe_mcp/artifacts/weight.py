"""Estimates the work to check a value against a JSON Schema, before it is checked.

    weight of a schema      the most schemas, with each reference replaced by what it names, that one part of a value and the
                            parts that lead to it meet; a pattern counts by its size with repetitions written out
    work of a check         weight x parts of the value

Rules:
1. 20 definitions, each an ``anyOf`` of the next one twice, unfold to a million schemas that all meet one part. Such a
   schema is refused (``limits.SCHEMA_WEIGHT``). Properties of one object meet different parts: the heaviest counts.
2. A reference that leads back to itself is harmless when one part of the value leads to each next use, as in a tree of
   folders: its schemas count once. When one part can be met by two of them (``anyOf`` of two that lead back,
   overlapping patterns), the weight is unlimited.
3. The estimate itself is linear in the schema.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from wfe_mcp.artifacts.inline import inside, subschemas, target_of

Schema = dict[str, Any]
Edge = tuple[int, bool]
"""The index of a schema, and whether it applies to a part that no other schema of the same object applies to."""

_APART = frozenset(
    {"properties", "prefixItems", "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"}
)
"""The keywords whose schemas apply to parts of the value that the others of the same object leave out."""
_NOT_APPLIED = frozenset({"$defs", "definitions", "contentSchema"})
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")


def weight_of(schema: Schema, *, patterns: bool = True) -> float:
    """The weight of ``schema``; infinity where rule 2 gives no limit, for a dynamic reference, and for an anchor
    at two places.

    Without ``patterns`` and lists of values it is the number of schemas alone.
    """
    graph = _Graph(schema)
    return graph.weight(_own_weight if patterns else lambda _: 1)


def pattern_weight(pattern: str) -> int:
    """The size of a pattern when its counted repetitions are written out, at most."""
    size = max(1, len(pattern))
    for low, high in _REPEATED.findall(pattern):
        size *= max(1, int(high or low))
    return size


def patterns_of(schema: Schema) -> list[str]:
    """The patterns of one schema object, without those of the schemas inside it."""
    keyed: object = schema.get("patternProperties")
    patterns = [schema.get("pattern"), *(cast("Schema", keyed) if isinstance(keyed, dict) else ())]
    return [pattern for pattern in patterns if isinstance(pattern, str)]


class _Graph:
    """The schema objects of a document and what each applies."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._schemas = [schema for _, schema in subschemas(root, ())]
        self._index = {id(schema): number for number, schema in enumerate(self._schemas)}
        names = ("$anchor", "$dynamicAnchor")
        anchored = [
            (subschema[key], subschema)
            for subschema in self._schemas
            for key in names
            if isinstance(subschema.get(key), str)
        ]
        self._anchors = dict(anchored)
        is_dynamic = any("$dynamicRef" in schema for schema in self._schemas)
        self._is_unclear = is_dynamic or len(self._anchors) < len(anchored)
        self._edges = [list(self._applied_schemas(schema)) for schema in self._schemas]

    def weight(self, own_weight: Callable[[Schema], int]) -> float:
        if self._is_unclear:
            return math.inf
        total: list[float] = [0.0] * len(self._schemas)
        for members in _components(self._edges):
            here = set(members)
            back = [[edge for edge in self._edges[member] if edge[0] in here] for member in members]
            if any(len(edges) > 1 and not all(apart for _, apart in edges) for edges in back):
                return math.inf
            own = sum(own_weight(self._schemas[member]) for member in members)
            outside = sum(self._outside(member, here, total) for member in members)
            for member in members:
                total[member] = own + outside
        return total[0]

    def _outside(self, node: int, here: set[int], total: list[float]) -> float:
        """The weight that ``node`` leads to outside its component: of schemas that apply apart, the heaviest."""
        leads = [(total[to], apart) for to, apart in self._edges[node] if to not in here]
        return sum(weight for weight, apart in leads if not apart) + max(
            (weight for weight, apart in leads if apart), default=0
        )

    def _applied_schemas(self, schema: Schema) -> Iterator[Edge]:
        for key, value in schema.items():
            if key not in _NOT_APPLIED:
                children = [child for _, child in inside(key, value)]
                yield from (
                    (self._index[id(subschema)], key in _APART)
                    for subschema in children
                    if id(subschema) in self._index
                )
        target = self._target(schema.get("$ref"))
        if id(target) in self._index:
            yield self._index[id(target)], False

    def _target(self, reference: object) -> object:
        if not isinstance(reference, str):
            return None
        if reference == "#" or reference.startswith("#/"):
            return target_of(self._root, reference)
        return self._anchors.get(reference[1:])


def _own_weight(schema: Schema) -> int:
    values: object = schema.get("enum")
    listed = len(cast("list[object]", values)) if isinstance(values, list) else 0
    return 1 + sum(map(pattern_weight, patterns_of(schema))) + listed


def _components(edges: list[list[Edge]]) -> list[list[int]]:
    """The schemas that lead to each other, those that are led to first (Kosaraju, without recursion)."""
    back: list[list[int]] = [[] for _ in edges]
    for node, out in enumerate(edges):
        for to, _ in out:
            back[to].append(node)
    components: list[list[int]] = []
    seen = [False] * len(edges)
    for start in reversed(_in_finishing_order(edges)):
        members: list[int] = []
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if not seen[node]:
                seen[node] = True
                members.append(node)
                waiting += back[node]
        if members:
            components.append(members)
    return components[::-1]


def _in_finishing_order(edges: list[list[Edge]]) -> list[int]:
    """The schemas in the order in which a walk leaves them, everything they lead to first."""
    order: list[int] = []
    seen = [False] * len(edges)
    for start in range(len(edges)):
        walk = [(start, False)]
        while walk:
            node, leaves = walk.pop()
            if leaves:
                order.append(node)
            elif not seen[node]:
                seen[node] = True
                walk.append((node, True))
                walk += ((to, False) for to, _ in edges[node])
    return order
