"""Every how-to page shows what it starts from, and the commands that lead there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.conftest import ROOT, Reader, blocks_of

HOW_TO = sorted((ROOT / "docs" / "how-to").rglob("*.md"))
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
STARTS_FROM = re.compile(
    r"^(<summary>Set it up in an empty folder</summary>|.*\bIn an empty folder:|.*\bYou need )", re.MULTILINE
)
TEMPLATE_PAGES = (
    "call-tools-in-a-workflow",
    "go-back",
    "recover-with-a-subflow",
    "reuse-a-template",
    "share-with-locks",
    "undo-what-failed",
    "work-through-a-list",
)
"""Pages that say: save the template, lint it, trust it, start it."""
CONFIGURED = """
[mcp_servers.github]
command = "github-mcp-server"

[mcp_servers.cluster]
command = "cluster-server"

[checks.health]
argv = ["true"]
"""
"""What two pages say that their templates need."""
INPUTS = {
    "by_scope": {"tasks": '[{"title": "a", "scopes": ["app"]}]'},
    "find_and_fix": {"task": "a", "failure": "b"},
    "build_with_care": {"task": "a"},
    "note_release": {"changes": '["a"]'},
    "open_pr": {"number": "7"},
}


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_a_page_hides_no_command_and_says_what_it_starts_from(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [comment for comment in COMMENT.findall(text) if "```" in comment] == []
    assert STARTS_FROM.search(text) is not None


def templates_of(page: str) -> list[dict[str, Any]]:
    shown = [json.loads(block.text) for block in blocks_of(ROOT / f"docs/how-to/{page}.md") if block.language == "json"]
    return [each for each in shown if "format" in each]


def test_the_templates_of_the_pages_are_saved_checked_trusted_and_started_as_these_say(
    reader: Reader, tmp_path: Path
) -> None:
    made = [template for page in TEMPLATE_PAGES for template in templates_of(page)]
    assert {template["name"] for template in made} >= INPUTS.keys()
    typed = ["git init -q .", "printf 'correct horse' | wfe-mcp init --yes --pin-fd 0", "mkdir -p .wfe/templates"]
    typed += ["cat ../config.toml >> .wfe/config.toml", "printf 'correct horse' | wfe-mcp trust --yes --pin-fd 0"]
    (tmp_path / "config.toml").write_text(CONFIGURED, encoding="utf-8")
    for template in made:
        (tmp_path / f"{template['name']}.json").write_text(json.dumps(template), encoding="utf-8")
    for template in made:
        name = template["name"]
        typed += [
            f"cp ../{name}.json .wfe/templates/{name}.json",
            f"wfe-mcp templates lint {name}",
            f"printf 'correct horse' | wfe-mcp trust {name} --yes --pin-fd 0",
        ]
    for name in [template["name"] for template in made]:
        given = [f"--input '{key}={value}'" for key, value in INPUTS.get(name, {}).items()]
        typed.append(" ".join(["wfe-mcp", "start", name, *given]))
    page = tmp_path / "page.md"
    page.write_text("".join(f"```sh\n{line}\n```\n" for line in typed), encoding="utf-8")

    result = reader.follow(page)

    started = [answer for block, answer in result if "wfe-mcp start" in block.text]
    assert len(started) == len(made)
    assert all(answer.startswith("Started ") for answer in started), started
