"""The phases of a run as its page draws and counts them."""

from tests.engine.scene import Scene, phase
from wfe_mcp.views.history.graph import graph_view, timeline_view
from wfe_mcp.views.history.stats import phases
from wfe_mcp.views.reports.envelopes import overview_of


def test_what_a_loop_repeats_lies_inside_it_before_it_opens(scene: Scene) -> None:
    inner = {"id": "step", "kind": "loop", "for_each": {"in": "${['a']}", "as": "letter", "key": "${letter}"}}
    outer = {"id": "part", "kind": "loop", "for_each": {"in": "${['x']}", "as": "name", "key": "${name}"}}
    run = scene.start(phase("plan"), outer | {"phases": [inner | {"phases": [phase("build")]}]})
    nodes = graph_view(scene.engine, overview_of(scene.engine, run)).nodes

    assert {(node.phase, node.parent, node.item) for node in nodes} == {
        ("plan", "", ""),
        ("part", "", ""),
        ("part.step", "part", ""),
        ("part.step.build", "part.step", ""),
    }
    assert ", 0 of 2 phases done" in scene.status(run).summary


def test_a_phase_whose_worker_is_gone_is_not_worked_on_since(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    neighbour, there = scene.neighbour()
    scene.begin(run, engine=there)
    scene.clock.advance(seconds=30)
    assert worked(scene, run) == ("plan", False, 30, {"working": 30})
    neighbour.end()
    scene.clock.advance(days=6)
    waited = 6 * 86_400 + 30

    assert worked(scene, run) == ("plan", True, 0, {"agent": waited})
    (line,) = phases(scene.engine)
    assert (line.working, line.waiting["agent"].total_s) == (None, waited)
    scene.begin(run)
    scene.clock.advance(seconds=10)
    assert worked(scene, run) == ("plan", False, 10, {"agent": waited, "working": 10}), "as its log says from now on"


def worked(scene: Scene, run: str) -> tuple[str, bool, float, dict[str, float]]:
    """The only phase that was begun, whether its worker is gone, its seconds of work, and those of its timeline."""
    overview = overview_of(scene.engine, run)
    (node,), (task,) = graph_view(scene.engine, overview).nodes, timeline_view(scene.engine, overview).tasks
    spent = {name: seconds for name, seconds in task.seconds.items() if seconds}
    return node.phase, node.left, node.working_s, spent
