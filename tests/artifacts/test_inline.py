"""Inline JSON Schemas are safe to use, and their faults read like those of shipped schemas."""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from wfe_mcp.artifacts.registry import check_schema, json_schema
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused


def of(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def fault(schema: object, value: object) -> tuple[str, str]:
    (detail,) = validate(of(a=schema), {"a": value}).faults
    assert len(str(detail.expected)) < 200 and len(str(detail.got)) < 200 and len(detail.message) < 200
    return detail.path, detail.message


class Counted(http.server.BaseHTTPRequestHandler):
    hits: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.hits.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Counted.hits = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counted) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


FETCHING: list[Callable[[str], dict[str, Any]]] = [
    lambda url: of() | {"$ref": f"{url}/x.json"},
    lambda url: of(a={"$ref": f"{url}/x.json"}),
    lambda url: of(a={"$dynamicRef": f"{url}/x"}),
    lambda url: of() | {"$schema": f"{url}/meta"},
    lambda url: of(a={"$ref": "y.json"}) | {"$id": f"{url}/x.json"},
    lambda url: of(a={"$id": f"{url}/y.json", "$ref": "#/z"}),
    lambda url: of() | {"allOf": [{"items": {"$ref": f"{url}/x.json#/$defs/a"}}]},
    lambda url: of(a={"$ref": "#/x"}) | {"x": {"$ref": f"{url}/hidden.json"}},
    lambda url: of() | {"$ref": "file:///etc/passwd"},
]


@pytest.mark.parametrize("shape", FETCHING)
def test_no_schema_makes_us_fetch_anything(server: str, shape: Any) -> None:
    schema = shape(server)
    assert check_schema(schema)
    with pytest.raises(Refused) as no:
        validate(schema, {"a": 1})
    assert no.value.code == "invalid_template"
    assert Counted.hits == []


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "(?<!a)b", "(a{1000}){1000}", "("])
def test_a_pattern_that_cannot_run_in_linear_time_is_refused_at_load(pattern: str) -> None:
    (detail,) = check_schema(of(a={"type": "string", "pattern": pattern}))
    assert detail.path == "/properties/a/pattern" and detail.got == pattern
    assert "linear time" in detail.message
    assert check_schema(of() | {"patternProperties": {pattern: True}})


def test_a_regex_bomb_is_answered_at_once() -> None:
    bombs = ["a" * 30 + "!", "a" * 100_000 + "!"]
    for bomb in bombs:
        path, message = fault({"type": "string", "pattern": "^(a+)+$"}, bomb)
        assert path == "/a" and message.startswith("must be text that matches ^(a+)+$, found 'aaa")


def test_all_faults_of_a_schema_are_reported_at_once_with_pointers_into_it() -> None:
    schema: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "properties": {
            "a": {"type": "strng"},
            "b": {"minimum": "x"},
            "c": {"$ref": "#/$defs/usr"},
            "d": {"$ref": "u.json"},
        },
        "$defs": {"user": {"allOf": [{"pattern": "(?=x)"}, {"$id": "y", "required": "x"}]}},
        "items": [{}],
    }
    assert {(detail.path, detail.message) for detail in check_schema(schema)} >= {
        ("/type", 'an artifact is always an object: the root needs "type": "object"'),
        ("/$schema", "only draft 2020-12 is supported"),
        ("/properties/c/$ref", "'#/$defs/usr' refers to nothing in this schema; did you mean '#/$defs/user'?"),
        ("/properties/d/$ref", "a reference never leaves the schema: it begins with '#'"),
        ("/$defs/user/allOf/1/$id", "$id is allowed at the root only"),
    }
    assert {detail.path for detail in check_schema(schema)} == {
        *("/type", "/$schema", "/items", "/properties/a/type", "/properties/b/minimum", "/properties/c/$ref"),
        *(
            "/properties/d/$ref",
            "/$defs/user/allOf/0/pattern",
            "/$defs/user/allOf/1/$id",
            "/$defs/user/allOf/1/required",
        ),
    }


def test_data_that_looks_like_a_schema_is_no_fault() -> None:
    data: object = {"$ref": "http://example.org", "pattern": "("}
    schema = of(a={"const": data, "examples": [data], "default": data, "enum": [data]}, **{"$ref": {"type": "string"}})
    assert check_schema(schema | {"dependentRequired": {"type": ["a"]}, "x-note": data, "properties2": [data]}) == []


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"type": "object", "properties": []}, "/properties"),
    ({"type": "object", "anyOf": {}}, "/anyOf"),
    ({"type": "object", "anyOf": []}, "/anyOf"),
    ({"type": "object", "not": 3}, "/not"),
    ({"type": "object", "properties": {"a": 1}}, "/properties/a"),
    ({"type": "object", "$ref": "#nowhere"}, ""),
    ({"type": "object", "$ref": "#/prefixItems/1", "prefixItems": [{}]}, "/$ref"),
    ({"type": "object", "properties": {"a": {"const": float("nan")}}}, "/properties/a/const"),
    ({}, "/type"),
]


@pytest.mark.parametrize(("schema", "path"), BROKEN)
def test_what_is_no_schema_is_refused_where_it_goes_wrong(schema: object, path: str) -> None:
    assert [detail.path for detail in check_schema(schema)] == [path]


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(70):
        schema = {"type": "object", "not": schema}
    (detail,) = check_schema(schema)
    assert "levels of nesting; at most 64 are allowed" in detail.message


