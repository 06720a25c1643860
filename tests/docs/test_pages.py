"""The checker of page blocks: expected output matches line by line, and a mismatch is located."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.conftest import first_missing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.conftest import Reader

PRINTED = "run 7x: waiting\nplan   completed  1\nbuild  failed     2\n"


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        ("run …: waiting\n…\nbuild  failed", None),
        ("plan   completed\nrun …", "run …"),
        ("  build  failed     2", None),
        ("run …: running", "run …: running"),
    ],
)
def test_lines_must_appear_in_their_order(expected: str, missing: str | None) -> None:
    assert first_missing(expected, PRINTED) == missing


def test_a_page_whose_command_fails_is_no_page_that_works(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\necho one\n```\n```sh\nfalse\n```\n```sh\necho three\n```\n", encoding="utf-8")

    with pytest.raises(AssertionError, match="ended the shell"):
        reader.follow(page)


def test_a_page_that_promises_what_is_not_printed_is_named_with_its_line(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nWORD=two; echo one $WORD\n```\n\n```text\none three\n```\n", encoding="utf-8")

    with pytest.raises(AssertionError, match=r"page.md:5: 'one three'"):
        reader.follow(page)
