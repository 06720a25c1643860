"""Work of another tool, from the folder that the tool wrote, is imported, linted, started and worked to its end."""

import json
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.importers.rival_tools import STORED
from tests.importers.rivals import made_afresh, written
from tests.templates.scene import CHECKS, FILES
from wfe_mcp.testing.agent import Envelope, PlayedRun, Script, Work, drive
from wfe_mcp.testing.playground import Playground

TOOLS = {
    "task_master": "milestones",
    "backlog_md": "milestones",
    "shrimp": "milestones",
    "spec_kit": "spec_driven",
    "openspec": "spec_driven",
    "spec_workflow": "spec_driven",
}


@pytest.fixture
def project(tmp_path: Path) -> Generator[Playground]:
    with Playground(tmp_path, files=FILES, checks=CHECKS) as made:
        yield made


def wfe(project: Playground, *words: str) -> dict[str, Any]:
    """The data of a command."""
    argv = [sys.executable, "-m", "wfe_mcp", *words, "--json"]
    done = subprocess.run(
        argv, cwd=project.root, env=project.environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (0, True), answer
    assert not answer.get("errors")
    return answer.get("data", {})


def brought(project: Playground, folder: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The inputs of an import, and its documents by their phase; a second import changes nothing."""
    answer = wfe(project, "import", folder)
    kept = project.root / answer["path"]
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    again = wfe(project, "import", folder)
    assert again["written"] == []
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    wfe(project, "templates", "lint", answer["template"])
    read = {name: json.loads(text) for name, text in before.items()}
    documents = {one["phase"]: read[name] for name, one in answer.get("documents", {}).items()}
    return read["inputs.json"], documents


class Committer:
    """An agent that commits the work of each task on the branch of its milestone."""

    def __init__(self, project: Playground, call: Any, work: dict[str, tuple[str, str]]) -> None:
        self._project, self._call, self._work = project, call, work

    def __call__(self, tool: str, /, **arguments: Any) -> Envelope:
        found = self._work.get(arguments.get("phase", "")) if tool == "submit_artifact" else None
        if found is not None:
            branch, message = found
            if branch != self._project.git("branch", "--show-current").strip():
                self._project.git("switch", "-q", "-c", branch)
            self._project.git("add", ".", ":!.wfe")
            self._project.git("commit", "-q", "-m", message)
        return self._call(tool, **arguments)


def work_milestones(project: Playground, inputs: dict[str, Any]) -> PlayedRun:
    passed = Work({"verdict": "pass", "findings": [], "summary": "Each criterion has a test"})
    script: Script = {
        "finish": [
            Work(
                {
                    "version": "unreleased",
                    "summary": "It is there",
                    "rollback": "git switch main",
                    "changes": [{"kind": "added", "text": "It"}],
                }
            )
        ]
    }
    commits: dict[str, tuple[str, str]] = {}
    for milestone in inputs["plan"]["milestones"]:
        place, branch = f"milestone[{milestone['id']}]", f"ai/{milestone.get('slug') or milestone['id']}"
        for task in milestone["tasks"]:
            path = f"{place}.task[{task['id']}].implement"
            script[path] = [Work({"summary": f"did {task['id']}"}, {f"{milestone['id']}-{task['id']}.txt": "done\n"})]
            commits[path] = (branch, f"{task['id']}: {task['title']}")
        script[f"{place}.accept[1].review"] = [passed]
        note = {"front": {"milestone": milestone["id"], "title": "Done"}, "body": "It is there.\n"}
        script[f"{place}.closeout"] = [Work(note)]
    with project.agent() as agent:
        call = Committer(project, agent.call, commits)
        return drive(call, project.root, "milestones", inputs, script, person=project.approve)


def work_a_specification(
    project: Playground, inputs: dict[str, Any], documents: dict[str, dict[str, Any]]
) -> PlayedRun:
    tasks, spec = documents["tasks"], documents["requirements"]
    criteria = [{"id": one["id"], "met": True, "evidence": "tests/test_calc.py"} for one in spec["requirements"]]
    script: Script = {phase: [Work(value)] for phase, value in documents.items()}
    for item in tasks["items"]:
        files = {f"{item['id']}.txt": "done\n"}
        script[f"implement[{item['id']}].build"] = [Work({"summary": f"did {item['id']}"}, files)]
    script["accept"] = [Work({"passed": True, "summary": "looked", "criteria": criteria})]
    with project.agent() as agent:
        return drive(agent.call, project.root, "spec_driven", inputs, script, person=project.approve)


@pytest.mark.parametrize("name", TOOLS)
def test_the_work_of_a_tool_is_imported_linted_started_and_worked_to_its_end(project: Playground, name: str) -> None:
    works(project, STORED / name, TOOLS[name])


@pytest.mark.parametrize("name", TOOLS)
def test_the_folder_that_a_tool_writes_here_is_the_stored_one_and_is_worked_to_its_end(
    project: Playground, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "harbour"
    root.mkdir()
    project.git("init", "-q", str(root))

    rival = made_afresh(name, root, tmp_path / "home")

    assert written(root, rival.apart) == written(STORED / name)
    works(project, root, TOOLS[name])


def works(project: Playground, folder: Path, template: str) -> None:
    """Imports the work of ``folder`` twice, lints, starts and works it to its end."""
    shutil.copytree(folder, project.root / folder.name, ignore=shutil.ignore_patterns(".git"))
    project.git("add", ".", ":!.wfe")
    project.git("commit", "-q", "-m", "The work of another tool")
    inputs, documents = brought(project, folder.name)

    played = work_milestones(project, inputs) if not documents else work_a_specification(project, inputs, documents)

    assert played.last["run_state"] == "completed", played.last
    assert played.last["data"]["template"] == template
    assert project.problems(played.run) == []
