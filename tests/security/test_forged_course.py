"""Events that move a run on and that nothing caused: appended with a fitting chain and fitting rows, without a key or a seal.

Each is found by ``verify``, and nothing is decided on the run any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, command, phase, refused
from tests.security.forger import found
from wfe_mcp.core import events as e
from wfe_mcp.core.attempt_states import Completed, FailKind
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import AttemptStatus, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import PhaseSpec, RunSpec
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.engine.kernel.engine import SYSTEM
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import open_approval
from wfe_mcp.views.reports.envelopes import overview_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.core.event import OfAttempt
    from wfe_mcp.core.model import By, Person

PLAN, BUILD = PhasePath("plan"), PhasePath("build")
PLAN_1: OfAttempt = {"phase": PLAN, "attempt": 1}
WALK = PhasePath("walk")
WALK_1: OfAttempt = {"phase": WALK, "attempt": 1}
BUILD_1: OfAttempt = {"phase": BUILD, "attempt": 1}
ANY = "0" * 64


@pytest.fixture
def ada(scene: Scene) -> Person:
    """A person with a key: whatever counts as theirs is signed."""
    scene.human = made = pin.set_pin(scene.engine, "correct horse", HUMAN)
    return made


def forge(scene: Scene, run: str, *events: e.Event, by: By = SYSTEM) -> None:
    """Append ``events`` as an agent with a shell can, through our own store: chain, rows and tail are right."""
    with scene.store.tx() as tx:
        loaded = scene.engine.load(tx, run)
        state = loaded.state
        for event in events:
            state = evolve(state, event)
        tx.runs.save(loaded, state, events, by, scene.clock())


def named(scene: Scene, run: str, last: int = 1) -> set[tuple[str, int]]:
    """What ``verify`` says, by code, of each of the ``last`` events, the first of which is 1."""
    with scene.store.read() as tx:
        end = scene.engine.load(tx, run).record.last_seq
    return {(one.code, one.seq - end + last) for one in found(scene, run) if one.seq is not None}


def opened(**keys: Any) -> Callable[[Scene, Person], str]:
    """A run whose plan a person has to allow before work begins."""

    def run(scene: Scene, ada: Person) -> str:
        return scene.start(phase("plan", prompt_gates=[approval()], **keys), phase("build"))

    return run


def unchecked(scene: Scene, ada: Person) -> str:
    """A run whose plan is under a check that has not run."""
    scene.check("tests", "raise SystemExit(1)")
    run = scene.start(phase("plan", command("tests")), phase("build", needs=["plan"]))
    scene.begin(run, "plan")
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact={"title": "A good title"})
    return run


def asked(scene: Scene, ada: Person) -> str:
    """A run whose plan waits for a person; build comes after it, and a person decides on that too."""
    run = scene.start(phase("plan", approval()), phase("build", approval(), needs=["plan"]))
    scene.do(run, "plan")
    return run


def stopped(scene: Scene, ada: Person) -> str:
    """A run whose plan has failed for good: only a person opens it again."""
    rejected = {"on_fail": [{"do": "wait_human"}]}
    run = scene.start(phase("plan", approval(), **rejected), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    approvals.reject(scene.engine, ada, run, "plan", "No.")
    assert scene.attempt(run, "plan").human_only
    return run


def blocked(scene: Scene, ada: Person) -> str:
    """A run that a rule has blocked."""
    run = scene.start(phase("plan", approval(), on_fail=[{"do": "block"}]), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    approvals.reject(scene.engine, ada, run, "plan", "No.")
    assert scene.state(run).status is RunStatus.BLOCKED
    return run


def paused(scene: Scene, ada: Person) -> str:
    """A run that a person has paused."""
    run = scene.start(phase("plan"))
    control.control(scene.engine, ada, run, "pause")
    return run


def rejected_twice(scene: Scene, ada: Person) -> str:
    """A run whose plan a person has rejected, with another try open."""
    run = scene.start(phase("plan", approval()), phase("build", needs=["plan"]))
    scene.do(run, "plan")
    approvals.reject(scene.engine, ada, run, "plan", "No.")
    return run


def looped(scene: Scene, ada: Person) -> str:
    """A run with a loop whose items a person approves, one of them open."""
    items = {"id": "list", "output": {"artifact": "list", "schema": {"type": "object"}}}
    walk = {"in": "${artifacts.list.items}", "as": "step"}
    run = scene.start(items, {"id": "walk", "kind": "loop", "for_each": walk, "phases": [phase("code", approval())]})
    scene.do(run, "list", {"items": ["a", "b"]})
    assert scene.state(run).loops[WALK].open == ("0",)
    return run


def completed_attempt(scene: Scene, run: str) -> e.RolledBack:
    state = scene.state(run)
    last = state.current(PLAN)
    done = replace(last, number=last.number + 1, state=Completed(judged=True))
    return e.RolledBack(
        to=2, kind="rollback", ended=(PLAN,), opened=(done,), loops={}, status=RunStatus.RUNNING, auto=True
    )


def sha(scene: Scene, run: str) -> str:
    return scene.attempt(run, "plan").sha256 or ANY


Forged = tuple["Callable[[Scene, Person], str]", "Callable[[Scene, str], list[e.Event]]"]

ATTACKS: dict[str, Forged] = {
    "a new attempt is ready although a person has to allow the work": (
        opened(),
        lambda _scene, _run: [e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.READY)],
    ),
    "a new attempt is at work although a person has to allow it": (
        opened(),
        lambda scene, _run: [
            e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.RUNNING, holder="x", started_at=scene.clock())
        ],
    ),
    "work starts although a person has to allow it": (
        opened(),
        lambda scene, _run: [e.PhaseStarted(holder="x", started_at=scene.clock(), **PLAN_1)],
    ),
    "an artifact is submitted before a person has allowed the work": (
        opened(),
        lambda _scene, _run: [e.RevisionSubmitted(revision=1, sha256=ANY, **PLAN_1)],
    ),
    "the gates after work open where those before it wait for a person": (
        opened(),
        lambda _scene, _run: [e.GatesOpened(stage=Stage.AFTER, sha256=ANY, **PLAN_1)],
    ),
    "a phase is ready although a person has to allow it": (opened(), lambda _scene, _run: [e.PhaseReady(**PLAN_1)]),
    "a phase is completed without the verdict of its check": (
        unchecked,
        lambda _scene, _run: [e.PhaseCompleted(**PLAN_1)],
    ),
    "an approval is given for a gate that there is not": (
        asked,
        lambda scene, run: [
            e.ApprovalGiven(gate=1, sha256=sha(scene, run), **PLAN_1),
            e.PhaseCompleted(**PLAN_1),
        ],
    ),
    "a phase that only a person skips is skipped before it begins": (
        asked,
        lambda _scene, _run: [e.PhaseSkipped(reason="its condition 'when' is false", follows=True, **BUILD_1)],
    ),
    "a phase without a condition is skipped by one": (
        asked,
        lambda _scene, _run: [
            e.WhenAnswered(value=False, **BUILD_1),
            e.PhaseSkipped(reason="its condition 'when' is false", follows=True, **BUILD_1),
        ],
    ),
    "a run is completed with open phases": (asked, lambda _scene, _run: [e.RunCompleted()]),
    "a run that a rule blocked is reopened": (
        blocked,
        lambda _scene, _run: [e.RunReopened(), e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.READY)],
    ),
    "a run that a rule blocked is reopened by itself": (blocked, lambda _scene, _run: [e.RunReopened()]),
    "a run that a rule blocked is resumed": (blocked, lambda _scene, _run: [e.RunResumed()]),
    "the pause of a person is made one of the agent, and ended": (
        paused,
        lambda _scene, _run: [e.RunPaused(by_human=False), e.RunResumed()],
    ),
    "the caps of a run are raised": (asked, lambda _scene, _run: [e.RunResumed(max_cost_usd=1e9, max_tokens=10**9)]),
    "what waits for a person fails again, so that a rule applies": (
        stopped,
        lambda _scene, _run: [e.AttemptFailed(kind=FailKind.ERROR, reason="", **PLAN_1)],
    ),
    "what waits for a person is repaired, so that a rule applies": (
        stopped,
        lambda _scene, _run: [e.RepairEnded(**PLAN_1)],
    ),
    "what waits for a person is submitted once more": (
        stopped,
        lambda _scene, _run: [e.RevisionSubmitted(revision=1, sha256=ANY, **PLAN_1)],
    ),
    "what waits for a person restarts by a jump": (
        stopped,
        lambda _scene, _run: [
            e.WentTo(source=PLAN, attempt=1, target=PLAN, iteration=2, superseded=(PLAN, BUILD), rule="plan/on_fail/0")
        ],
    ),
    "a new attempt opens where a person has to": (
        stopped,
        lambda _scene, _run: [e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.READY)],
    ),
    "a rollback brings back what never was": (asked, lambda scene, run: [completed_attempt(scene, run)]),
    "a rollback over a rejection begins, and the engine ends it": (
        rejected_twice,
        lambda _scene, _run: [e.RollbackBegan(to=3, commit="c" * 40, safety="", holder="x", kind="rollback")],
    ),
    "an item of a loop is closed without its phases": (
        looped,
        lambda _scene, _run: [e.ItemClosed(key="0", **WALK_1)],
    ),
    "a loop opens once more without items": (
        looped,
        lambda scene, _run: [e.LoopOpened(keys=(), started_at=scene.clock(), **WALK_1)],
    ),
    "a loop over items ends early": (
        looped,
        lambda _scene, _run: [e.LoopFinished(**WALK_1), e.PhaseCompleted(**WALK_1)],
    ),
    "a run starts once more, with other phases": (
        asked,
        lambda scene, run: [
            e.RunStarted(spec=RunSpec((PhaseSpec(PLAN),)), auto=True, started_at=scene.clock()),
            e.PhaseReady(**PLAN_1),
        ],
    ),
}


@pytest.mark.attack(
    "an event that moves a run on is appended with a fitting chain, and no key or seal is needed for it",
    "detected",
    "T1; T11",
)
@pytest.mark.parametrize("name", ATTACKS)
def test_what_nothing_caused_is_named(scene: Scene, ada: Person, name: str) -> None:
    begin, events = ATTACKS[name]
    run = begin(scene, ada)
    assert found(scene) == []
    forged = events(scene, run)
    forge(scene, run, *forged)
    assert named(scene, run, len(forged)) & {("event_uncaused", 1), ("decision_unsigned", 1)}


@pytest.mark.attack("a run that a forged event has moved on is shown to a person for their approval", "held", "T1; T11")
def test_nothing_is_decided_on_a_run_that_nothing_led_to(scene: Scene, ada: Person) -> None:
    run = asked(scene, ada)
    assert open_approval(scene.engine, overview_of(scene.engine, run), "plan") is not None
    forge(scene, run, e.RunResumed(max_cost_usd=1e9))
    assert refused(open_approval, scene.engine, overview_of(scene.engine, run), "plan").code == "conflict"


def test_what_no_key_of_a_person_signed_is_named_once(scene: Scene, ada: Person) -> None:
    run = stopped(scene, ada)
    forge(scene, run, e.AttemptOpened(phase=PLAN, attempt=2, status=AttemptStatus.READY))
    assert [one.code for one in found(scene, run)] == ["decision_unsigned"]