def test_a_reference_inside_the_document_works_and_may_be_recursive() -> None:
    node: dict[str, Any] = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/a~1b"}},
    }
    schema: dict[str, Any] = of(list={"$ref": "#/$defs/a~1b"}, first={"$ref": "#/prefixItems/0"}) | {
        "$defs": {"a/b": node},
        "prefixItems": [{}],
    }
    assert check_schema(schema) == []
    deep: dict[str, Any] = {"name": 1}
    for _ in range(50):
        deep = {"name": "x", "next": deep}
    (detail,) = validate(schema, {"list": deep}).faults
    assert detail.path == "/list" + "/next" * 50 + "/name" and detail.message == "must be text, found a number"
    assert validate(schema, {"list": {"next": {"name": 1}}}).faults[0].expected == "text"


def test_missing_and_unknown_keys_are_named_by_their_own_pointers() -> None:
    schema = of(title={"type": "string", "description": "in one line"}, form={"enum": ["a", "b"]}, n={"const": 1})
    schema["properties"]["other"] = True
    schema |= {"required": ["title", "form", "n", "other"], "additionalProperties": False}
    result = validate(schema, {"titel": "x", "zzz": 1})
    assert [(d.path, d.message, d.expected, d.got) for d in result.faults] == [
        ("/title", "required key 'title' is missing", "text (in one line)", "nothing"),
        ("/form", "required key 'form' is missing", "'a' or 'b'", "nothing"),
        ("/n", "required key 'n' is missing", "1", "nothing"),
        ("/other", "required key 'other' is missing", "a value", "nothing"),
        ("/titel", "unknown key 'titel'; did you mean 'title'?", "one of title, form, n, other", "titel"),
        ("/zzz", "unknown key 'zzz'", "one of title, form, n, other", "zzz"),
    ]


@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_an_object_that_allows_no_key_names_every_one_it_has(keyword: str) -> None:
    result = validate(of(x={"type": "object", keyword: False}), {"x": {"a": 1, "b": 2}})
    assert [(d.path, d.message, d.expected) for d in result.faults] == [
        ("/x/a", "unknown key 'a'", "no further key"),
        ("/x/b", "unknown key 'b'", "no further key"),
    ]


BIG = 2**60


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, None, "must be text, found null; leave an optional key out instead"),
        ({"type": ["string", "null"]}, 1, "must be text or null, found a number"),
        ({"type": "array"}, {"b": 1}, "must be a list, found an object"),
        ({"type": "integer"}, 1.5, "must be a whole number, found a number"),
        (
            {"enum": ["red", 1, None, True]},
            "rad",
            "must be 'red' or 1 or null or true, found 'rad'; did you mean 'red'?",
        ),
        ({"const": {"x": 1}}, {}, "must be an object with x, found an empty object"),
        ({"const": "x"}, BIG, "must be 'x', found a very large number"),
        ({"minLength": 2}, "a", "must have at least 2 characters, found 1"),
        ({"maxItems": 1}, [1, 2], "must have at most 1 item, found 2"),
        ({"minProperties": 1}, {}, "must have at least 1 key, found 0"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3, found 3"),
        ({"multipleOf": 5}, 7, "must be a multiple of 5, found 7"),
        ({"uniqueItems": True}, [1, 1], "holds the same item twice"),
        ({"contains": {"type": "string"}}, [1], "holds too few or too many items of the kind asked for"),
        ({"not": {"type": "string"}}, "x", "has a form that the schema forbids"),
        (False, 1, "is not allowed here"),
        (
            {"propertyNames": {"maxLength": 2}},
            {"abc": 1},
            "a key of this object must have at most 2 characters, found 3",
        ),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            1,
            "fits more than one of the forms, of which one is allowed",
        ),
        ({"unevaluatedItems": False}, [1], "breaks the rule 'unevaluatedItems' of the schema"),
        ({"pattern": "^" + "x" * 300}, "y", "must be text that matches ^" + "x" * 78 + "…, found 'y'"),
    ],
)
def test_each_rule_is_explained_in_plain_words(schema: object, value: object, message: str) -> None:
    assert fault(schema, value) == ("/a", message)


def test_a_value_that_fits_no_form_hears_what_the_closest_form_says() -> None:
    forms: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    ]
    for keyword in ("anyOf", "oneOf"):
        assert fault({keyword: forms}, {"id": 1}) == (
            "/a",
            "fits none of the allowed forms; the closest one reports at /a/id: must be text, found a number",
        )
        assert fault({keyword: forms}, {}) == (
            "/a",
            "fits none of the allowed forms; the closest one reports at /a/id: required key 'id' is missing",
        )
        assert fault({keyword: [{"type": "string"}, {"type": "null"}]}, 1) == (
            "/a",
            "fits none of the allowed forms; the closest one reports: must be text, found a number",
        )
    missing = validate(of(a={"anyOf": [*forms, True]}) | {"required": ["a"]}, {}).faults
    assert missing[0].expected == "text or an object with id"


def test_a_valid_value_comes_back_as_it_is() -> None:
    schema = of(a={"type": "string", "format": "date"})
    assert validate(schema, {"a": "x", "b": [1]}).value == {"a": "x", "b": [1]}
    assert validate(schema, {"a": "x"}).ok
    assert json_schema(schema) == schema
