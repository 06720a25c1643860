"""Run control: retry, skip, force, pause, proceed, cancel, auto."""

from pathlib import Path

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, moves, phase, refused
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.prompts import LineComment, with_comments
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.history.rollback import undo
from wfe_mcp.engine.phases.edit import text_to_edit
from wfe_mcp.engine.runs import control
from wfe_mcp.engine.runs.overview import overview
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.pages.artifact import artifact_page
from wfe_mcp.views.reports.run_rows import run_rows
from wfe_mcp.workspace.system.location import project_at

STOP = [{"do": "wait_human"}]
NEVER = expr("${false}")


def test_an_agent_opens_a_new_attempt_of_a_running_phase(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    found = answers.retry_phase(scene.engine, AGENT, run, "plan", feedback="start over")
    assert (found.state, found.data["attempt"]) == ("running", 2)
    assert "start over" in scene.begin(run).data["feedback"][0]["message"]


def test_after_wait_human_only_a_person_reopens(scene: Scene) -> None:
    run = scene.start(phase("plan", NEVER, on_fail=STOP))
    failed = scene.do(run, "plan")
    assert failed.error is not None
    assert (failed.ok, failed.error.code, failed.state, moves(failed)) == (False, "gate_failed", "failed", [])
    assert failed.waiting_on == "human"
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "plan").code == "needs_human"
    assert "wfe-mcp retry" in scene.status(run).data["blockers"][0]
    assert answers.retry_phase(scene.engine, HUMAN, run, "plan").state == "ready"


def test_a_retry_with_feedback_keeps_what_the_review_and_its_line_comments_said(scene: Scene) -> None:
    run = scene.start(phase("plan", approval("human"), on_fail=STOP))
    scene.do(run, "plan")
    sent_back = with_comments("Use the constant.", [LineComment("a.py", 3, "Too long.")])
    approvals.reject(scene.engine, HUMAN, run, "plan", sent_back)
    answers.retry_phase(scene.engine, HUMAN, run, "plan", feedback="see my comment")
    (note,) = scene.begin(run).data["feedback"]
    assert "see my comment\n\nUse the constant.\n" in note["message"]
    assert [(each["file"], each["line"]) for each in note["comments"]] == [("a.py", 3)]
    assert "Too long." in note["comments"][0]["text"]


def test_a_retry_with_feedback_keeps_why_the_gate_failed(scene: Scene) -> None:
    run = scene.start(phase("plan", NEVER, on_fail=STOP))
    scene.do(run, "plan")
    answers.retry_phase(scene.engine, HUMAN, run, "plan", feedback="look at the title")
    (note,) = scene.begin(run).data["feedback"]
    assert "look at the title\n\nRule failed: ${false}. Next: " in note["message"]


def test_long_feedback_is_cut_in_its_middle_so_that_what_to_do_next_stays(scene: Scene) -> None:
    run = scene.start(phase("plan", approval("human"), on_fail=STOP))
    for attempt in (1, 2):
        scene.do(run, "plan")
        approvals.reject(scene.engine, HUMAN, run, "plan", f"Try {attempt}. {'x' * 3_000} Next: rename it.")
        answers.retry_phase(scene.engine, HUMAN, run, "plan")
    for attempt, note in enumerate(scene.begin(run).data["feedback"], 1):
        assert f"\nTry {attempt}. xxx" in note["message"]
        assert "xxx Next: rename it.\n>>>" in note["message"]
        assert "read_artifact" not in note["message"]


def test_a_blocked_run_is_reopened_by_a_person_only(scene: Scene) -> None:
    run = scene.start(phase("plan", NEVER, on_fail=[{"do": "block"}]))
    assert scene.do(run, "plan").run_state == "blocked"
    found = scene.status(run)
    assert (moves(found), found.waiting_on, "blocked" in found.data["blockers"][0]) == ([], "human", True)
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "plan").code == "needs_human"
    assert refused(scene.begin, run).code == "illegal_transition"
    control.retry(scene.engine, HUMAN, run, "plan")
    assert scene.state(run).status == "running"


def test_a_failed_run_says_so(scene: Scene) -> None:
    run = scene.start(phase("plan", NEVER, on_fail=[{"do": "fail"}]))
    assert scene.do(run, "plan").run_state == "failed"
    assert moves(scene.status(run)) == []


