"""The state of what a run works on follows from the phases it has completed."""

import pytest

from tests.engine.scene import HUMAN, Scene, approval, expr, phase, refused
from tests.store.scene import tamper
from tests.templates.scene import ISSUE
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.history import rollback
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals.request import decision_view
from wfe_mcp.views.runs.models import RunView

LIFE = {"OPEN": ["BUILT"], "BUILT": ["OPEN", "DONE"], "DONE": []}


@pytest.mark.requirement("S2-18")
def test_a_completed_phase_moves_the_state_and_status_shows_it(scene: Scene) -> None:
    phases = [phase(name, reaches=state, skip="never") for name, state in (("build", "BUILT"), ("ship", "DONE"))]
    run = scene.start(*phases, states=LIFE, initial_state="OPEN")

    seen = [scene.status(run).view_as(RunView).reached]
    for name in ("build", "ship"):
        scene.do(run, name)
        seen.append(scene.status(run).view_as(RunView).reached)
    assert seen == ["OPEN", "BUILT", "DONE"]


@pytest.mark.requirement("S2-18")
def test_a_phase_that_failed_moves_nothing(scene: Scene) -> None:
    run = scene.start(
        phase("build", expr("${false}"), reaches="BUILT", skip="never"), states=LIFE, initial_state="OPEN"
    )

    scene.do(run, "build")
    assert scene.status(run).view_as(RunView).reached == "OPEN"


@pytest.mark.requirement("S2-18")
def test_the_row_of_a_run_has_its_state_which_the_log_confirms(scene: Scene) -> None:
    phases = [phase(name, reaches=state, skip="never") for name, state in (("build", "BUILT"), ("ship", "DONE"))]
    run = scene.start(*phases, states=LIFE, initial_state="OPEN")
    other = scene.start(phase("plan"))
    scene.do(run, "build")
    with scene.store.read() as tx:
        assert [each.id for each in tx.runs.page(scene.engine.project_id, reached=("BUILT", "DONE")).runs] == [run]
        assert tx.runs.page(scene.engine.project_id, reached=("OPEN",)).runs == ()
        assert tx.runs.reached_states(scene.engine.project_id) == ["BUILT"]
        assert tx.verification.problems(scene.engine.load(tx, run).record.id) == []
        assert scene.engine.load(tx, other).record.reached is None
    answers.retry_phase(scene.engine, HUMAN, run, "build")
    with scene.store.read() as tx:
        assert scene.engine.load(tx, run).record.reached == "OPEN"


@pytest.mark.requirement("S2-18")
def test_a_state_that_someone_wrote_into_the_row_is_found(scene: Scene) -> None:
    run = scene.start(phase("build", reaches="BUILT", skip="never"), states=LIFE, initial_state="OPEN")
    tamper(scene.url, "UPDATE run SET reached = 'DONE'")
    with scene.store.read() as tx:
        (problem,) = tx.verification.problems(scene.engine.load(tx, run).record.id)
    assert "reached" in problem.message


WORK = [
    phase("spec", reaches="SPEC_READY", skip="never"),
    phase("look", skip="never"),
    phase("fix", begins="IMPLEMENTING", skip="never"),
    phase("review", approval("client"), reaches="VERIFIED", skip="never"),
    phase("offer", skip="never"),
    phase("merge", begins="MERGE_READY", reaches="DONE", skip="never"),
]
"""The life cycle of an issue. Within it, each way back leads to another state."""

WALK = {
    "CREATED": ((), ""),
    "SPEC_READY": (("spec", "look"), ""),
    "IMPLEMENTING": (("spec", "look"), "fix"),
    "VERIFIED": (("spec", "look", "fix", "review", "offer"), ""),
    "MERGE_READY": (("spec", "look", "fix", "review", "offer"), "merge"),
    "DONE": (("spec", "look", "fix", "review", "offer", "merge"), ""),
}
"""How a run comes to each state: the phases that are done, and the one that is begun."""


def reached(scene: Scene, run: str) -> str:
    return scene.status(run).view_as(RunView).reached


