"""Messages for the faults of a value.

Every fault, found by Pydantic or by the JSON Schema engine, becomes the JSON Schema keyword that the value breaks; one
table maps it to a message. Messages have no library's terms, no address and at most 200 characters.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from wfe_mcp.core.errors import Detail, near_miss, pointer

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NOT_BLANK = r"\S"
MAX_FAULTS = 50
"""Most faults listed: an answer must stay small."""

Schema = dict[str, Any]
Parts = Sequence[str | int]

_PATTERNS = {
    ID_PATTERN: "1 to 64 letters, digits, '_' or '-', beginning with a letter or digit",
    NOT_BLANK: "text that is not blank",
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_COUNTS = {
    "minLength": ("at least", "characters"),
    "maxLength": ("at most", "characters"),
    "minItems": ("at least", "items"),
    "maxItems": ("at most", "items"),
    "minProperties": ("at least", "keys"),
    "maxProperties": ("at most", "keys"),
}
_NUMBERS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}
_FIXED = {
    "uniqueItems": ("holds the same item twice", "a list without repetition"),
    "contains": ("holds too few or too many items of the kind asked for", "items that fit 'contains'"),
    "not": ("has a form that the schema forbids", "anything that does not fit 'not'"),
    "falseSchema": ("is not allowed here", "no value at all"),
}


def fault(parts: Parts, keyword: str, schema: Schema, value: object) -> Detail:
    """The fault of ``value`` at ``parts``, which breaks ``keyword`` of the ``schema`` that applies there."""
    message, expected = _phrase(keyword, schema, value)
    return Detail(pointer(*parts), _truncate(message), _truncate(expected), brief(value))


def missing(parts: Parts, key: str, schema: Schema) -> Detail:
    """A missing required key, with its own pointer; ``schema``: the schema of its value."""
    return Detail(
        pointer(*parts, key), f"required key {_quote(key)} is missing", _truncate(describe(schema)), "nothing"
    )


def unknown(parts: Parts, key: str, valid: Sequence[str]) -> Detail:
    """A key that a closed object does not have."""
    meant = near_miss(key[:80], valid)
    expected = f"one of {', '.join(valid)}" if valid else "no further key"
    return Detail(pointer(*parts, key), f"unknown key {_quote(key)}{meant}", _truncate(expected), _truncate(key, 80))


def limit_faults(faults: list[Detail]) -> tuple[Detail, ...]:
    """The first ``MAX_FAULTS`` faults, and a final note when there are more."""
    if len(faults) <= MAX_FAULTS:
        return tuple(faults)
    return (*faults[:MAX_FAULTS], Detail("", f"more faults follow; these are the first {MAX_FAULTS}"))


def describe(schema: Schema) -> str:
    """What fits ``schema``, in a few words."""
    if "enum" in schema:
        return " or ".join(_quote(option) for option in schema["enum"])
    if "const" in schema:
        return _quote(schema["const"])
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            forms = cast("list[object]", schema[keyword])
            return " or ".join(describe(cast("Schema", form)) for form in forms if isinstance(form, dict))
    named = schema.get("type", [])
    words = " or ".join(_TYPES.get(name, str(name)) for name in ([named] if isinstance(named, str) else named))
    if "pattern" in schema:
        words = _pattern(schema["pattern"])
    elif "properties" in schema:
        words = f"an object with {', '.join(schema.get('required', schema['properties']))}"
    return f"{words or 'a value'} ({schema['description']})" if "description" in schema else words or "a value"


def kind_of(value: object) -> str:
    """The JSON type of ``value``, for readers."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def brief(value: object) -> object:
    """``value`` itself when it is small, else a short description."""
    match value:
        case str():
            return _truncate(value, 80)
        case list():
            count = len(cast("list[object]", value))
            return f"a list of {count} item{'' if count == 1 else 's'}"
        case dict():
            keys = [str(key) for key in cast("dict[object, object]", value)]
            return _truncate(f"an object with {', '.join(keys[:20])}" if keys else "an empty object", 120)
        case int() if not -(2**53) < value < 2**53:
            return "a very large number"
        case _:
            return value


def _phrase(keyword: str, schema: Schema, value: object) -> tuple[str, str]:
    if phrase := _PHRASES.get(keyword):
        return phrase(schema[keyword], value)
    if keyword in _COUNTS:
        bound, unit = _COUNTS[keyword]
        expected = f"{bound} {schema[keyword]} {unit if schema[keyword] != 1 else unit[:-1]}"
        return f"must have {expected}, found {len(cast('Sequence[object]', value))}", expected
    if keyword in _NUMBERS:
        expected = f"{_NUMBERS[keyword]} {schema[keyword]}"
        return f"must be {expected}, found {brief(value)}", expected
    return _FIXED.get(keyword, (f"breaks the rule {keyword!r} of the schema", describe(schema)))


def _wrong_type(named: str | list[str], value: object) -> tuple[str, str]:
    expected = describe({"type": named})
    instead = "; leave an optional key out instead" if value is None else ""
    return f"must be {expected}, found {kind_of(value)}{instead}", expected


def _wrong_option(options: list[object], value: object) -> tuple[str, str]:
    expected = describe({"enum": options})
    words = [option for option in options if isinstance(option, str)]
    meant = near_miss(value[:80].lower(), words) if isinstance(value, str) else ""
    return f"must be {_truncate(expected, 100)}, found {_quote(value)}{meant}", expected


_PHRASES: dict[str, Callable[[Any, object], tuple[str, str]]] = {
    "type": _wrong_type,
    "enum": _wrong_option,
    "const": lambda constant, value: (f"must be {_quote(constant)}, found {_quote(value)}", _quote(constant)),
    "pattern": lambda pattern, value: (f"must be {_pattern(pattern)}, found {_quote(value)}", _pattern(pattern)),
}


def _pattern(pattern: str) -> str:
    return _PATTERNS.get(pattern, f"text that matches {_truncate(pattern, 80)}")


def _quote(value: object) -> str:
    short = brief(value)
    return repr(short) if isinstance(value, str) else str(short) if short is not value else json.dumps(short)


def _truncate(text: str, limit: int = 190) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def no_json(message: str) -> str:
    """What is no JSON, and where: ``no JSON value begins at line 1 column 5``. ``message``: what the parser says."""
    for pattern, words in _SYNTAX:
        if match := re.match(rf"{pattern}.* at (line \d+ column \d+)", message):
            return f"{words} at {match[1]}"
    return message.split("\n")[0][:190]


_SYNTAX = (
    ("EOF while parsing", "the text ends before its JSON is complete,"),
    ("expected (?:ident|value)", "no JSON value begins"),
    ("key must be a string", "a key in double quotes is missing"),
    ("trailing comma", "a comma comes before a closing bracket,"),
    ("trailing characters", "there is more text after the JSON value,"),
)
"""How the parser's message begins, and what we say."""