@pytest.mark.parametrize(
    ("policy", "agent", "human"),
    [("never", "illegal_transition", "illegal_transition"), ("human", "needs_human", ""), ("agent", "", "")],
)
def test_who_may_skip_is_the_templates_choice(scene: Scene, policy: str, agent: str, human: str) -> None:
    for by, code in ((AGENT, agent), (HUMAN, human)):
        run = scene.start(phase("plan", skip=policy), phase("build"))
        if code:
            assert refused(answers.skip_phase, scene.engine, by, run, "plan", "not needed").code == code
        else:
            assert answers.skip_phase(scene.engine, by, run, "plan", "not needed").state == "skipped"
            assert moves(scene.status(run)) == [("start_phase", "build")]


def test_a_person_overrules_a_gate_and_the_run_is_tainted_for_ever(scene: Scene) -> None:
    run = scene.start(phase("plan", NEVER, on_fail=STOP), phase("build"))
    scene.do(run, "plan")
    assert refused(control.force_accept, scene.engine, AGENT, run, "plan", "because").code == "needs_human"
    assert refused(control.force_accept, scene.engine, HUMAN, run, "plan", " ").code == "bad_argument"
    control.force_accept(scene.engine, HUMAN, run, "plan", "we know better")
    found = answers.status(scene.engine, AGENT, run, "full")
    assert found.data["tainted"]
    assert "TAINTED" in found.summary
    assert found.data["phases"][0]["forced"]
    assert scene.do(run, "build").run_state == "completed"


@pytest.mark.requirement("S1-11")
def test_a_refused_draft_can_be_forced(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", expr("${artifacts.plan_note != {}}")), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"titel": "x"})
    control.force_accept(scene.engine, HUMAN, run, "plan", "the schema is too strict")
    assert scene.state(run).tainted
    read = answers.read_artifact(scene.engine, AGENT, run, artifact="plan_note").data
    assert (read["content"], read["source"]) == ({"titel": "x"}, "forced")
    assert scene.do(run, "build").state == "completed"


def test_a_refused_draft_can_be_forced_after_an_undone_skip(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"titel": "x"})
    control.skip(scene.engine, HUMAN, run, "plan", "not needed")
    undo(scene.engine, HUMAN, run)
    control.force_accept(scene.engine, HUMAN, run, "plan", "the schema is too strict")
    assert (scene.attempt(run, "plan").status, scene.attempt(run, "plan").number) == ("completed", 2)


def test_there_must_be_something_to_force(scene: Scene) -> None:
    run = scene.start(phase("plan", timeout="1m", on_fail=STOP))
    assert refused(control.force_accept, scene.engine, HUMAN, run, "plam", "x").code == "unknown_phase"
    scene.begin(run)
    scene.clock.advance(minutes=2)
    scene.work()
    assert refused(control.force_accept, scene.engine, HUMAN, run, "plan", "x").code == "conflict"


