"""The hook's statements are those of the store."""

from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, Text, select

from scripts import generate_hook_statements
from wfe_mcp.clients.wfe_hook.statements import DOCUMENT_TEXT, NEXT_WORK, RUNNING_WORK, WORK_COLUMNS
from wfe_mcp.store.layout.tables import DOCUMENT


def test_the_statements_of_the_hook_are_generated_from_the_store(tmp_path: Path) -> None:
    assert generate_hook_statements.main(["--check"]) == 0

    copy = tmp_path / "statements.py"
    copy.write_text("", encoding="utf-8")
    assert generate_hook_statements.main(["--check"], copy) == 1
    assert generate_hook_statements.main([], copy) == 0
    assert generate_hook_statements.main(["--check"], copy) == 0
    assert generate_hook_statements.main(["--wrong"], copy) == 2


def test_a_table_with_another_name_makes_the_statements_of_the_hook_out_of_date(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renamed = Table("text", MetaData(), Column("sha256", Text), Column("content", Text))
    before = generate_hook_statements.text()

    monkeypatch.setattr(generate_hook_statements, "DOCUMENT_TEXT", select(renamed.c.content))

    assert f"FROM {DOCUMENT.name}" in before
    assert generate_hook_statements.text() != before
    assert generate_hook_statements.main(["--check"]) == 1


def test_the_statements_of_the_hook_take_question_marks_and_nothing_else() -> None:
    statements = (RUNNING_WORK, NEXT_WORK, DOCUMENT_TEXT)

    assert [each.count("?") for each in statements] == [1, 2, 1]
    assert ":" not in "".join(statements)
    assert len(set(WORK_COLUMNS)) == len(WORK_COLUMNS)
