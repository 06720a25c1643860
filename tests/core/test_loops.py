"""A loop opens its items, continues and ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import AGENT, HUMAN, NOW, Scene, each, loop, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.loops import MAX_ITEMS
from wfe_mcp.core.model import AttemptStatus, LoopState, RunStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.questions import Question, questions
from wfe_mcp.core.spec import FailRule, GateSpec, NextRule

WAIT = (FailRule("wait_human"),)
CHECKED = (GateSpec("command"),)


def building(*keys: str, **more: Any) -> Scene:
    """plan → build[…] (code → test) → ship, with the items known."""
    body = more.pop("body", (phase("code", gates=CHECKED, on_fail=WAIT), phase("test", "code")))
    limits = {name: more.pop(name) for name in ("run_parallel", "max_iterations") if name in more}
    scene = run_of(
        phase("plan"),
        *each("build", "plan", body=body, **more),
        phase("ship", "build"),
        max_parallel=limits.pop("run_parallel", 9),
        **limits,
    )
    scene.work("plan")
    scene.items("build", *keys)
    return scene


def finish(scene: Scene, key: str) -> None:
    scene.work(f"build[{key}].code")
    scene.work(f"build[{key}].test")


def fail(scene: Scene, path: str) -> None:
    scene.start(path)
    scene.submit(path, revision=scene.attempt(path).revision + 1)
    scene.judge(path, GateOutcome.FAIL, "tests fail")


def test_the_items_are_asked_once_what_the_loop_needs_is_settled():
    scene = run_of(phase("plan"), *each("build", "plan", body=(phase("code"),), items="plan.steps"))
    assert questions(scene.state) == ()
    scene.work("plan")
    assert questions(scene.state) == (Question("items", PhasePath("build"), 1, 0, "plan.steps"),)
    assert scene.items("build", "T-1", "T-2") == ["LoopOpened", "ItemOpened", "PhaseReady"]
    assert questions(scene.state) == ()
    assert scene.state.loops[PhasePath("build")] == LoopState(1, ("T-1", "T-2"), 1, ("T-1",), (), "d" * 64)


def test_when_is_asked_before_the_items():
    scene = run_of(*each("build", body=(phase("code"),), when="needed"))
    assert [question.kind for question in questions(scene.state)] == ["when"]
    scene.answer("build", "when", value=True)
    assert [question.kind for question in questions(scene.state)] == ["items"]
    skipped = run_of(*each("build", body=(phase("code"),), when="needed"))
    skipped.answer("build", "when", value=False)
    assert skipped.state.status is RunStatus.COMPLETED


def test_gates_before_work_come_before_the_items():
    scene = run_of(*each("build", body=(phase("code"),), gates_before=(GateSpec("approval"),)))
    assert scene.attempt("build").status is AttemptStatus.GATING
    scene.give(scene.command(c.OpenGates, "build", sha256="a" * 64))
    scene.approve("build")
    assert [question.kind for question in questions(scene.state)] == ["items"]


def test_a_loop_without_items_is_completed():
    scene = building()
    assert scene.statuses == {"plan": "completed", "build": "completed", "ship": "ready"}


def test_an_inner_phase_needs_its_siblings_of_the_same_item():
    scene = building("a", "b", max_parallel=2)
    scene.work("build[a].code")
    assert scene.statuses == {
        "plan": "completed",
        "build": "running",
        "build[a].code": "completed",
        "build[a].test": "ready",
        "build[b].code": "ready",
        "build[b].test": "pending",
        "ship": "pending",
    }
    refused = scene.refused(scene.command(c.StartPhase, "build[b].test", holder="h"))
    assert refused.code == "not_ready"
    assert "'build[b].code' (ready)" in refused.message


def test_items_open_in_order_and_at_most_max_parallel_at_once():
    scene = building("a", "b", "c", max_parallel=2)
    assert scene.state.loops[PhasePath("build")].open == ("a", "b")
    finish(scene, "b")
    assert scene.state.loops[PhasePath("build")].open == ("a", "c")
    finish(scene, "a")
    finish(scene, "c")
    assert scene.attempt("build").status is AttemptStatus.COMPLETED
    assert scene.attempt("ship").status is AttemptStatus.READY
    assert scene.state.loops[PhasePath("build")].done == 3


def test_open_attempts_do_not_grow_with_the_items_that_are_over():
    scene = building(*(f"T-{number}" for number in range(20)))
    sizes: set[int] = set()
    for number in range(20):
        sizes.add(len(scene.state.open_attempts))
        finish(scene, f"T-{number}")
    assert sizes == {5}
    assert scene.attempt("ship").status is AttemptStatus.READY


def test_the_limit_of_the_run_counts_phases_inside_but_no_loops():
    scene = building("a", "b", max_parallel=2, run_parallel=1)
    scene.start("build[a].code")
    refused = scene.refused(scene.command(c.StartPhase, "build[b].code", holder="h2"))
    assert refused.code == "not_ready"
    assert "open: build[a].code." in refused.message


def test_the_working_tree_is_one_phases_own_inside_loops_too():
    body = (phase("code", gates=CHECKED, exclusive=True),)
    scene = building("a", "b", body=body, max_parallel=2)
    scene.start("build[a].code")
    refused = scene.refused(scene.command(c.StartPhase, "build[b].code", holder="h2"))
    assert refused.code == "leased"
    assert "'build[a].code'" in refused.message


def test_no_one_works_on_the_loop_itself():
    scene = building("a")
    for command in (
        scene.command(c.StartPhase, "build", holder="h"),
        scene.command(c.Submit, "build", revision=1, sha256="a"),
        scene.command(c.Edit, "build", HUMAN, revision=1, sha256="a"),
    ):
        refused = scene.refused(command)
        assert refused.code == "illegal_transition"
        assert "build[a].code (ready)" in refused.hint
    waiting = run_of(phase("plan"), *each("build", "plan", body=(phase("code"),)))
    assert "None of them is open" in waiting.refused(waiting.command(c.StartPhase, "build", holder="h")).hint


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("a", "b", "a"), "Two items have the key 'a'"),
        (("a", "-b"), "Key '-b' is no path"),
        (("a/b",), "Key 'a/b' is no path"),
        (("x" * 65,), "is no path"),
        (tuple(map(str, range(MAX_ITEMS + 1))), f"may have {MAX_ITEMS}"),
    ],
)
def test_keys_that_are_no_paths_or_not_unique_fail_the_loop(keys: tuple[str, ...], answer: str):
    scene = run_of(*each("build", body=(phase("code"),), on_fail=WAIT))
    scene.items("build", *keys)
    assert (scene.attempt("build").status, scene.attempt("build").fail_kind) == ("failed", "error")
    assert answer in scene.attempt("build").reason
    assert scene.state.status is RunStatus.WAITING


def test_items_that_cannot_be_evaluated_fail_the_loop_and_its_rules_apply():
    scene = run_of(*each("build", body=(phase("code"),)))
    for number in (2, 3):
        events = scene.answer("build", "items", error="no such key")
        assert events == ["AttemptFailed", "AttemptOpened"]
        assert scene.attempt("build").number == number
        assert [question.kind for question in questions(scene.state)] == ["items"]
    scene.answer("build", "items", error="no such key")
    assert scene.attempt("build").human_only
    assert "items of the loop could not be evaluated: no such key" in scene.attempt("build").reason


def test_the_loops_own_gates_judge_it_once_all_items_are_done():
    scene = building("a", gates=(GateSpec("expr"), GateSpec("approval")))
    finish(scene, "a")
    build = scene.attempt("build")
    assert (build.status, build.stage, build.sha256) == ("gating", Stage.AFTER, None)
    scene.give(scene.command(c.OpenGates, "build", sha256="e" * 64))
    assert scene.attempt("build").stage is Stage.AFTER
    scene.judge("build")
    assert scene.state.status is RunStatus.WAITING
    scene.approve("build")
    assert scene.attempt("build").status is AttemptStatus.COMPLETED


def test_a_loops_gates_wait_until_no_one_else_works_in_the_files():
    scene = run_of(
        phase("docs", gates=CHECKED, exclusive=True),
        *each("build", body=(phase("code"),), gates=CHECKED, exclusive=True),
        max_parallel=9,
    )
    scene.items("build", "a")
    scene.start("docs")
    scene.work("build[a].code")
    assert scene.attempt("build").status is AttemptStatus.RUNNING
    scene.submit("docs")
    scene.judge("docs")
    assert scene.attempt("build").status is AttemptStatus.GATING


def test_a_loop_holds_the_tree_only_while_its_own_gates_run():
    scene = run_of(
        *each("build", body=(phase("code"),), gates=CHECKED, exclusive=True),
        phase("docs", gates=CHECKED, exclusive=True),
        max_parallel=9,
    )
    scene.items("build", "a")
    scene.start("docs")
    scene.give(scene.command(c.LoseLease, "docs"))
    scene.work("build[a].code")
    assert scene.refused(scene.command(c.StartPhase, "docs", holder="h")).code == "leased"


def test_until_asks_after_each_pass_and_true_ends_the_loop():
    scene = run_of(*loop("polish", body=(phase("draft"),), until="good enough", until_max=3))
    assert scene.state.loops[PhasePath("polish")].keys == ("1",)
    scene.work("polish[1].draft")
    assert questions(scene.state) == (Question("until", PhasePath("polish"), 1, 0, "good enough"),)
    scene.answer("polish", "until", value=False)
    assert scene.state.loops[PhasePath("polish")].open == ("2",)
    scene.work("polish[2].draft")
    assert scene.answer("polish", "until", value=True) == ["LoopFinished", "PhaseCompleted", "RunCompleted"]


@pytest.mark.requirement("B-07")
def test_an_until_loop_whose_passes_are_used_up_fails_and_no_retry_goes_round_its_max():
    scene = run_of(*loop("polish", body=(phase("draft"),), until="good enough", until_max=1))
    scene.work("polish[1].draft")
    scene.answer("polish", "until", value=False)
    polish = scene.attempt("polish")
    assert (polish.status, polish.fail_kind, polish.number, polish.human_only) == ("failed", "gate", 1, True)
    assert "after 1 pass(es)" in polish.reason
    scene.give(scene.command(c.ForceAccept, "polish", HUMAN, reason="good enough for me"))
    assert scene.state.status is RunStatus.COMPLETED
    assert scene.state.tainted


def test_a_person_gives_an_until_loop_that_is_used_up_another_round():
    scene = run_of(*loop("polish", body=(phase("draft"),), until="good enough", until_max=1))
    scene.work("polish[1].draft")
    scene.answer("polish", "until", value=False)
    scene.give(scene.command(c.Retry, "polish", HUMAN))
    assert scene.attempt("polish[1].draft").number == 2


def test_an_until_condition_that_cannot_be_evaluated_fails_the_loop():
    scene = run_of(*loop("polish", body=(phase("draft"),), until="good", until_max=2, on_fail=WAIT))
    scene.work("polish[1].draft")
    scene.answer("polish", "until", error="no such key")
    assert "'until' could not be evaluated" in scene.attempt("polish").reason


def test_a_timeout_fails_the_loop_and_ends_its_open_items():
    scene = building("a", timeout_s=60, on_fail=WAIT)
    scene.start("build[a].code")
    scene.later(61)
    scene.give(scene.command(c.TimeOut, "build"))
    assert scene.attempt("build").fail_kind == "timeout"
    assert scene.attempt("build[a].code").status is AttemptStatus.CANCELLED
    refused = scene.refused(scene.command(c.Submit, "build[a].code", revision=1, sha256="a"))
    assert refused.code == "illegal_transition"


def test_a_paused_run_opens_no_item_and_records_what_open_ones_bring():
    scene = building("a", "b")
    scene.work("build[a].code")
    scene.start("build[a].test")
    scene.give(scene.command(c.Pause))
    scene.submit("build[a].test")
    assert scene.attempt("build[a].test").status is AttemptStatus.COMPLETED
    assert scene.state.loops[PhasePath("build")].open == ("a",)
    scene.give(scene.command(c.Resume))
    assert scene.state.loops[PhasePath("build")].open == ("b",)


def test_without_auto_an_item_is_over_once_its_phases_may_proceed():
    scene = building("a", "b", body=(phase("code"),))
    scene.give(scene.command(c.SetAuto, auto=False))
    scene.work("build[a].code")
    assert scene.state.loops[PhasePath("build")].open == ("a",)
    assert scene.state.status is RunStatus.WAITING
    scene.give(scene.command(c.Proceed, by=HUMAN))
    assert scene.state.loops[PhasePath("build")].open == ("b",)


def test_the_wait_of_a_backed_off_inner_phase_is_kept():
    body = (phase("code", gates=CHECKED, on_fail=(FailRule("backoff", 2), FailRule("wait_human"))),)
    scene = building("a", body=body, on_item_fail="continue")
    fail(scene, "build[a].code")
    assert scene.attempt("build[a].code").not_before is not None
    scene.later(60)
    scene.give(scene.command(c.Wake, "build[a].code"))
    assert scene.attempt("build[a].code").status is AttemptStatus.READY


def test_an_end_of_the_run_ends_open_items():
    scene = building("a")
    scene.start("build[a].code")
    scene.give(scene.command(c.Cancel))
    assert scene.attempt("build").status is AttemptStatus.CANCELLED
    assert scene.attempt("build[a].code").status is AttemptStatus.CANCELLED
    assert scene.attempt("build[a].test").status is AttemptStatus.CANCELLED


@pytest.mark.parametrize("answer", ["$complete", "again"])
def test_next_rules_of_the_loop_itself_are_judged_when_it_completes(answer: str):
    rules = (NextRule("plan" if answer == "again" else answer, "go", 2),)
    scene = building("a", next=rules)
    finish(scene, "a")
    assert [question.kind for question in questions(scene.state)] == ["next"]
    scene.answer("build", "next", value=True)
    if answer == "again":
        assert scene.statuses == {"plan": "ready", "build": "pending", "ship": "pending"}
    else:
        assert scene.state.status is RunStatus.COMPLETED


def test_a_loop_is_started_by_no_agent_and_no_move_is_offered_for_it():
    from wfe_mcp.core.moves import legal_moves

    scene = building("a")
    moves = [move for move in legal_moves(scene.state, AGENT, NOW) if getattr(move, "phase", None) == "build"]
    assert moves == []


def test_a_step_shares_what_it_leaves_alone():
    scene = building("a", "b", max_parallel=2)
    before = scene.state
    scene.start("build[a].code")
    assert scene.state.changed_since(before) == ("build[a].code",)
    assert scene.state.changed_since(scene.state) == ()
