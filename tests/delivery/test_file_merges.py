"""What a merge of texts by git is counts only where it has no conflict."""

from pathlib import Path

import pytest

from wfe_mcp.delivery.git.merges import clean_merges

LINES = b"".join(b"%d\n" % number for number in range(10))


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (LINES + b"ours\n", b"theirs\n" + LINES, b"theirs\n" + LINES + b"ours\n"),
        (LINES, LINES + b"theirs\n", LINES + b"theirs\n"),
        (LINES + b"same\n", LINES + b"same\n", LINES + b"same\n"),
    ],
    ids=["apart", "one side", "the same"],
)
def test_changes_in_different_places_become_one_text(tmp_path: Path, ours: bytes, theirs: bytes, merged: bytes) -> None:
    assert {*clean_merges(tmp_path, LINES, ours, theirs)} == {merged}


def test_a_conflict_gives_no_text_not_even_one_with_marks(tmp_path: Path) -> None:
    assert list(clean_merges(tmp_path, LINES, LINES + b"ours\n", LINES + b"theirs\n")) == []


def test_no_configuration_of_the_folder_takes_part(tmp_path: Path) -> None:
    """Of the repository around ``root`` neither a driver nor a style of conflicts nor an attribute counts."""
    (tmp_path / ".gitattributes").write_text("* merge=union\n", encoding="utf-8")
    (tmp_path / ".gitconfig").write_text("[merge]\n\tdefault = union\n", encoding="utf-8")
    assert list(clean_merges(tmp_path, LINES, LINES + b"ours\n", LINES + b"theirs\n")) == []
