"""The parser refuses oversized, deeply nested and ambiguous input."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from wfe_mcp.artifacts import parse
from wfe_mcp.artifacts.parse import MAX_BYTES, bundle_of, check_value, parse_json, read_artifact
from wfe_mcp.artifacts.validate import validate
from wfe_mcp.core.errors import Refused


def refusal(text: str | bytes, **caps: int) -> Refused:
    with pytest.raises(Refused) as no:
        parse_json(text, **caps)
    return no.value


def test_json_text_and_bytes_with_or_without_a_byte_order_mark_are_read() -> None:
    expected: object = {"a": [1, 2.5, None, True, "é"]}
    text = '{"a": [1, 2.5, null, true, "é"]}'
    assert parse_json(text) == parse_json(text.encode()) == parse_json(b"\xef\xbb\xbf" + text.encode()) == expected


@pytest.mark.parametrize(
    "bomb",
    ["[" * 100_000, "[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, '{"a":' * 100_000, "[" + "1," * 100_000 + "1]"],
)
def test_deep_and_wide_bombs_are_too_large(bomb: str) -> None:
    assert refusal(bomb).code == "too_large"


def test_the_caps_are_exact() -> None:
    assert parse_json("[" * 64 + "1" + "]" * 64)
    assert parse_json("[1,1]", max_nodes=3) == [1, 1]
    assert refusal("[1,1]", max_nodes=2).code == "too_large"
    assert parse_json('"abc"', max_bytes=5) == "abc"
    assert refusal('"abcd"', max_bytes=5).message == "The text has 6 bytes; at most 5 are allowed."
    with pytest.raises(Refused, match="has 6 bytes; at most 5 are allowed") as no:
        check_value("abcd", max_bytes=5)
    assert no.value.code == "too_large"


def test_every_key_that_is_used_twice_is_named() -> None:
    no = refusal('{"a": 1, "b": [{"c/d": 1, "c/d": 2}], "a": 2, "a": 3}')
    assert no.code == "invalid_artifact"
    assert [(detail.path, detail.message) for detail in no.details] == [
        ("/a", "key 'a' is used twice"),
        ("/b/0/c~1d", "key 'c/d' is used twice"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "NaN", "[Infinity]", "-Infinity", "[1,]", "{'a':1}", "1e999", '"\\ud800"', "[" + "9" * 5000 + "]"),
        *(b"\xff", b'"\xed\xa0\x80"', '"\ud800"'),
    ],
)
def test_what_is_no_json_for_everybody_is_refused(text: str | bytes) -> None:
    no = refusal(text)
    assert no.code == "invalid_artifact" and no.details and no.hint
    assert all(len(detail.message) < 200 for detail in no.details)


def test_a_nul_character_is_refused_at_its_place() -> None:
    no = refusal('{"a": ["x", "\\u0000"], "b\\u0000": 1}')
    assert [(detail.path, detail.message) for detail in no.details] == [
        ("", "an object key holds a NUL character"),
        ("/a/1", "holds a NUL character"),
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "is not a finite number"),
        (float("inf"), "is not a finite number"),
        ("\ud800", "holds a lone surrogate"),
        ({"\ud800": 1}, "an object key holds a lone surrogate"),
        ({1: 1}, "an object key is not text"),
        ({"k" * 501: 1}, "an object key is longer than 500 characters"),
        ((1, 2), "is not a JSON value but tuple"),
        (b"x", "is not a JSON value but bytes"),
        (10**5000, "has more digits than can be kept"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
def test_a_value_that_json_cannot_give_back_is_refused(value: object, why: str) -> None:
    with pytest.raises(Refused) as no:
        check_value([value])
    assert no.value.code == "invalid_artifact"
    assert [(detail.path, detail.message) for detail in no.value.details] == [("/0", why)]


def test_an_artifact_that_cannot_be_kept_is_invalid_whatever_its_schema() -> None:
    for value in ({"\ud800": 1}, {10**5000: 1}, {"a": "\x00"}):
        result = validate("plan@1", value)
        assert result.value == {} and len(result.faults) == 1


def test_a_value_deeper_than_the_stack_is_refused_without_falling_over() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Refused) as no:
        check_value(value)
    assert no.value.code == "too_large"
    with pytest.raises(Refused, match="too_large"):
        validate("plan@1", {"steps": value})
    while value:
        value = value.pop()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_kept_value_reads_back_the_same(value: object) -> None:
    try:
        check_value(value)
    except Refused:
        return
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value, ensure_ascii=False)) == value


def test_an_artifact_file_is_read_by_its_suffix() -> None:
    assert read_artifact("plan@1", "x/artifact.JSON", b'{"steps": []}') == {"steps": []}
    document = {"front": {"title": "T"}, "body": "Text\n"}
    assert read_artifact("markdown_doc@1", "artifact.md", b"---\ntitle: T\n---\n\nText\n") == document
    assert read_artifact("markdown_doc@1", "artifact.json", json.dumps(document).encode()) == document
    assert read_artifact({"type": "object"}, "notes.markdown", b"Text\n") == {"front": {}, "body": "Text\n"}


@pytest.mark.parametrize(
    ("schema", "name", "hint"),
    [
        ("plan@1", "artifact.md", "Give a .json file."),
        ("markdown_doc@1", "doc.yaml", "Give a .md or .json file."),
        ("file_bundle@1", "code.zip", "Give a folder or a .json file."),
        ({"type": "object"}, "artifact", "Give a .json file."),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(schema: Any, name: str, hint: str) -> None:
    with pytest.raises(Refused) as no:
        read_artifact(schema, name, b"")
    assert no.value.code == "bad_argument" and no.value.hint == hint
    assert no.value.details[0].path == "/path"


@pytest.mark.requirement("S0-21")
def test_a_folder_becomes_a_bundle_sorted_by_path() -> None:
    bundle = bundle_of({"b.rs": b"fn main() {}\n", "a/é.py": "é\r\n".encode()})
    assert bundle == {"files": [{"path": "a/é.py", "content": "é\r\n"}, {"path": "b.rs", "content": "fn main() {}\n"}]}
    assert validate("file_bundle@1", bundle).ok


def test_a_bundle_carries_text_up_to_the_cap() -> None:
    with pytest.raises(Refused) as no:
        bundle_of({"a.txt": b"x", "b.png": b"\x89PNG", "c.bin": b"\xff"})
    assert [detail.path for detail in no.value.details] == ["/files/1/content", "/files/2/content"]
    with pytest.raises(Refused) as no:
        bundle_of({"a": b"x" * MAX_BYTES, "b": b"x"})
    assert no.value.code == "too_large"


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    ),
    st.integers(1, 40),
    st.integers(0, 4),
    st.integers(1, 12),
)
def test_the_quick_look_finds_the_same_faults_as_the_search_for_their_places(
    value: object, max_bytes: int, max_depth: int, max_nodes: int
) -> None:
    def never(*_: object) -> bool:
        return False

    def outcome(quick: bool) -> object:
        with pytest.MonkeyPatch.context() as patch:
            if not quick:
                patch.setattr(parse, "_is_plain", never)
            try:
                check_value(value, max_bytes=max_bytes, max_depth=max_depth, max_nodes=max_nodes)
            except Refused as no:
                return no.code, no.message, no.details
        return "kept"

    assert outcome(quick=True) == outcome(quick=False)


def test_texts_that_are_too_long_together_are_refused() -> None:
    with pytest.raises(Refused) as no:
        check_value({"a": ["abcd"] * 3}, max_bytes=11)
    assert no.value.code == "too_large"
