"""What a skip may leave out: no loop around a phase that no one may skip, and nothing that the skipped phase needs."""

from __future__ import annotations

from dataclasses import replace

from tests.core.conftest import AGENT, HUMAN, Scene, loop, phase, run_of
from wfe_mcp.core import commands as c
from wfe_mcp.core.moves import phase_moves
from wfe_mcp.core.spec import GateSpec


def skip(scene: Scene, path: str) -> c.Command:
    return scene.command(c.Skip, path, reason="no time", by=HUMAN)


def test_a_loop_around_a_phase_that_no_one_may_skip_cannot_be_skipped() -> None:
    inner = loop("each", body=(phase("code"), phase("review", skip="never")), items="names")
    scene = run_of(*loop("build", body=inner, items="names", gates=(GateSpec("expr"),)), phase("after", "build"))
    for _ in range(2):
        refused = scene.refused(skip(scene, "build"))
        assert refused.code == "illegal_transition"
        assert "'build.each.review' inside it cannot be (skip: never)" in refused.message
        assert c.Skip not in {type(move) for move in phase_moves(scene.state, scene.attempt("build"), HUMAN, scene.at)}
        if not scene.state.loops:
            scene.items("build", "a")
    scene.items("build[a].each", "b")
    scene.give(skip(scene, "build[a].each[b].code"))
    assert scene.attempt("build[a].each[b].code").status == "skipped"


def test_a_phase_that_begins_only_by_a_jump_keeps_no_loop() -> None:
    scene = run_of(*loop("build", body=(phase("code"), phase("fix", skip="never", goto_only=True)), items="names"))
    scene.give(skip(scene, "build"))
    assert scene.attempt("build").status == "skipped"


def test_neither_does_one_inside_a_loop_that_begins_only_by_a_jump() -> None:
    each, review = loop("each", body=(phase("review", skip="never"),), items="names")
    scene = run_of(*loop("build", body=(phase("code"), replace(each, goto_only=True), review), items="names"))
    scene.give(skip(scene, "build"))
    assert scene.attempt("build").status == "skipped"


def test_a_phase_that_was_skipped_early_lets_no_one_past_what_it_needs() -> None:
    scene = run_of(
        phase("plan", gates=(GateSpec("approval"),)), phase("extra", "plan", skip="agent"), phase("build", "extra")
    )
    scene.give(scene.command(c.Skip, "extra", AGENT, reason="not needed"))
    assert (scene.attempt("extra").status, scene.attempt("build").status) == ("skipped", "pending")
    assert "it waits for 'plan' (ready)" in scene.refused(scene.command(c.StartPhase, "build", holder="h1")).message
    scene.start("plan")
    scene.submit("plan")
    scene.ask("plan")
    assert scene.attempt("build").status == "pending"
    scene.approve("plan")
    assert scene.attempt("build").status == "ready"


def test_what_many_skipped_phases_need_together_is_looked_at_once() -> None:
    levels = range(1, 40)
    skipped = [phase(f"{side}{at}", f"a{at - 1}", f"b{at - 1}", skip="agent") for at in levels for side in "ab"]
    scene = run_of(phase("a0"), phase("b0", skip="agent"), *skipped, phase("end", "a39", "b39"))
    for each in reversed(skipped):
        scene.give(scene.command(c.Skip, each.path, AGENT, reason="not needed"))
    assert (
        "it waits for 'a0' (ready), 'b0' (ready)"
        in scene.refused(scene.command(c.StartPhase, "end", holder="h")).message
    )
