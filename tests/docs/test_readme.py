"""The README's commands work, and the reference lists exactly the existing tools.

Its first two commands, the demo and the tests, are run by scripts/check.py.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.docs.conftest import ROOT, blocks_of
from wfe_mcp import __version__
from wfe_mcp.testing.stdio_client import StdioClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docs.conftest import Reader

README = ROOT / "README.md"
PIN = "correct horse"
MORE = {
    "init": ["--yes", "--pin-fd", "0"],
    "RUN": ["--help"],
    "install": ["--client", "codex", "--yes"],
    "uninstall": ["--yes"],
}
"""What each command of the README needs where no user answers and no client is installed."""


def test_each_command_of_the_readme_works(reader: Reader) -> None:
    text = [
        shlex.split(line, comments=True)
        for block in blocks_of(README)
        if block.language == "bash"
        for line in block.text.splitlines()
        if line.startswith("wfe-mcp")
    ]
    (reader.folder / "Makefile").write_text("test:\n\ttrue\n", encoding="utf-8")

    assert len(text) >= 2
    for words in text:
        more = next((options for word, options in MORE.items() if word in words), list[str]())
        done = subprocess.run(
            [*words, *more],
            cwd=reader.folder,
            env=reader.environment,
            input=PIN,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, words
        assert [line for line in done.stderr.splitlines() if not line.startswith("Next: ")] == [], words
        assert done.stdout, words


def test_the_version_is_reported(reader: Reader) -> None:
    assert reader.run("wfe-mcp", "--version").stdout == f"wfe-mcp {__version__}\n"


def test_every_client_starts_the_same_server(root: Path) -> None:
    pages = [README, root / "docs/how-to/connect-a-client.md"]
    found = [entry for page in pages for block in blocks_of(page) for entry in entries_of(block.language, block.text)]

    assert len(found) >= 7
    assert {tuple(argv) for argv in found} == {("wfe-mcp", "serve")}


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_what_clients_start_offers_the_tools_of_the_reference(reader: Reader, era: Any) -> None:
    reference = (ROOT / "docs/reference/tools.md").read_text(encoding="utf-8")
    with StdioClient(["wfe-mcp", "serve"], cwd=reader.folder, env=reader.environment, era=era) as client:
        offered = [tool["name"] for tool in client.tools()]

    headings = re.findall(r"^## (\w+)$", reference, re.MULTILINE)
    assert offered == [heading for heading in headings if "_" in heading or heading in offered]


def entries_of(language: str, text: str) -> Iterator[list[str]]:
    """The command lines of the servers that a client's configuration names."""
    readers = {"json": json.loads, "toml": tomllib.loads}
    if language not in readers:
        return
    waiting: list[dict[str, Any]] = [readers[language](text)]
    while waiting:
        value = waiting.pop()
        command: str | list[str] | None = value.get("command")
        if command is None:
            waiting += [cast("dict[str, Any]", inner) for inner in value.values() if isinstance(inner, dict)]
        else:
            yield command if isinstance(command, list) else [command, *value["args"]]
