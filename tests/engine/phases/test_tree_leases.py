"""The working tree is leased to one run while a phase whose gates read the files is worked."""

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, command, moves, phase, refused
from wfe_mcp.views.answers import tool_answers as answers


def two_runs(scene: Scene) -> tuple[str, str]:
    scene.check("ok", "pass")
    tests = phase("tests", command("ok"), needs=[])
    first = scene.start(tests, phase("notes", needs=[]), limits={"max_parallel": 2})
    found = answers.start_run(scene.engine, AGENT, "drill")
    assert found.run is not None
    return first, found.run


def test_the_working_tree_is_one_runs_until_its_phase_is_over(scene: Scene) -> None:
    first, second = two_runs(scene)
    scene.begin(first, "tests")
    no = refused(scene.begin, second, "tests")
    assert (no.code, first in no.message) == ("leased", True)
    assert moves(scene.status(second)) == [("start_phase", "notes"), ("status", "")]
    assert scene.begin(second).phase == "notes", "what reads no files goes on"
    answers.submit_artifact(scene.engine, AGENT, first, "tests", artifact=GOOD)
    assert refused(scene.begin, second, "tests").code == "leased"
    scene.work()
    assert scene.begin(second, "tests").ok


def test_a_run_with_a_phase_at_work_and_one_that_waits_for_the_tree_waits_for_the_agent_in_each_process(
    scene: Scene,
) -> None:
    first, second = two_runs(scene)
    _, other = scene.neighbour()
    scene.begin(first, "tests", other)
    assert scene.status(second).waiting_on == "agent", "its notes may begin"
    scene.begin(second, "notes", other)
    assert [scene.status(second, engine).waiting_on for engine in (other, scene.engine)] == ["agent", "agent"]
    scene.submit(second, "notes", engine=other)
    assert [scene.status(second, engine).waiting_on for engine in (other, scene.engine)] == ["job", "job"]


@pytest.mark.requirement("B-21")
def test_the_lock_on_the_tree_dies_with_the_lease(scene: Scene) -> None:
    first, second = two_runs(scene)
    neighbour, other = scene.neighbour()
    scene.begin(first, "tests", other)
    assert refused(scene.begin, second, "tests").code == "leased"
    neighbour.end()
    assert scene.begin(second, "tests").ok
    assert refused(scene.begin, first, "tests").code == "leased", "now the tree is the other run's"
    assert refused(answers.submit_artifact, scene.engine, AGENT, first, "tests", artifact=GOOD).code == "leased"
    assert ("start_phase", "tests") not in moves(scene.status(first))


def test_the_gates_of_a_dead_worker_keep_the_tree_until_they_have_judged(scene: Scene) -> None:
    first, second = two_runs(scene)
    neighbour, other = scene.neighbour()
    scene.begin(first, "tests", other)
    answers.submit_artifact(other, AGENT, first, "tests", artifact=GOOD)
    neighbour.end()
    assert refused(scene.begin, second, "tests").code == "leased"
    scene.work()
    assert scene.begin(second, "tests").ok


def test_a_terminal_waits_for_the_tree_too(scene: Scene) -> None:
    from wfe_mcp.engine.kernel.engine import CLI_HOLDER
    from wfe_mcp.engine.phases.submit import submit

    first, second = two_runs(scene)
    scene.begin(first, "tests")
    assert refused(submit, scene.engine, HUMAN, second, "tests", artifact=GOOD, holder=CLI_HOLDER).code == "leased"
    scene.submit(first, "tests")
    assert submit(scene.engine, HUMAN, second, "tests", artifact=GOOD, holder=CLI_HOLDER).revision == 1
