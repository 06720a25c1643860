"""The template of the page on locks is valid, and runs as the page describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.docs.conftest import blocks_of
from wfe_mcp.testing.playground import Playground
from wfe_mcp.workflow.lint import lint

if TYPE_CHECKING:
    from pathlib import Path

TASKS = [
    {"id": "T-1", "title": "the table", "scopes": ["db"]},
    {"id": "T-2", "title": "the page", "scopes": ["ui"]},
    {"id": "T-3", "title": "the index", "scopes": ["db", "docs"]},
]


def test_tasks_of_one_scope_take_turns_as_documented(root: Path, tmp_path: Path) -> None:
    (template,) = [
        json.loads(one.text) for one in blocks_of(root / "docs/how-to/share-with-locks.md") if one.language == "json"
    ]
    assert (lint(template).errors, lint(template).warnings) == ((), ())
    folder = tmp_path / template["name"]
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")

    with Playground(tmp_path, templates=[folder]) as play, play.agent() as one, play.agent() as two:
        run = one.call("start_run", template=template["name"], inputs={"tasks": TASKS})["run"]
        assert one.call("start_phase", run=run)["phase"] == "task[T-1].code"
        assert two.call("start_phase", run=run, phase="task[T-3].code")["error"]["code"] == "leased"
        assert (answer := two.call("start_phase", run=run, phase="task[T-2].code"))["ok"], answer
        for agent, key in ((one, "T-1"), (two, "T-2"), (one, "T-3")):
            agent.call("start_phase", run=run, phase=f"task[{key}].code")
            agent.call("submit_artifact", run=run, phase=f"task[{key}].code", artifact={"summary": "done"})
        assert one.call("start_phase", run=run)["phase"] == "deploy"
        other = two.call("start_run", template=template["name"], inputs={"tasks": []})["run"]
        waits = two.call("status", run=other)
        assert (waits["waiting_on"], [move["tool"] for move in waits["next"]]) == ("job", ["status"])
        assert f"run {run} holds" in str(waits["data"]["blockers"])
        assert play.problems(run) == []
