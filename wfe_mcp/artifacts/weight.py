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

Schema = dict[str, Any]
Edge = tuple[int, bool]
"""The index of a schema, and whether it applies to a part that no other schema of the same object applies to."""

_MAPS = {"properties": True, "patternProperties": False, "dependentSchemas": False}
_LISTS = {"allOf": False, "anyOf": False, "oneOf": False, "prefixItems": True}
_SINGLE = {
    "items": True,
    "additionalProperties": True,
    "unevaluatedItems": True,
    "unevaluatedProperties": True,
    "contains": False,
    "not": False,
    "if": False,
    "then": False,
    "else": False,
    "propertyNames": False,
}
"""Keyword → whether its schemas apply to parts of the value that the others of the same object leave out."""
_HOLDERS = ("$defs", "definitions")
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")


def weight_of(schema: Schema, *, patterns: bool = True) -> float:
    """The weight of ``schema``; infinity where rule 2 gives no limit, or a dynamic reference.

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
    return [each for each in patterns if isinstance(each, str)]


class _Graph:
    """The schema objects of a document and what each applies."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._index: dict[int, int] = {}
        self._schemas: list[Schema] = []
        self._anchors: dict[str, Schema] = {}
        self._edges: list[list[Edge]] = []
        self._is_dynamic = False
        self._collect(root)
        self._edges = [list(self._applied(schema)) for schema in self._schemas]

    def weight(self, own_weight: Callable[[Schema], int]) -> float:
        if self._is_dynamic:
            return math.inf
        total: list[float] = [0.0] * len(self._schemas)
        for members in _components(self._edges):
            here = set(members)
            back = [[edge for edge in self._edges[each] if edge[0] in here] for each in members]
            if any(len(edges) > 1 and not all(apart for _, apart in edges) for edges in back):
                return math.inf
            own = sum(own_weight(self._schemas[each]) for each in members)
            outside = sum(self._outside(each, here, total) for each in members)
            for each in members:
                total[each] = own + outside
        return total[0]

    def _outside(self, node: int, here: set[int], total: list[float]) -> float:
        """The weight that ``node`` leads to outside its component: of schemas that apply apart, the heaviest."""
        leads = [(total[to], apart) for to, apart in self._edges[node] if to not in here]
        return sum(weight for weight, apart in leads if not apart) + max(
            (weight for weight, apart in leads if apart), default=0
        )

    def _collect(self, root: Schema) -> None:
        waiting: list[object] = [root]
        while waiting:
            value = waiting.pop()
            if not isinstance(value, dict) or id(cast("Schema", value)) in self._index:
                continue
            schema = cast("Schema", value)
            self._index[id(schema)] = len(self._schemas)
            self._schemas.append(schema)
            self._is_dynamic = self._is_dynamic or "$dynamicRef" in schema
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(key), str):
                    self._anchors[schema[key]] = schema
            waiting += (child for key in (*_HOLDERS, *_MAPS) for child in _entries(schema.get(key)))
            waiting += (child for key in (*_LISTS, *_SINGLE) for child in _entries(schema.get(key), one=True))

    def _applied(self, schema: Schema) -> Iterator[Edge]:
        for key, apart in _MAPS.items():
            yield from self._to(_entries(schema.get(key)), apart)
        for key, apart in (_LISTS | _SINGLE).items():
            yield from self._to(_entries(schema.get(key), one=True), apart)
        if isinstance(target := schema.get("$ref"), str):
            yield from self._to([self._target(target)], False)

    def _to(self, schemas: list[object], apart: bool) -> Iterator[Edge]:
        for each in schemas:
            if id(each) in self._index:
                yield self._index[id(each)], apart

    def _target(self, reference: str) -> object:
        if not reference.startswith("#/"):
            return self._root if reference == "#" else self._anchors.get(reference[1:])
        value = cast("object", self._root)
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict):
                value = cast("dict[str, object]", value).get(name)
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(cast("list[object]", value)):
                value = cast("list[object]", value)[int(name)]
            else:
                return None
        return value


def _entries(value: object, *, one: bool = False) -> list[object]:
    """The schemas in a list or map of them, or ``value`` itself where it is ``one``."""
    if isinstance(value, list):
        return cast("list[object]", value)
    if isinstance(value, dict):
        return [cast("object", value)] if one else list(cast("Schema", value).values())
    return []


def _own_weight(schema: Schema) -> int:
    return 1 + sum(map(pattern_weight, patterns_of(schema))) + len(_entries(schema.get("enum")))


def _components(edges: list[list[Edge]]) -> list[list[int]]:
    """The schemas that lead to each other, those that are led to first (Kosaraju, without recursion)."""
    back: list[list[int]] = [[] for _ in edges]
    for node, out in enumerate(edges):
        for to, _ in out:
            back[to].append(node)
    found: list[list[int]] = []
    seen = [False] * len(edges)
    for start in reversed(_finished(edges)):
        members: list[int] = []
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if not seen[node]:
                seen[node] = True
                members.append(node)
                waiting += back[node]
        if members:
            found.append(members)
    return found[::-1]


def _finished(edges: list[list[Edge]]) -> list[int]:
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
