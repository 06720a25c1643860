"""A rejection that leads back to an earlier phase is shown like any other: at both phases, and among the decisions."""

from tests.engine.scene import HUMAN, Scene, approval, phase
from tests.views.test_approval import shown
from wfe_mcp.engine.approvals.decide import decide, reject
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.reports.report import details_of


def test_both_attempts_say_that_a_person_sent_them_back_and_why(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("fix", approval(), needs=["plan"]))
    scene.do(run, "plan")
    decide(scene.engine, HUMAN, run, "plan")
    scene.do(run, "fix")
    reject(scene.engine, HUMAN, run, "fix", "Another plan.", to="plan")
    details = details_of(scene.engine, overview_of(scene.engine, run))
    ended = [(attempt.phase, attempt.attempt, attempt.ended, attempt.reason) for attempt in details.attempts]
    assert ended == [
        ("plan", 1, "rejected", "Another plan."),
        ("plan", 2, "", ""),
        ("fix", 1, "rejected", "Another plan."),
        ("fix", 2, "", ""),
    ]
    assert [(line.phase, line.decision, line.reason) for line in details.decisions] == [
        ("plan", "approved", ""),
        ("fix", "rejected", "Another plan."),
    ]
    scene.do(run, "plan")
    assert [(one.state, one.reason) for one in shown(scene, run).attempts] == [("rejected", "Another plan.")]
