"""A decision that is taken elsewhere while its view is made: the view is of a request that takes no answer, and never a fault."""

from collections.abc import Callable

import pytest

from tests.engine.scene import AGENT, HUMAN, Scene, approval, phase
from tests.store.between import after_read
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.runs.control import control
from wfe_mcp.views.approvals.request import decision_view

ELSEWHERE: dict[str, tuple[str, Callable[[Scene, str], object]]] = {
    "approved": ("answered", lambda scene, run: approvals.decide(scene.engine, HUMAN, run, "plan")),
    "cancelled": ("closed", lambda scene, run: control(scene.engine, AGENT, run, "cancel", reason="enough")),
}


@pytest.mark.parametrize("end", ELSEWHERE)
def test_a_request_that_ends_between_two_reads_is_shown_open_or_as_it_ended(scene: Scene, end: str) -> None:
    state, act = ELSEWHERE[end]
    shown: list[str] = []
    number, is_done = 0, True
    while is_done:
        run = scene.start(phase("plan", approval()))
        scene.do(run, "plan")
        request = approvals.ask(scene.engine, AGENT, run, "plan").request.id
        number += 1
        with after_read(number, lambda run=run: act(scene, run)) as between:
            shown.append(decision_view(scene.engine, request).state)
        is_done = between.is_done
    assert shown[0] == state, "it had ended before the run was read"
    assert set(shown) == {"open", state}
