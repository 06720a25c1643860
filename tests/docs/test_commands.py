"""Every command that a page names exists, with each option it shows."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.docs.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:^|[\s'\"(=$|&>])(?<!install )wfe-mcp((?: (?:'[^']*'|\"[^\"$]*\"|[^\s;&|#)'\"`]+))+)")


@cache
def commands() -> Any:
    from typer.main import get_command

    from wfe_mcp.cli.app import app

    return get_command(app())


def faults_of(named: str, command: Any) -> list[str]:
    """The words of ``wfe-mcp named`` that are no command, or no option of it."""
    words, place = named.split(), ["wfe-mcp"]
    while words and (inner := getattr(command, "commands", None)) is not None and not words[0].startswith("-"):
        if (word := words.pop(0)) not in inner:
            # a placeholder for any command, or several of them: `approve|reject`
            return (
                []
                if word.isupper() or all(each in inner for each in word.split("|"))
                else [f"{' '.join(place)} {word}"]
            )
        place.append(word)
        command = inner[word]
    options = {each for param in command.params for each in (*param.opts, *param.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [f"{' '.join(place)} {each}" for each in given if each not in options]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_exists_with_its_options(page: Path) -> None:
    code = [found[1] or found[2] for found in CODE.finditer(page.read_text(encoding="utf-8"))]
    known = commands()
    assert [
        fault
        for text in code
        for line in text.replace("\\\n", " ").splitlines()
        for found in NAMED.finditer(line)
        for fault in faults_of(found[1], known)
    ] == []


@pytest.mark.parametrize(
    ("named", "faults"),
    [
        ("status --json", []),
        ("jobs cancel JOB --reason=x", []),
        ("approve|reject RUN", []),
        ("statsu", ["wfe-mcp statsu"]),
        ("jobs end JOB", ["wfe-mcp jobs end"]),
        ("jobs list --every", ["wfe-mcp jobs list --every"]),
    ],
)
def test_a_command_that_is_not_there_is_named(named: str, faults: list[str]) -> None:
    assert faults_of(named, commands()) == faults


def test_pages_show_what_people_type_and_scripts_pass_a_pin_by_one_page() -> None:
    """A PIN in a command stays in the history of the shell, and a reader copies what a page shows."""
    named = [page for page in PAGES if "--pin-fd" in page.read_text(encoding="utf-8")]
    assert [page.name for page in named] == ["commands.md"]
    assert [page.name for page in PAGES if "printf 'correct horse'" in page.read_text(encoding="utf-8")] == []
