"""The tables of ``core/transitions.py`` against random runs: legal moves, refusals, and what events change."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from scripts.event_changes import EVENT_CHANGES, Change
from tests.core import test_recovery as recovery
from tests.core.conftest import AGENT, HUMAN, NOW, Scene, phase, run_of
from tests.core.plays import finish, played
from tests.core.test_flows import SYSTEM
from tests.examples import seeds
from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.decide import HANDLERS, decide
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import By, Origin, RunId, RunState, RunStatus
from wfe_mcp.core.moves import action, caller, example, legal_moves, refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec
from wfe_mcp.core.transitions import ATTEMPT_MOVES, RUN_MOVES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.core.model import Attempt

Cell = tuple[str, str, str, str]
"""Event, column (own, others, run), before, after."""

NOT_OF_A_CALLER = {
    "Answer",
    "OpenGates",
    "LoseLease",
    "HandOver",
    "RefuseSubmission",
    "RecordVerdict",
    "TreeChange",
    "TimeOut",
    "FailAttempt",
    "Wake",
    "EndCompensation",
    "TimeOutRun",
}


def test_every_command_is_a_callers_or_the_servers() -> None:
    of_history = {"StartRun", "ForkRun", "TakeCheckpoint", "BeginRollback", "AbandonRollback", "Rollback"}
    of_history |= {"RecordOperation"}
    commands = {each.__name__ for each in HANDLERS}
    called = {each.__name__ for each in HANDLERS if each.call.verb}
    assert called | NOT_OF_A_CALLER | of_history == commands
    assert not called & NOT_OF_A_CALLER


def moments(seed: int) -> Iterator[RunState]:
    """Each state of a random run."""
    state = RunState()
    for event in played(random.Random(seed), 40).log:
        state = evolve(state, event)
        yield state


@pytest.mark.requirement("B-01")
@pytest.mark.parametrize("by", [AGENT, HUMAN], ids=["agent", "human"])
@pytest.mark.parametrize("seed", seeds(8))
def test_each_listed_move_succeeds_and_every_other_is_refused_with_a_hint_of_legal_ones(seed: int, by: By) -> None:
    scene, dice = Scene(), random.Random(seed)
    for state in moments(seed):
        if dice.random() < 0.5:
            continue
        listed = legal_moves(state, by, scene.at)
        for move in listed:
            assert caller(by) in move.call.callers
            assert decide(state, move) or is_idempotent(move), move
        for command in all_commands(state, by, scene):
            if command in listed:
                continue
            with pytest.raises(Refused) as refused:
                decide(state, command)
            assert names_in(refused.value.hint) <= legal_names(listed, by), (command, refused.value.hint)


def all_commands(state: RunState, by: By, scene: Scene) -> Iterator[c.Command]:
    """Every command of a caller, for every phase of the run, legal or not."""
    for kind in c.COMMANDS:
        if kind.call.verb and issubclass(kind, c.PhaseCommand):
            yield from (example(kind, tries[-1], by, scene.at) for tries in state.attempts.values())
    yield from (c.Proceed(by=by, at=scene.at), c.Resume(by=by, at=scene.at), c.Pause(by=by, at=scene.at))
    yield from (c.SetAuto(auto=not state.auto, by=by, at=scene.at), c.Cancel(by=by, at=scene.at))


def is_idempotent(move: c.Command) -> bool:
    """A holder that starts its phase again, or a second call with the same request, changes nothing."""
    return isinstance(move, c.StartPhase | c.AskApproval)


def names_in(hint: str) -> set[str]:
    """The names of calls in a hint."""
    listed = re.search(r"Possible now: (.*)\.", hint)
    if listed is not None:
        return set(listed[1].split(", "))
    return set(re.findall(r"\b(?:approve|reject|\w+_(?:phase|artifact|run))\b", hint))


def legal_names(moves: tuple[c.Command, ...], by: By) -> set[str]:
    calls = [(move.call, action(move)) for move in moves]
    if by is HUMAN:
        return {call.command for call, _ in calls}
    return {f"{call.tool} {what}".strip() for call, what in calls} | {"start_phase"}


def test_no_list_and_no_hint_for_a_caller_names_a_command_of_the_server() -> None:
    names = {kind.call.verb for kind in c.COMMANDS if kind.call.verb}
    for state in moments(3):
        for by in (AGENT, HUMAN):
            assert not {type(move).__name__ for move in legal_moves(state, by, Scene().at)} & NOT_OF_A_CALLER
        for attempt in state.open_attempts:
            refused = refusal(state, c.Wake(phase=attempt.phase, by=SYSTEM, at=Scene().at))
            assert refused is None or "Possible now" not in refused.hint
    assert not names & {"wake", "answer"}


# what events change


def changes(log: list[e.Event]) -> Iterator[Cell]:
    """What each event of ``log`` changed; of the attempt that it names also that it left it."""
    state = RunState()
    for event in log:
        after = evolve(state, event)
        name = type(event).__name__
        yield name, "run", str(state.status), str(after.status)
        for path, tries in after.attempts.items():
            old = state.attempts.get(path, ())
            for index, now in enumerate(tries):
                before = str(old[index].status) if index < len(old) else "new"
                if is_own(event, now):
                    yield name, "own", before, str(now.status)
                elif before != now.status:
                    yield name, "others", before, str(now.status)
        state = after


def is_own(event: e.Event, attempt: Attempt) -> bool:
    return isinstance(event, e.AttemptEvent) and (event.phase, event.attempt) == (attempt.phase, attempt.number)


def cells(name: str, change: Change) -> Iterator[Cell]:
    for column, rows in (("own", change.own), ("others", change.others)):
        for before, after in rows.items():
            yield from ((name, column, before, one) for one in after.split(" | "))


def run_is_as_reported(before: str, after: str, answer: str) -> bool:
    """``running`` may be ``waiting``: which of both follows from the attempts."""
    goes_on = {"running", "waiting"}
    if not answer:
        return after == before or {before, after} == goes_on
    statuses = set(answer.split(" | "))
    return after in (statuses | goes_on if "running" in statuses else statuses)


ENDS_ITEMS = "ends an item or a recovery, whose attempts can have any open status (``items.close_items``)"
REASONED: dict[tuple[str, str], str] = {
    ("AttemptFailed", "others"): ENDS_ITEMS,
    ("ItemClosed", "others"): ENDS_ITEMS,
    ("RepairEnded", "others"): ENDS_ITEMS,
    ("OpinionOverruled", "others"): ENDS_ITEMS,
    ("PhaseForced", "others"): ENDS_ITEMS,
    ("PromptEdited", "others"): ENDS_ITEMS,
    ("RevisionSubmitted", "others"): ENDS_ITEMS,
    ("RunCompleted", "others"): "``$complete`` ends every open attempt, whatever its status",
}
"""Event and column with a row that no run below shows, and why the row is right."""


@pytest.fixture(scope="module")
def seen() -> set[Cell]:
    found: set[Cell] = set()
    for seed in (
        22,
        76,
        421,
        8,
        136,
        454,
        21,
        83,
        99,
        222,
        301,
        442,
    ):  # chosen from 500: together they show what all of them show
        scene = played(random.Random(seed), 100)
        found |= set(changes(scene.log))
        found |= set(changes(list(fork_of(scene.state))))
    for seed in range(3):
        ended = played(random.Random(seed), 0)
        finish(ended)
        found |= set(changes(ended.log))
    scenes = (overruled(), edited_prompts(), reported(), approved_by_one(), handed_on())
    return found.union(*(changes(scene.log) for scene in scenes))


def fork_of(then: RunState) -> tuple[e.Event, ...]:
    if then.status is RunStatus.CANCELLED:
        return ()
    origin = Origin(RunId("r"), 1, "0" * 64)
    return decide(RunState(), c.ForkRun(then=then, then_at=NOW, origin=origin, by=HUMAN, at=NOW))


def overruled() -> Scene:
    """An opinion that is overruled while its gate runs, and one that has failed."""
    scene = run_of(
        phase("plan", gates=(GateSpec("opinion"),), on_fail=(FailRule("wait_human"),)), phase("build", "plan")
    )
    scene.start("plan")
    scene.submit("plan")
    scene.judge("plan", GateOutcome.FAIL)
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="read it"))
    scene.give(scene.command(c.Retry, "plan", HUMAN))
    scene.start("plan")
    scene.submit("plan", revision=2)
    scene.give(scene.command(c.Overrule, "plan", HUMAN, reason="read it"))
    return scene


def approved_by_one() -> Scene:
    """An approval at a gate that asks for two people."""
    scene = run_of(phase("plan", gates=(GateSpec("approval", people=2),)))
    scene.work("plan")
    scene.ask("plan")
    scene.give(scene.command(c.Approve, "plan", HUMAN, sha256="a" * 64, person="ada"))
    return scene


def handed_on() -> Scene:
    """A request that one person handed to another."""
    scene = run_of(phase("plan", gates=(GateSpec("approval"),)))
    scene.work("plan")
    scene.ask("plan")
    asked = scene.state.current(PhasePath("plan")).asked or ""
    scene.give(scene.command(c.HandOver, "plan", HUMAN, request=asked, to="bob", giver="ada"))
    return scene


def reported() -> Scene:
    """A recovery that reports what is in the way."""
    scene = run_of(*recovery.reporting())
    scene.work("plan")
    recovery.fail(scene)
    recovery.report(scene, 1)
    return scene


def edited_prompts() -> Scene:
    """A prompt that is edited while it awaits approval, while its gates run, and after one failed; then that is overruled."""
    gates = (GateSpec("expr"), GateSpec("approval"))
    scene = run_of(phase("plan", gates_before=gates, on_fail=(FailRule("wait_human"),)))
    scene.give(scene.command(c.OpenGates, "plan", SYSTEM, sha256="a" * 64))
    scene.judge("plan")
    for sha256 in ("b" * 64, "c" * 64):
        scene.give(scene.command(c.Edit, "plan", HUMAN, revision=0, sha256=sha256, prompt=sha256))
    scene.judge("plan", GateOutcome.FAIL)
    scene.give(scene.command(c.Edit, "plan", HUMAN, revision=0, sha256="d" * 64, prompt="d" * 64))
    scene.judge("plan", GateOutcome.FAIL)
    scene.give(scene.command(c.ForceAccept, "plan", HUMAN, reason="read it"))
    return scene


@pytest.mark.requirement("B-03")
def test_every_change_that_an_event_makes_is_in_the_table(seen: set[Cell]) -> None:
    table = {cell for name, change in EVENT_CHANGES.items() for cell in cells(name, change)}
    assert not {cell for cell in seen if cell[1] != "run"} - table
    wrong = [
        cell
        for cell in seen
        if cell[1] == "run" and not run_is_as_reported(cell[2], cell[3], EVENT_CHANGES[cell[0]].run)
    ]
    assert not wrong


def test_every_row_of_the_table_of_events_is_observed_or_reasoned(seen: set[Cell]) -> None:
    assert set(EVENT_CHANGES) == set(e.EVENTS)
    table = {cell for name, change in EVENT_CHANGES.items() for cell in cells(name, change)}
    missing = {(name, column) for name, column, _, _ in table - seen}
    assert missing == set(REASONED), "a row that no run shows needs its reason, and no other row has one"


def test_the_tables_of_commands_name_only_commands_and_statuses() -> None:
    names = {name for rows in (*ATTEMPT_MOVES.values(), *RUN_MOVES.values()) for name in rows}
    assert names - {"goto", "rollback"} <= {each.__name__ for each in HANDLERS}
