"""The templates of the page on flows are valid, and a run of the outer one completes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.docs.conftest import blocks_of
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workflow.lint import lint

if TYPE_CHECKING:
    from pathlib import Path


def test_the_inner_template_is_run_as_documented(root: Path, tmp_path: Path) -> None:
    page = root / "docs/how-to/reuse-a-template.md"
    inner, outer = (json.loads(block.text) for block in blocks_of(page) if block.language == "json")
    folders = [tmp_path / one["name"] for one in (inner, outer)]
    for folder, template in zip(folders, (inner, outer), strict=True):
        assert (lint(template).errors, lint(template).warnings) == ((), ())
        folder.mkdir()
        (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    assert lint(outer).requires.templates == ("note_release",)
    verdict: dict[str, Any] = {"summary": "s", "findings": []}
    script: Script = {
        "build": [Work({"summary": "a door"})],
        "tell": [Work({"front": {}, "body": "done"})],
        "release[1].draft": [Work({"front": {}, "body": "bad"}), Work({"front": {}, "body": "There is a door."})],
        "release[1].check": [Work({"verdict": "fail", **verdict}), Work({"verdict": "pass", **verdict})],
    }

    with Playground(tmp_path, templates=folders) as play, play.agent() as agent:
        played = drive(agent.call, play.root, outer["name"], {}, script)
        assert play.problems(played.run) == []

    assert played.last["run_state"] == "completed"
    prompts = {answer["phase"]: answer["data"]["prompt"] for tool, answer in played.steps if tool == "start_phase"}
    assert '["a door"]' in prompts["release[1].draft"]
    assert "There is a door." in prompts["tell"]
