"""The templates of the page on recoveries are valid, and a run of the outer one completes."""

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


@pytest.mark.requirement("S3-22")
def test_what_fails_is_fixed_as_documented(root: Path, tmp_path: Path) -> None:
    page = root / "docs/how-to/recover-with-a-subflow.md"
    templates = [json.loads(block.text) for block in blocks_of(page) if block.language == "json"]
    folders = [tmp_path / one["name"] for one in templates]
    for folder, template in zip(folders, templates, strict=True):
        assert (lint(template).errors, lint(template).warnings) == ((), ())
        folder.mkdir()
        (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    broken = Work({"summary": "broken"})
    script: Script = {
        "code": [broken, broken, Work({"summary": "whole"})],
        "code[recovery-1].diagnose": [Work({"front": {}, "body": "A typo."})],
        "code[recovery-1].fix": [Work({"summary": "no typo"})],
    }

    with Playground(tmp_path, templates=folders) as play, play.agent() as agent:
        played = drive(agent.call, play.root, templates[1]["name"], {"task": "the door"}, script)
        assert play.problems(played.run) == []

    assert played.last["run_state"] == "completed"
    begun = [answer for tool, answer in played.steps if tool == "start_phase"]
    assert [answer["phase"] for answer in begun][-3:] == ["code[recovery-1].diagnose", "code[recovery-1].fix", "code"]
    assert "Rule failed: " in begun[-3]["data"]["prompt"]
    assert "recovery-1" in json.dumps(begun[-1]["data"]["feedback"])