def issue_in(scene: Scene, state: str) -> str:
    """A run whose issue is in ``state``."""
    run = scene.start(*WORK, states=ISSUE, initial_state="CREATED")
    done, begun = WALK[state]
    for name in done:
        scene.do(run, name)
        if name == "review":
            approvals.decide(scene.engine, HUMAN, run, name)
    if begun:
        scene.begin(run, begun)
    assert reached(scene, run) == state
    return run


BACK = [
    *[("IMPLEMENTING", to, now) for to, now in (("look", "SPEC_READY"), ("fix", "IMPLEMENTING"), ("spec", None))],
    *[("VERIFIED", to, now) for to, now in (("fix", "IMPLEMENTING"), ("offer", "VERIFIED"), ("look", None))],
    *[("MERGE_READY", to, now) for to, now in (("offer", "VERIFIED"), ("fix", None), ("spec", None))],
    *[("SPEC_READY", to, now) for to, now in (("look", "SPEC_READY"), ("spec", None))],
    *[("DONE", to, now) for to, now in (("merge", None), ("offer", None), ("fix", None), ("spec", None))],
]
"""State, phase that a person reopens, state then; None: refused."""


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize(("state", "phase_", "then"), BACK)
def test_a_person_goes_back_only_where_the_states_allow_it(
    scene: Scene, state: str, phase_: str, then: str | None
) -> None:
    run = issue_in(scene, state)

    if then is not None:
        control.retry(scene.engine, HUMAN, run, phase_)
        assert reached(scene, run) == then
        return
    no = refused(control.retry, scene.engine, HUMAN, run, phase_)
    assert no.code == "illegal_transition"
    assert f"move this run from {state} to " in no.message
    assert f"allows {', '.join(ISSUE[state]) or 'no move'} from {state}" in no.message
    assert f"wfe-mcp rollback RUN {phase_}" in no.hint
    assert reached(scene, run) == state


@pytest.mark.requirement("S2-18")
def test_a_rejection_sends_back_only_where_the_states_allow_it(scene: Scene) -> None:
    run = scene.start(*WORK, states=ISSUE, initial_state="CREATED")
    for name in ("spec", "look", "fix", "review"):
        scene.do(run, name)
    assert reached(scene, run) == "IMPLEMENTING"

    no = refused(approvals.reject, scene.engine, HUMAN, run, "review", "no", to="spec")
    assert (no.code, "from IMPLEMENTING to CREATED" in no.message) == ("illegal_transition", True)
    request = approvals.ask(scene.engine, HUMAN, run, "review").request
    assert decision_view(scene.engine, request.id).back_to == ("fix", "look")
    approvals.reject(scene.engine, HUMAN, run, "review", "no", to="look")
    assert reached(scene, run) == "SPEC_READY"


@pytest.mark.requirement("S2-18")
@pytest.mark.parametrize("state", [name for name in ISSUE if name != "DONE"])
def test_hold_is_possible_in_each_open_state_and_leads_back_to_it(scene: Scene, state: str) -> None:
    run = issue_in(scene, state)

    control.control(scene.engine, HUMAN, run, "pause")
    assert (scene.status(run).run_state, reached(scene, run)) == ("paused", state)
    control.control(scene.engine, HUMAN, run, "resume")
    assert (scene.status(run).run_state != "paused", reached(scene, run)) == (True, state)
    control.control(scene.engine, HUMAN, run, "cancel")
    assert (scene.status(run).run_state, reached(scene, run)) == ("cancelled", state), "killed, and where it was"
    for move in ("resume", "pause"):
        assert refused(control.control, scene.engine, HUMAN, run, move).code == "illegal_transition"
    assert refused(control.retry, scene.engine, HUMAN, run, "spec").code == "illegal_transition"


@pytest.mark.requirement("S2-18")
def test_a_rollback_restores_the_state_of_that_moment(scene: Scene) -> None:
    run = issue_in(scene, "DONE")

    rollback.rollback(scene.engine, HUMAN, run, "spec", discard=True)
    assert reached(scene, run) == "CREATED"
