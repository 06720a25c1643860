"""``milestones`` where the project delivers: the server makes branch and commits, a person approves, the next one waits."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS
from tests.templates.scene import feedback_to
from tests.templates.test_play_milestones import ARCHIVE, PASS, READER, RECOVERY, TASK, diagnosis, note, task
from wfe_mcp.engine.delivery.operations import Operation, operations_of
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in

HALF = {"id": "M1", "title": "Write the archive", "tasks": [ARCHIVE["tasks"][1]]}


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as made:
        yield made


def delivers(project: Playground, *keys: str, mode: str = "merge") -> Path:
    """The project delivers into the base of a bare remote, whose folder this is."""
    remote = project.folder / "shop" / "till.git"
    project.git("branch", "-M", "main")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    project.git("remote", "add", "origin", str(remote))
    project.git("push", "-q", "origin", "main")
    with (project.root / ".wfe" / "config.toml").open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "[delivery]", f'mode = "{mode}"', *keys, ""]))
    project.trust()
    return remote


def one(milestone: dict[str, Any], **phases: Any) -> dict[str, Any]:
    """The work on a milestone whose tasks pass at once."""
    name = milestone["id"]
    return {
        **{f"milestone[{name}].task[{each['id']}].implement": [task(each["id"])] for each in milestone["tasks"]},
        f"milestone[{name}].accept[1].review": [PASS],
        f"milestone[{name}].closeout": [note(name)],
        **{f"milestone[{name}].{phase}": work for phase, work in phases.items()},
    }


def play(project: Playground, milestones: list[dict[str, Any]], script: Script) -> PlayedRun:
    with project.agent() as agent:
        inputs = {"plan": {"milestones": milestones}}
        return drive(agent.call, project.root, "milestones", inputs, script, person=project.approve, most=200)


def on(project: Playground, *revisions: str) -> list[str]:
    """The subjects of the commits, oldest first; of merges alone the side of the base."""
    return project.git("log", "--reverse", "--first-parent", "--format=%s", *revisions).splitlines()


def operations(project: Playground, run: str) -> list[Operation]:
    return operations_of(project.engine, run)


@pytest.mark.requirement("S3-01", "S3-16", "S3-18", "S3-23")
def test_each_milestone_is_a_branch_of_the_server_and_each_task_its_commit_and_the_next_begins_at_what_is_merged(
    project: Playground,
) -> None:
    remote = delivers(project)

    played = play(project, [ARCHIVE, READER], one(ARCHIVE) | one(READER))

    assert played.last["run_state"] == "completed", played.last
    closes = feedback_to(played, "milestone[M1].closeout")[0]["prompt"]
    assert "sees that no file changed" in closes, "the server made the commits: no gate looks at the branch"
    assert on(project, "main") == ["As it begins", "M1: Write the archive", "M2: Read the archive"]
    assert on(project, "main^^2", "^main^^") == ["T-1: Stream into a zip", "T-2: List the artifacts"]
    assert on(project, "main^2", "^main^") == ["T-3: Read the list"]
    assert project.git("ls-remote", str(remote), "refs/heads/*").split()[1::2] == ["refs/heads/main"]
    assert (
        project.git("rev-parse", "main") == project.git("ls-remote", str(remote), "refs/heads/main").split()[0] + "\n"
    )
    done = operations(project, played.run)
    made = ["git.branch", "git.commit", "git.push", "git.merge", "git.clean"]
    assert [one.kind for one in done] == [*made[:2], *made[1:], *made]
    assert [one.target["branch"] for one in done if one.kind == "git.branch"] == [
        "ai/M1-write-the-archive",
        "ai/M2-read-the-archive",
    ]
    assert {one.state for one in done} == {"observed"}
    second = [one for one in done if one.kind == "git.branch"][1]
    assert second.before["start"] == next(one for one in done if one.kind == "git.merge").commit
    assert project.problems(played.run) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a hook of the remote is a shell script")
@pytest.mark.requirement("S3-23", "S3-20")
def test_the_next_milestone_begins_without_the_merge_of_the_one_before_only_where_a_person_says_so(
    project: Playground,
) -> None:
    remote = delivers(project)
    hook = remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    script = one(HALF) | one(READER)

    played = play(project, [HALF, READER], script)

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert [each.kind for each in operations(project, played.run)].count("git.branch") == 1
    person = stand_in(project.engine)
    control.skip(project.engine, person, played.run, "milestone[M1].deliver", "the freeze ends tomorrow")
    hook.unlink()
    with project.agent() as agent:
        over = resume(agent.call, project.root, played.run, script, person=project.approve, most=200)
    assert over.last["run_state"] == "completed", over.last
    assert on(project, "main") == ["As it begins", "M2: Read the archive"]
    assert on(project, "main^2", "^main^") == ["T-1: Stream into a zip", "T-3: Read the list"]
    assert project.problems(played.run) == []


@pytest.mark.requirement("S3-22")
def test_a_recovery_works_on_the_branch_of_its_milestone_and_the_task_stays_one_commit(project: Playground) -> None:
    delivers(project, 'remote = ""')
    work = [
        task("T-3", broken="x"),
        Work({"summary": "tried"}, {"a.txt": ""}),
        Work({"summary": "tried"}, {"b.txt": ""}),
    ]
    script = {
        **one(READER),
        TASK: [*work, Work({"summary": "did T-3, its cause mended"})],
        f"{RECOVERY}.diagnose": [diagnosis("failed_checks")],
        f"{RECOVERY}.mend": [Work({"summary": "nothing breaks it"}, {"broken.txt": None})],
    }

    played = play(project, [READER], script)

    assert played.last["run_state"] == "completed", played.last
    assert on(project, "main^2", "^main^") == ["T-3: Read the list"]
    assert project.git("show", "--stat", "--format=", "main^2").count(".txt") == 3, (
        "the task and what was tried, not what broke it"
    )
    assert project.problems(played.run) == []
