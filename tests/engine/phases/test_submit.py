"""Submission of artifacts."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, NOTE, Scene, approval, command, expr, moves, phase, refused
from wfe_mcp.core.model import By
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.kernel.engine import CLI_HOLDER, Engine
from wfe_mcp.engine.phases import submit as submissions
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.reports import envelopes as answering
from wfe_mcp.workspace.system.process import parse_holder

OTHER = {"title": "Another title"}
WRONG: dict[str, Any] = {"titel": "?"}


def test_the_same_bytes_get_the_stored_answer_and_no_second_revision(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    first = scene.do(run, "plan")
    again = answers.submit_artifact(scene.engine, AGENT, run, "plan", attempt=1, artifact=GOOD)
    assert (again.ok, again.state, again.data) == (True, "completed", first.data)
    assert scene.attempt(run, "plan").revision == 1


def test_other_bytes_for_a_closed_attempt_are_stale(scene: Scene) -> None:
    run = scene.start(phase("plan"), phase("build"))
    scene.do(run, "plan")
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", attempt=1, artifact=OTHER)
    assert no.code == "stale_revision"
    assert f"Ask the user to reopen a completed phase: wfe-mcp retry {run} " in no.hint
    assert refused(answers.retry_phase, scene.engine, AGENT, run, "plan").code == "needs_human"
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=WRONG).code == "stale_revision"


def test_an_earlier_attempt_that_failed_is_closed(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${size(artifacts.plan_note.title) > 3}")))
    failed = scene.do(run, "plan", {"title": "no"})
    assert failed.state == "running", "the second attempt is open"
    again = answers.submit_artifact(scene.engine, AGENT, run, "plan", attempt=1, artifact={"title": "no"})
    assert again.error is not None
    assert again.error.code == "gate_failed"
    late = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", attempt=1, artifact=GOOD)
    assert late.code == "stale_revision"
    assert scene.submit(run, "plan", attempt=2).state == "completed"


@pytest.mark.parametrize("attempt", [2, 9])
def test_an_attempt_that_is_not_there_is_stale(scene: Scene, attempt: int) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", attempt=attempt, artifact=GOOD)
    assert no.code == "stale_revision"


@pytest.mark.parametrize("artifact", [GOOD, WRONG])
def test_a_phase_no_one_began_takes_no_artifact(scene: Scene, artifact: dict[str, Any]) -> None:
    run = scene.start(phase("plan"))
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=artifact)
    assert no.code == "illegal_transition"
    envelope = answering.refusal(scene.engine, no, run, "plan")
    assert moves(envelope)[0] == ("start_phase", "plan")
    assert (envelope.state, envelope.run_state, envelope.waiting_on) == ("ready", "running", "agent")


def test_while_gates_run_the_same_bytes_get_the_current_answer_and_others_are_illegal(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    first = answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    again = answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert (first.state, again.state, again.data) == ("gating", "gating", first.data)
    for artifact in (OTHER, WRONG):
        no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=artifact)
        assert no.code == "illegal_transition"
    assert scene.work() == 1, "a repeated submission judges nothing twice"
    assert scene.attempt(run, "plan").status == "completed"


def test_while_a_person_is_asked_the_same_bytes_get_the_current_answer_and_others_are_illegal(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    assert scene.submit(run, "plan").state == "awaiting"
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=OTHER)
    assert no.code == "illegal_transition"
    withdrawn = decisions.reject(scene.engine, AGENT, run, "plan", "a better one comes")
    assert withdrawn.state == "running"
    assert scene.submit(run, "plan", OTHER).data["attempt"] == 2


@pytest.mark.requirement("B-21", "S3-15")
def test_a_live_holder_keeps_its_phase_and_a_dead_one_loses_it_at_once(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    neighbour, other = scene.neighbour()
    scene.begin(run, "plan", other)
    assert refused(scene.begin, run, "plan").code == "leased"
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert no.code == "leased"
    assert moves(answering.refusal(scene.engine, no, run, "plan")) == [("status", "")]
    neighbour.end()
    assert moves(scene.status(run)) == [("start_phase", "plan")]
    taken = scene.submit(run, "plan")
    assert (taken.state, taken.data["attempt"]) == ("completed", 1)


def test_another_agent_learns_which_client_holds_a_phase(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    _, other = scene.neighbour()
    answers.start_phase(other, By("codex"), run, "plan")
    process = parse_holder(other.holder)
    assert process is not None
    held = f"held by codex (process {process.pid} on {process.host})."
    again = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD)
    for no in (again, refused(scene.begin, run, "plan"), refused(scene.begin, run)):
        assert (no.code, no.message) == ("leased", f"Phase 'plan' is {held}")
    assert scene.status(run).data["warnings"] == [f"plan is {held}"]
    assert "warnings" not in scene.status(run, other).data
    assert "warnings" not in answers.status(scene.engine, HUMAN, run).data, "a person sees the run as it is"


def test_the_client_that_continues_after_a_rejection_is_named(scene: Scene) -> None:
    run = scene.start(phase("plan", approval("human")))
    _, other = scene.neighbour()
    answers.start_phase(other, By("codex"), run, "plan")
    scene.submit(run, "plan", engine=other)
    approvals.reject(scene.engine, HUMAN, run, "plan", "say more")
    assert str(scene.status(run).data["warnings"]).startswith("['plan is held by codex (process ")


def test_a_next_attempt_that_the_user_approves_first_is_not_called_ready(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${false}"), prompt_gates=[approval("agent")]))
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    no = scene.do(run, "plan")
    assert no.error is not None
    assert (no.state, no.error.hint, moves(no)) == (
        "awaiting",
        "Attempt 2 is not ready yet: follow next.",
        [("approve", "plan")],
    )


def test_workers_that_take_any_phase_at_the_same_moment_each_get_one(scene: Scene) -> None:
    names = ["a", "b", "c"]
    workers = [scene.engine, scene.neighbour()[1], scene.neighbour()[1]]
    together = threading.Barrier(len(workers))

    def take(worker: Engine, run: str) -> str | None:
        together.wait(30)
        return answers.start_phase(worker, AGENT, run).phase

    for _ in range(5):
        run = scene.start(*(phase(name, needs=[]) for name in names), limits={"max_parallel": 3})
        with ThreadPoolExecutor(len(workers)) as pool:
            taken = list(pool.map(take, workers, [run] * len(workers)))
        assert sorted(filter(None, taken)) == names


@pytest.mark.requirement("B-21")
def test_beginning_a_phase_of_a_dead_holder_takes_it_over(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    neighbour, other = scene.neighbour()
    scene.begin(run, "plan", other)
    neighbour.end()
    assert [each.why for each in scene.status(run).next] == ["its worker is gone; assigns it to you"]
    taken = scene.begin(run)
    assert [each.why for each in scene.status(run).next] == ["already assigned to you; repeats the prompt"]
    assert (taken.state, taken.data["attempt"]) == ("running", 1)
    assert scene.attempt(run, "plan").holder == scene.engine.holder


def test_what_another_live_process_submitted_is_leased(scene: Scene) -> None:
    run = scene.start(phase("plan", approval()))
    _, other = scene.neighbour()
    scene.begin(run, "plan", other)
    scene.submit(run, "plan", engine=other)
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=OTHER).code == "leased"
    assert refused(decisions.reject, scene.engine, AGENT, run, "plan", "mine").code == "leased"


def test_a_phase_claimed_at_a_terminal_is_leased_until_its_hour_is_over(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    receipt = submissions.submit
    from wfe_mcp.engine.phases.claim import start_phase

    start_phase(scene.engine, HUMAN, run, "plan", holder=CLI_HOLDER)
    assert refused(scene.begin, run, "plan").code == "leased"
    scene.clock.advance(hours=2)
    assert scene.begin(run, "plan").state == "running"
    assert receipt(scene.engine, AGENT, run, "plan", artifact=GOOD).revision == 1


def test_a_submission_at_a_terminal_claims_the_ready_phase(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    receipt = submissions.submit(scene.engine, HUMAN, run, "plan", artifact=GOOD, holder=CLI_HOLDER)
    assert (receipt.attempt, receipt.revision) == (1, 1)
    assert scene.attempt(run, "plan").status == "completed"


@pytest.mark.requirement("B-10", "S1-01")
def test_an_invalid_artifact_is_kept_counted_and_reported_whole(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={"titel": 1, "body": 2})
    assert no.code == "invalid_artifact"
    assert {detail.path for detail in no.details} == {"/title", "/titel", "/body"}
    envelope = answering.refusal(scene.engine, no, run, "plan")
    assert envelope.next[0].tool == "submit_artifact"
    assert envelope.next[0].need == {"artifact": "/data/output/schema"}
    assert envelope.data["output"]["schema"]["required"] == ["title"]
    assert scene.attempt(run, "plan").invalid == 1
    assert scene.submit(run, "plan").state == "completed"


def test_a_schema_that_is_too_long_for_the_answer_is_fetched_again(scene: Scene) -> None:
    many = {f"key_{number}": {"type": "string", "description": "d" * 50} for number in range(40)}
    output = {"artifact": "big", "schema": {"type": "object", "required": ["key_0"], "properties": many}}
    run = scene.start(phase("plan", output=output))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact={})
    assert moves(answering.refusal(scene.engine, no, run, "plan"))[0] == ("start_phase", "plan")


@pytest.mark.requirement("B-10")
def test_too_many_invalid_artifacts_end_the_attempt_for_a_person(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"max_invalid": 2})
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=WRONG)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=WRONG)
    assert "has failed" in no.hint
    found = scene.status(run)
    assert (found.run_state, found.waiting_on, moves(found)) == ("waiting", "human", [])
    assert answering.refusal(scene.engine, no, run, "plan").next == ()
    assert (
        refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD).code == "illegal_transition"
    )


@pytest.mark.requirement("S1-31")
def test_drafts_stay_readable_also_after_a_time_out(scene: Scene) -> None:
    run = scene.start(phase("plan", timeout="10m", on_fail=[{"do": "wait_human"}]))
    scene.begin(run)
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=WRONG)
    scene.clock.advance(minutes=11)
    scene.work()
    assert scene.attempt(run, "plan").fail_kind == "timeout"
    listed = answers.read_artifact(scene.engine, AGENT, run).data["drafts"]
    assert [(line["artifact"], line["phase"], line["faults"]) for line in listed] == [("draft:1", "plan", 2)]
    draft = answers.read_artifact(scene.engine, AGENT, run, "plan", "draft:1").data
    assert draft["content"] == WRONG
    assert {fault["path"] for fault in draft["details"]} == {"/title", "/titel"}
    part = answers.read_artifact(scene.engine, AGENT, run, artifact="draft:1", pointer="/titel").data
    assert part["content"] == "?"
    no = refused(answers.read_artifact, scene.engine, AGENT, run, "plan", "draft:2")
    assert (no.code, "draft:1 of plan" in no.hint) == ("unknown_artifact", True)


@pytest.mark.requirement("E-09")
def test_a_draft_name_that_two_phases_have_needs_the_phase(scene: Scene) -> None:
    run = scene.start(phase("a", needs=[]), phase("b", needs=[]), limits={"max_parallel": 2})
    for name in ("a", "b"):
        scene.begin(run, name)
        refused(answers.submit_artifact, scene.engine, AGENT, run, name, artifact=WRONG)
    no = refused(answers.read_artifact, scene.engine, AGENT, run, artifact="draft:1")
    assert "Several phases" in no.message
    assert answers.read_artifact(scene.engine, AGENT, run, "b", "draft:1").data["phase"] == "b"


def test_a_huge_draft_is_kept_in_part_and_cannot_be_forced(scene: Scene) -> None:
    run = scene.start(phase("plan", on_fail=[{"do": "wait_human"}]), limits={"max_invalid": 1})
    scene.begin(run)
    huge = {"titel": "x" * 200_000}
    refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=huge)
    draft = answers.read_artifact(scene.engine, AGENT, run, "plan", "draft:1").data
    assert (draft["cut"], draft["size_bytes"] > 200_000) == (True, True)
    no = refused(control.force_accept, scene.engine, HUMAN, run, "plan", "it will do")
    assert no.code == "conflict"


def test_an_artifact_comes_from_a_file_of_the_project(scene: Scene) -> None:
    scene.write("note.json", json.dumps(GOOD))
    run = scene.start(phase("plan"))
    scene.begin(run)
    assert scene.submit(run, "plan", path="note.json").state == "completed"


@pytest.mark.parametrize(("path", "code"), [("../secret.json", "path_outside_project"), ("note.txt", "bad_argument")])
def test_a_path_that_is_no_artifact_is_refused_and_not_counted(scene: Scene, path: str, code: str) -> None:
    scene.write("note.txt", "hello")
    run = scene.start(phase("plan"))
    scene.begin(run)
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", path=path).code == code
    assert scene.attempt(run, "plan").invalid == 0


@pytest.mark.requirement("B-25")
def test_a_report_that_cannot_be_read_is_an_invalid_artifact(scene: Scene) -> None:
    scene.write("report.json", '{"title": ')
    run = scene.start(phase("plan"))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", path="report.json")
    assert (no.code, no.details[0].path) == ("invalid_artifact", "")
    assert answers.read_artifact(scene.engine, AGENT, run, "plan", "draft:1").data["content"] == {"path": "report.json"}


def test_an_artifact_or_a_path_and_never_both(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    scene.begin(run)
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "plan").code == "bad_argument"
    both = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD, path="note.json")
    assert both.code == "bad_argument"


def test_an_unknown_phase_is_answered_with_the_nearest(scene: Scene) -> None:
    run = scene.start(phase("plan"))
    near = refused(answers.submit_artifact, scene.engine, AGENT, run, "plam", artifact=GOOD)
    assert (near.code, near.hint) == ("unknown_phase", "Did you mean 'plan'?")
    far = refused(answers.submit_artifact, scene.engine, AGENT, run, "xyz", artifact=GOOD)
    assert far.hint == "Phases: plan."


BUNDLE = {"artifact": "site", "schema": "file_bundle@1", "write_to": "out/${inputs.goal}"}


def bundle(**files: str) -> dict[str, Any]:
    return {"files": [{"path": path.replace("_", "."), "content": text} for path, text in files.items()]}


@pytest.mark.requirement("B-02", "S0-21")
def test_a_bundle_is_written_whole_into_the_folder_of_the_template(scene: Scene) -> None:
    scene.check("ok", "import pathlib; assert pathlib.Path('out/web/a.txt').read_text() == 'A'")
    run = scene.start(phase("make", command("ok"), output=BUNDLE), inputs={"goal": "web"})
    done = scene.do(run, "make", bundle(a_txt="A", b_txt="B"))
    assert done.state == "completed", done.to_text()
    assert {file.name for file in (scene.root / "out" / "web").iterdir()} == {"a.txt", "b.txt"}


@pytest.mark.requirement("B-02", "S0-25")
def test_a_bundle_with_one_bad_path_writes_nothing_and_stores_nothing(scene: Scene) -> None:
    run = scene.start(phase("make", output={**BUNDLE, "write_to": "app.py"}))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "make", artifact=bundle(a_txt="A"))
    assert no.code != "internal"
    assert scene.attempt(run, "make").revision == 0
    assert answers.read_artifact(scene.engine, AGENT, run).data["artifacts"] == []


@pytest.mark.requirement("B-02")
def test_a_bundle_that_is_refused_writes_nothing(scene: Scene) -> None:
    run = scene.start(phase("make", output={**BUNDLE, "write_to": "out"}))
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "make", artifact=bundle(a_txt="A")).code
    assert not (scene.root / "out").exists()


@pytest.mark.parametrize(("folder", "file"), [(".", "a.txt"), ("./", "a.txt"), ("./out/", "out/a.txt")])
def test_a_bundle_is_written_into_a_folder_however_that_is_spelled(scene: Scene, folder: str, file: str) -> None:
    run = scene.start(phase("make", output={**BUNDLE, "write_to": folder}))
    assert scene.do(run, "make", bundle(a_txt="A")).state == "completed"
    assert (scene.root / file).read_text() == "A"


def test_a_bundle_comes_from_a_folder(scene: Scene) -> None:
    scene.write("drafts/a.txt", "A")
    run = scene.start(phase("make", output={"artifact": "site", "schema": "file_bundle@1"}))
    scene.begin(run)
    scene.submit(run, "make", path="drafts")
    content = answers.read_artifact(scene.engine, AGENT, run, artifact="site").data["content"]
    assert content == {"files": [{"path": "a.txt", "content": "A"}]}


@pytest.mark.parametrize("place", ["docs/plan.md", "./docs/plan.md"])
def test_a_document_is_written_to_the_file_of_the_template(scene: Scene, place: str) -> None:
    output = {"artifact": "doc", "schema": "markdown_doc@1", "write_to": place}
    run = scene.start(phase("make", output=output))
    scene.do(run, "make", {"front": {}, "body": "# Plan\n"})
    assert "# Plan" in (scene.root / "docs" / "plan.md").read_text(encoding="utf-8")


def test_the_json_of_a_document_is_written_beside_it_where_that_is_asked_for(scene: Scene) -> None:
    output = {"artifact": "plan", "schema": NOTE, "write_to": "docs/plan.md", "write_json": True}
    run = scene.start(phase("make", output=output))
    scene.do(run, "make", GOOD)
    assert (scene.root / "docs" / "plan.md").read_text(encoding="utf-8") == f"# {GOOD['title']}\n"
    assert json.loads((scene.root / "docs" / "plan.json").read_text(encoding="utf-8")) == GOOD


def test_a_persons_own_phase_is_not_for_an_agent(scene: Scene) -> None:
    run = scene.start(phase("sign", kind="human"))
    assert refused(scene.begin, run, "sign").code == "needs_human"
    assert refused(answers.submit_artifact, scene.engine, AGENT, run, "sign", artifact=GOOD).code == "needs_human"
    found = scene.status(run)
    assert (found.run_state, found.waiting_on, moves(found)) == ("waiting", "human", [("status", "")])
    submissions.submit(scene.engine, HUMAN, run, "sign", artifact=GOOD, holder=CLI_HOLDER)
    assert scene.state(run).status == "completed"
