"""``dependency_update`` where the project delivers: the server commits, pushes, proposes and merges; no server of tools is asked."""

import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.at_forge import LOGINS, at_forge
from tests.templates.outside import CHECK, CHECKS, reach
from tests.templates.scene import LIFE, feedback_to, messages, started, states_of
from tests.templates.test_deliver_milestones import delivers, operations
from tests.templates.test_play_dependency_update import UPDATES
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive
from wfe_mcp.testing.playground import Playground, stand_in

DONE = Work({"summary": "attrs 24.2.0"}, {"requirements.txt": "attrs==24.2.0\n"})
AGAIN = Work({"summary": "attrs 24.2.0, pinned"}, {"requirements.txt": "attrs==24.2.0\nsix==1\n"})
HAPPY: Script = {"check": [UPDATES], "update": [DONE]}
PROPOSED = ["git.branch", "git.commit", "git.push", "forge.open"]
PASSED = {"name": "ci", "status": "completed", "conclusion": "success"}
FAILED = {"name": "ci", "status": "completed", "conclusion": "failure"}


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks={"test": CHECKS["test"]}) as made:
        yield made


def play(project: Playground, script: Script, **inputs: Any) -> PlayedRun:
    def person(run: str, phase: str) -> None:
        assert phase == "accept"
        approvals.decide(project.engine, stand_in(project.engine), run, phase, phrase="YES MERGE")

    with project.agent() as agent:
        given = {"ecosystem": "pip", **inputs}
        return drive(agent.call, project.root, "dependency_update", given, script, person=person)


@pytest.mark.requirement("S2-28")
@pytest.mark.parametrize("login", [each for each in LOGINS if each == "token" or sys.platform != "win32"])
def test_the_update_is_proposed_by_the_server_and_merged_once_a_person_typed_the_phrase(
    project: Playground, login: str
) -> None:
    with at_forge(project, login) as forge:
        proposed = play(project, HAPPY)
        assert proposed.last["run_state"] == "completed", proposed.last
        assert started(proposed) == ["check", "update"]
        assert [(pull.title, pull.state) for pull in forge.pulls] == [("Update 1 pip package(s)", "open")]
        assert [one.kind for one in operations(project, proposed.run)] == PROPOSED
        assert states_of(project, proposed.run) == LIFE["ready"]
        assert forge.git("log", "--format=%s", f"main..{forge.pulls[0].branch}") == "Update 1 pip package(s)"
        assert project.problems(proposed.run) == []


@pytest.mark.requirement("S2-19")
def test_with_merge_it_gets_into_the_base_and_the_branch_goes(project: Playground) -> None:
    with at_forge(project, "token") as forge:
        merged = play(project, HAPPY, merge=True)
        assert merged.last["run_state"] == "completed", merged.last
        assert [one.kind for one in operations(project, merged.run)] == [*PROPOSED, "forge.merge", "git.clean"]
        assert (forge.pulls[0].state, forge.git("show", "main:requirements.txt")) == ("merged", "attrs==24.2.0")
        assert forge.git("for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main"
        assert states_of(project, merged.run) == LIFE["done"]
        assert project.problems(merged.run) == []


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize("word", ["blocked", "unstable", "clean"])
def test_an_update_whose_checks_fail_at_the_forge_goes_back_and_becomes_a_second_commit(
    project: Playground, word: str
) -> None:
    with at_forge(project, "token") as forge:
        forge.word, forge.checks = word, [FAILED]

        def passes(run: str, phase: str) -> None:
            raise AssertionError(f"no one is asked: {run} {phase}")

        def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
            if arguments.get("artifact") == AGAIN.artifact:
                forge.word, forge.checks = "", [PASSED]
            return agent.call(tool, **arguments)

        with project.agent() as agent:
            script: Script = {"check": [UPDATES], "update": [DONE, AGAIN]}
            played = drive(call, project.root, "dependency_update", {"ecosystem": "pip"}, script, person=passes)

        assert played.last["run_state"] == "completed", played.last
        assert "No check of the pull request has failed, and none runs" in messages(feedback_to(played, "update")[-1])
        (pull,) = forge.pulls
        assert len(forge.git("log", "--format=%s", f"main..{pull.branch}").splitlines()) == 2
        assert states_of(project, played.run) == [*LIFE["ready"][:4], *LIFE["ready"][2:]]
        assert project.problems(played.run) == []


def test_a_project_that_merges_by_itself_does_so_after_the_phrase(project: Playground) -> None:
    delivers(project)
    played = play(project, HAPPY, merge=True)
    assert played.last["run_state"] == "completed", played.last
    made = ["git.branch", "git.commit", "git.push", "git.merge", "git.clean"]
    assert [one.kind for one in operations(project, played.run)] == made
    assert project.git("show", "main:requirements.txt") == "attrs==24.2.0\n"


def test_a_project_that_does_not_deliver_is_asked_for_its_repository_before_any_work(playgrounds: Playgrounds) -> None:
    with playgrounds.made(files={"check.py": CHECK}, checks=CHECKS) as project, reach(project, "github") as outside:
        with project.agent() as agent:
            run = agent.call("start_run", template="dependency_update", inputs={"ecosystem": "pip"})["run"]
            held = agent.call("status", run=run, detail="full")
        assert (held["run_state"], held["waiting_on"]) == ("waiting", "human")
        assert "owner, repo and workflow" in str(held["data"]), held
        assert outside.called == []
