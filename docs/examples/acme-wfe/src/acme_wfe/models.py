"""What does a model say that has nothing to say? Offline, free, and the same every time: good for trying a template."""

import json
from collections.abc import Mapping
from typing import Any

from wfe_mcp.providers.call import Answer, Connection, Listener, Question, ShouldStop, Usage
from wfe_mcp.providers.prices import tokens_of

__all__ = ["LEAST"]

_EMPTY: dict[str, Any] = {"boolean": False, "integer": 0, "number": 0, "null": None}


class Least:
    """Answers with the least value that the schema of the question accepts."""

    needs_key = False
    needs_model = False

    def ask(self, connection: Connection, question: Question, listener: Listener, should_stop: ShouldStop) -> Answer:
        value = None if question.schema is None else least(question.schema, question.schema)
        text = "ok" if value is None else json.dumps(value)
        listener.said(text)
        used = Usage(1, tokens_of(question.system + question.prompt), tokens_of(text), cost_usd=0.0)
        return Answer(text, value, used, "least")

    def list_models(self, connection: Connection) -> list[str]:
        return ["least"]


def least(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The least value of ``schema``: only what is required, the first of what may be chosen."""
    if "$ref" in schema:
        return least(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf"):
        if choice in schema:
            first = schema[choice][0]
            return first if choice == "enum" else least(first, root)
    match schema.get("type", "object"):
        case "object":
            known = schema.get("properties", {})
            return {name: least(known.get(name, {}), root) for name in schema.get("required", [])}
        case "array":
            return [least(schema.get("items", {}), root) for _ in range(schema.get("minItems", 0))]
        case "string":
            return "x" * max(schema.get("minLength", 0), 1 if "pattern" in schema else 0)
        case kind:
            return schema.get("minimum", _EMPTY[kind])


LEAST = Least()
