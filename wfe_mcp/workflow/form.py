"""Validates a definition against the schema of templates and applies its ``defaults``.

``defaults`` supplies keys that a phase omits, inside loops too. An error in a default is reported once, where it is
written; ``place_of`` maps a pointer into an inherited key back to ``defaults``.

The JSON Schema of a template file.

``scripts/generate_template_schema.py`` writes it to ``schemas/template.schema.json``, for editors. Lint checks more:
names, scopes, availability of features.
"""

import re
from typing import Any, cast

from pydantic import ValidationError

from wfe_mcp.core.errors import Detail, Refused
from wfe_mcp.workflow.default_keys import fill_defaults
from wfe_mcp.workflow.faults import Fault, faults_of
from wfe_mcp.workflow.model.phases import Defaults
from wfe_mcp.workflow.model.template import Template

_PHASE_KEY = re.compile(r"((?:/phases/\d+)+)/([A-Za-z_]+)(?=/|$)")


def read_form(definition: object) -> tuple[Template | None, list[Fault]]:
    """The template, or every schema error with its place."""
    # The single check of size, depth and invalid texts, for every interface.
    from wfe_mcp.artifacts.parse import check_value

    try:
        check_value(definition)
    except Refused as no:
        details = no.details or (Detail("", no.text.rstrip(".")),)
        return None, [((), detail) for detail in details]
    whole = _with_defaults(definition)
    try:
        return Template.model_validate(whole), []
    except ValidationError as exc:
        return None, faults_of(exc, whole)


def place_of(pointer: str, definition: dict[str, Any]) -> str:
    """The place in the author's text that ``pointer`` means: below ``/defaults`` for an inherited key."""
    match = _PHASE_KEY.match(pointer)
    if match is None:
        return pointer
    phase: Any = definition
    for part in match[1].strip("/").split("/"):
        phase = phase[int(part) if part.isdigit() else part]
    key = match[2]
    return (
        pointer
        if key in phase or key not in definition.get("defaults", {})
        else f"/defaults/{key}{pointer[match.end() :]}"
    )


def _with_defaults(definition: object) -> object:
    if not isinstance(definition, dict):
        return definition
    whole = cast("dict[str, Any]", definition)
    defaults = whole.get("defaults")
    if not isinstance(defaults, dict) or not defaults:
        return whole
    default_keys = cast("dict[str, Any]", defaults)
    try:
        Defaults.model_validate(default_keys)
    except ValidationError as exc:
        faulty = {entry["loc"][0] for entry in exc.errors(include_url=False)}
        default_keys = {key: value for key, value in default_keys.items() if key not in faulty}
    return {**whole, "phases": fill_defaults(whole.get("phases"), default_keys)}


def template_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of ``template.json``."""
    schema = _slim(Template.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A template in the format wfe/1",
        **schema,
    }


def _slim(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` without Pydantic's titles, which only repeat the keys, and without null defaults."""
    slim: dict[str, Any] = {}
    for key, value in schema.items():
        match key, value:
            case ("title", _) | ("default", None):
                continue
            case (("properties" | "$defs"), dict()):
                slim[key] = {name: _slim(child) for name, child in cast("dict[str, Any]", value).items()}
            case (("anyOf" | "oneOf"), list()):
                slim[key] = [_slim(child) for child in cast("list[dict[str, Any]]", value)]
            case (("items" | "additionalProperties"), dict()):
                slim[key] = _slim(cast("dict[str, Any]", value))
            case _:
                slim[key] = value
    return slim
