"""Exactly the runs that wait for a person are in the inbox, whatever happened to them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, expr, phase
from tests.examples import examples
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.moves import USER, legal_moves
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.requests import InboxView

LONG = expr("${size(artifacts.code_note.title) > 3}")
STEPS = {
    "id": "ship",
    "kind": "steps",
    "needs": ["code"],
    "steps": [{"id": "one", "builtin": "set", "params": {"a": "b"}}],
}
PARALLEL = (
    phase("plan", approval()),
    phase("any", approval("agent"), needs=[]),
    phase("code", LONG, needs=[], on_fail=[{"do": "wait_human"}]),
    STEPS,
    phase("look", kind="human", needs=["plan"]),
)
STOPS = (
    phase("code", LONG, on_fail=[{"do": "retry", "max_attempts": 1}, {"do": "block"}]),
    phase("gone", expr("${size(artifacts.gone_note.title) > 3}"), needs=["code"], on_fail=[{"do": "fail"}]),
)
PAUSES = (phase("code", LONG, on_fail=[{"do": "pause"}]), phase("plan", approval(expires="1h")))
TEMPLATES = {"parallel": PARALLEL, "stops": STOPS, "pauses": PAUSES}
PHASES = ("plan", "any", "code", "ship", "look", "gone")
BAD = {"title": "no"}

ACTIONS: dict[str, Callable[[Scene, str, str], Any]] = {
    "claim": lambda scene, run, name: scene.begin(run, name),
    "submit": lambda scene, run, name: answers.submit_artifact(scene.engine, AGENT, run, name, artifact=GOOD),
    "fail": lambda scene, run, name: answers.submit_artifact(scene.engine, AGENT, run, name, artifact=BAD),
    "answer": lambda scene, run, name: answers.submit_artifact(scene.engine, HUMAN, run, name, artifact=GOOD),
    "work": lambda scene, run, name: scene.work(),
    "ask": lambda scene, run, name: approvals.ask(scene.engine, AGENT, run, PhasePath(name)),
    "approve": lambda scene, run, name: approvals.decide(scene.engine, HUMAN, run, name),
    "reject": lambda scene, run, name: approvals.reject(scene.engine, HUMAN, run, name, "No"),
    "retry": lambda scene, run, name: control.retry(scene.engine, HUMAN, run, name),
    "skip": lambda scene, run, name: control.skip(scene.engine, HUMAN, run, name, "no"),
    "pause": lambda scene, run, name: control.control(scene.engine, HUMAN, run, "pause"),
    "agent pauses": lambda scene, run, name: control.control(scene.engine, AGENT, run, "pause"),
    "resume": lambda scene, run, name: control.control(scene.engine, HUMAN, run, "resume"),
    "proceed": lambda scene, run, name: control.control(scene.engine, HUMAN, run, "proceed"),
    "auto": lambda scene, run, name: control.control(scene.engine, HUMAN, run, "auto_off"),
    "cancel": lambda scene, run, name: control.control(scene.engine, HUMAN, run, "cancel"),
    "later": lambda scene, run, name: scene.clock.advance(minutes=40),
}


def rows_of(view: InboxView) -> list[Any]:
    return [*view.decisions, *view.unasked, *view.tasks, *view.opinions, *view.stopped]


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(TEMPLATES)),
    auto=st.booleans(),
    actions=st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.sampled_from(PHASES)), max_size=12),
)
def test_exactly_the_runs_that_wait_for_a_person_are_in_the_inbox(
    scene: Scene, name: str, auto: bool, actions: list[tuple[str, str]]
) -> None:
    run = scene.start(*TEMPLATES[name], auto=auto, name=name)
    for action, at in actions:
        with suppress(Refused):
            ACTIONS[action](scene, run, at)
    found = overview_of(scene.engine, run)
    state = found.loaded.state

    rows = rows_of(everything_waiting(Engines(scene.engine)))

    mine = [each for each in rows if each.run == run]
    assert bool(mine) == (found.waiting_on == "human") == (scene.status(run).waiting_on == "human")
    if state.status in {RunStatus.BLOCKED, RunStatus.FAILED} or (state.status == "paused" and state.paused_by_human):
        assert mine, "only a person can reopen it"
    if state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
        assert not mine
    legal = {move.call.command for move in legal_moves(state, USER, found.loaded.record.updated_at)}
    for each in mine:
        words = each.command.split()
        assert words[:1] == ["wfe-mcp"] and words[1] in legal | {"status", "submit", "trust"}, each.command
