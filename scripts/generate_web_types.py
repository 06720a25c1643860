"""Writes web/src/api_types.ts, the types of the HTTP API's answers, from docs/reference/openapi.json.

python scripts/generate_web_types.py          write the file where it differs
python scripts/generate_web_types.py --check  write nothing; exit 1 when it differs

Only what an answer contains is written; the application sends no other type. Descriptions stay in openapi.json, so that a
reworded one makes no new build of the application necessary.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.generated import write_or_check  # noqa: E402 - after the path is set

SOURCE, TYPES = "docs/reference/openapi.json", "web/src/api_types.ts"
_ANSWER = "Answer_"
"""Each kind of data has its own schema of an answer; in TypeScript they are one generic type."""
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = Mapping[str, Any]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Writes or checks; the exit codes are those of ``write_or_check``."""
    return write_or_check(
        arguments,
        __file__,
        __doc__,
        lambda: {root / TYPES: types(json.loads((root / SOURCE).read_text(encoding="utf-8")))},
    )


def types(document: Mapping[str, Any]) -> str:
    """The file: an interface for each schema that an answer contains, in the order of the document."""
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    reached = _reached(schemas, [_responses(document)])
    answers = [name for name in reached if name.startswith(_ANSWER)]
    lines = [
        "// Types of the answers of /api/v1. Written by scripts/generate_web_types.py from docs/reference/openapi.json.",
        *_answer(schemas[answers[0]]),
    ]
    for name in sorted(reached - set(answers)):
        lines += _declared(name, schemas[name])
    return "\n".join(lines) + "\n"


def _responses(document: Mapping[str, Any]) -> list[Any]:
    return [operation["responses"] for path in document["paths"].values() for operation in path.values()]


def _reached(schemas: Mapping[str, Schema], start: Sequence[object]) -> set[str]:
    """The names of every schema that ``start`` refers to, directly or through others."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for name in set(_references(waiting.pop())) - found:
            found.add(name)
            waiting.append(schemas[name])
    return found


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        schema = cast("Schema", value)
        if "$ref" in schema:
            yield _name(schema)
        for part in schema.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _references(part)


def _answer(schema: Schema) -> Iterator[str]:
    others = {key: part for key, part in schema["properties"].items() if key != "data"}
    yield ""
    yield "export interface Answer<T> {"
    yield from _keys({**schema, "properties": others})
    yield "  data?: T | null;"
    yield "}"


def _declared(name: str, schema: Schema) -> Iterator[str]:
    yield ""
    if "properties" not in schema:
        yield f"export type {name} = {_type(schema)};"
        return
    yield f"export interface {name} {{"
    yield from _keys(schema)
    yield "}"


def _keys(schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for key, part in schema["properties"].items():
        yield f"  {key}{'' if key in required else '?'}: {_type(part)};"


def _type(schema: Schema) -> str:
    """``schema`` as a TypeScript type; ``unknown`` where it allows everything."""
    if "$ref" in schema:
        return _name(schema)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " | ".join(dict.fromkeys(map(_type, choices)))
    match schema.get("type"):
        case None:
            return "unknown"
        case "array":
            return _array(schema)
        case "object":
            return f"Record<string, {_type(_values(schema))}>"
        case plain:
            return _PLAIN[plain]


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    item = _type(schema["items"])
    return f"({item})[]" if " | " in item else f"{item}[]"


def _values(schema: Schema) -> Schema:
    values = schema.get("additionalProperties", True)
    return {} if isinstance(values, bool) else values


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
