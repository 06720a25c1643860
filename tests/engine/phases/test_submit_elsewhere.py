"""A submission to a phase that another run keeps from starting."""

import pytest

from tests.engine.scene import AGENT, GOOD, Scene, command, phase, refused
from wfe_mcp.views.answers import tool_answers as answers


def _submission(scene: Scene, run: str) -> tuple[str, str, str]:
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD)
    return no.code, no.message, no.hint


@pytest.mark.parametrize("way", ["folder", "lock"])
def test_a_submission_while_another_run_is_in_the_way_names_that_run_and_no_call_that_fails(
    scene: Scene, way: str
) -> None:
    scene.check("test", "import sys; sys.exit(0)")
    plan = phase("plan", command("test")) if way == "folder" else phase("plan", locks=["port"])
    first, second = scene.start(plan), scene.start(plan)
    scene.begin(first, "plan")
    code, message, hint = _submission(scene, second)
    assert (code, first in message) == ("leased", True)
    assert hint.startswith(f"Finish or cancel run {first} first")
    start = refused(scene.begin, second, "plan")
    assert (start.code, start.message, start.hint) == (code, message, hint)
    scene.do(first, "plan")
    code, message, hint = _submission(scene, second)
    assert (code, hint) == ("illegal_transition", "Possible now: start_phase.")
    assert scene.do(second, "plan").state == "completed"
