"""A template is written, linted, started and run as its page describes, in that order and in one project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.conftest import ROOT, TIMEOUT_S, blocks_of

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
    assert {block.language for block in blocks_of(root / PAGE)} == {"sh", "text", "python", "console"}
    assert [output for text, output in printed.items() if text.endswith("templates lint notes\n")] == ["", ""]
    assert (played.returncode, "1 passed" in played.stdout) == (0, True), played.stdout


def test_the_tests_run_beside_an_installation_as_a_tool_as_the_page_says(root: Path, tmp_path: Path) -> None:
    """The environment of a tool has no pytest. uvx takes what it needs from its cache: no network."""
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv" / "bin")
    (command,) = [block.text for block in blocks_of(root / PAGE) if block.language == "console"]
    assert command == "uvx --with WFE pytest test_notes.py\n"
    if uv is None:
        pytest.skip("uv is not installed")
    (tmp_path / "test_notes.py").write_text(
        "from wfe_mcp.testing.playground import Playground\n\n\ndef test_it():\n    assert Playground\n"
    )
    words = [word.replace("WFE", f"wfe-mcp @ {ROOT.as_uri()}") for word in command.split()[1:]]
    ran = subprocess.run(
        [uv, "tool", "run", "--offline", *words],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    if re.search("network was disabled|not found in the cache|no network", ran.stderr, re.IGNORECASE):
        pytest.skip("uv has not all packages in its cache")
    assert (ran.returncode, "1 passed" in ran.stdout) == (0, True), ran.stdout + ran.stderr
