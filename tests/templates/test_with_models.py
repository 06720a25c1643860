"""Every shipped template with other models as reviewers: they pass, fail once, or are unreachable."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.scene import BUGGED, PROBLEM, QUICK_FIX, SCANNER, UNITTEST
from tests.acceptance.test_role_pipeline import GOAL as TEAM_GOAL, TEAM
from tests.playgrounds import Playgrounds
from tests.templates import (
    outside,
    test_play_ci_failure_handler as ci_failure_handler,
    test_play_compound as compound,
    test_play_dependency_update as dependency_update,
    test_play_fix_deploy_failure as fix_deploy_failure,
    test_play_incident as incident,
    test_play_issue_to_pr as issue_to_pr,
    test_play_issue_triage as issue_triage,
    test_play_jpa_mt as jpa_mt,
    test_play_milestones as milestones,
    test_play_plan_generate_review as plan_generate_review,
    test_play_pr_review_workflow as pr_review_workflow,
    test_play_recovery as recovery,
    test_play_spec_driven as spec_driven,
)
from tests.templates.models import KEY, KEYS, asked_for, opinion, reviewers
from tests.templates.scene import BROKEN, CHECKS, FILES
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.resources import shipped_folder
from wfe_mcp.testing.agent import PlayedRun, Script, Work, drive, resume
from wfe_mcp.testing.playground import Playground, stand_in

FINDING = {"severity": "high", "title": "It divides by zero", "file": "calc.py", "line": 1}
NO = opinion("fail", findings=[FINDING])


@dataclass(frozen=True)
class Play:
    """How a template is played. ``looked``: the phases that models look at, as often as each is asked, in order.

    ``commits``: the phase whose work is committed, and each message. ``servers``: those that its steps call.
    """

    inputs: dict[str, Any]
    script: Script
    looked: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=FILES.copy)
    checks: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict[str, Sequence[str]](CHECKS))
    servers: tuple[str, ...] = ()
    answers: Mapping[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    commits: tuple[str, ...] = ()
    phrase: str = ""


OUTSIDE: dict[str, Any] = {"files": {"check.py": outside.CHECK}, "checks": outside.CHECKS, "servers": ("github",)}
SERVICE: dict[str, Any] = OUTSIDE | {"servers": ("github", "deploy", "observability")}
TASK = "milestone[M2].task[T-3].implement"
PLAYED_ELSEWHERE = {
    "deploy": "no agent works in it, and it takes an environment: tests/engine/deployments, tests/acceptance/test_role_pipeline_deploys.py",
    "revert": "a person begins it by the undo of a merged delivery: tests/engine/delivery/test_reverting.py",
}
"""Shipped templates that an agent does not start in a project of files and checks."""

PLAYS = {
    "ci_failure_handler": Play(
        ci_failure_handler.INPUTS,
        {"diagnose": [Work(ci_failure_handler.CODE)], "fix": [ci_failure_handler.FIX]},
        ("fix",),
        commits=("fix", ci_failure_handler.MESSAGE),
        **OUTSIDE,
    ),
    "compound": Play(compound.GOAL, compound.SCRIPT, ("plan", "plan", "synthesise")),
    "dependency_update": Play(
        dependency_update.INPUTS, dependency_update.HAPPY, ("check",), commits=("update", "Update attrs"), **OUTSIDE
    ),
    "fix_deploy_failure": Play(
        fix_deploy_failure.INPUTS,
        {"diagnose": [fix_deploy_failure.FIX], "fix": [fix_deploy_failure.CHANGE]},
        ("diagnose",),
        commits=("fix", "Fix shop: bound the cache"),
        phrase="YES ROLL BACK",
        answers={"get_service_status": [fix_deploy_failure.DOWN, fix_deploy_failure.UP]},
        **SERVICE,
    ),
    "incident": Play(incident.INPUTS, incident.HAPPY, ("plan",), files=FILES | BROKEN),
    "issue_to_pr": Play(
        issue_to_pr.INPUTS, issue_to_pr.HAPPY, ("fix",), commits=("fix", "Fix #7: add sub()"), **OUTSIDE
    ),
    "issue_triage": Play(
        issue_triage.INPUTS,
        issue_triage.HAPPY,
        ("classify",),
        servers=("github",),
        answers={"issue_read__get": [issue_triage.ISSUE]},
    ),
    "jpa_mt": Play(
        jpa_mt.INPUTS,
        jpa_mt.HAPPY,
        ("plan", "generate"),
        files={"db/V7__invoice.sql": jpa_mt.SCHEMA, "check.py": jpa_mt.CHECK},
        checks={"test": outside.CHECKS["test"]},
    ),
    "milestones": Play(
        {"plan": {"milestones": [milestones.READER]}},
        milestones.one_task(),
        (TASK,),
        files={"check.py": milestones.CHECK},
        checks={"test": outside.CHECKS["test"]},
        commits=(TASK, "T-3: read the list", "amend T-3: read the list"),
    ),
    "plan_generate_review": Play(
        plan_generate_review.INPUTS, plan_generate_review.SCRIPT, ("plan", "generate", "review")
    ),
    "pr_review_workflow": Play(pr_review_workflow.INPUTS, pr_review_workflow.HAPPY, ("review",), servers=("github",)),
    "quick_fix": Play(PROBLEM, QUICK_FIX, ("fix",), files=BUGGED, checks={"test": UNITTEST}),
    "recovery": Play(recovery.INPUTS, recovery.SCRIPT, ("mend",)),
    "role_pipeline": Play(
        TEAM_GOAL, TEAM, ("qa_tests", "dev"), files=BUGGED, checks={"test": UNITTEST, "security": SCANNER}
    ),
    "spec_driven": Play(
        spec_driven.INPUTS, spec_driven.SCRIPT, ("design", "implement[T-1].build", "implement[T-2].build")
    ),
}
NAMES = pytest.mark.parametrize("name", PLAYS)


def made(playgrounds: Playgrounds, name: str) -> AbstractContextManager[Playground]:
    return playgrounds.made(files=PLAYS[name].files, checks=PLAYS[name].checks, environment=KEYS)


def play(project: Playground, name: str, script: Script | None = None) -> PlayedRun:
    """The template with its servers around it, and a person who approves everything."""
    given = PLAYS[name]
    with outside.reach(project, *given.servers) if given.servers else nullcontext() as world, project.agent() as agent:
        if world is not None and given.answers:
            world.answer(**given.answers)
        return drive(
            caller(project, agent.call, given),
            project.root,
            name,
            given.inputs,
            given.script if script is None else script,
            person=person(project, given),
        )


def person(project: Playground, given: Play) -> Callable[[str, str], object]:
    def decide(run: str, phase: str) -> object:
        return approvals.decide(project.engine, stand_in(project.engine), run, phase, phrase=given.phrase)

    return decide


def caller(project: Playground, call: Callable[..., Any], given: Play) -> Callable[..., Any]:
    if not given.commits:
        return call
    phase, *messages = given.commits
    if given.servers:
        return outside.Committer(project, call, phase, messages[0])
    return milestones.Committer(project, call, {phase: messages})


def criteria(name: str, phase: str) -> str:
    """The file that says what a phase is judged by."""
    own = phase.rsplit(".", 1)[-1]
    return (shipped_folder("templates") / name / "prompts" / f"review-{own}.md").read_text(encoding="utf-8")


def opinions(project: Playground, run: str) -> list[tuple[str, str]]:
    with project.engine.store.read() as tx:
        return [(str(each.phase), each.verdict) for each in tx.opinions.of_run(RunId(run))]


def notes(project: Playground, run: str) -> list[str]:
    """What the opinion gates of a run said, phase by phase."""
    with project.engine.store.read() as tx:
        loaded = tx.runs.load(RunId(run))
    assert loaded is not None
    tries = [each for attempts in loaded.state.attempts.values() for each in attempts]
    return [one.message for each in tries for one in each.verdicts if "reviewer" in one.message]


@NAMES
def test_reviewers_are_asked_what_the_template_says_and_what_one_finds_reaches_the_next_attempt(
    playgrounds: Playgrounds, name: str
) -> None:
    looked, first = PLAYS[name].looked, PLAYS[name].looked[0]
    script = {**PLAYS[name].script, first: [PLAYS[name].script[first][0], *PLAYS[name].script[first]]}
    with made(playgrounds, name) as project, reviewers(project, {"claude": [NO]}) as models:
        played = play(project, name, script)

        assert played.last["run_state"] == "completed"
        assert played.codes.count("gate_failed") == 1, "those that pass stop nobody"
        refused = next(answer for _, answer in played.steps if answer.get("error", {}).get("code") == "gate_failed")
        assert "reviewer (claude): fail" in refused["error"]["message"]
        assert "high: calc.py:1: It divides by zero" in refused["error"]["message"]
        others = looked.count(first) - 1  # those who looked at the refused attempt, too, and found nothing
        lines = [(first, "fail"), *[(first, "pass")] * others, *((phase, "pass") for phase in looked)]
        assert sorted(opinions(project, played.run)) == sorted(lines)
        assert models.count == len(lines)
        for phase in looked:
            assert asked_for(models, criteria(name, phase)), phase
        with project.engine.store.read() as tx:
            loaded = tx.runs.load(RunId(played.run))
        assert loaded is not None
        second = loaded.state.attempts[PhasePath(first)][1]
        assert "It divides by zero" in second.feedback[0].message
        again = [each for each in models.asked if "What was wrong with earlier attempts" in str(each.body)]
        assert len(again) == looked.count(first), "the next attempt is looked at anew"
        assert project.problems(played.run) == []
        assert KEY not in str(played.steps)


@pytest.mark.parametrize("name", ["compound", "quick_fix"])
def test_without_a_configured_reviewer_the_gates_pass_with_a_note(playgrounds: Playgrounds, name: str) -> None:
    with made(playgrounds, name) as project, reviewers(project, roles=()) as models:
        played = play(project, name)

        assert played.last["run_state"] == "completed"
        assert models.count == 0
        answer = notes(project, played.run)
        assert len(answer) == len(set(PLAYS[name].looked))
        assert all(each.startswith("no reviewer is configured") for each in answer), answer


def test_where_one_of_two_reviewers_is_configured_the_quorum_is_one(playgrounds: Playgrounds) -> None:
    with made(playgrounds, "compound") as project, reviewers(project, roles=["reviewer"]) as models:
        played = play(project, "compound")

        assert played.last["run_state"] == "completed"
        assert {each.model for each in models.asked} == {"claude"}
        assert "1 of 1 reviewer passes, quorum 1." in "\n".join(notes(project, played.run))


@pytest.mark.requirement("S1-28")
def test_two_vendors_look_at_the_plan_of_compound_and_one_no_is_enough_against_it(playgrounds: Playgrounds) -> None:
    script = {**compound.SCRIPT, "plan": [*compound.SCRIPT["plan"]] * 2}
    with made(playgrounds, "compound") as project, reviewers(project, {"gpt": [NO]}) as models:
        played = play(project, "compound", script)

        assert played.last["run_state"] == "completed"
        assert sorted(asked_for(models, criteria("compound", "plan"))) == ["claude", "claude", "gpt", "gpt"]
        assert asked_for(models, criteria("compound", "synthesise")) == ["claude"]
        refused = next(answer["error"] for _, answer in played.steps if "gate_failed" in str(answer.get("error")))
        assert "1 of 2 reviewers pass, quorum 2." in refused["message"]
        assert "second (gpt): fail" in refused["message"]


@pytest.mark.requirement("S0-28")
@pytest.mark.requirement("S0-32")
@pytest.mark.requirement("S0-33")
@pytest.mark.requirement("B-06")
@pytest.mark.requirement("B-07")
def test_a_better_version_is_handed_on_the_tries_end_and_a_person_has_the_last_word(playgrounds: Playgrounds) -> None:
    name = "plan_generate_review"
    better = opinion("fail", findings=[FINDING], suggestion="Plan lib/tools.py before sub.py.")
    script = {**plan_generate_review.SCRIPT, "plan": [*plan_generate_review.SCRIPT["plan"]] * 3}
    with made(playgrounds, name) as project, reviewers(project, {"claude": [better] * 3}) as models:
        played = play(project, name, script)

        assert models.count == 3, "the first answer and two after it, each looked at once"
        assert (played.last["run_state"], played.last["waiting_on"]) == ("waiting", "human")
        refused = [answer["error"] for _, answer in played.steps if "gate_failed" in str(answer.get("error"))]
        assert all(
            "reviewer suggests instead:\nPlan lib/tools.py before sub.py." in each["message"] for each in refused
        )
        control.overrule(project.engine, stand_in(project.engine), played.run, "plan", "the order is on purpose")
        with project.agent() as agent:
            over = resume(agent.call, project.root, played.run, script, person=project.approve)
        assert over.last["run_state"] == "completed"
        with project.engine.store.read() as tx:
            loaded = tx.runs.load(RunId(played.run))
        assert loaded is not None
        assert not loaded.state.tainted
        assert project.problems(played.run) == []
