"""Imported work of other tools, continued over MCP."""

import json
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS
from wfe_mcp.importers import read_work
from wfe_mcp.testing.playground import Playground

FOLDERS = Path(__file__).parents[1] / "importers" / "folders"


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as made:
        yield made


@pytest.mark.parametrize(
    ("tool", "first", "answer"),
    [
        ("task_master", "milestone[master].task[2-2].implement", "Print it in the local time"),
        ("backlog_md", "milestone[m-1].task[TASK-2-1].implement", "Print it in the local time"),
        ("shrimp", "milestone[tasks].task[e0ef4ebc].implement", "Print the next tide"),
    ],
)
def test_the_first_open_task_of_another_tool_is_what_the_agent_gets(
    project: Playground, tmp_path: Path, tool: str, first: str, answer: str
) -> None:
    folder = tmp_path / "other" / tool
    shutil.copytree(FOLDERS / tool, folder)
    work = read_work(folder)

    with project.agent() as agent:
        started = agent.call("start_run", template=work.template, inputs=work.inputs)
        phase = agent.call("start_phase", run=started["run"], phase=first)

    assert started["ok"], started
    assert phase["ok"], phase
    assert answer in phase["data"]["prompt"]


@pytest.mark.parametrize(
    ("tool", "first"),
    [
        ("spec_kit", "implement[T002].build"),
        ("openspec", "implement[1-2].build"),
        ("spec_workflow", "implement[2].build"),
    ],
)
def test_imported_documents_pass_their_gates_are_approved_again_and_the_open_tasks_follow(
    project: Playground, tmp_path: Path, tool: str, first: str
) -> None:
    folder = tmp_path / "other" / tool
    shutil.copytree(FOLDERS / tool, folder)
    work = read_work(folder)
    plans = project.root / ".wfe" / "plans" / work.name
    plans.mkdir(parents=True)
    for name, (_, _, value) in work.documents.items():
        (plans / name).write_text(json.dumps(value), encoding="utf-8")

    with project.agent() as agent:
        run = agent.call("start_run", template=work.template, inputs=work.inputs)["run"]
        for name, (phase, _, _) in work.documents.items():
            answer = agent.call("start_phase", run=run, phase=phase)
            assert phase != "requirements" or f".wfe/plans/{work.name}" in answer["data"]["prompt"]
            handed = agent.call("submit_artifact", run=run, phase=phase, path=f".wfe/plans/{work.name}/{name}")
            assert handed["state"] == "awaiting", handed
            project.approve(run, phase)
        build = agent.call("start_phase", run=run, phase=first)

    assert build["ok"], build
