"""Checks inline JSON Schemas and validates values against them.

The only caller of the JSON Schema engine; ``checking.py`` decides in which process. Rules (threats T8 and T9):
1. Draft 2020-12, the root is ``"type": "object"``: an artifact is always an object.
2. ``$ref`` begins with ``#``; no schema is loaded from the network or a file.
3. Patterns run in linear time (no look-around, no back-reference), or the schema is refused.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.artifacts.explain import MAX_FAULTS, brief, fault, limit_faults, missing, unknown
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.errors import Detail, near_miss, pointer

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

Schema = dict[str, Any]
Parts = tuple[str | int, ...]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_IN_MAP = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_IN_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_DIRECT = frozenset(
    {"additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames", "contentSchema"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
"""The keywords that contain schemas. All other keywords contain data, whatever it looks like."""


def faults_here(schema: Schema, value: dict[str, Any]) -> tuple[Detail, ...]:
    """The faults of ``value``. ``schema`` must have no ``schema_faults``. In this process, whatever it takes."""
    errors = islice(_compile_schema(canonical_json(schema)).iter_errors(value), MAX_FAULTS + 1)
    details = (detail for error in errors for detail in _explain(error, schema, value))
    return limit_faults(list(dict.fromkeys(islice(details, 10 * MAX_FAULTS))))  # one error can name thousands of keys


def is_valid_here(schema: Schema, value: dict[str, Any]) -> bool:
    """Whether ``value`` has no faults, without listing them. In this process."""
    return _compile_schema(canonical_json(schema)).is_valid(value)


@functools.lru_cache(maxsize=64)
def _compile_schema(text: str) -> "Draft202012Validator":
    # 30 ms, and only templates with an inline schema need it.
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(json.loads(text), offline=True, pattern_options=RegexOptions())


def schema_faults_here(root: Schema) -> tuple[Detail, ...]:
    """Why the schema cannot be used, each with a pointer into it; empty when it can. In this process, whatever it takes."""
    faults: list[Detail] = []
    if root.get("type") != "object":
        why = 'an artifact is always an object: the root needs "type": "object"'
        faults.append(Detail("/type", why, "object", brief(root.get("type", "nothing"))))
    own = (detail for parts, schema in subschemas(root, ()) for detail in _own_faults(parts, schema, root))
    faults += islice(own, MAX_FAULTS + 1)
    if not faults:
        # Faults of the whole schema only, such as a missing anchor.
        faults += _engine_faults((), root)
    return limit_faults(faults)


def _own_faults(parts: Parts, schema: Schema, root: Schema) -> Iterator[Detail]:
    """Faults of one schema object, without those of the schemas inside it."""
    if schema.get("$schema", DRAFT) not in {DRAFT, DRAFT + "#"}:
        yield Detail(pointer(*parts, "$schema"), "only draft 2020-12 is supported", DRAFT, brief(schema["$schema"]))
    if parts and "$id" in schema:
        yield Detail(pointer(*parts, "$id"), "$id is allowed at the root only", "no $id", brief(schema["$id"]))
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(target := schema.get(keyword), str):
            yield from _reference_faults((*parts, keyword), target, root)
    shallow = {key: _without_schemas(key, value) for key, value in schema.items() if key not in _ELSEWHERE}
    yield from _engine_faults(parts, shallow)


_ELSEWHERE = frozenset({"$schema", "$id", "$ref", "$dynamicRef"})
"""Checked by the rules above, not by the engine: a part of a schema alone cannot resolve them."""


def _reference_faults(parts: Parts, target: str, root: Schema) -> Iterator[Detail]:
    if not target.startswith("#"):
        why = "a reference never leaves the schema: it begins with '#'"
        yield Detail(pointer(*parts), why, "#/$defs/…", brief(target))
    elif target.startswith("#/") and target_of(root, target) is None:
        valid = [f"#/$defs/{name}" for name in cast("dict[str, object]", root.get("$defs") or {})]
        why = f"{target[:80]!r} refers to nothing in this schema{near_miss(target[:80], valid)}"
        yield Detail(pointer(*parts), why, "#/$defs/…", target[:80])


def _engine_faults(parts: Parts, schema: Schema) -> Iterator[Detail]:
    # 30 ms, see _compiled.
    from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

    try:
        Draft202012Validator(schema, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        where = (*parts, *error.instance_path)
        if error.kind.name == "format":
            why = f"the pattern {str(error.instance)[:80]!r} cannot run in linear time, or is not a regular expression"
            yield Detail(
                pointer(*where), why, "a pattern without look-around and back-references", brief(error.instance)
            )
        elif error.kind.name == "$ref":
            yield Detail(pointer(*where), "a reference has no target in this schema", "#/$defs/…", "nothing")
        elif error.kind.name == "anyOf" and where[-1] == "type":
            yield Detail(pointer(*where), _no_type(error.instance), list(_TYPES), brief(error.instance))
        else:
            why = f"this is not a JSON Schema: {error.message.split(chr(10))[0][:150]}"
            yield Detail(pointer(*where), why, "JSON Schema draft 2020-12", brief(error.instance))


_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")


def _no_type(value: object) -> str:
    """Why ``value`` cannot be the ``type`` of a JSON Schema: its first name that is none, with the nearest."""
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    wrong = [name for name in names if name not in _TYPES]
    if not wrong:
        return "a list of types is not empty and names each once"
    listed = f"; there are {', '.join(_TYPES)}"
    named = json.dumps(brief(wrong[0]), ensure_ascii=False)
    return f"{named} is no type of JSON Schema{near_miss(str(wrong[0])[:80], _TYPES, listed)}"


def subschemas(schema: Schema, parts: Parts) -> Iterator[tuple[Parts, Schema]]:
    """``schema`` and every schema object inside it, with its place."""
    yield parts, schema
    for key, value in schema.items():
        for inner, child in inside(key, value):
            if isinstance(child, dict):
                yield from subschemas(cast("Schema", child), (*parts, key, *inner))


def inside(key: str, value: object) -> list[tuple[Parts, object]]:
    """The schemas that keyword ``key`` holds, each with the rest of its pointer."""
    if key in _IN_MAP and isinstance(value, dict):
        return [((name,), child) for name, child in cast("Schema", value).items()]
    if key in _IN_LIST and isinstance(value, list):
        return [((index,), child) for index, child in enumerate(cast("list[object]", value))]
    return [((), value)] if key in _DIRECT else []


def target_of(root: Mapping[str, Any], reference: str) -> object | None:
    """What ``#`` or ``#/…`` names in ``root``; None where there is nothing."""
    names = [part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]
    return _subschema_at(root, names if len(reference) > 1 else [])


