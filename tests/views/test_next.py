"""The calls that an answer offers are legal, and lead to the end of the run."""

import random
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, phase
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import reading, tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.moves.envelope import LIMIT_BYTES, Envelope, Next
from wfe_mcp.views.reports import envelopes as answering

LONG_ENOUGH = "${size(artifacts.%s_note.title) > 3}"
TITLES = ("A good title", "no", "again")


def call(scene: Scene, move: Next, title: str = "A good title") -> Envelope:
    """What an agent does with an entry of ``next``."""
    args = {key: value for key, value in move.args.items() if key != "wait_s"}
    match move.tool:
        case "start_phase":
            return answers.start_phase(scene.engine, AGENT, **args)
        case "submit_artifact":
            return answers.submit_artifact(scene.engine, AGENT, artifact={"title": title}, **args)
        case "approve":
            return decisions.ask_approval(scene.engine, AGENT, **args)
        case "control_run":
            return answers.control_run(scene.engine, AGENT, **args)
        case "list_templates":
            return reading.list_templates(scene.engine, AGENT)
        case tool:
            assert tool == "status"
            scene.clock.advance(minutes=1)
            scene.work()
            return answers.status(scene.engine, AGENT, **args)


def test_a_bot_that_follows_the_first_entry_finishes_any_run_that_needs_no_person(scene: Scene) -> None:
    scene.check("ok", "pass")
    review = phase("review", approval("agent"), next=[{"if": "${run.iteration == 1}", "goto": "build"}])
    run = scene.start(
        phase("plan", expr(LONG_ENOUGH % "plan"), prompt_gates=[approval("agent")]),
        phase("build", command("ok"), retry={"max_attempts": 3, "backoff": "exponential"}),
        review,
    )
    titles = iter(["no"])
    found = scene.status(run)
    for _ in range(40):
        if not found.next:
            break
        found = call(scene, found.next[0], next(titles, "A good title"))
    assert (found.run_state, found.next, scene.state(run).iteration) == ("completed", (), 2)


WALK = (
    phase("plan", expr(LONG_ENOUGH % "plan"), needs=[], skip="agent"),
    phase("agreed", approval("agent"), needs=["plan"], retry={"max_attempts": 2, "backoff": "exponential"}),
    phase("asked", approval("client", expires="30m"), needs=["plan"]),
    phase("signed", expr(LONG_ENOUGH % "signed"), approval(), needs=["plan"], prompt_gates=[approval("agent")]),
    phase("own", needs=["agreed"], kind="human"),
    phase("files", {"kind": "files", "exist": ["app.py"]}, needs=["asked"], on_fail=[{"do": "block"}], timeout="20m"),
    phase(
        "review", needs=["asked", "signed"], next=[{"if": "${artifacts.review_note.title == 'again'}", "goto": "plan"}]
    ),
)


def _people(scene: Scene, run: str, dice: random.Random) -> None:
    """What a person, or time, does between two calls of the agent."""
    name = dice.choice([each["id"] for each in WALK])
    engine = scene.engine
    deeds: list[Any] = [
        lambda: approvals.decide(engine, HUMAN, run, name),
        lambda: approvals.reject(engine, HUMAN, run, name, "no"),
        lambda: control.retry(engine, HUMAN, run, name),
        lambda: control.skip(engine, HUMAN, run, name, "not needed"),
        lambda: control.force_accept(engine, HUMAN, run, name, "we know better"),
        lambda: control.control(engine, HUMAN, run, dice.choice(["pause", "resume", "proceed", "auto_on"])),
        lambda: control.control(engine, AGENT, run, dice.choice(["pause", "auto_off"])),
        lambda: approvals.withdraw(engine, AGENT, run, name, "better"),
        lambda: answers.submit_artifact(engine, HUMAN, run, "own", artifact=GOOD),
        lambda: answers.start_phase(engine, HUMAN, run, "own"),
        lambda: scene.write("app.py", f"VALUE = {dice.random()}\n"),
        lambda: scene.clock.advance(minutes=dice.choice([1, 25])),
        scene.work,
    ]
    try:
        dice.choice(deeds)()
    except Refused as no:
        assert no.code != "internal"


