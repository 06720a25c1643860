"""The reference pages match the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scripts import generate_reference, generate_template_schema
from wfe_mcp.core.errors import CODES
from wfe_mcp.core.model import AttemptStatus, RunStatus

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_reference_is_what_the_code_says(root: Path) -> None:
    stale = [name for name, text in generate_reference.documents().items() if (root / name).read_text("utf-8") != text]

    assert stale == [], "Next: python scripts/generate_reference.py"


def test_a_stale_page_is_named_and_left_alone_by_the_check_and_written_by_the_generator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = generate_reference.documents(tmp_path)
    assert generate_reference.main([], tmp_path) == 0
    page = tmp_path / "docs/reference/error-codes.md"
    page.write_text("nothing", encoding="utf-8")
    capsys.readouterr()

    assert generate_reference.main(["--check"], tmp_path) == 1
    assert "docs/reference/error-codes.md" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "nothing"
    assert generate_reference.main([], tmp_path) == 0
    assert {name: (tmp_path / name).read_text("utf-8") for name in wanted} == wanted
    assert generate_reference.main(["--chek"], tmp_path) == 2


def test_the_schema_of_templates_is_what_the_model_says() -> None:
    assert generate_template_schema.main(["--check"]) == 0


def test_every_code_and_every_status_has_its_row(root: Path) -> None:
    codes = (root / "docs/reference/error-codes.md").read_text(encoding="utf-8")
    transitions = (root / "docs/reference/transitions.md").read_text(encoding="utf-8")

    assert [code for code in CODES if f"| `{code}` |" not in codes] == []
    assert [status for status in (*RunStatus, *AttemptStatus) if f"| `{status}` |" not in transitions] == []


def test_every_word_has_one_row_in_the_glossary(root: Path) -> None:
    page = (root / "docs/reference/glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z ]+) \| ", page, re.MULTILINE)[1:]

    assert len(words) == len(set(words))
    assert {
        "template",
        "run",
        "phase",
        "attempt",
        "iteration",
        "artifact",
        "gate",
        "decision",
        "opinion",
        "checkpoint",
        "event",
        "job",
        "work item",
        "check",
        "role",
    } <= set(words)
