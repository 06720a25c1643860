"""The README, the documentation pages and the changelog follow the house rules."""

import json
import re
import tomllib
from pathlib import Path

from scripts import check
from wfe_mcp import __version__

PARTS = ("## Context", "## Decision", "## What we gave up", "## How we would notice that it was wrong")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def test_the_readme_begins_with_the_demo_and_the_tests_and_nothing_else() -> None:
    set_up = "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run -q "

    assert check.readme_commands() == [set_up + "wfe-mcp demo", set_up + "pytest -q -n auto --dist worksteal"]


def test_configuration_shown_on_a_page_can_be_pasted(pages: list[Path]) -> None:
    readers = {"json": json.loads, "toml": tomllib.loads}
    blocks = [block for page in pages for block in FENCE.findall(page.read_text(encoding="utf-8"))]

    for language, text in blocks:
        readers.get(language, str)(text)
    assert {"json", "toml"} <= {language for language, _ in blocks}


def test_links_between_pages_lead_somewhere(pages: list[Path], root: Path) -> None:
    assert [
        f"{page.relative_to(root)} -> {target}"
        for page in pages
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        if not (page.parent / target).exists()
    ] == []


def test_every_decision_is_one_page_with_the_same_four_parts(root: Path) -> None:
    decisions = sorted((root / "docs" / "adr").glob("*.md"))

    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {path.name[:4]} "), path.name
        assert tuple(line for line in lines if line.startswith("## ")) == PARTS, path.name
        assert len(lines) <= 60, path.name


def test_the_licence_and_the_changes_of_this_version_are_there(root: Path) -> None:
    assert (root / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert f"## {__version__}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == __version__


def test_no_page_and_no_module_names_the_number_of_an_issue(pages: list[Path], root: Path) -> None:
    """A number says nothing to a reader who has not the tracker: a text says what is left, or is there."""
    number = re.compile(r"\bissue #?[0-9]+", re.IGNORECASE)
    code = [
        path for folder in ("wfe_mcp", "scripts", "bench", "web/src") for path in (root / folder).rglob("*.[pt][ys]*")
    ]
    texts = [
        *(page for page in pages if page.name != "CHANGELOG.md"),
        *(path for path in code if path.suffix != ".pyc"),
    ]

    found = [path.name for path in texts if number.search(path.read_text(encoding="utf-8"))]

    assert len(texts) > 700
    assert found == []
