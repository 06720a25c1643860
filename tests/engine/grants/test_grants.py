"""A standing grant approves what its condition holds for, and nothing that a person has to look at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.engine.approvals.people import ada
from tests.engine.scene import AGENT, Scene, approval, command, expr, phase, refused
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Person
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.grants.drafts import draft_grant
from wfe_mcp.engine.grants.facts import NotGranted, caller_of, take_use
from wfe_mcp.engine.grants.grants import Grant, end_grant, give_grant, grants_of, uses_of
from wfe_mcp.engine.history.forks import fork_run
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.answers import ask_approval
from wfe_mcp.views.approvals.audit import verify
from wfe_mcp.views.approvals.grants import grant_list, seen_sha256
from wfe_mcp.views.approvals.shown import open_approval
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import overview_of

FEW = "${size(change.files) <= 1}"
HOUR = timedelta(hours=1)


@pytest.fixture
def person(scene: Scene) -> Person:
    scene.human = ada(scene)
    return scene.human


def give(scene: Scene, by: Person, when: str = FEW, *, name: str = "plan", uses: int = 2, of: str = "drill") -> Grant:
    draft = draft_grant(scene.engine, of, name, when, uses, scene.clock() + HOUR)
    return give_grant(scene.engine, by, draft, seen_sha256(draft))


def ask(scene: Scene, run: str, name: str = "plan") -> Envelope:
    return ask_approval(scene.engine, AGENT, run, name)


def begin(scene: Scene, **files: str) -> str:
    """A run of the template that is there; while its phase ``plan`` is worked, the text ``files`` are written."""
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    for name, text in files.items():
        scene.write(f"{name}.txt", text)
    scene.submit(run, "plan")
    return run


def why(answer: Envelope) -> str:
    """Why the grant did not approve."""
    assert answer.error is not None
    assert answer.error.code == "needs_human"
    (reason,) = answer.data["grants"].values()
    return reason


def differences(scene: Scene) -> list[str]:
    return [finding.message for finding in verify(scene.engine).findings]


def test_a_grant_approves_where_its_condition_holds(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()), phase("build"))
    grant = give(scene, person)
    run = begin(scene)
    answer = ask(scene, run)
    assert answer.ok
    assert answer.data["decided_by"] == "grant g-1 of ada"
    assert scene.attempt(run, "plan").status == "completed"
    with scene.store.read() as tx:
        (event,) = tx.events.of_types(scene.engine.load(tx, run).record.id, "ApprovalGiven")
        (use,) = uses_of(tx, scene.engine.project_id, grant.id)
    assert (event.payload["grant"], event.payload["comment"], event.channel) == (
        "g-1",
        f"use 1 of 2, given by {scene.human.actor} at 2026-03-01T12:00:00Z",
        "grant",
    )
    assert (use.number, use.run, use.phase) == (1, run, "plan")
    assert differences(scene) == []


def test_the_approval_of_a_grant_is_marked_wherever_the_run_is_shown(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()), phase("build"))
    give(scene, person)
    run = begin(scene)
    ask(scene, run)
    assert "plan: approval gate approved by grant g-1: use 1 of 2, given by" in str(scene.status(run).data)
    assert scene.attempt(run, "plan").verdicts[-1].outcome == "granted"


def test_a_condition_that_is_false_leaves_it_to_the_person_and_says_so(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person, "${size(change.files) > 5}")
    run = begin(scene)
    assert why(ask(scene, run)) == "its condition is false"
    assert scene.attempt(run, "plan").status == "awaiting"
    assert grant_list(scene.engine).grants[0].used == 0


def test_a_condition_reads_the_files_the_lines_the_evidence_the_opinions_and_the_attempt(
    scene: Scene, person: Person
) -> None:
    scene.define(phase("plan", expr("${size(artifacts.plan_note.title) > 1}"), command("ok"), approval()))
    scene.check("ok", "print(1)")
    every = [
        "change.files.exists(f, f.path == 'new.txt' && f.status == 'added')",
        "change.added == 2 && change.removed == 0",
        "evidence.exists(e, e.gate.contains('ok') && e.state == 'pass' && e.level != '')",
        "size(opinions) == 0",
        "attempt == 1",
    ]
    give(scene, person, f"${{{' && '.join(every)}}}")
    assert ask(scene, begin(scene, new="one\ntwo\n")).ok


def test_a_condition_that_fails_at_what_is_shown_approves_nothing(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person, "${size(change.files) == 0 || change.files[3].path == 'a'}")
    assert why(ask(scene, begin(scene, new="one\n"))).startswith("its condition cannot be evaluated: ")


def test_a_grant_ends_with_its_uses(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person, uses=1)
    first, second = begin(scene), begin(scene)
    assert ask(scene, first).ok
    assert why(ask(scene, second)) == "it is used up"
    assert [grant.state for grant in grant_list(scene.engine).grants] == ["used up"]


def test_a_use_that_another_process_took_meanwhile_is_not_there_twice(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    grant = give(scene, person, uses=1)
    first, second = begin(scene), begin(scene)
    use = partial(take_use, grant, "0" * 64)
    approvals.decide(scene.engine, caller_of(grant), first, "plan", grant=use)
    with pytest.raises(NotGranted, match="it is used up"):
        approvals.decide(scene.engine, caller_of(grant), second, "plan", grant=use)
    assert scene.attempt(second, "plan").status == "awaiting"


def test_a_grant_ends_with_its_time(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person)
    run = begin(scene)
    scene.clock.advance(hours=1)
    assert why(ask(scene, run)) == "it is expired"
    assert [grant.state for grant in grant_list(scene.engine).grants] == ["expired"]


def test_a_person_ends_a_grant_and_what_it_approved_stays(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person)
    first, second = begin(scene), begin(scene)
    assert ask(scene, first).ok
    scene.clock.advance(seconds=5)
    end_grant(scene.engine, person, "g-1")
    assert not ask(scene, second).ok
    assert refused(end_grant, scene.engine, person, "g-1").code == "conflict"
    assert scene.attempt(first, "plan").status == "completed"
    assert differences(scene) == []


def test_only_a_person_gives_and_ends_one(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    draft = draft_grant(scene.engine, "drill", "plan", FEW, 1, scene.clock() + HOUR)
    assert refused(give_grant, scene.engine, AGENT, draft, "").code == "needs_human"
    give(scene, person)
    assert refused(end_grant, scene.engine, AGENT, "g-1").code == "needs_human"


def test_a_template_with_other_bytes_is_another_template(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person)
    scene.define(phase("plan", approval()), phase("more"))
    run = begin(scene)
    answer = ask(scene, run)
    assert not answer.ok
    assert "grants" not in answer.data


@pytest.mark.parametrize(
    ("gates", "why"),
    [
        ([approval(people=2)], "several people approve it"),
        ([approval(phrase="yes I do")], "it asks for a phrase"),
        ([approval("passkey")], "it asks for a passkey, and a grant is signed with your PIN"),
        ([expr("${true}")], "asks for an approval"),
    ],
)
def test_some_approvals_no_grant_can_give(scene: Scene, person: Person, gates: list[Any], why: str) -> None:
    scene.define(phase("plan", *gates), phase("build", approval()))
    no = refused(draft_grant, scene.engine, "drill", "plan", FEW, 1, scene.clock() + HOUR)
    assert no.code == "bad_argument"
    assert why in no.message


def test_no_grant_lets_steps_act(scene: Scene, person: Person) -> None:
    scene.check("deploy", "print(1)")
    steps = {"id": "ship", "kind": "steps", "prompt_gates": [approval()], "steps": [{"id": "go", "check": "deploy"}]}
    scene.define(phase("plan"), steps)
    no = refused(draft_grant, scene.engine, "drill", "ship", FEW, 1, scene.clock() + HOUR)
    assert "its steps act outside the working tree" in no.message
    scene.define(phase("plan"))
    no = refused(draft_grant, scene.engine, "drill", "plan", FEW, 1, scene.clock() + HOUR)
    assert no.hint == "None of its phases asks."


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("size(change.files) < 3", "is no condition"),
        ("${size(change.files)", "cannot be evaluated: the closing brace is missing"),
        ("${size(changed) < 3}", "cannot be evaluated"),
        ("${change.lines < 3}", "there is no key 'lines'"),
        ("${attempt}", "must be true or false"),
        ("${attempt < 3 && 'a\0' != 'b'}", "holds NUL"),
        ("${artifacts.plan_note.title == 'x'}", "cannot be evaluated"),
    ],
)
def test_a_condition_is_tried_before_it_is_signed(scene: Scene, person: Person, when: str, why: str) -> None:
    scene.define(phase("plan", approval()))
    no = refused(draft_grant, scene.engine, "drill", "plan", when, 1, scene.clock() + HOUR)
    assert no.code == "bad_argument"
    assert why in no.message


@pytest.mark.parametrize(("uses", "ends_in"), [(0, HOUR), (1001, HOUR), (1, timedelta()), (1, timedelta(days=91))])
def test_a_grant_has_an_end(scene: Scene, person: Person, uses: int, ends_in: timedelta) -> None:
    scene.define(phase("plan", approval()))
    until = scene.clock() + ends_in
    assert refused(draft_grant, scene.engine, "drill", "plan", FEW, uses, until).code == "bad_argument"


def test_what_is_unusual_is_for_the_person(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person)
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    scene.write("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--co'\n")
    scene.submit(run, "plan")
    assert why(ask(scene, run)) == "this is unusual: pyproject.toml changed since the run began."


def test_what_was_sent_back_is_for_the_person(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval(), on_fail=[{"do": "retry", "max_attempts": 3}]))
    run = begin(scene)
    approvals.reject(scene.engine, person, run, "plan", "Name the unit.")
    give(scene, person)
    scene.do(run, "plan", {"title": "With the unit"})
    assert why(ask(scene, run)) == "an attempt was sent back"


def test_what_was_sent_back_to_an_earlier_phase_is_for_the_person(scene: Scene, person: Person) -> None:
    scene.define(phase("plan"), phase("build", approval()))
    give(scene, person, name="build")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    for title in ("one", "two"):
        scene.do(run, "plan", {"title": title})
        scene.do(run, "build", {"title": title})
        if title == "one":
            approvals.reject(scene.engine, person, run, "build", "Plan it otherwise.", to="plan")
    assert why(ask(scene, run, "build")) == "an attempt was sent back"


def test_what_an_agent_left_out_is_for_the_person(scene: Scene, person: Person) -> None:
    scene.define(phase("try", skip="agent"), phase("plan", approval()))
    give(scene, person)
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    control.skip(scene.engine, AGENT, run, "try", "no time")
    scene.do(run, "plan")
    assert why(ask(scene, run)) == "agent (mcp) left out try"


def test_a_folder_without_git_has_no_change_that_a_grant_could_read(scene: Scene, person: Person) -> None:
    (scene.root / ".git").rename(scene.root.parent / "git")
    scene.define(phase("plan", approval()))
    give(scene, person)
    run = begin(scene)
    assert why(ask(scene, run)).startswith("the changed files are unknown: ")


@pytest.mark.parametrize(
    ("content", "kind"), [(b"/*\0*/\n" + b"run()\n" * 500, "binary"), (b"run()\n" * 200_000, "unknown")]
)
def test_where_lines_cannot_be_counted_no_condition_holds(
    scene: Scene, person: Person, content: bytes, kind: str
) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person, "${change.added < 100}")
    run = answers.start_run(scene.engine, AGENT, "drill", {}).run
    assert run is not None
    scene.begin(run, "plan")
    (scene.root / "new.js").write_bytes(content)
    scene.submit(run, "plan")
    assert why(ask(scene, run)) == f"the lines of new.js cannot be compared ({kind})"


@pytest.mark.attack("an agent cancels its run and tries again in a new one until a grant fits", "held", "T1")
def test_who_tries_again_until_it_fits_asks_the_person(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    third = begin(scene)
    scene.clock.advance(seconds=5)
    for _ in range(100):
        first = answers.start_run(scene.engine, AGENT, "drill", {}).run
        answers.control_run(scene.engine, AGENT, str(first), "cancel")
    scene.clock.advance(seconds=5)
    give(scene, person)  # the person knows of what was cancelled before
    scene.clock.advance(seconds=5)
    assert ask(scene, begin(scene)).ok
    answers.control_run(scene.engine, AGENT, third, "cancel")
    scene.clock.advance(seconds=5)
    assert why(ask(scene, begin(scene))) == f"run {third} of the template was cancelled since it was given"


def test_the_next_decision_of_the_person_shows_what_a_grant_approved_as_new(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()), phase("build", approval()))
    give(scene, person)
    run = begin(scene, new="one\n")
    assert ask(scene, run).ok
    scene.do(run, "build")
    view = open_approval(scene.engine, overview_of(scene.engine, run), "build")
    assert view is not None
    assert [[file.path for file in change.files] for change in view.changes] == [["new.txt"]]
    assert scene.attempt(run, "plan").approved_tree is None


def test_a_use_is_not_taken_where_the_files_changed_meanwhile(scene: Scene, person: Person) -> None:
    scene.check("ok", "print(1)")
    scene.define(phase("plan", command("ok"), approval()))
    give(scene, person)
    run = begin(scene)
    scene.write("late.txt", "one\n")
    no = refused(ask_approval, scene.engine, AGENT, run, "plan")
    assert no.code == "stale_revision"
    with scene.store.read() as tx:
        assert uses_of(tx, scene.engine.project_id, "g-1") == []


def test_grants_are_numbered_and_the_first_that_fits_is_used(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person, "${size(change.files) > 5}")
    give(scene, person)
    assert ask(scene, begin(scene)).data["decided_by"] == "grant g-2 of ada"
    with scene.store.read() as tx:
        assert [grant.id for grant in grants_of(tx, scene.engine.project_id)] == ["g-1", "g-2"]


def test_a_fork_and_a_bundle_of_a_granted_run_are_whole(scene: Scene, person: Person) -> None:
    scene.define(phase("plan", approval()), phase("build"))
    give(scene, person)
    run = begin(scene)
    assert ask(scene, run).ok
    fork_run(scene.engine, AGENT, run)
    assert differences(scene) == []


def test_refused_is_what_it_says(scene: Scene, person: Person) -> None:
    with pytest.raises(Refused, match="no grant 'g-9'"):
        end_grant(scene.engine, person, "g-9")


@pytest.mark.parametrize("point", ["before the commit", "after the commit"])
def test_a_process_that_is_killed_while_a_grant_approves_leaves_the_approval_and_its_use_or_neither(
    scene: Scene, person: Person, point: str
) -> None:
    scene.define(phase("plan", approval()))
    give(scene, person)
    run = begin(scene)
    words = [point, str(scene.root), run, scene.clock().isoformat(), ""]
    environment = os.environ | scene.store.environment
    done = subprocess.run([sys.executable, "-m", "tests.engine.approvals.dying", *words], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL, done
    counts = point == "after the commit"
    assert scene.attempt(run, "plan").status == ("completed" if counts else "awaiting")
    with scene.store.read() as tx:
        assert len(uses_of(tx, scene.engine.project_id, "g-1")) == counts
    if not counts:
        assert ask(scene, run).ok
    assert differences(scene) == []
