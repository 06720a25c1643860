"""Generates a value that a JSON Schema accepts.

The first available of: the schema's own example, constant, first choice, default; else a value built from the schema's
requirements. Optional keys are left out. Arbitrary patterns may not be matched.
"""

import re
from typing import Any, cast

Schema = dict[str, Any]

_DEEPEST = 40
_TEXTS = (
    "{hint} text",
    "{hint}",
    "x",
    "T-1",
    "1.0.0",
    "main",
    "a/b.txt",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "https://example.com/",
    "someone@example.com",
    "0" * 64,
)
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "hostname": "example.com",
}


def value_for(schema: Schema, *, root: Schema | None = None, hint: str = "some", depth: int = 0) -> Any:
    """A value for ``schema``; ``$ref`` is looked up in ``root``. ``hint`` is the name of the field, for texts."""
    root = schema if root is None else root
    if depth > _DEEPEST:
        raise ValueError("the schema requires itself without an end")
    if isinstance(schema.get("$ref"), str):
        return value_for(value_at(root, schema["$ref"].removeprefix("#")), root=root, hint=hint, depth=depth + 1)
    values = _named_values(schema)
    if values:
        return values[0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            whole = {name: part for name, part in schema.items() if name != key}
            for part in schema[key] if key == "allOf" else schema[key][:1]:
                whole = _both(whole, part, root)
            return value_for(whole, root=root, hint=hint, depth=depth + 1)
    return _of_type(schema, root, hint, depth)


def value_at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901) in ``document``. KeyError, IndexError or ValueError when there is none."""
    for part in pointer.split("/")[1:]:
        if isinstance(document, list):
            document = cast("list[Any]", document)[int(part)]
        else:
            document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def _named_values(schema: Schema) -> list[Any]:
    """The values that the schema itself names, best first."""
    chosen = [schema[key] for key in ("const", "default") if key in schema]
    return [*schema.get("examples", [])[:1], *chosen, *schema.get("enum", [])[:1]]


def _of_type(schema: Schema, root: Schema, hint: str, depth: int) -> Any:
    kinds: Any = schema.get("type", "object" if "properties" in schema else "string")
    kind: str = kinds if isinstance(kinds, str) else kinds[0]
    match kind:
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, hint, depth)
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema, hint)


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    parts: dict[str, Schema] = schema.get("properties", {})
    names: list[str] = list(schema.get("required", []))
    names += [name for name in parts if name not in names][: max(0, schema.get("minProperties", 0) - len(names))]
    return {name: value_for(parts.get(name, {}), root=root, hint=name, depth=depth + 1) for name in names}


def _array(schema: Schema, root: Schema, hint: str, depth: int) -> list[Any]:
    first = [value_for(part, root=root, hint=hint, depth=depth + 1) for part in schema.get("prefixItems", [])]
    # One entry even where none is required: gates most often refuse an empty list.
    wanted = max(schema.get("minItems", 0), 1 if isinstance(schema.get("items"), dict) and not first else 0)
    more = min(wanted, schema.get("maxItems", wanted)) - len(first)
    return first + [value_for(schema.get("items", {}), root=root, hint=hint, depth=depth + 1) for _ in range(more)]


def _number(schema: Schema, *, whole: bool) -> float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    number = low if low is not None else min(1, high) if high is not None else 1
    number = -(-number // step) * step
    if schema.get("exclusiveMinimum") == number:
        number += step
    if schema.get("exclusiveMaximum") == number:
        number -= step
    return int(number) if whole else float(number)


def _text(schema: Schema, hint: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 1_000_000)
    pattern = schema.get("pattern", "")
    for text in (*(template.format(hint=hint) for template in _TEXTS), hint * shortest):
        text = text.ljust(shortest, "x")[:longest]
        if re.search(pattern, text):
            return text
    return f"{hint} text".ljust(shortest, "x")[:longest]


def _both(schema: Schema, other: Schema, root: Schema) -> Schema:
    """A schema that combines the keys and requirements of both."""
    while isinstance(other.get("$ref"), str):
        other = value_at(root, other["$ref"].removeprefix("#"))
    both = {**schema, **other}
    for key, join in (("properties", dict), ("required", list)):
        if key in schema and key in other:
            both[key] = (
                {**schema[key], **other[key]} if join is dict else list(dict.fromkeys([*schema[key], *other[key]]))
            )
    return both