@pytest.mark.requirement("B-09", "S0-10")
@pytest.mark.parametrize("seed", range(8))
def test_every_offered_call_is_legal_wherever_a_run_may_be(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    run = scene.start(*WALK, limits={"max_parallel": 3, "max_iterations": 3}, auto=seed % 3 != 2)
    found = scene.status(run)
    for _ in range(45):
        _judge(scene, run, found)
        if found.run_state in {"completed", "cancelled"}:
            break
        if not found.next or dice.random() < 0.4:
            _people(scene, run, dice)
            found = scene.status(run)
            continue
        try:
            found = call(scene, dice.choice(found.next), dice.choice(TITLES))
        except Refused as no:
            assert no.code not in {"illegal_transition", "not_ready", "leased", "bad_argument"}, (found.to_text(), no)
            assert no.code in {"stale_revision", "needs_human"}, no
            found = answering.refusal(scene.engine, no, run)
    with scene.store.read() as tx:
        loaded = scene.engine.load(tx, run)
        assert tx.verification.problems(loaded.record.id) == []


def _judge(scene: Scene, run: str, found: Envelope) -> None:
    """Every answer says where the run stands, who is waited for and what to do; and it is short."""
    assert found.run_state == scene.state(run).status
    assert found.waiting_on in {"agent", "human", "job", "none"}
    assert len(found.next) <= 3
    if not found.next:
        over = found.run_state in {"completed", "cancelled"}
        assert over or found.waiting_on == "human", found.to_text()
        assert over or scene.status(run).data["blockers"]
    if found.phase:
        assert found.state == scene.attempt(run, found.phase).status
    assert len(str(found.to_dict())) < LIMIT_BYTES
    assert len(found.to_text()) < LIMIT_BYTES


def test_the_call_that_asks_for_an_approval_says_who_decides(scene: Scene) -> None:
    run = scene.start(phase("plan", approval("agent"), needs=[]), phase("build", approval(), needs=[]))
    for name in ("plan", "build"):
        scene.begin(run, name)
        scene.submit(run, name)
    assert [move.why for move in scene.status(run).next] == ["your approval is enough", "asks the user"]


def test_a_phase_that_came_back_says_that_there_is_feedback(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.submit(run, "plan")
    approvals.reject(scene.engine, HUMAN, run, "plan", "The title is too long")
    (start,) = scene.status(run).next
    assert start.why == "already assigned to you; repeats the prompt; it came back with feedback"


def test_a_prompt_that_cannot_be_rendered_is_not_asked_for_again(scene: Scene) -> None:
    built = phase("build", prompt="Build ${artifacts.plan_note.nope}.")
    run = scene.start(phase("plan", output={"artifact": "plan_note", "schema": {"type": "object"}}), built)
    scene.do(run, "plan")
    with pytest.raises(Refused) as refused:
        scene.begin(run, "build")
    found = answering.refusal(scene.engine, refused.value, run, "build")
    assert found.error is not None
    assert (found.error.code, found.next) == ("invalid_template", ())
    assert "ask the user to skip the phase" in found.error.hint


def test_a_run_that_waits_for_proceed_is_waited_for(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"), auto=False)
    scene.begin(run, "plan")
    scene.submit(run, "plan")
    found = scene.status(run)
    assert (found.waiting_on, found.next) == ("human", (answering.wait_call(run),))
    control.control(scene.engine, HUMAN, run, "proceed")
    assert [move.tool for move in scene.status(run).next] == ["start_phase"]


def test_two_open_runs_are_listed_each_with_its_next_call(scene: Scene) -> None:
    first = scene.start(phase("plan"), phase("build"))
    scene.clock.advance(seconds=1)
    second = answers.start_run(scene.engine, AGENT, "drill").run
    found = answers.status(scene.engine, AGENT)
    assert [line["run"] for line in found.data["runs"]] == [second, first]
    assert [(move.tool, move.args["run"]) for move in found.next] == [("start_phase", second), ("start_phase", first)]
    answers.control_run(scene.engine, AGENT, first, "cancel")
    assert answers.status(scene.engine, AGENT).run == second, "the only open one is shown whole"


def test_without_an_open_run_templates_are_next(scene: Scene) -> None:
    found = answers.status(scene.engine, AGENT)
    assert (found.ok, found.data["runs"], found.next[0].tool) == (True, [], "list_templates")


def test_a_run_of_another_project_is_unknown_here(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    other = scene.root.parent / "elsewhere"
    other.mkdir()
    from wfe_mcp.workspace.system.location import project_at

    engine = create_engine(project_at(other), environment=scene.environment, clock=scene.clock, store=scene.store)
    try:
        answers.status(engine, By(), run)
    except Refused as no:
        envelope = answering.refusal(engine, no, run)
    else:
        raise AssertionError("it was found")
    assert (envelope.ok, [move.tool for move in envelope.next]) == (False, ["status"])


@pytest.mark.requirement("B-09")
def test_a_refusal_says_where_the_run_stands(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    try:
        scene.begin(run, "build")
    except Refused as no:
        found = answering.refusal(scene.engine, no, run, "build")
        nowhere = answering.refusal(scene.engine, no, "zzzz", "build")
        elsewhere = answering.refusal(scene.engine, no, run, "nope")
    else:
        raise AssertionError("it was begun")
    assert (found.state, found.run_state, found.waiting_on) == ("pending", "running", "agent")
    assert [move.args["phase"] for move in found.next] == ["plan"]
    assert nowhere.run is None
    assert elsewhere.phase is None
    assert PhasePath("plan") in scene.state(run).attempts
