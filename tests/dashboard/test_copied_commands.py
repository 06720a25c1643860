"""A command that the application shows does in a shell what the page says, whoever wrote the text in it, in the project that is shown."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page as Tab_, expect

from tests.dashboard.test_navigation import Visit, to, visit
from tests.engine.scene import Scene, phase

__all__ = ["visit"]

SOURCES = Path(__file__).resolve().parents[2] / "web" / "src"
HOSTILE = "it's $(touch owned) `touch owned` \"; touch owned; # \\ "


@pytest.fixture
def terminal(tmp_path: Path) -> "Terminal":
    return Terminal(tmp_path / "terminal")


class Terminal:
    """A shell whose ``wfe-mcp`` writes down the words that it was given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        program = folder / "wfe-mcp"
        program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
        program.chmod(0o755)

    def words(self, shown: Tab_) -> list[str]:
        """What the command that the page offers gives to ``wfe-mcp``. It runs, and nothing else does."""
        line = shown.locator("main .cli code, dialog .cli code").last.inner_text()
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env={"PATH": path}, capture_output=True, text=True, check=True
        )
        assert [each.name for each in self.folder.iterdir()] == ["wfe-mcp"], line
        return json.loads(ran.stdout)


def test_the_words_of_a_link_are_one_argument_of_the_search(visit: Visit, terminal: Terminal) -> None:
    shown = visit(f"/search?q={quote(HOSTILE)}")
    expect(shown.get_by_label("Words to search for")).to_have_value(HOSTILE)
    assert terminal.words(shown) == ["find", "--all", HOSTILE]
    to(shown, f"/search?q={quote('--json')}")
    expect(shown.get_by_label("Words to search for")).to_have_value("--json")
    assert terminal.words(shown) == ["find", "--all", "--", "--json"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/compare/{}/two", ["compare", HOSTILE, "two"]),
        ("/items?kind={}", ["work", "list", "--kind", HOSTILE]),
    ],
)
def test_what_an_address_says_is_text_in_each_command(
    visit: Visit, terminal: Terminal, address: str, words: list[str]
) -> None:
    shown = visit(address.format(quote(HOSTILE, safe="")))
    expect(shown.locator("main .cli code").last).to_contain_text("touch owned")
    assert terminal.words(shown) == words


def test_what_is_typed_is_text_in_each_command(scene: Scene, visit: Visit, terminal: Terminal) -> None:
    shown = visit("/assistant")
    shown.get_by_label("Question", exact=True).fill(HOSTILE)
    assert terminal.words(shown) == ["ask", HOSTILE.strip()]
    to(shown, "/items/new")
    shown.get_by_label("Title").fill(f"--{HOSTILE}")
    assert terminal.words(shown) == ["work", "add", "--", f"--{HOSTILE}"]
    scene.define(phase("plan"))
    to(shown, "/start/drill")
    shown.get_by_label("goal").fill(HOSTILE)
    assert terminal.words(shown) == ["start", "drill", "--input", f"goal={HOSTILE}"]


def test_no_source_builds_a_command_without_quoting_what_it_puts_in() -> None:
    bare = re.compile(r"(?<!cli)`wfe-mcp [^`]*\$\{")
    assert [path.name for path in SOURCES.glob("**/*.ts*") if bare.search(path.read_text("utf-8"))] == []
