"""The page about a branch is followed to its end."""

from pathlib import Path

from tests.docs.conftest import Reader


def test_what_is_on_main_is_checked_as_documented(reader: Reader, root: Path) -> None:
    reader.follow(root / "docs" / "how-to" / "check-what-is-on-main.md")
