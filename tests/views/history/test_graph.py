"""The phases of a run as its page draws and counts them."""

from tests.engine.scene import Scene, phase
from wfe_mcp.views.history.graph import graph_view
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
