"""Artifacts as documents that people read: in the order of their schema, with headings, lists and tables."""

from typing import Any

import pytest

from wfe_mcp.artifacts.content import as_markdown, in_schema_order, parts_of, written_to
from wfe_mcp.artifacts.validate import TextFile

SPEC: dict[str, Any] = {
    "acceptance": ["Two positions give two lines"],
    "goal": "Users export their invoices",
    "requirements": [
        {"id": "R-1", "text": "One line per position", "priority": "must"},
        {"id": "R-2", "text": "Fields with a | are quoted"},
    ],
    "title": "Export `CSV`",
}
TASKS: dict[str, Any] = {
    "items": [
        {
            "acceptance": ["shop export 7 prints two lines", "The header is first"],
            "description": "One function.\nIt streams.",
            "files": ["src/export.py"],
            "id": "T-1",
            "priority": "high",
            "requirements": ["R-1"],
            "title": "Write the lines",
        }
    ]
}


def document(schema: str | dict[str, Any], value: dict[str, Any], path: str = "specs/csv/it.md") -> str:
    written = written_to(path, schema, value)
    assert isinstance(written, TextFile)
    assert written.suffix == ".md"
    return written.text


def test_a_spec_is_written_as_a_document_in_the_order_of_its_schema() -> None:
    assert document("spec@1", SPEC) == (
        "# Export `CSV`\n\n## Goal\n\nUsers export their invoices\n\n## Requirements\n\n"
        "| id | text | priority |\n| --- | --- | --- |\n"
        "| R-1 | One line per position | must |\n| R-2 | Fields with a \\| are quoted |  |\n\n"
        "## Acceptance\n\n- Two positions give two lines\n"
    )


def test_a_task_is_headed_by_its_id_and_title() -> None:
    assert document("task_list@1", TASKS) == (
        "## Items\n\n### T-1: Write the lines\n\n"
        "**Acceptance:**\n\n- shop export 7 prints two lines\n- The header is first\n\n"
        "#### Description\n\nOne function.\nIt streams.\n\n"
        "**Priority:** high\n\n**Files:**\n\n- src/export.py\n\n**Requirements:**\n\n- R-1\n"
    )


def test_a_schema_of_the_template_is_followed_too() -> None:
    schema = {"type": "object", "properties": {"why": {"type": "string"}, "how": {"type": "string"}}}
    assert document(schema, {"how": "so", "why": "since"}, "NOTES.MD") == "## Why\n\nsince\n\n## How\n\nso\n"


def test_another_name_keeps_json_and_documents_and_bundles_stay_as_they_are() -> None:
    assert written_to("specs/a.json", "spec@1", {"b": 1, "a": 2}) == (".json", '{\n  "b": 1,\n  "a": 2\n}\n')
    assert written_to("a.md", "markdown_doc@1", {"front": {}, "body": "# A\n"}) == (".md", "# A\n")
    assert written_to("out.md", "file_bundle@1", {"files": [{"path": "a.py", "content": "x"}]}) == {"a.py": "x"}


FORMS: list[tuple[str, Any, str]] = [
    ("file_bundle@1", {"files": [{"path": "a.py", "content": "x\ny\n"}]}, "## a.py\n\n    x\n    y\n"),
    ("markdown_doc@1", {"front": {"title": "A"}, "body": "It is `so`"}, "# A\n\nIt is `so`\n"),
    ("", ["a", True, 2], "- a\n- yes\n- 2\n"),
    ("", "Plain", "Plain\n"),
    (
        "",
        {"more": [["a"], {"b": {"c": 1}}], "none": [], "empty": ""},
        "## More\n\n### 1\n\n- a\n\n### 2\n\n#### B\n\n**C:** 1\n",
    ),
    (
        "review@1",
        {
            "findings": [
                {"severity": "low", "title": "Short name", "line": 3},
                {"severity": "high", "title": "No test", "detail": "It is\nnew", "file": "a.py", "line": 12},
                {"severity": "high", "title": "No docstring", "file": "b.py", "line": 0, "recommendation": "`Say` it"},
            ]
        },
        "## Findings\n\n- **high** `a.py:12`: No test\n  - **Detail:** It is\n    new\n"
        "- **high** `b.py`: No docstring\n  - **Recommendation:** `Say` it\n- **low** Short name\n  - **Line:** 3\n",
    ),
    ("", [{"severity": "low", "title": 1}], "| severity | title |\n| --- | --- |\n| low | 1 |\n"),
    (
        "",
        {"rows": [{"a": None, "b": ["x", 1]}, {"a": 2, "b": []}]},
        "## Rows\n\n| a | b |\n| --- | --- |\n|  | x, 1 |\n| 2 |  |\n",
    ),
]


@pytest.mark.parametrize(("schema", "value", "text"), FORMS)
def test_every_kind_of_value_has_its_form(schema: str, value: object, text: str) -> None:
    assert as_markdown(parts_of(schema, value)) == text


def test_references_maps_and_sorted_schemas_are_followed() -> None:
    row: dict[str, Any] = {"properties": {"what": {}, "how": {}}}
    schema: dict[str, Any] = {
        "properties": {"rows": {"items": {"$ref": "#/$defs/row"}}, "by_name": {"additionalProperties": row}},
        "$defs": {"row": row},
    }
    given = {"how": 1, "what": 2}
    found = in_schema_order({"by_name": {"a": given}, "rows": [given, "text"], "else": 1}, schema)
    assert [list(found), list(found["rows"][0]), list(found["by_name"]["a"])] == [
        ["rows", "by_name", "else"],
        ["what", "how"],
        ["what", "how"],
    ]
    anything = {"properties": {"b": {"$ref": "#/$defs/any"}, "a": True}, "$defs": {"any": True}}
    assert in_schema_order({"a": [1], "b": [{"c": 1}]}, anything) == {"b": [{"c": 1}], "a": [1]}
    stored: dict[str, Any] = {"properties": {"body": {}, "title": {}}, "required": ["title"]}
    assert list(in_schema_order({"body": 1, "title": 2}, stored)) == ["title", "body"]
