"""A template is written, linted, started and run as its page describes, in that order and in one project."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.docs.conftest import TIMEOUT_S, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.conftest import Reader

PAGE = "docs/how-to/write-your-own-template.md"


def test_the_template_of_the_page_is_written_linted_started_and_played(reader: Reader, root: Path) -> None:
    answer = reader.follow(root / PAGE)
    printed = {block.text: output for block, output in answer}
    tests = [block for block in blocks_of(root / PAGE) if block.language == "python"]
    (reader.folder / "test_notes.py").write_text(tests[0].text, encoding="utf-8")
    played = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider", "test_notes.py"],
        cwd=reader.folder,
        env=reader.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )

    assert len(tests) == 1
    assert {block.language for block in blocks_of(root / PAGE)} == {"sh", "text", "python"}
    assert [output for text, output in printed.items() if text.endswith("templates lint notes\n")] == ["", ""]
    assert (played.returncode, "1 passed" in played.stdout) == (0, True), played.stdout
