"""The template of the page on undoing means something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.docs.conftest import blocks_of
from wfe_mcp.workflow.lint import lint

if TYPE_CHECKING:
    from pathlib import Path


def test_the_template_lints(root: Path) -> None:
    page = root / "docs/how-to/undo-what-failed.md"
    (template,) = [json.loads(block.text) for block in blocks_of(page) if block.language == "json"]
    assert (lint(template).errors, lint(template).warnings) == ((), ())
