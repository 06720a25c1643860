"""Locks: when a phase takes, holds and releases them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import HUMAN, Scene, each, loop, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.leases import holds_locks, lock_holder
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import FailRule, GateSpec

LOCK = {"locks": ("the lock",)}


def named(scene: Scene, path: str, *names: str) -> None:
    scene.give(scene.command(c.Answer, path, kind="locks", keys=names))


def two(*, first: dict[str, Any] | None = None, **limits: Any) -> Scene:
    """Two phases side by side that need the same lock."""
    scene = run_of(phase("a", **LOCK, **(first or {})), phase("b", **LOCK), phase("c"), max_parallel=3, **limits)
    named(scene, "a", "db", "api", "db")
    named(scene, "b", "db")
    return scene


def test_a_phase_is_ready_once_its_locks_have_names_each_once_and_in_order():
    scene = run_of(phase("a", **LOCK))
    assert scene.statuses == {"a": "pending"}
    named(scene, "a", "db", "api", "db")
    assert (scene.statuses["a"], scene.attempt("a").locks) == ("ready", ("api", "db"))


def test_names_are_asked_after_the_condition_and_not_for_a_phase_that_is_skipped():
    scene = run_of(phase("a", when="maybe", **LOCK), phase("b", when="maybe", **LOCK))
    scene.answer("a", "when", value=True)
    named(scene, "a", "db")
    scene.answer("b", "when", value=False)
    assert scene.statuses == {"a": "ready", "b": "skipped"}


def test_names_that_cannot_be_determined_fail_the_phase_and_are_asked_again():
    scene = run_of(phase("a", **LOCK))
    scene.answer("a", "locks", error="no such key")
    assert (scene.statuses["a"], scene.attempt("a").number) == ("pending", 2)
    assert "locks" in scene.attempt("a").feedback[0].message


def test_who_comes_second_takes_turns_instead_of_failing():
    scene = two()
    scene.start("a")
    answer = scene.refused(scene.command(c.StartPhase, "b", holder="h2"))
    assert (answer.code, "'db'" in answer.message, "'a'" in answer.message) == ("leased", True, True)
    scene.start("c", "h2")
    scene.submit("a")
    scene.start("b", "h2")
    assert scene.statuses == {"a": "completed", "b": "running", "c": "running"}


def test_a_lock_is_held_while_gates_run_and_a_person_is_asked_and_ends_with_the_lease():
    scene = two(first={"gates": (GateSpec("command"), GateSpec("approval"))})
    scene.start("a")
    scene.submit("a")
    assert lock_holder(scene.state, PhasePath("b")) == ("a", "db")
    scene.judge("a")
    assert scene.statuses["a"] == "awaiting"
    assert lock_holder(scene.state, PhasePath("b")) == ("a", "db")
    scene.give(scene.command(c.LoseLease, "a"))
    assert lock_holder(scene.state, PhasePath("b")) is None


def test_a_gate_before_work_holds_nothing():
    scene = run_of(phase("a", gates_before=(GateSpec("expr"), GateSpec("approval")), **LOCK), phase("b", **LOCK))
    named(scene, "a", "db")
    named(scene, "b", "db")
    assert scene.statuses["a"] == "gating"
    assert not holds_locks(scene.state, scene.attempt("a"))
    scene.give(scene.command(c.OpenGates, "a", sha256="p" * 64))
    scene.judge("a")
    assert scene.statuses["a"] == "awaiting"
    scene.start("b")


def test_a_try_that_fails_for_good_lets_go_and_one_that_waits_for_its_rules_does_not():
    scene = two(first={"gates": (GateSpec("expr"),), "on_fail": (FailRule("retry", 2), FailRule("wait_human"))})
    scene.start("a")
    scene.submit("a")
    scene.give(scene.command(c.Pause))
    scene.judge("a", GateOutcome.FAIL)
    assert lock_holder(scene.state, PhasePath("b")) == ("a", "db")
    scene.give(scene.command(c.Resume))
    assert (scene.statuses["a"], scene.attempt("a").locks) == ("running", ("api", "db"))
    scene.submit("a", revision=2)
    scene.judge("a", GateOutcome.FAIL)
    assert lock_holder(scene.state, PhasePath("b")) is None


def test_an_edit_waits_for_the_lock_too():
    scene = two(first={"gates": (GateSpec("expr"),), "on_fail": (FailRule("wait_human"),)})
    scene.start("a")
    scene.submit("a")
    scene.judge("a", GateOutcome.FAIL)
    scene.start("b", "h2")
    assert scene.refused(scene.command(c.Edit, "a", HUMAN, revision=2, sha256="e" * 64)).code == "leased"


def test_a_loop_opens_when_its_locks_are_free_and_holds_them_until_it_is_over():
    scene = run_of(
        phase("a", **LOCK),
        *each("walk", body=(phase("in", **LOCK),), gates=(GateSpec("approval"),), **LOCK),
        phase("b", **LOCK),
        max_parallel=3,
    )
    for path in ("a", "walk", "b"):
        named(scene, path, "db")
    scene.start("a")
    assert scene.refused(scene.command(c.Answer, "walk", kind="items", keys=("x",))).code == "illegal_transition"
    scene.submit("a")
    scene.items("walk", "x")
    assert lock_holder(scene.state, PhasePath("b")) == ("walk", "db")
    named(scene, "walk[x].in", "db")
    scene.work("walk[x].in")  # what the loop around it holds is no obstacle
    assert scene.statuses["walk"] == "gating"
    scene.give(scene.command(c.OpenGates, "walk", sha256="w" * 64))
    assert lock_holder(scene.state, PhasePath("b")) == ("walk", "db")
    scene.approve("walk")
    scene.start("b")


def test_a_loop_that_repeats_opens_when_its_locks_are_free():
    scene = run_of(phase("a", **LOCK), *loop("again", until="enough", body=(phase("in"),), **LOCK), max_parallel=2)
    named(scene, "a", "db")
    scene.start("a")
    named(scene, "again", "db")
    assert scene.statuses["again"] == "ready"
    scene.submit("a")
    scene.items("again", "1", document="")
    assert scene.statuses["again[1].in"] == "ready"


def test_an_item_that_is_opened_again_has_the_locks_of_its_loop():
    scene = run_of(*each("walk", body=(phase("in"),), **LOCK), phase("b", **LOCK), max_parallel=2)
    named(scene, "walk", "db")
    scene.items("walk", "x")
    scene.work("walk[x].in")
    assert scene.statuses["walk"] == "completed"
    scene.give(scene.command(c.Retry, "walk[x].in", HUMAN))
    named(scene, "b", "db")
    assert lock_holder(scene.state, PhasePath("b")) == ("walk", "db")


@pytest.mark.parametrize("status", ["ready", "completed"])
def test_a_phase_that_has_not_begun_or_is_done_holds_nothing(status: str):
    scene = two()
    if status == "completed":
        scene.work("a")
    assert scene.statuses["a"] == status
    assert not holds_locks(scene.state, scene.attempt("a"))
