"""A document reads back from its file unchanged."""

import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from wfe_mcp.artifacts.parse import parse_json, parse_markdown, read_artifact
from wfe_mcp.artifacts.registry import SHIPPED, json_schema
from wfe_mcp.artifacts.validate import TextFile, to_file
from wfe_mcp.core.errors import Refused

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.sampled_from(["true", "No", "1.5", "a b", "a: b", "---"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(texts, values, max_size=3), texts)
@example({}, "---\nno head\n---\n")
@example({}, "\ufeffmark")
@example({}, "\n---\n")
@example({"a": "---", "---": "x"}, "\r\n\n---\n")
def test_a_document_reads_back_exactly_as_it_was_written(front: dict[str, Any], body: str) -> None:
    written = to_file("markdown_doc@1", {"front": front, "body": body})
    assert isinstance(written, TextFile) and written.suffix == ".md"
    assert parse_markdown(written.text.encode()) == {"front": front, "body": body}


def test_a_document_looks_like_one_that_a_person_wrote() -> None:
    front = {"title": "Why zip", "version": 2, "tags": ["a", "b"], "ok": "true", "two words": "a: b"}
    assert to_file("markdown_doc@1", {"front": front, "body": "# Why\n"}) == (
        ".md",
        '---\ntitle: Why zip\nversion: 2\ntags: ["a", "b"]\nok: "true"\n"two words": "a: b"\n---\n\n# Why\n',
    )
    assert to_file("markdown_doc@1", {"front": {}, "body": "# Why\n"}) == (".md", "# Why\n")


def test_a_head_written_manually_is_read() -> None:
    text = "---  \r\n# a comment\r\n\r\ntitle:  It's 5 o'clock: tea \r\nempty:\r\nnumber: NaN\r\n---\r\n\r\nBody\r\n"
    assert parse_markdown(text) == {
        "front": {"title": "It's 5 o'clock: tea", "empty": "", "number": "NaN"},
        "body": "Body\r\n",
    }
    assert parse_markdown('---\n{"a": {"b": 1}}\n---\nBody') == {"front": {"a": {"b": 1}}, "body": "Body"}
    assert parse_markdown("---\n---") == {"front": {}, "body": ""}


@pytest.mark.parametrize(
    "text", ["", "Body\n", "---\nnever closed\n", "--- x\na: 1\n---\n", "a\n---\nb: 1\n---\n", "----\na\n---\n"]
)
def test_without_a_closed_head_everything_is_body(text: str) -> None:
    assert parse_markdown(text) == {"front": {}, "body": text}


def test_every_line_of_a_head_that_cannot_be_read_is_named() -> None:
    deep = "[" * 65 + "]" * 65
    head = f'tags:\n  - a\n- b\nno colon\n"key" 1\nlist: [a, b]\ntext: "open\ntags: 2\ndeep: {deep}\n"open: 1\n{{"x'
    with pytest.raises(Refused) as no:
        parse_markdown(f"---\n{head}\n---\nBody")
    assert no.value.code == "invalid_artifact"
    found = [(detail.path, detail.message.split(": ")[0]) for detail in no.value.details]
    assert found == [
        *(("/front", f"line {number}") for number in (3, 4, 5, 6, 7, 8)),
        ("/front/tags", "line 9"),
        *(("/front", f"line {number}") for number in (10, 11, 12)),
    ]


def test_a_document_with_what_cannot_be_kept_is_refused() -> None:
    for text in ("a\x00", '---\na: "\\u0000"\n---\n', "\ud800", b"\xff"):
        with pytest.raises(Refused, match="invalid_artifact"):
            parse_markdown(text)
    with pytest.raises(Refused, match="too_large"):
        parse_markdown("x" * 1_000_001)


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "file_bundle@1"])
def test_every_other_artifact_reads_back_from_its_file(name: str) -> None:
    value = json_schema(name)["examples"][0]
    written = to_file(name, value)
    assert isinstance(written, TextFile)
    assert read_artifact(name, f"artifact{written.suffix}", written.text.encode()) == value


def test_an_inline_schema_is_mirrored_as_json() -> None:
    written = to_file({"type": "object"}, {"b": "é", "a": [1]})
    assert isinstance(written, TextFile)
    assert written == (".json", '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n')
    assert parse_json(written.text) == json.loads(written.text)
