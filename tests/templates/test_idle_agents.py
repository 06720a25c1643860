"""An agent that changes nothing completes nothing: every shipped template, played with plausible artifacts and no work.

The agent submits the artifacts of a good play, commits (empty commits) where that is asked, and writes no file. Where the
product is code, a person who approves everything does not help it. Where the product is a document, an issue or a comment,
what stops it is the person, or what the server itself has read.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from tests.playgrounds import Playgrounds
from tests.templates import (
    outside,
    test_play_ci_failure_handler as ci_failure_handler,
    test_play_fix_deploy_failure as fix_deploy_failure,
    test_play_issue_triage as issue_triage,
    test_play_milestones as milestones,
    test_play_pr_review_workflow as pr_review,
    test_play_recovery as recovery,
)
from tests.templates.test_shipped import TEMPLATES
from tests.templates.test_with_models import PLAYED_ELSEWHERE, PLAYS, person
from wfe_mcp.core.model import RunId
from wfe_mcp.testing.agent import Script, Work, drive
from wfe_mcp.testing.playground import Playground

NOT_CHANGED = "has changed since the phase started"
A_PERSON = "a person"
TRIES = 8


@dataclass(frozen=True)
class Idle:
    """How a template stops an idle agent. ``by``: words of the refusal, or ``A_PERSON``, who is then not there.

    ``lies``: artifacts other than those of the good play.
    """

    phase: str
    by: str
    lies: Mapping[str, dict[str, Any]] | None = None


IDLE = [
    ("ci_failure_handler", Idle("fix", "no file has changed since the run started")),
    ("ci_failure_handler", Idle("run_again", A_PERSON, {"diagnose": ci_failure_handler.FLAKY})),
    ("ci_failure_handler", Idle("report", A_PERSON, {"diagnose": ci_failure_handler.PEOPLE})),
    ("compound", Idle("execute[S-1].build", NOT_CHANGED)),
    ("dependency_update", Idle("update", NOT_CHANGED)),
    ("dependency_update", Idle("nothing", A_PERSON, {"check": {"updates": []}})),
    ("fix_deploy_failure", Idle("fix", NOT_CHANGED)),
    ("fix_deploy_failure", Idle("roll_back", A_PERSON, {"diagnose": fix_deploy_failure.ISSUE.artifact})),
    ("incident", Idle("remediate[S-1].change", NOT_CHANGED)),
    ("issue_to_pr", Idle("fix", NOT_CHANGED)),
    (
        "issue_triage",
        Idle(
            "classify", "classification.evidence.all(", {"classify": issue_triage.BUG | {"evidence": ["it is broken"]}}
        ),
    ),
    ("jpa_mt", Idle("plan", A_PERSON)),
    ("milestones", Idle("milestone[M2].task[T-3].implement[recovery-1].mend", NOT_CHANGED)),
    ("plan_generate_review", Idle("plan", A_PERSON)),
    ("pr_review_workflow", Idle("review", "review.read.exists(", {"review": pr_review.FAIL | {"read": []}})),
    ("quick_fix", Idle("reproduce", "is not among the failing tests")),
    ("recovery", Idle("mend", NOT_CHANGED)),
    (
        "recovery",
        Idle(
            "tidy",
            A_PERSON,
            {
                "diagnose": recovery.diagnosis(**{"class": "local_git", "fingerprint": "local_git:M1:T-1"}).artifact,
                "tidy": {"summary": "git is in order"},
            },
        ),
    ),
    ("role_pipeline", Idle("qa_tests", "is not among the failing tests")),
    ("spec_driven", Idle("implement[T-1].build", NOT_CHANGED)),
]
RECOVERY = f"{milestones.RECOVERY}."
MORE: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "milestones": {
        f"{RECOVERY}diagnose": milestones.diagnosis("failed_checks").artifact,
        f"{RECOVERY}mend": {"summary": "mended"},
    }
}


class EmptyCommits(milestones.Committer):
    """An agent on the branch that is asked for, whose commits change nothing."""

    def _commit(self, phase: str, message: str) -> None:
        if self._project.git("branch", "--show-current").strip() != "ai/M2":
            self._project.git("switch", "-q", "-c", "ai/M2")
            self._project.git("commit", "-q", "--allow-empty", "-m", message)


def idle_script(name: str, idle: Idle) -> Script:
    """The artifacts of the good play without its files, as often as they are asked for."""
    answer = {phase: works[0].artifact for phase, works in PLAYS[name].script.items()}
    answer.update(MORE.get(name, {}))
    answer.update(idle.lies or {})
    return {phase: [Work(artifact)] * TRIES for phase, artifact in answer.items()}


def committing(project: Playground, call: Callable[..., Any], name: str) -> Callable[..., Any]:
    given = PLAYS[name]
    if not given.commits:
        return call
    phase, message, *_ = given.commits
    if given.servers:
        return outside.Committer(project, call, phase, message)
    return EmptyCommits(project, call, {phase: [message] * TRIES})


def test_every_shipped_template_is_in_the_table() -> None:
    assert {name for name, _ in IDLE} == set(TEMPLATES) - PLAYED_ELSEWHERE.keys()


@pytest.mark.parametrize(("name", "idle"), [pytest.param(*case, id=f"{case[0]}-{case[1].phase}") for case in IDLE])
def test_an_agent_that_changes_nothing_completes_nothing(playgrounds: Playgrounds, name: str, idle: Idle) -> None:
    given = PLAYS[name]
    with (
        playgrounds.made(files=given.files, checks=given.checks) as project,
        outside.reach(project, *given.servers) if given.servers else nullcontext() as world,
        project.agent() as agent,
    ):
        if world is not None and given.answers:
            world.answer(**given.answers)
        approves = None if idle.by == A_PERSON else person(project, given)
        call = committing(project, agent.call, name)
        played = drive(call, project.root, name, given.inputs, idle_script(name, idle), person=approves)

        assert played.last["run_state"] in {"waiting", "running"}
        with project.engine.store.read() as tx:
            state = project.engine.load(tx, RunId(played.run)).state
        (tries,) = (tries for path, tries in state.attempts.items() if path == idle.phase)
        assert tries[-1].status in ({"awaiting"} if idle.by == A_PERSON else {"failed"})
        assert idle.by == A_PERSON or idle.by in tries[-1].reason
