"""Any sequence of commands leaves a legal state, and every command that is refused names what is legal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.core.conftest import AGENT, HUMAN, NOW, Scene, each, loop, phase, run_of
from tests.core.test_flows import SYSTEM
from tests.examples import examples
from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, AttemptStatus, By, RunStatus
from wfe_mcp.core.moves import legal_moves, refusal
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import questions
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule
from wfe_mcp.core.undo import undo

SPEC = (
    phase("plan", gates=(GateSpec("expr"), GateSpec("approval", "human", people=2))),
    phase("left", "plan", gates=(GateSpec("command", binds_tree=True),), exclusive=True, skip="agent", timeout_s=60),
    phase("right", "plan", when="inputs.right", gates_before=(GateSpec("expr"), GateSpec("approval", "client"))),
    phase(
        "join",
        "left",
        "right",
        next=(NextRule("left", "again", 2), NextRule("$complete", "enough")),
        on_fail=(FailRule("backoff", 2), FailRule("goto", 1, PhasePath("plan")), FailRule("block")),
        gates=(GateSpec("report"),),
    ),
    phase("person", "join", kind="human", on_fail=(FailRule("fail"),), gates=(GateSpec("expr"),)),
    *each(
        "walk",
        "plan",
        on_item_fail="continue",
        max_parallel=2,
        skip="agent",
        timeout_s=90,
        gates=(GateSpec("approval"),),
        next=(NextRule("plan", "anew", 1),),
        body=(
            phase(
                "code", gates=(GateSpec("command", binds_tree=True),), exclusive=True, on_fail=(FailRule("retry", 2),)
            ),
            phase(
                "test",
                "code",
                gates=(GateSpec("expr"),),
                next=(NextRule("walk.code", "again", 1), NextRule("plan", "far", 1)),
            ),
        ),
    ),
    *each(
        "outer",
        "plan",
        body=(
            *loop("passes", until="enough", until_max=2, body=(phase("draft", gates=(GateSpec("report"),)),)),
            phase("note", "passes", gates_before=(GateSpec("approval", "agent"),), auto_proceed=True),
        ),
    ),
)


class AnyRun(RuleBasedStateMachine):
    """Whatever legal commands come, in whatever order, these promises hold."""

    @initialize(auto=st.booleans())
    def a_new_run(self, auto: bool) -> None:
        self.scene = run_of(*SPEC, auto=auto, max_parallel=2, max_iterations=4, max_invalid=2)

    @rule(data=st.data(), by=st.sampled_from([AGENT, HUMAN, SYSTEM, SYSTEM]))
    def a_legal_move_is_never_refused(self, data: st.DataObject, by: By) -> None:
        moves = legal_moves(self.scene.state, by, self.scene.at)
        if moves:
            move = data.draw(st.sampled_from(moves))
            if isinstance(move, c.Answer):
                keys = data.draw(st.sampled_from([("a", "b", "c"), ("a",), (), ("b", "b")]))
                move = replace(move, value=data.draw(st.booleans()), keys=keys)
            self.scene.give(move)

    @rule(data=st.data())
    def a_person_reopens_what_is_over(self, data: st.DataObject) -> None:
        paths = data.draw(st.permutations(sorted(self.scene.state.attempts)))
        for path in paths:
            command = self.scene.command(c.Retry, path, HUMAN)
            if refusal(self.scene.state, command) is None:
                self.scene.give(command)
                return

    @rule(data=st.data(), by=st.sampled_from([AGENT, HUMAN]), files=st.booleans())
    def a_person_goes_back(self, data: st.DataObject, by: By, files: bool) -> None:
        to = data.draw(st.integers(1, len(self.scene.log)))
        command = self.scene.going_back(to, by, files=files)
        if refusal(self.scene.state, command) is None:
            self.scene.give(command)

    @rule(by=st.sampled_from([AGENT, HUMAN]))
    def a_person_undoes_a_command(self, by: By) -> None:
        try:
            command = self.scene.going_back(undo(self.scene.entries).to, by, "undo")
        except Refused:
            return
        if refusal(self.scene.state, command) is None:
            self.scene.give(command)

    @rule(kind=st.sampled_from([GateOutcome.FAIL, GateOutcome.ERROR, GateOutcome.NEEDS_TRUST]))
    def a_gate_fails(self, kind: GateOutcome) -> None:
        for attempt in self.scene.state.open_attempts:
            if attempt.status is AttemptStatus.GATING and attempt.sha256:
                self.scene.judge(attempt.phase, kind, "no")
                return

    @rule(seconds=st.sampled_from([1, 100]))
    def time_passes(self, seconds: int) -> None:
        self.scene.later(seconds)

    @precondition(lambda self: self.scene.state.status is not RunStatus.CANCELLED)
    @invariant()
    def a_person_can_always_continue(self) -> None:
        assert legal_moves(self.scene.state, HUMAN, self.scene.at)

    @invariant()
    def an_illegal_command_explains_itself(self) -> None:
        for attempt in self.scene.state.open_attempts:
            command = self.scene.command(c.Approve, attempt.phase, sha256="f" * 64)
            refused = refusal(self.scene.state, command)
            assert refused is not None
            assert refused.message

    @invariant()
    def one_attempt_a_phase_is_open_and_numbers_never_restart(self) -> None:
        for tries in self.scene.state.attempts.values():
            assert [attempt.number for attempt in tries] == list(range(1, len(tries) + 1))
            closed = {AttemptStatus.SUPERSEDED, AttemptStatus.ROLLED_BACK, AttemptStatus.CANCELLED}
            assert all(attempt.status in closed for attempt in tries[:-1])

    @invariant()
    def nothing_starts_before_what_it_needs(self) -> None:
        state = self.scene.state
        for attempt in state.open_attempts:
            if attempt.status in {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING}:
                assert all(state.current(need).is_settled for need in state.needs(attempt.phase))

    @invariant()
    def no_more_items_are_open_than_the_loop_allows_but_for_reopened_ones(self) -> None:
        for path, opened in self.scene.state.loops.items():
            assert len(set(opened.open)) == len(opened.open)
            assert not set(opened.open) & set(opened.failed)
            assert opened.begun <= len(opened.keys)
            assert self.scene.state.attempts[path]

    @invariant()
    def a_run_that_continues_never_waits_for_nothing(self) -> None:
        state = self.scene.state
        moving = {"ready", "gating", "awaiting", "failed"}
        assert (
            state.status not in {RunStatus.RUNNING, RunStatus.WAITING}
            or questions(state)
            or any(
                attempt.status in moving
                or attempt.held
                or attempt.not_before is not None
                or (attempt.status is AttemptStatus.RUNNING and attempt.phase not in state.loops)
                for attempt in state.open_attempts
            )
        )

    @invariant()
    def what_is_open_is_reachable_and_what_is_over_is_not_at_work(self) -> None:
        state = self.scene.state
        reachable = {attempt.phase for attempt in state.open_attempts}
        works = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING}
        assert {path for path in state.attempts if state.current(path).status in works} <= reachable

    @invariant()
    def an_agent_alone_never_completes_a_phase_that_asks_for_a_person(self) -> None:
        plan = self.scene.attempt("plan")
        if plan.status is AttemptStatus.COMPLETED and not plan.forced:
            assert plan.verdicts[-1].gate == 1


AnyRun.TestCase.settings = settings(
    max_examples=examples(60),
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


TestAnyRun = AnyRun.TestCase


@pytest.mark.requirement("B-01", "S0-05")
def test_every_illegal_pair_of_status_and_command_is_a_typed_refusal_that_names_what_is_legal():
    scene = run_of(phase("plan"))
    for name in ("Submit", "Approve", "Reject", "Withdraw", "TimeOut", "TreeChange", "ForceAccept", "Retry"):
        command = scene.command(getattr(c, name), "plan", AGENT, **NEEDED.get(name, {}))
        refused = scene.refused(command)
        assert (refused.code, refused.hint) == ("illegal_transition", "Possible now: start_phase."), name
        at_terminal = scene.refused(replace(command, by=HUMAN))
        assert at_terminal.hint == "Possible now: submit, skip.", "a terminal has commands, not tools"


def test_a_guard_that_gives_no_hint_leaves_no_one_without_a_next_step():
    scene = run_of(phase("plan", skip="never"))
    assert scene.refused(c.Proceed(by=AGENT, at=scene.at)).hint.startswith("Possible now: start_phase, control_run ")
    skip = scene.refused(scene.command(c.Skip, "plan", HUMAN, reason="later"))
    assert (skip.message, skip.hint) == ("Phase 'plan' cannot be skipped (skip: never).", "Possible now: submit.")


def test_a_refusal_names_no_user_where_the_approval_of_an_agent_is_enough():
    scene = run_of(phase("plan", gates=(GateSpec("approval", "agent"),)))
    scene.start("plan")
    scene.submit("plan")
    retry = scene.refused(scene.command(c.Retry, "plan"))
    assert retry.message == "You cannot retry 'plan' while it awaits approval."
    assert retry.hint == "Approve it with approve, or withdraw your submission with reject."


def test_a_refusal_names_the_state_as_the_caller_sees_it():
    scene = run_of(phase("plan", gates=(GateSpec("approval"),)), phase("build", "plan"))
    scene.start("plan")
    scene.submit("plan")
    retry = scene.refused(scene.command(c.Retry, "plan"))
    assert retry.message == "You cannot retry 'plan' while it awaits the user's approval."
    assert retry.hint == "Ask the user with approve, or withdraw your submission with reject."
    scene.ask("plan")
    assert (
        scene.refused(scene.command(c.Retry, "plan")).hint
        == "Wait for the decision, or withdraw your submission with reject."
    )
    mine = scene.refused(scene.command(c.Retry, "plan", HUMAN))
    assert mine.message == "You cannot retry 'plan' while it awaits your approval."
    assert mine.hint == "Possible now: approve, reject, skip, force-accept, edit."
    pending = scene.refused(scene.command(c.Approve, "build", HUMAN, sha256="a"))
    assert (pending.message, pending.hint) == (
        "You cannot approve 'build' while it is pending.",
        "Possible now: skip.",
    )
    scene.give(scene.command(c.Pause, by=HUMAN))
    assert scene.refused(scene.command(c.Wake, "build", SYSTEM)).hint == ""
    assert scene.refused(scene.command(c.Pause)).message == "You cannot pause while the run is paused."
    typed = scene.refused(scene.command(c.Pause, by=replace(HUMAN, assurance=Assurance.AGENT)))
    assert typed.hint.endswith(", resume, auto, cancel."), "a person gives their PIN for it"
    scene.give(scene.command(c.Cancel, by=HUMAN))
    ended = scene.refused(scene.command(c.Approve, "plan", sha256="a"))
    assert (ended.message, ended.hint) == ("You cannot approve: the run is cancelled.", "Start a new run.")


NEEDED: dict[str, dict[str, object]] = {
    "Submit": {"revision": 1, "sha256": "a"},
    "Approve": {"sha256": "a"},
    "Reject": {"feedback": "no"},
    "TreeChange": {"tree": "t"},
    "ForceAccept": {"reason": "r"},
}


def test_an_unknown_phase_is_answered_with_the_nearest_name():
    scene = run_of(phase("plan"), phase("build", "plan"))
    assert "'build'" in scene.refused(scene.command(c.StartPhase, "biuld", holder="h")).hint
    assert "plan, build" in scene.refused(scene.command(c.StartPhase, "zzz", holder="h")).hint


def test_a_run_that_has_not_started_takes_only_start():
    scene = Scene()
    refused = scene.refused(scene.command(c.Pause))
    assert refused.code == "illegal_transition"
    assert isinstance(refused, Refused)
    assert scene.state.status is RunStatus.PENDING
    scene.give(scene.command(c.Cancel))
    assert scene.state.status is RunStatus.CANCELLED
    assert scene.at == NOW
