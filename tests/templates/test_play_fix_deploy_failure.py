"""``fix_deploy_failure``, played to its end: fixed, or left to people; rolled back only after approval; HOLD and RED."""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates.outside import CHECK, CHECKS, REPO, Committer, Outside, reach
from tests.templates.scene import LIFE, started, states_of
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in

INPUTS = {**REPO, "cluster": "blue", "service": "shop", "failure_time": "2026-01-01T08:00:00Z"}
SEEN: dict[str, Any] = {"description": "It ends at once", "root_cause": "No memory", "evidence": ["MemoryError"]}
FIX = Work(SEEN | {"confidence": 80, "action": "FIX", "fix_description": "Bound the cache"})
ISSUE, WAIT, HOLD, RED = (
    Work(SEEN | {"confidence": 40, "action": action})
    for action in ("OPEN_ISSUE", "WAIT_AND_RETRY", "HUMAN_REQUIRED", "ABORT")
)
CHANGE = Work({"summary": "The cache is bounded"}, {"cache.py": "SIZE = 100\n"})
DOWN = {"status": "FAILED", "running": 0, "desired": 2, "previous_revision": 41}
UP = DOWN | {"status": "ACTIVE", "running": 2}
LOOK = ["get_service_status", "get_service_logs"]
ROLLED_BACK = {"tool": "rollback_service", "cluster": "blue", "service": "shop", "to": 41}


@pytest.fixture
def project(playgrounds: Playgrounds) -> Generator[Playground]:
    with playgrounds.made(files={"check.py": CHECK}, checks=CHECKS) as made:
        yield made


@pytest.fixture
def outside(project: Playground) -> Generator[Outside]:
    with reach(project, "github", "deploy", "observability") as made:
        made.answer(get_service_status=[DOWN, UP])
        yield made


def yes(project: Playground) -> Callable[[str, str], object]:
    """A person who lets the service be rolled back."""
    return lambda run, phase: approvals.decide(
        project.engine, stand_in(project.engine), run, phase, phrase="YES ROLL BACK"
    )


def play(project: Playground, script: Script) -> PlayedRun:
    with project.agent() as agent:
        call = Committer(project, agent.call, "fix", "Fix shop: bound the cache")
        return drive(call, project.root, "fix_deploy_failure", INPUTS, script, person=yes(project))


@pytest.mark.requirement("S2-28", "S2-19", "S2-18")
def test_a_fault_of_the_code_is_rolled_back_with_an_approval_and_fixed_meanwhile(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [FIX], "fix": [CHANGE]})

    assert played.last["run_state"] == "completed"
    assert played.last["data"]["outputs"]["values"]["pull_request"] == "https://example.org/pull/9"
    assert started(played) == ["diagnose", "fix"]
    assert outside.calls("get_service_logs") == [
        {"tool": "get_service_logs", "group": "/ecs/blue/shop", "since": INPUTS["failure_time"], "limit": 100}
    ]
    assert outside.calls("rollback_service") == [ROLLED_BACK]
    (proposed,) = outside.calls("create_pull_request")
    assert (proposed["title"], proposed["base"]) == ("Fix shop: No memory", "main")
    assert outside.log(f"fix/deploy-shop-{played.run}") == ["Fix shop: bound the cache"]
    assert "issue_write.create" not in outside.called
    assert project.problems(played.run) == []
    assert states_of(project, played.run) == LIFE["ready"]


def test_without_a_persons_yes_nothing_is_rolled_back(project: Playground, outside: Outside):
    def no_one(run: str, phase: str) -> None:
        asked.append(phase)

    asked: list[str] = []
    with project.agent() as agent:
        call = Committer(project, agent.call, "fix", "")
        drive(call, project.root, "fix_deploy_failure", INPUTS, {"diagnose": [ISSUE]}, person=no_one, most=7)

    assert asked[0] == "roll_back"
    assert "rollback_service" not in outside.called


def test_what_the_code_cannot_fix_becomes_an_issue_for_people(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [WAIT, ISSUE]})

    assert played.last["run_state"] == "completed"
    assert outside.called[:4] == LOOK * 2, "a service that still comes up is looked at again"
    assert sorted(outside.called[4:]) == ["get_service_status", "issue_write.create", "rollback_service"]
    (issue,) = outside.calls("issue_write.create")
    assert issue["title"] == "Manual intervention needed: shop in blue"
    assert project.problems(played.run) == []


@pytest.mark.requirement("S2-13")
def test_red_ends_the_run_at_once_and_touches_nothing(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [RED]})

    assert played.last["run_state"] == "failed"
    with project.agent() as agent:
        assert "RED, abort: No memory" in str(agent.call("status", run=played.run))
    assert outside.called == LOOK
    assert project.problems(played.run) == []


@pytest.mark.requirement("S2-12")
def test_hold_pauses_the_run_until_a_person_continues(project: Playground, outside: Outside):
    played = play(project, {"diagnose": [HOLD]})

    assert (played.last["run_state"], outside.called) == ("paused", LOOK)
    person = stand_in(project.engine)
    control.control(project.engine, person, played.run, "resume")
    control.skip(project.engine, person, played.run, "hold", "the data is safe")
    with project.agent() as agent:
        over = resume(agent.call, project.root, played.run, {}, person=yes(project))
    assert over.last["run_state"] == "completed"
    assert sorted(outside.called[2:]) == ["get_service_status", "issue_write.create", "rollback_service"]
    assert project.problems(played.run) == []


def test_a_roll_back_that_is_refused_waits_for_a_person_and_is_asked_for_again(project: Playground, outside: Outside):
    outside.answer(get_service_status=[DOWN, UP], rollback_service=[{"error": "a deployment is under way"}, {}])

    played = play(project, {"diagnose": [ISSUE]})

    assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
    assert "a deployment is under way" in str(played.last)
    control.retry(project.engine, stand_in(project.engine), played.run, "roll_back")
    with project.agent() as agent:
        over = resume(agent.call, project.root, played.run, {}, person=yes(project))
    assert over.last["run_state"] == "completed"
    assert outside.calls("rollback_service") == [ROLLED_BACK] * 2
    assert outside.called.count("issue_write.create") == 1
    assert project.problems(played.run) == []


def test_a_change_that_breaks_the_tests_is_not_pushed_before_it_is_fixed(project: Playground, outside: Outside):
    broken = Work(CHANGE.artifact, {"broken.txt": ""})
    repaired = Work(CHANGE.artifact, {**CHANGE.files, "broken.txt": None})

    played = play(project, {"diagnose": [FIX], "fix": [broken, repaired]})

    assert played.last["run_state"] == "completed"
    assert "gate_failed" in played.codes
    assert outside.called.count("create_pull_request") == 1