def _without_schemas(key: str, value: object) -> object:
    """The value of a keyword with ``true`` for each schema inside it: those are checked separately."""
    schemas = [(inner, True if isinstance(child, dict) else child) for inner, child in inside(key, value)]
    match value:
        case dict() if key in _IN_MAP:
            return {inner[0]: child for inner, child in schemas}
        case list() if key in _IN_LIST:
            return [child for _, child in schemas]
        case _:
            return schemas[0][1] if schemas else value


def _subschema_at(schema: object, path: list[str] | list[str | int]) -> object | None:
    for part in path:
        if isinstance(schema, dict) and part in schema:
            schema = cast("Schema", schema)[cast("str", part)]
        elif isinstance(schema, list) and str(part).isdecimal() and int(part) < len(cast("list[object]", schema)):
            schema = cast("list[object]", schema)[int(part)]
        else:
            return None
    return schema


def _explain(error: "ValidationError", root: Schema, value: object) -> Iterator[Detail]:
    """The faults for one error of the engine; an object with several unknown keys has one fault for each."""
    from jsonschema_rs import ValidationErrorKind as Kind  # 30 ms, see _compiled.

    parts = error.instance_path
    subschema = _subschema_at(root, error.schema_path[:-1])
    schema = cast("Schema", subschema) if isinstance(subschema, dict) else {}
    match error.kind:
        case Kind.Required(key):
            child = schema.get("properties", {}).get(key)
            yield missing(parts, key, cast("Schema", child) if isinstance(child, dict) else {})
        case Kind.AdditionalProperties(keys) | Kind.UnevaluatedProperties(keys):
            for key in keys:
                yield unknown(parts, key, list(schema.get("properties", {})))
        case Kind.FalseSchema() if error.schema_path[-1:] == ["additionalProperties"]:
            # An object that allows no key at all: the engine names one value and not its key.
            for key in cast("dict[str, object]", _subschema_at(value, parts)):
                yield unknown(parts, key, ())
        case Kind.AnyOf(forms) | Kind.OneOfNotValid(forms):
            yield _no_form(error, forms, root, value)
        case Kind.OneOfMultipleValid(_):
            yield Detail(
                pointer(*parts),
                "fits more than one of the forms, of which one is allowed",
                "exactly one form",
                brief(error.instance),
            )
        case Kind.PropertyNames(inner):
            for detail in _explain(inner, root, value):
                yield Detail(
                    pointer(*parts), f"a key of this object {detail.message}"[:190], detail.expected, detail.got
                )
        case _:
            yield fault(parts, error.kind.name, schema, error.instance)


def _no_form(error: "ValidationError", forms: "list[list[ValidationError]]", root: Schema, value: object) -> Detail:
    """The fault of a value that fits no form, with the closest form: that whose first error is deepest."""
    here = pointer(*error.instance_path)
    closest = max(forms, key=lambda errors: (len(errors[0].instance_path), errors[0].kind.name != "type"))
    inner = next(_explain(closest[0], root, value))
    where = f" at {inner.path}" if inner.path != here else ""
    message = f"fits none of the allowed forms; the closest one reports{where}: {inner.message}"
    return Detail(here, message[:190], inner.expected, brief(error.instance))
