"""Validates a value against its schema.

value ─ check_value ─┬─ plan@1 …  → Pydantic model + contradictions ─┐
                     └─ inline    → JSON Schema engine, offline ─────┴─ faults, all at once

Renders an artifact as files that users read and edit; ``parse`` restores the same value.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wfe_mcp.artifacts.checking import faults_of
from wfe_mcp.artifacts.explain import MAX_FAULTS, fault, limit_faults, missing, unknown
from wfe_mcp.artifacts.parse import check_value
from wfe_mcp.artifacts.registry import json_schema, model_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Detail, Refused, pointer

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_KEYWORDS = {
    "literal_error": "enum",
    "string_pattern_mismatch": "pattern",
    "string_too_long": "maxLength",
    "too_short": "minItems",
    "too_long": "maxItems",
    "greater_than_equal": "minimum",
    "less_than_equal": "maximum",
}
"""Pydantic's error type → the equivalent JSON Schema keyword; all others mean a wrong type."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """``value`` as it would be stored (``{}`` when it is not an object), and every fault; none means valid."""

    value: dict[str, Any]
    faults: tuple[Detail, ...] = ()

    @property
    def ok(self) -> bool:
        """True without faults."""
        return not self.faults


def validate(schema: str | dict[str, Any], value: object) -> ValidationResult:
    """``value`` against a shipped name or an inline JSON Schema. Refuses: too_large, bad_argument, invalid_template."""
    try:
        check_value(value)
    except Refused as no:
        if no.code == "too_large":
            raise
        return ValidationResult({}, no.details)
    if not isinstance(value, dict):
        return ValidationResult({}, (fault((), "type", {"type": "object"}, value),))
    value = cast("dict[str, Any]", value)
    if isinstance(schema, str):
        return _against_model(schema, value)
    return ValidationResult(value, faults_of(json_schema(schema), value))


def validate_stored(schema: str | dict[str, Any], value: object) -> ValidationResult:
    """``validate``, for a value that cannot be requested again: what it refuses is a fault of the value."""
    try:
        return validate(schema, value)
    except Refused as no:
        return ValidationResult({}, (Detail("", f"{no.message} {no.hint or ''}".rstrip()),))


def _against_model(name: str, value: dict[str, Any]) -> ValidationResult:
    # 80 ms, unless it is loaded already.
    from pydantic import ValidationError

    model = model_of(name)
    stored, faults = value, list[Detail]()
    try:
        stored = model.model_validate(value).model_dump(by_alias=True, exclude_unset=True)
    except ValidationError as exc:
        schema = json_schema(name)
        faults = [_detail_of(error, schema) for error in islice(exc.errors(include_url=False), MAX_FAULTS + 1)]
    faults += islice(model.contradictions(value), MAX_FAULTS + 1)  # each looks for the nearest name
    return ValidationResult(stored, limit_faults(faults))


def _detail_of(error: "ErrorDetails", schema: dict[str, Any]) -> Detail:
    """The fault's message; Pydantic's own, where a package's model has a form that the shipped ones never have."""
    try:
        return _explain(error, schema)
    except (KeyError, IndexError, TypeError):
        return Detail(pointer(*error["loc"]), error["msg"][:190])


def _explain(error: "ErrorDetails", schema: dict[str, Any]) -> Detail:
    parts = error["loc"]
    match error["type"]:
        case "missing":
            return missing(parts[:-1], str(parts[-1]), _schema_at(schema, parts))
        case "extra_forbidden":
            return unknown(parts[:-1], str(parts[-1]), list(_schema_at(schema, parts[:-1]).get("properties", {})))
        case "value_error":
            why = str(error.get("ctx", {}).get("error"))
            return Detail(pointer(*parts), why[:190], "a relative path such as src/hello.py", error["input"][:80])
        case other:
            return fault(parts, _KEYWORDS.get(other, "type"), _schema_at(schema, parts), error["input"])


def _schema_at(schema: dict[str, Any], parts: tuple[str | int, ...]) -> dict[str, Any]:
    """The schema that applies at ``parts``; shipped schemas have no references."""
    for part in parts:
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
    return schema


class TextFile(NamedTuple):
    """One file: ``.json`` or ``.md``, and its exact text."""

    suffix: str
    text: str


def to_file(schema: str | dict[str, Any], value: Mapping[str, Any]) -> TextFile | dict[str, str]:
    """One text file, or path → content for a bundle. A draft that a person forced may not fit ``schema``: then it is JSON."""
    if schema == "file_bundle@1" and is_bundle(value):
        return {file["path"]: file["content"] for file in value["files"]}
    if schema == "markdown_doc@1" and is_document(value):
        return TextFile(".md", _markdown(value["front"], value["body"]))
    return TextFile(".json", json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def is_document(value: Mapping[str, Any]) -> bool:
    """Whether a Markdown file can hold all of ``value``, and nothing else."""
    return set(value) == {"front", "body"} and isinstance(value["front"], dict) and isinstance(value["body"], str)


def is_bundle(value: Mapping[str, Any]) -> bool:
    """Whether the files of a folder can hold all of ``value``, and nothing else."""
    # The schema and not only the types: a forced draft may name a path that no file can have.
    return not validate_stored("file_bundle@1", value).faults


def _markdown(front: Mapping[str, object], body: str) -> str:
    # A body that begins like a head, or with a byte order mark, needs a head before it to be restored unchanged.
    if not front and not body.startswith(("---", "\ufeff")):
        return body
    head = "".join(f"{_key(key)}: {_value(value)}\n" for key, value in front.items())
    return f"---\n{head}---\n\n{body}"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key) else json.dumps(key, ensure_ascii=False)


_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Texts that JSON or YAML would read as another type."""


def _value(value: object) -> str:
    """A text that is unambiguous stays plain; any other value is JSON, which YAML tools read too."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z]([A-Za-z0-9 ._/-]*[A-Za-z0-9])?", value)
    return str(value) if plain and str(value).lower() not in _WORDS else json.dumps(value, ensure_ascii=False)
