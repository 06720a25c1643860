"""The JSON Schema of a template file.

``scripts/generate_template_schema.py`` writes it to ``schemas/template.schema.json``, for editors. Lint checks more:
names, scopes, availability of features.
"""

from typing import Any, cast

from wfe_mcp.workflow.model import Template


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
