"""Importers account for every key, at every level: it takes effect, or is reported, or is refused."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from wfe_mcp.core.errors import Refused
from wfe_mcp.importers import read_workflow

FOLDERS = Path(__file__).parent / "folders"
STAGE = {"ai_provider": "codex", "approval_provider": "second", "approver_config": {"model": "large"}}
DOCUMENTS: dict[str, Any] = {
    "config.json": {
        "profile": "jpa-mt",
        "hash_prompts": True,
        "providers": {"planner": "codex", "codex": {"fs_ability": "none"}},
        "workflow": {"defaults": {"approval_max_retries": 1}, "plan": {"response": STAGE}},
    },
    "gates.json": {"plan.prompt": "skip", "plan.response": {"approver": "second", "max_retries": 2}},
    "workflow.json": {
        "name": "triage",
        "description": "Looks at ${new Date().toISOString()} and at ${nothing}",
        "steps": [
            {
                "name": "fetch",
                "tool": "github.getIssue",
                "params": {"number": "${input.number}"},
                "assign": "issue",
                "retry": {"maxAttempts": 2},
            }
        ],
        "config": {"timeoutMs": 60000, "continueOnError": False, "maxRetries": 1},
    },
    "row.json": {"name": "stored", "definition": {"steps": [{"name": "a", "tool": "a.b", "params": {}}]}},
    ".ai-workflow.yaml": {
        "version": 1,
        "git": {"base_branch": "main"},
        "recovery": {"enabled": True},
        "agent": {"checks": ["pytest"]},
    },
    "tasks.json": json.loads((FOLDERS / "task_master/.taskmaster/tasks/tasks.json").read_text(encoding="utf-8")),
    "shrimp/.shrimp/tasks.json": json.loads((FOLDERS / "shrimp/.shrimp/tasks.json").read_text(encoding="utf-8")),
}
"""By file name; YAML is written as JSON, which it contains."""
WITHOUT_MEANING = {"params"}
"""Below these, keys are values of the user."""


def objects(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of each object in ``value`` whose keys have a meaning."""
    if isinstance(value, dict):
        yield at
        for key, each in cast("dict[str, Any]", value).items():
            if key not in WITHOUT_MEANING:
                yield from objects(each, (*at, key))
    elif isinstance(value, list):
        for index, each in enumerate(cast("list[Any]", value)):
            yield from objects(each, (*at, index))


def reported(folder: Path, name: str, document: Any) -> list[str]:
    """Places and messages of everything that an import of ``document`` reports."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    try:
        details = getattr(read_workflow(file), "not_carried", ())
    except Refused as no:
        details = no.details
    return [f"{each.path} {each.message}" for each in details]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_unknown_key_is_reported_wherever_it_is(tmp_path: Path, name: str) -> None:
    silent: list[tuple[str | int, ...]] = []
    for at in objects(DOCUMENTS[name]):
        document = copy.deepcopy(DOCUMENTS[name])
        place = document
        for part in at:
            place = place[part]
        place["zzodd"] = 3
        if not any("zzodd" in each for each in reported(tmp_path, name, document)):
            silent.append(at)
    assert silent == []


@pytest.mark.parametrize("name", ["config.json", "gates.json", "workflow.json", ".ai-workflow.yaml"])
def test_a_key_without_a_value_is_nothing_wherever_it_is(tmp_path: Path, name: str) -> None:
    known = {
        "config.json": {(): "dev", ("workflow",): "revise", ("workflow", "plan", "response"): "approval_max_retries"},
        "gates.json": {(): "default_approver", ("plan.response",): "allow_rewrite"},
        "workflow.json": {(): "version", ("steps", 0): "if", ("config",): "maxRetries"},
        ".ai-workflow.yaml": {(): "plan_dir", ("git",): "merge_strategy", ("agent",): "default_lane"},
    }[name]
    before = reported(tmp_path, name, DOCUMENTS[name])
    for at, key in known.items():
        document = copy.deepcopy(DOCUMENTS[name])
        place = document
        for part in at:
            place = place[part]
        place[key] = None
        assert reported(tmp_path, name, document) == before