def test_a_draft_that_is_no_object_cannot_be_forced(scene: Scene) -> None:
    scene.write("list.json", "[1]")
    run = scene.start(phase("plan"), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", path="list.json")
    assert refused(control.force_accept, scene.engine, HUMAN, run, "plan", "x").code == "conflict"


def test_a_person_forces_a_prompt_through_its_gate(scene: Scene) -> None:
    run = scene.start(phase("plan", prompt_gates=[approval("agent")]))
    control.force_accept(scene.engine, HUMAN, run, "plan", "at once")
    assert scene.attempt(run, "plan").status == "ready"


def test_a_paused_run_starts_nothing_and_records_results(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")), phase("build"))
    scene.begin(run)
    paused = answers.control_run(scene.engine, AGENT, run, "pause", reason="lunch")
    assert (paused.run_state, moves(paused), paused.waiting_on) == ("paused", [("control_run", "resume")], "agent")
    done = scene.submit(run, "plan")
    assert (done.state, done.run_state) == ("completed", "paused")
    assert refused(scene.begin, run, "build").code == "not_ready"
    assert refused(scene.begin, run).code == "illegal_transition"
    answers.control_run(scene.engine, AGENT, run, "resume")
    assert moves(scene.status(run)) == [("start_phase", "build")]


def test_a_persons_pause_is_a_persons_to_end(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    found = answers.control_run(scene.engine, HUMAN, run, "pause")
    assert (moves(found), found.waiting_on) == ([], "human")
    assert refused(answers.control_run, scene.engine, AGENT, run, "resume").code == "needs_human"
    answers.control_run(scene.engine, HUMAN, run, "resume")
    assert scene.state(run).status == "running"


@pytest.mark.requirement("S1-04")
def test_with_auto_off_every_completed_phase_waits_for_a_person(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build", auto_proceed=True), phase("test"), auto=False)
    held = scene.do(run, "plan")
    assert (held.state, held.run_state, held.waiting_on) == ("completed", "waiting", "human")
    assert "wfe-mcp proceed" in scene.status(run).data["blockers"][0]
    assert scene.status(run).data["auto"] is False
    for action in ("proceed", "auto_on"):
        assert refused(answers.control_run, scene.engine, AGENT, run, action).code == "needs_human"
    answers.control_run(scene.engine, HUMAN, run, "proceed", "plan")
    assert scene.do(run, "build").run_state == "running", "its auto_proceed wins"
    scene.do(run, "test")
    answers.control_run(scene.engine, HUMAN, run, "auto_on")
    assert scene.state(run).status == "completed"


def test_an_agent_may_switch_auto_off(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    answers.control_run(scene.engine, AGENT, run, "auto_off")
    assert scene.do(run, "plan").waiting_on == "human"


def test_configuration_says_whether_runs_continue_by_themselves(scene: Scene) -> None:
    scene.write(".wfe/config.toml", "auto = false\n")
    scene.trust_config()
    run = scene.start(phase("plan"))
    assert scene.state(run).auto is False


def test_a_cancelled_run_is_over(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    found = answers.control_run(scene.engine, AGENT, run, "cancel", reason="wrong")
    assert (found.run_state, moves(found), found.waiting_on) == ("cancelled", [], "none")
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD).code == "stale_revision"
    assert refused(answers.control_run, scene.engine, HUMAN, run, "resume").code == "illegal_transition"


def test_cancelling_ends_the_checks_that_wait(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    answers.control_run(scene.engine, AGENT, run, "cancel")
    assert scene.work() == 0


def test_a_completed_phase_is_reopened_by_a_person(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "plan").code == "needs_human"
    answers.retry_phase(scene.engine, HUMAN, run, "plan", feedback="once more")
    assert scene.state(run).iteration == 2
    assert "once more" in scene.begin(run).data["feedback"][0]["message"]


@pytest.mark.parametrize("call", ["retry", "start"])
def test_a_worker_that_no_one_configured_is_refused_before_anything_happens(scene: Scene, call: str) -> None:
    run = scene.start(phase("plan"))
    seen = scene.events(run)
    if call == "retry":
        no = refused(answers.retry_phase, scene.engine, AGENT, run, "plan", role="nobody")
    else:
        no = refused(answers.start_run, scene.engine, AGENT, "drill", driver="nobody")
    assert (no.code, "nobody" in no.message) == ("bad_argument", True)
    assert scene.events(run) == seen


def test_approving_continues_behind_a_pause(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()), phase("build"))
    scene.do(run, "plan")
    answers.control_run(scene.engine, AGENT, run, "pause")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.attempt(run, "plan").status == "completed"
    assert scene.attempt(run, "build").status == "pending"


def test_an_agent_opens_no_attempt_over_the_head_of_another_that_lives(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    neighbour, other = scene.neighbour()
    scene.begin(run, "plan", other)
    found = refused(answers.retry_phase, scene.engine, AGENT, run, "plan")
    _, pid, _ = neighbour.holder.rsplit(":", 2)
    assert (found.code, f"(process {pid} on " in found.message) == ("leased", True)
    assert answers.retry_phase(scene.engine, HUMAN, run, "plan").data["attempt"] == 2


@pytest.mark.parametrize("by", [AGENT, HUMAN], ids=["agent", "human"])
def test_of_a_phase_whose_worker_is_gone_a_new_attempt_can_be_opened(scene: Scene, by: By) -> None:
    run, (neighbour, other) = scene.start(phase("plan")), scene.neighbour()
    scene.begin(run, "plan", other)
    neighbour.end()
    assert answers.retry_phase(scene.engine, by, run, "plan").data["attempt"] == 2


def test_a_worker_leaves_the_jobs_of_another_project_alone(scene: Scene, tmp_path: Path) -> None:
    scene.check("test", "pass")
    run = scene.start(phase("plan", command("test", exit_code=0)))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = create_engine(project_at(elsewhere), environment=scene.engine.environment, store=scene.engine.store)
    assert not new_worker(stranger).work_one()
    assert scene.state(run).open_attempts[0].status == "gating"
    assert scene.work() == 1
    assert scene.state(run).status == "completed"


def test_a_phase_whose_time_ends_while_the_run_is_blocked_has_failed_once_it_is_reopened(scene: Scene) -> None:
    wrong = phase("wrong", NEVER, needs=[], on_fail=[{"do": "block"}])
    run = scene.start(phase("slow", needs=[], timeout="10m", on_fail=STOP), wrong, limits={"max_parallel": 2})
    scene.begin(run, "slow")
    scene.do(run, "wrong")
    scene.clock.advance(minutes=11)
    scene.work()
    assert (scene.state(run).status, scene.attempt(run, "slow").status) == ("blocked", "running")
    control.retry(scene.engine, HUMAN, run, "wrong")
    assert (scene.attempt(run, "slow").status, scene.attempt(run, "slow").fail_kind) == ("failed", "timeout")


def test_who_claims_a_phase_again_after_its_time_learns_that_it_is_over(scene: Scene) -> None:
    run = scene.start(phase("slow", timeout="10m"))
    scene.begin(run, "slow")
    scene.clock.advance(minutes=11)
    no = refused(scene.begin, run, "slow")
    assert (no.code, no.message) == ("stale_revision", "The time of attempt 1 of phase 'slow' is over.")
    assert scene.begin(run, "slow").data["attempt"] == 2


def test_the_time_of_a_phase_ends_although_its_worker_is_gone_and_no_timer_ran(scene: Scene) -> None:
    run, (neighbour, other) = scene.start(phase("slow", timeout="10m")), scene.neighbour()
    scene.begin(run, "slow", other)
    neighbour.end()
    scene.clock.advance(minutes=11)
    assert scene.begin(run, "slow").data["attempt"] == 2
    assert scene.state(run).attempts[PhasePath("slow")][0].fail_kind == "timeout"


@pytest.mark.parametrize("look", ["status", "inbox"])
def test_who_looks_at_a_run_sees_that_the_time_of_a_phase_is_over(scene: Scene, look: str) -> None:
    run, (neighbour, other) = scene.start(phase("slow", timeout="10m", on_fail=STOP)), scene.neighbour()
    scene.begin(run, "slow", other)
    neighbour.end()
    assert waiting(scene) == []
    scene.clock.advance(minutes=11)
    if look == "status":
        assert scene.status(run).waiting_on == "human"
    assert waiting(scene) == [run]


def test_a_list_shows_what_its_own_look_at_a_run_changed(scene: Scene) -> None:
    run, (neighbour, other) = scene.start(phase("slow", timeout="10m")), scene.neighbour()
    scene.begin(run, "slow", other)
    neighbour.end()
    scene.clock.advance(minutes=11)
    with scene.store.read() as tx:
        page = tx.runs.page(scene.engine.project_id)
    (row,) = run_rows(scene.engine, page.runs)
    assert row.updated_at == scene.clock().isoformat()


def waiting(scene: Scene) -> list[str]:
    """The runs of the inbox that stopped."""
    return [row.run for row in everything_waiting(Engines(scene.engine)).stopped]


FORCED = {"titel": "x", "front": 1, "files": [{"path": "../x", "content": ""}], "decisions": ["a"], "findings": ["b"]}


@pytest.mark.parametrize("schema", ["markdown_doc@1", "file_bundle@1", "decision_list@1", "review@1"])
@pytest.mark.parametrize("draft", [{"titel": "x"}, FORCED], ids=["without its keys", "with other types"])
def test_the_run_of_a_forced_draft_that_does_not_fit_its_schema_continues(
    scene: Scene, schema: str, draft: dict[str, object]
) -> None:
    asked = {"id": "plan", "prompt": "Write it.", "output": {"artifact": "plan_note", "schema": schema}}
    run = scene.start(asked, phase("build"), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=draft)
    control.force_accept(scene.engine, HUMAN, run, "plan", "the schema is too strict")

    assert scene.status(run).run_state == "running"
    with scene.store.read() as tx:
        shown = overview(scene.engine, tx, scene.engine.load(tx, run))
    assert artifact_page(scene.engine, shown, "plan", None).content == draft
    assert scene.begin(run, "build").ok
    assert scene.submit(run, "build").run_state == "completed"


@pytest.mark.parametrize("text", ["half a character: \ud800", "a NUL: \0", float("nan")])
def test_a_draft_that_no_artifact_can_hold_cannot_be_forced(scene: Scene, text: object) -> None:
    run = scene.start(phase("plan"), limits={"max_invalid": 1})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"titel": text})
    assert refused(control.force_accept, scene.engine, HUMAN, run, "plan", "x").code == "conflict"
    text_to_edit(scene.engine, run, PhasePath("plan"), None)[0].encode()
