"""Approvals that several people give: who is a different person, what they sign, and who wins where two decide at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import pytest

from tests.engine.approvals.people import PIN, ada, another, approve, owner, seen_by
from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase, refused
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, By, Channel, Person
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.access.tokens import create_token, revoke_token
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.approvers import (
    APPROVERS,
    ApproverChange,
    ApproverKey,
    PinnedChain,
    owner_of,
    person_named,
)
from wfe_mcp.engine.approvals.proof_files import write_proofs
from wfe_mcp.engine.history import rollback
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.integrity.proof_verification import verify_approvals
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.phases.edit import edit
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions, audit, open_approval
from wfe_mcp.views.approvals.request import listed_question
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import decisions_of

TWO = approval(people=2)


def asked(scene: Scene, *gates: dict[str, Any]) -> str:
    """A run whose ``plan`` awaits the approval of two people."""
    run = scene.start(phase("plan", *(gates or (TWO,))), phase("build"))
    scene.do(run, "plan")
    return run


def _key(name: str, id_: str) -> ApproverKey:
    return ApproverKey(id=id_, name=name, public_key="AA", kind="person")


def _by(key: str, actor: str = "ada", channel: Channel = Channel.CLI) -> Person:
    return Person(actor, channel, Assurance.HUMAN, key=key, sign=lambda _: None, sign_text=str)


PINNED = PinnedChain(
    tuple(
        ApproverChange(do="add", key=_key(name, id_), at="2026-03-01")
        for name, id_ in (("ada", "A1"), ("Ada", "A2"), ("ＡＤＡ\u200b ", "A3"), ("ada  lovelace", "A4"), ("bob", "B1"))
    )
)
WHO = {
    "a key by its pinned name": (_by("A1"), "ada"),
    "another key of the same name": (_by("A2"), "ada"),
    "the name in other letters": (_by("A3"), "ada"),
    "a longer name": (_by("A4"), "ada lovelace"),
    "another person on the account of the first": (_by("B1", "ada"), "bob"),
    "the same key through another channel": (_by("A1", "account", Channel.DASHBOARD), "ada"),
    "a key that is not pinned": (_by("C1", "bob"), ""),
    "a person without a key": (By("ada", Channel.CLI, Assurance.HUMAN), ""),
    "a form in a client": (approvals.FORM, ""),
    "an agent, whatever it is called": (By("bob", Channel.HTTP), ""),
}


@pytest.mark.parametrize("case", WHO)
def test_a_person_is_the_owner_of_the_key_that_signs(case: str) -> None:
    by, name = WHO[case]
    assert owner_of(by, PINNED) == name


@pytest.mark.parametrize("name", ["ada", "ADA", " ada ", "a\u200bda", "\uff21da"])
def test_a_name_is_the_same_however_it_is_spelled(name: str) -> None:
    assert person_named(name) == "ada"


def test_two_people_approve_and_the_record_names_both(scene: Scene) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    approve(scene, first, run, comment="looks right")
    assert scene.attempt(run, "plan").status == "awaiting"
    approve(scene, second, run, comment="to me too")
    assert scene.attempt(run, "plan").status == "completed"
    with scene.store.read() as tx:
        lines = decisions_of(tx, overview_of(scene.engine, run))
    assert [(one.decision, one.actor) for one in lines] == [("co-approved", "ada"), ("approved", "bob")]
    assert scene.events(run).count("DecisionSigned") == 2
    assert verify(scene.engine).findings == ()


def test_every_view_says_who_approved_and_how_many_are_needed(scene: Scene) -> None:
    first, run = ada(scene), asked(scene)
    line = "0 of 2 people approved; 2 more people are needed"
    assert line in str(answers.status(scene.engine, AGENT, run).data)
    approve(scene, first, run)
    line = "1 of 2 people approved: ada; one more person is needed"
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert [each.text for each in view.evidence] == [line]
    assert view.effect.startswith(f"{line}. If you approve, ")
    assert line in str(answers.status(scene.engine, AGENT, run).data)
    found = decisions.ask_approval(scene.engine, AGENT, run, "plan")
    assert found.error is not None
    assert line in found.error.message


def test_the_view_says_that_the_first_approval_alone_continues_nothing(scene: Scene) -> None:
    first, run = ada(scene), asked(scene)
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert "your approval counts, and 1 more person has to approve" in view.effect
    approve(scene, first, run)
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert "build" in view.effect


def test_the_same_person_with_a_second_key_is_refused_with_who_is_needed(scene: Scene) -> None:
    first = ada(scene)
    again, run = another(scene, first, "Ada"), asked(scene)
    approve(scene, first, run)
    for by in (first, again):
        no = refused(approve, scene, by, run)
        assert (no.code, "ada has approved it already" in no.message) == ("needs_human", True)
        assert no.data["approved_by"] == ["ada"]
    assert scene.attempt(run, "plan").approvals == ("ada",)


def test_with_the_pins_key_alone_the_refusal_says_how_people_are_distinguished(scene: Scene) -> None:
    person, run = owner(scene), asked(scene)
    no = refused(approve, scene, person, run)
    assert (no.code, "no name is pinned for your key" in no.message) == ("needs_human", True)
    assert "wfe-mcp approvers add NAME --key mine" in no.hint
    assert scene.events(run).count("ApprovalCounted") == 0


@pytest.mark.parametrize("by", [AGENT, HUMAN, By("ada", Channel.HTTP), approvals.FORM], ids=str)
def test_what_no_key_signs_counts_for_no_one(scene: Scene, by: By) -> None:
    first, run = ada(scene), asked(scene)
    approve(scene, first, run)
    assert refused(approvals.decide, scene.engine, by, run, "plan").code == "needs_human"
    assert scene.attempt(run, "plan").approvals == ("ada",)


def test_keys_that_no_person_trusts_distinguish_no_one(scene: Scene) -> None:
    first = ada(scene)
    run, file = asked(scene), scene.root / APPROVERS
    file.write_text(file.read_text("utf-8").replace('"ada"', '"bob"'), "utf-8")
    assert refused(approve, scene, first, run).code == "needs_trust"


def test_who_owns_the_agent_is_shown_and_counts_as_one_of_the_people(scene: Scene) -> None:
    first = ada(scene)
    second = another(scene, first, "bob")
    create_token(scene.engine, By("ada", Channel.CLI), "robot", "work")
    run = scene.start(phase("plan", TWO))
    robot = By("robot", Channel.HTTP)
    answers.start_phase(scene.engine, robot, run)
    answers.submit_artifact(scene.engine, robot, run, "plan", artifact={"title": "A good title"})
    view = open_approval(scene.engine, overview_of(scene.engine, run), "plan")
    assert view is not None
    assert view.evidence[-1].text.endswith("; ada owns the agent that made this")
    approve(scene, first, run)
    assert refused(approvals.decide, scene.engine, robot, run, "plan").code == "needs_human"
    assert refused(approve, scene, first, run).code == "needs_human"
    approve(scene, second, run)
    assert scene.attempt(run, "plan").status == "completed"


def test_the_owner_of_work_stays_who_it_was_when_the_token_ends_and_no_one_else_gets_its_name(scene: Scene) -> None:
    first = ada(scene)
    second, robot = another(scene, first, "bob"), By("robot", Channel.HTTP)
    create_token(scene.engine, By("ada", Channel.CLI), "robot", "work")
    run = scene.start(phase("plan", TWO))
    answers.start_phase(scene.engine, robot, run)
    answers.submit_artifact(scene.engine, robot, run, "plan", artifact={"title": "A good title"})
    approve(scene, first, run)
    scene.clock.advance(seconds=60)
    revoke_token(scene.engine, first, "robot")
    assert refused(create_token, scene.engine, By("bob", Channel.CLI), "robot", "work").code == "conflict"
    _, seen = seen_by(scene.engine, run)
    assert seen.view.evidence[-1].text.endswith("; ada owns the agent that made this")
    approve(scene, second, run)
    assert audit.verify(scene.engine).findings == ()


def test_the_owner_that_a_person_was_shown_stays_when_another_edits_the_work_later(scene: Scene) -> None:
    first, robot = ada(scene), By("robot", Channel.HTTP)
    second = another(scene, first, "bob")
    create_token(scene.engine, By("ada", Channel.CLI), "robot", "work")
    run = scene.start(phase("plan", TWO))
    answers.start_phase(scene.engine, robot, run)
    answers.submit_artifact(scene.engine, robot, run, "plan", artifact={"title": "A good title"})
    approve(scene, first, run)
    edit(scene.engine, second, run, PhasePath("plan"), {"title": "A better title"})
    assert audit.verify(scene.engine).findings == ()


@pytest.mark.parametrize("answer", [approvals.decide, partial(approvals.reject, feedback="not like this")])
def test_who_decides_on_what_another_has_just_approved_learns_it_and_decides_again(scene: Scene, answer: Any) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    request, seen = seen_by(scene.engine, run)
    approve(scene, first, run)
    no = refused(answer, scene.engine, second, run, "plan", request=request, approval=seen)
    decided: Any = no.data["decided"]
    assert (no.code, decided["by"], decided["decision"]) == ("stale_revision", "ada", "approved")
    assert "ada approved it at 2026-03-01T12:00:00" in no.message
    assert scene.attempt(run, "plan").approvals == ("ada",)
    approve(scene, second, run)
    assert scene.attempt(run, "plan").status == "completed"


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("first_answer", ["approve", "reject"])
def test_where_two_decide_at_once_one_wins_and_the_other_learns_who(
    scene: Scene, people: int, first_answer: str
) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene, approval(people=people))
    if people == 2:
        approve(scene, another(scene, first, "cem"), run)
    request, seen = seen_by(scene.engine, run)
    late: dict[str, Any] = {"request": request, "approval": seen}
    if first_answer == "approve":
        approve(scene, first, run)
        no = refused(approvals.reject, scene.engine, second, run, "plan", "not like this", **late)
    else:
        approvals.reject(scene.engine, first, run, "plan", "not like this", **late)
        no = refused(approvals.decide, scene.engine, second, run, "plan", **late)
    other = no.data["decided"]
    assert isinstance(other, dict)
    assert (other["by"], other["decision"]) == ("ada", "approved" if first_answer == "approve" else "rejected")
    assert f"ada {other['decision']} it at" in no.message
    assert scene.attempt(run, "plan").status == ("completed" if first_answer == "approve" else "running")


def test_a_change_of_files_voids_what_one_person_approved(scene: Scene) -> None:
    scene.git("init", "-q")
    scene.write("app.py", "one")
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    approve(scene, first, run)
    scene.write("app.py", "two")
    approve(scene, second, run)
    assert scene.attempt(run, "plan").approvals == ("bob",)


def test_an_approval_that_expired_before_the_last_is_asked_for_again(scene: Scene) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene, approval(people=2, expires="1h"))
    approve(scene, first, run)
    scene.clock.advance(hours=2)
    waiting = listed_question(overview_of(scene.engine, run), scene.attempt(run, "plan"))
    assert "0 of 2 people approved; 2 more people are needed" in waiting
    approve(scene, second, run)
    assert scene.attempt(run, "plan").approvals == ("bob",)


def test_undoing_an_approval_takes_a_person_and_voids_it(scene: Scene) -> None:
    first, run = ada(scene), asked(scene)
    approve(scene, first, run)
    assert refused(rollback.undo, scene.engine, AGENT, run).code == "needs_human"
    rollback.undo(scene.engine, first, run)
    assert scene.attempt(run, "plan").approvals == ()


def test_a_fork_carries_no_part_of_an_approval(scene: Scene) -> None:
    first, run = ada(scene), asked(scene)
    approve(scene, first, run)
    made = fork_run(scene.engine, first, run, str(len(scene.events(run)))).record.id
    assert scene.attempt(made, "plan").approvals == ()


def test_accepting_by_force_takes_more_than_one_person(scene: Scene) -> None:
    first, run = ada(scene), asked(scene)
    assert refused(control.force_accept, scene.engine, first, run, "plan", "in a hurry").code == "needs_human"
    assert refused(control.skip, scene.engine, first, run, "plan", "in a hurry").code == "needs_human"


def test_of_two_who_decide_in_the_same_moment_one_is_first_and_nothing_is_lost(scene: Scene) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    request, seen = seen_by(scene.engine, run)
    both, engines = threading.Barrier(2), {first: scene.engine, second: scene.process()}

    def decide(by: Person) -> Refused | None:
        both.wait(30)
        try:
            approvals.decide(engines[by], by, run, "plan", request=request, approval=seen)
        except Refused as no:
            return no
        return None

    with ThreadPoolExecutor(2) as pool:
        answers_ = dict(zip((first, second), pool.map(decide, (first, second)), strict=True))
    (late,) = [by for by, no in answers_.items() if no is not None]
    winner = "bob" if late is first else "ada"
    no = answers_[late]
    assert no is not None
    assert (no.code, cast("dict[str, str]", no.data["decided"])["by"]) == ("stale_revision", winner)
    assert scene.attempt(run, "plan").approvals == (winner,)
    approve(scene, late, run)
    assert scene.attempt(run, "plan").status == "completed"
    assert verify(scene.engine).findings == ()


@pytest.mark.parametrize("point", ["before the commit", "after the commit"])
@pytest.mark.parametrize("which", ["first", "last"])
def test_a_process_that_is_killed_while_a_person_approves_leaves_all_of_it_or_nothing(
    scene: Scene, which: str, point: str
) -> None:
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    others = ("bob",) if which == "last" else ()
    if others:
        approve(scene, second, run)
    words = [point, str(scene.root), run, scene.clock().isoformat(), PIN]
    environment = os.environ | scene.store.environment
    done = subprocess.run([sys.executable, "-m", "tests.engine.approvals.dying", *words], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL, done
    counts = point == "after the commit"
    if which == "first":
        assert scene.attempt(run, "plan").approvals == (("ada",) if counts else ())
    else:
        assert scene.attempt(run, "plan").status == ("completed" if counts else "awaiting")
    if not counts:
        approve(scene, first, run)
    if which == "first":
        approve(scene, second, run)
    assert scene.attempt(run, "plan").status == "completed"
    write_proofs(scene.engine, run)
    assert len(list((scene.root / ".wfe/approvals").rglob("*.json"))) == 2
    assert verify(scene.engine).findings == ()
    assert verify_approvals(scene.root).notes == ()


def test_a_proof_of_one_of_two_people_is_kept_and_counts_for_nothing(scene: Scene) -> None:
    scene.git("init", "-q")
    first = ada(scene)
    second, run = another(scene, first, "bob"), asked(scene)
    approve(scene, first, run)
    found = verify_approvals(scene.root, require=["."])
    assert [one.code for one in found.findings] == ["proof_missing"]
    assert found.notes == (f"plan of run {run}: 1 of 2 people approved: ada; one more person is needed.",)
    approve(scene, second, run)
    found = verify_approvals(scene.root, require=["."])
    assert (found.findings, found.notes, len(found.approvals)) == ((), (), 2)


def test_an_approval_whose_file_cannot_be_written_counts_and_the_file_is_written_later(scene: Scene) -> None:
    first = ada(scene)
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    in_the_way = scene.root / ".wfe/approvals"
    in_the_way.write_text("not a folder", encoding="utf-8")

    approve(scene, first, run)

    assert scene.attempt(run, "plan").status == "completed"
    in_the_way.unlink()
    write_proofs(scene.engine, run)
    assert len(list(in_the_way.rglob("*.json"))) == 1
    assert verify(scene.engine).findings == ()
