"""The templates of the page on loops are valid, and a run of the first one completes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.docs.conftest import blocks_of
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workflow.lint import lint

if TYPE_CHECKING:
    from pathlib import Path

STEPS = [
    {"id": "S-2", "title": "The roof", "acceptance": ["It is dry inside"], "depends_on": ["S-1"]},
    {"id": "S-1", "title": "The walls", "acceptance": ["They stand"]},
]


def checked(verdict: str) -> Work:
    return Work({"verdict": verdict, "summary": verdict, "findings": []})


def shown(root: Path) -> list[dict[str, Any]]:
    page = root / "docs/how-to/work-through-a-list.md"
    return [json.loads(block.text) for block in blocks_of(page) if block.language == "json"]


def test_the_list_is_worked_as_documented(root: Path, tmp_path: Path) -> None:
    template = shown(root)[0]
    folder = tmp_path / template["name"]
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    script: Script = {
        "plan": [Work({"steps": STEPS})],
        "review": [checked("pass")],
        "build[S-1].code": [Work({"summary": "walls"}), Work({"summary": "better walls"})],
        "build[S-1].check": [checked("fail"), checked("pass")],
        "build[S-2].code": [Work({"summary": "roof"})],
        "build[S-2].check": [checked("pass")],
    }
    with Playground(tmp_path, templates=[folder]) as play, play.agent() as agent:
        played = drive(agent.call, play.root, template["name"], {}, script)
        assert play.problems(played.run) == []
    assert played.last["run_state"] == "completed"
    prompts = {answer["phase"]: answer["data"]["prompt"] for tool, answer in played.steps if tool == "start_phase"}
    assert list(prompts)[1:5] == ["build[S-1].code", "build[S-1].check", "build[S-2].code", "build[S-2].check"]
    assert prompts["build[S-2].code"].startswith("Do The roof. Step 2 of 2.\n\nLast work, the newest first:")
    assert "better walls" in prompts["review"]


def test_the_loop_that_repeats_lints(root: Path) -> None:
    loop = shown(root)[1]
    template = {"format": "wfe/1", "name": "again", "version": "1.0.0", "phases": [loop]}
    assert lint(template).errors == ()
