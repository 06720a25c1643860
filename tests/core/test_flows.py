"""A template that runs inside a phase: outputs, gates and completion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.conftest import AGENT, HUMAN, Scene, each, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.graph import meant_by
from wfe_mcp.core.model import By, Channel, RunStatus
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import COMPLETE, FailRule, GateSpec, LoopSpec, NextRule, PhaseSpec

SYSTEM = By("wfe-mcp", Channel.SYSTEM)


def flow(
    path: str, *needs: str, body: tuple[PhaseSpec, ...], outputs: bool = True, **more: Any
) -> tuple[PhaseSpec, ...]:
    """A phase that runs another template."""
    first, *inner = each(path, *needs, body=body, items="with", **more)
    assert first.loop is not None
    return (replace(first, kind="flow", loop=LoopSpec(items="with", flow=True, outputs=outputs)), *inner)


def opened(*phases: PhaseSpec, **limits: Any) -> Scene:
    scene = run_of(*phases, **limits)
    scene.items("release", "1")
    return scene


def submit_work(scene: Scene, **answer: Any) -> list[str]:
    return scene.give(scene.command(c.Answer, "release", by=SYSTEM, kind="outputs", **answer))


def test_its_outputs_are_asked_for_when_all_inside_is_over_and_go_through_its_gates():
    scene = opened(*flow("release", body=(phase("note"),), gates=(GateSpec("expr"),)), phase("end", "release"))
    assert scene.refused(scene.command(c.Answer, "release", kind="outputs")).code == "illegal_transition"
    scene.work("release[1].note")
    assert scene.statuses["release"] == "running"
    submit_work(scene, revision=1, sha256="o" * 64)
    assert (scene.statuses["release"], scene.attempt("release").revision) == ("gating", 1)
    scene.judge("release")
    assert scene.statuses == {"release": "completed", "end": "ready"}


def test_outputs_that_cannot_be_determined_fail_it():
    scene = opened(*flow("release", body=(phase("note"),), on_fail=(FailRule("wait_human"),)))
    scene.work("release[1].note")
    submit_work(scene, error="no such key")
    assert scene.statuses["release"] == "failed"
    assert "outputs" in scene.attempt("release").reason


def test_without_outputs_it_is_over_when_all_inside_is():
    scene = opened(*flow("release", body=(phase("note"),), outputs=False))
    scene.work("release[1].note")
    assert scene.state.status is RunStatus.COMPLETED


def test_outputs_wait_for_the_files_that_their_gates_read():
    gates: dict[str, Any] = {"gates": (GateSpec("command", binds_tree=True),), "exclusive": True}
    scene = opened(*flow("release", body=(phase("note"),), **gates), phase("other", **gates), max_parallel=2)
    scene.start("other")
    scene.work("release[1].note")
    assert scene.refused(scene.command(c.Answer, "release", kind="outputs")).code == "illegal_transition"
    scene.submit("other")
    scene.judge("other")
    submit_work(scene, revision=1, sha256="o" * 64)


def test_complete_inside_ends_what_runs_inside_and_nothing_around():
    inner = (phase("note", next=(NextRule(COMPLETE, "enough"),)), phase("more", "note"), phase("beside"))
    scene = opened(*flow("release", body=inner, outputs=False), phase("end", "release"), max_parallel=3)
    scene.start("release[1].beside", "h2")
    scene.work("release[1].note")
    scene.answer("release[1].note", "next", value=True)
    assert (scene.attempt("release[1].more").status, scene.attempt("release[1].beside").status) == (
        "skipped",
        "cancelled",
    )
    assert scene.statuses == {"release": "completed", "end": "ready"}


def test_a_name_means_the_nearest_phase_although_one_around_is_called_the_same():
    inner = (phase("plan"), phase("note", "plan"))
    spec = run_of(phase("plan"), *flow("release", "plan", body=inner)).state.spec
    note = PhasePath("release[1].note")
    assert meant_by(spec, note, "plan") == "release[1].plan"
    assert meant_by(spec, note, "release") == "release"


def test_a_person_inside_sends_the_run_back_to_a_phase_around():
    inner = (phase("note", gates=(GateSpec("approval"),)),)
    scene = run_of(phase("plan"), *flow("release", "plan", body=inner))
    scene.work("plan")
    scene.items("release", "1")
    scene.work("release[1].note")
    scene.give(scene.command(c.Reject, "release[1].note", HUMAN, feedback="no", to=PhasePath("plan")))
    assert scene.statuses == {"plan": "ready", "release": "pending"}
    assert scene.attempt("release[1].note").status == "superseded"


def test_a_phase_inside_that_is_restarted_takes_the_flow_with_it():
    scene = opened(*flow("release", body=(phase("note"),)), phase("end", "release"))
    scene.work("release[1].note")
    submit_work(scene, revision=1, sha256="o" * 64)
    scene.give(scene.command(c.Retry, "release[1].note", HUMAN))
    assert (scene.statuses["release"], scene.attempt("release").revision) == ("running", 0)
    scene.work("release[1].note")
    submit_work(scene, revision=2, sha256="p" * 64)
    assert scene.statuses == {"release": "completed", "end": "ready"}


def test_only_a_person_restarts_it_and_no_one_works_on_it():
    scene = opened(*flow("release", body=(phase("note"),)))
    assert "runs another template" in scene.refused(scene.command(c.StartPhase, "release", holder="h")).message
    assert scene.refused(scene.command(c.Retry, "release", AGENT)).code == "needs_human"
    scene.give(scene.command(c.Retry, "release", HUMAN))
    assert (scene.statuses["release"], scene.attempt("release[1].note").status) == ("ready", "superseded")


def test_what_fails_inside_waits_for_a_person_there():
    scene = opened(
        *flow("release", body=(phase("note", gates=(GateSpec("expr"),), on_fail=(FailRule("wait_human"),)),))
    )
    scene.start("release[1].note")
    scene.submit("release[1].note")
    scene.judge("release[1].note", GateOutcome.FAIL)
    assert (scene.state.status, scene.statuses["release"]) == (RunStatus.WAITING, "running")
