"""A run that was started through our own code with other phases or limits than its template has. ``verify`` names it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.security.forger import found
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import StateSpec
from wfe_mcp.engine.approvals import pin
from wfe_mcp.engine.runs import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.core.commands import StartRun
    from wfe_mcp.core.event import Event
    from wfe_mcp.core.model import RunState
    from wfe_mcp.core.spec import PhaseSpec, RunSpec

PLAN, BUILD = PhasePath("plan"), PhasePath("build")


def without_plan(spec: RunSpec) -> RunSpec:
    return replace(spec, phases=(replace(spec.phase(BUILD), needs=()),))


def with_plan(change: Callable[[PhaseSpec], PhaseSpec]) -> Callable[[RunSpec], RunSpec]:
    return lambda spec: replace(spec, phases=(change(spec.phase(PLAN)), spec.phase(BUILD)))


OTHER: dict[str, tuple[Callable[[RunSpec], RunSpec], set[str]]] = {
    "the phase that a person approves is left out": (without_plan, {"phase plan", "phase build"}),
    "a phase does not wait for the one before it": (
        lambda spec: replace(spec, phases=(spec.phase(PLAN), replace(spec.phase(BUILD), needs=()))),
        {"phase build"},
    ),
    "an agent may skip it": (with_plan(lambda plan: replace(plan, skip="agent")), {"phase plan"}),
    "it begins only under a condition": (with_plan(lambda plan: replace(plan, when="false")), {"phase plan"}),
    "nothing stops it when it fails": (with_plan(lambda plan: replace(plan, on_fail=())), {"phase plan"}),
    "the run goes on by itself": (with_plan(lambda plan: replace(plan, auto_proceed=True)), {"phase plan"}),
    "the run may move on to any state": (
        lambda spec: replace(spec, states=(StateSpec("NEW", ("DONE",)), StateSpec("DONE", ("NEW",)))),
        {"limits"},
    ),
    "the run has other limits": (lambda spec: replace(spec, max_iterations=1_000), {"limits"}),
}


@pytest.mark.attack(
    "a run is started through the project's own code with other phases than its template", "detected", "T11"
)
@pytest.mark.parametrize("name", OTHER)
def test_a_run_with_other_phases_than_its_template_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, where = OTHER[name]
    scene.human = pin.set_pin(scene.engine, "correct horse", HUMAN)
    plan, build = phase("plan", approval()), phase("build", needs=["plan"])
    assert found(scene, scene.start(plan, build)) == []
    honest = start.decide_and_evolve

    def with_others(state: RunState, command: StartRun) -> tuple[tuple[Event, ...], RunState]:
        return honest(state, replace(command, spec=change(command.spec)))

    with monkeypatch.context() as forged:
        forged.setattr(start, "decide_and_evolve", with_others)
        run = scene.start(plan, build)
    assert {(one.code, one.where) for one in found(scene, run)} == {("gates_weakened", place) for place in where}
