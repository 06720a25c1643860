"""The template of the page on going back is valid, and a run of it completes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.docs.conftest import blocks_of
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workflow.lint import lint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.requirement("S0-06")
def test_the_text_is_revised_as_documented(root: Path, tmp_path: Path) -> None:
    (template,) = [
        json.loads(block.text) for block in blocks_of(root / "docs/how-to/go-back.md") if block.language == "json"
    ]
    assert (lint(template).errors, lint(template).warnings) == ((), ())
    folder = tmp_path / template["name"]
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    bad = {"verdict": "fail", "summary": "clumsy", "findings": [{"severity": "high", "title": "It is clumsy"}]}
    script: Script = {
        "write": [Work({"front": {}, "body": "first"})],
        "revise": [Work({}), Work({"front": {}, "body": "second"})],  # its first try was skipped
        "review": [Work(bad), Work({"verdict": "pass", "summary": "fine", "findings": []})],
    }

    with Playground(tmp_path, templates=[folder]) as play, play.agent() as agent:
        played = drive(agent.call, play.root, template["name"], {}, script)
        assert play.problems(played.run) == []

    assert played.last["run_state"] == "completed"
    begun = [answer for tool, answer in played.steps if tool == "start_phase"]
    assert [answer["phase"] for answer in begun] == ["write", "review", "revise", "review"]
    assert "second" in begun[-1]["data"]["prompt"]
    assert "review" in json.dumps(begun[2]["data"]["feedback"])
