"""Gates judge submissions, and judge again when the files change meanwhile."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, command, expr, moves, phase, refused
from tests.first_line import python_line
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.background import daemon as work
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.views.answers import rollback, tool_answers as answers
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.workspace.git import working_tree
from wfe_mcp.workspace.system.temporary import remove_folder

STOP = [{"do": "wait_human"}]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in of go is a script")
def test_a_failing_test_that_says_what_no_database_stores_is_named_as_any_other(scene: Scene, tmp_path: Path) -> None:
    said = [
        {"Action": "output", "Test": "TestCut", "Output": 'got "a\0b", and half an emoji: \ud83d\n'},
        {"Action": "fail", "Test": "TestCut"},
    ]
    go = tmp_path / "go"
    printed = chr(10).join(map(json.dumps, said))
    go.write_text(f"{python_line(options='-S')}\nprint({printed!r})\nraise SystemExit(1)\n")
    go.chmod(0o700)
    scene.write(".wfe/config.toml", f"[checks.unit]\nargv = {json.dumps([str(go), 'test', './...'])}\n")
    scene.trust_config()
    run = scene.start(phase("plan", command("unit")))
    scene.begin(run)

    no = scene.submit(run, "plan").error

    assert no is not None
    assert 'failing: TestCut (got "a\ufffdb", and half an emoji: \ufffd)' in no.message


def test_files_that_change_while_a_person_is_asked_run_the_gates_again_and_ask_again(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.do(run, "plan")
    first = decisions.ask_approval(scene.engine, AGENT, run, "plan").data["request"]
    scene.write("app.py", "VALUE = 2\n")
    no = refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    assert no.code == "stale_revision"
    assert scene.attempt(run, "plan").status == "gating"
    assert scene.work() == 1
    asked = scene.attempt(run, "plan").asked
    assert asked not in {None, first}, "the request is reissued by itself"
    with scene.store.read() as tx:
        assert [one.id for one in tx.approvals.open_requests()] == [asked]
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.state(run).status == "completed"


def test_a_files_gate_names_the_call_that_restores_a_file_that_was_never_committed(scene: Scene) -> None:
    scene.write("tests/test_new.py", "as it was")
    run = scene.start(phase("fix", {"kind": "files", "unchanged": ["tests/**"]}))
    scene.begin(run)
    scene.write("tests/test_new.py", "changed")
    no = scene.submit(run, "fix").error
    assert no is not None
    assert f'rollback(run="{run}", to="fix") restores all files of the phase\'s start' in no.message
    rollback.checkpoint(scene.engine, AGENT, run)
    assert rollback.go_back(scene.engine, HUMAN, run, "fix").ok
    assert (scene.root / "tests/test_new.py").read_text() == "as it was"


def test_a_files_gate_names_the_checkpoint_that_it_compares_with_after_another_agent_took_over(scene: Scene) -> None:
    scene.write("tests/test_new.py", "as it was")
    run = scene.start(phase("fix", {"kind": "files", "unchanged": ["tests/**"]}))
    neighbour, first = scene.neighbour()
    scene.begin(run, engine=first)
    scene.write("tests/test_new.py", "changed")
    assert not scene.submit(run, "fix", engine=first).ok
    neighbour.end()
    scene.begin(run)  # the last start of the phase, and the first one of attempt 2
    no = scene.submit(run, "fix").error
    assert no is not None
    name = no.message.partition(f'rollback(run="{run}", to="')[2].partition('"')[0]
    assert rollback.go_back(scene.engine, HUMAN, run, name, discard=True).ok
    assert (scene.root / "tests/test_new.py").read_text() == "as it was"


def test_an_agents_own_approval_looks_at_the_files_first(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval("agent")))
    scene.do(run, "plan")
    scene.write("app.py", "VALUE = 2\n")
    assert refused(decisions.ask_approval, scene.engine, AGENT, run, "plan").code == "stale_revision"
    scene.work()
    assert decisions.ask_approval(scene.engine, AGENT, run, "plan").state == "completed"


def test_a_failed_check_after_a_change_voids_the_request(scene: Scene) -> None:
    scene.check("ok", "import app; assert app.VALUE == 1")
    run = scene.start(phase("plan", command("ok"), approval(), on_fail=STOP))
    scene.write("app.py", "VALUE = 1\n")
    scene.do(run, "plan")
    decisions.ask_approval(scene.engine, AGENT, run, "plan")
    scene.write("app.py", "VALUE = 22\n")
    refused(approvals.decide, scene.engine, HUMAN, run, "plan")
    scene.work()
    assert scene.attempt(run, "plan").status == "failed"
    with scene.store.read() as tx:
        assert tx.approvals.open_requests() == []


def test_a_commit_that_leaves_the_files_equal_voids_nothing(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), approval()))
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    scene.submit(run, "plan")
    scene.git("commit", "-aqm", "two")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert scene.state(run).status == "completed"


@pytest.mark.parametrize(("fresh_s", "runs"), [(0.0, "x"), (60.0, "xx")], ids=["later", "at once"])
def test_files_that_change_before_the_check_begins_are_the_ones_it_judges(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fresh_s: float, runs: str
) -> None:
    """Within seconds they count as changed while the check ran, which voids its first result."""
    monkeypatch.setattr(working_tree, "_FRESH_S", fresh_s)
    scene.check("ok", "import pathlib; pathlib.Path('ignored').mkdir(exist_ok=True); open('ignored/n', 'a').write('x')")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    scene.write("app.py", "VALUE = 2\n")
    scene.work()
    assert scene.attempt(run, "plan").status == "completed"
    assert (scene.root / "ignored" / "n").read_text(encoding="utf-8") == runs
    assert "TreeChanged" in scene.events(run)


def test_a_check_that_changes_files_twice_is_a_gate_error_that_names_them(scene: Scene) -> None:
    scene.check("messy", "open('out.txt', 'a').write('x')")
    run = scene.start(phase("plan", command("messy"), on_fail=STOP))
    scene.do(run, "plan")
    attempt = scene.attempt(run, "plan")
    assert (attempt.status, attempt.fail_kind) == ("failed", "error")
    assert "out.txt" in attempt.reason
    assert (scene.root / "out.txt").read_text(encoding="utf-8") == "xx"


def test_what_a_check_says_it_writes_does_not_count(scene: Scene) -> None:
    scene.check("messy", "open('out.txt', 'a').write('x')", writes=["*.txt"])
    files: dict[str, Any] = {"kind": "files", "within": ["src/**"]}
    run = scene.start(phase("plan", command("messy"), files))
    scene.begin(run)
    scene.write("src/new.py")
    assert scene.submit(run, "plan").state == "completed", scene.attempt(run, "plan").reason


def test_a_files_gate_sees_every_change_since_the_first_try(scene: Scene) -> None:
    run = scene.start(
        phase("plan", {"kind": "files", "unchanged": ["app.py"], "exist": ["${inputs.goal}"]}),
        inputs={"goal": "new.py"},
    )
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    failed = scene.submit(run, "plan")
    assert failed.error is not None
    assert failed.error.code == "gate_failed"
    assert "app.py" in failed.error.message
    scene.git("checkout", "-q", "app.py")
    scene.write("new.py")
    assert scene.submit(run, "plan").state == "completed"


@pytest.mark.attack("a task names no conflict scope, so that its work may change everything", "held")
def test_the_work_on_a_task_stays_within_its_conflict_scopes(scene: Scene) -> None:
    files: dict[str, Any] = {"kind": "files", "within": ["${task.conflict_scopes}"]}
    tasks = {"id": "plan", "output": {"artifact": "list", "schema": {"type": "object"}}}
    walk = {"in": "${artifacts.list.tasks}", "as": "task"}
    code = phase("code", files, on_fail=STOP)
    run = scene.start(tasks, {"id": "build", "kind": "loop", "for_each": walk, "phases": [code]})
    named: list[dict[str, Any]] = [
        {"id": "T-1", "conflict_scopes": ["src/**", "*.toml"]},
        {"id": "T-2", "conflict_scopes": []},
    ]
    scene.do(run, "plan", {"tasks": named})
    scene.begin(run, "build[T-1].code")
    scene.write("src/new.py")
    assert scene.submit(run, "build[T-1].code").state == "completed"
    scene.begin(run, "build[T-2].code")
    scene.write("src/other.py")
    failed = scene.submit(run, "build[T-2].code")
    assert failed.error is not None
    assert "src/other.py" in failed.error.message


def test_a_git_gate_is_filled_in_from_the_inputs(scene: Scene) -> None:
    git: dict[str, Any] = {"kind": "git", "branch": "${inputs.goal}", "one_commit": True, "clean": True}
    run = scene.start(phase("plan", git), inputs={"goal": "main"})
    scene.begin(run)
    scene.write("app.py", "VALUE = 2\n")
    scene.git("commit", "-aqm", "two")
    scene.git("add", "-A")
    assert scene.submit(run, "plan").state == "completed", scene.attempt(run, "plan").reason


def test_an_expression_in_a_gate_that_fails_is_a_gate_error(scene: Scene) -> None:
    git: dict[str, Any] = {"kind": "git", "branch": "${inputs.goal}"}
    run = scene.start(phase("plan", git, on_fail=STOP))
    scene.do(run, "plan")
    attempt = scene.attempt(run, "plan")
    assert (attempt.status, attempt.fail_kind) == ("failed", "error")
    assert "goal" in attempt.reason


def test_a_condition_that_cannot_be_evaluated_is_an_error_and_never_false(scene: Scene) -> None:
    run = scene.start(phase("plan", expr("${artifacts.plan_note.body == 'x'}"), on_fail=STOP))
    scene.do(run, "plan")
    assert scene.attempt(run, "plan").fail_kind == "error"


def test_without_git_a_files_gate_says_what_is_missing(scene: Scene, tmp_path: Path) -> None:

    remove_folder(scene.root / ".git")
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")), phase("next", {"kind": "files", "within": ["x"]}, on_fail=STOP))
    assert scene.do(run, "plan").state == "completed", "a check needs no git"
    scene.do(run, "next")
    assert "git init" in scene.attempt(run, "next").reason


def report(role: str, status: str) -> dict[str, Any]:
    return {"role": role, "status": status, "summary": "Done"}


@pytest.mark.requirement("B-26")
@pytest.mark.parametrize(("role", "status", "state"), [("qa", "pass", "completed"), ("qa", "fail", "failed")])
def test_a_report_must_come_from_its_role_and_say_pass(scene: Scene, role: str, status: str, state: str) -> None:
    output = {"artifact": "qa_report", "schema": "role_report@1"}
    gate = {"kind": "report", "role": "qa", "status": "pass"}
    run = scene.start(phase("qa", gate, role="qa", output=output, on_fail=STOP), roles={"qa": {}})
    assert scene.do(run, "qa", report(role, status)).state == state


@pytest.mark.requirement("B-25")
def test_no_report_is_no_pass(scene: Scene) -> None:
    output = {"artifact": "qa_report", "schema": "role_report@1"}
    run = scene.start(phase("qa", {"kind": "report"}, output=output))
    scene.begin(run)
    no = refused(answers.submit_artifact, scene.engine, AGENT, run, "qa", artifact={})
    assert no.code == "invalid_artifact"
    assert {"/role", "/status", "/summary"} <= {detail.path for detail in no.details}


RED = "print('FAILED t.py::test_dots - assert 0\\n1 failed, 3 passed in 0.12s'); raise SystemExit(1)"


@pytest.mark.parametrize("names", ["${artifacts.plan_note.title}", ["${artifacts.plan_note.title}"]])
def test_a_check_may_have_to_fail_in_the_tests_that_the_artifact_names(scene: Scene, names: str | list[str]) -> None:
    scene.check("red", RED)
    run = scene.start(phase("plan", command("red", exit_code="nonzero", fails=names)))
    for other in ("*", "t.py::test_dot"):
        answer = scene.do(run, "plan", {"title": other}).error
        assert answer is not None
        assert f"{other!r} is not among the failing tests" in answer.message
    assert scene.do(run, "plan", {"title": "t.py::test_dots"}).state == "completed"


def test_a_change_counts_since_the_phase_started_or_since_the_run_did(scene: Scene) -> None:
    here: dict[str, Any] = {"kind": "files", "changed": ["**"]}
    run = scene.start(phase("plan", here), phase("build", here | {"since": "run"}), phase("last", here))
    idle = scene.do(run, "plan").error
    assert idle is not None
    assert "no file has changed since the phase started" in idle.message
    scene.write("new.py")
    assert scene.submit(run, "plan").state == "completed"
    assert scene.do(run, "build").state == "completed"
    assert scene.do(run, "last").state != "completed"


@pytest.mark.requirement("B-02")
def test_a_gate_whose_job_is_lost_has_one_again_after_a_crash(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    with scene.store.tx() as tx:
        assert tx.jobs.request_cancel(run_id=scene.engine.load(tx, run).record.id) == 1
    assert scene.work() == 0
    work.tend_open_runs(scene.engine)
    work.tend_open_runs(scene.engine)
    assert scene.work() == 1
    assert scene.attempt(run, "plan").status == "completed"


def test_a_gate_that_cannot_run_at_all_ends_as_an_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfe_mcp.engine.evaluation import gate_jobs as judging

    def broken(*_args: object, **_kwargs: object) -> None:
        raise Refused("bad_argument", "the disk is gone")

    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok"), on_fail=STOP))
    monkeypatch.setattr(judging, "run_check", broken)
    scene.do(run, "plan")
    assert "the disk is gone" in scene.attempt(run, "plan").reason
    assert scene.attempt(run, "plan").fail_kind == "error"


def test_a_job_for_what_is_no_longer_judged_changes_nothing(scene: Scene) -> None:
    scene.check("ok", "pass")
    run = scene.start(phase("plan", command("ok")))
    scene.begin(run)
    answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    with scene.store.read() as tx:
        (job,) = tx.jobs.filter(scene.engine.load(tx, run).record.id)
    decisions.reject(scene.engine, AGENT, run, "plan", "mine again")
    with scene.store.read() as tx:
        assert [one.status for one in tx.jobs.filter(scene.engine.load(tx, run).record.id)] == [JobStatus.CANCELLED]

    from wfe_mcp.engine.evaluation.gate_jobs import JudgedGate, judge, record
    from wfe_mcp.jobs.job_context import JobContext, Stop

    assert judge(scene.engine, JobContext(job, scene.store, Stop())) is None
    seen = scene.events(run)
    with scene.store.tx() as tx:
        record(scene.engine, tx, job, JudgedGate(None))
        work.gave_up_of(scene.engine)(tx, job, "too late")
    assert scene.events(run) == seen


@pytest.mark.requirement("B-22", "S4-03")
def test_evidence_of_an_earlier_iteration_never_passes_a_later_one(scene: Scene) -> None:
    scene.check("once", "import pathlib; p = pathlib.Path('ignored'); p.mkdir()")
    back = [{"if": "${run.iteration == 1}", "goto": "plan"}]
    run = scene.start(phase("plan", command("once"), on_fail=STOP), phase("review", next=back))
    assert scene.do(run, "plan").state == "completed"
    scene.do(run, "review")
    assert scene.state(run).iteration == 2
    assert scene.do(run, "plan").state == "failed", "the same bytes and files are judged anew"


def test_a_template_whose_gate_passes_by_itself_needs_no_worker(scene: Scene) -> None:
    run = scene.start(
        phase("plan", expr("${artifacts.plan_note.title == inputs.goal}")), inputs={"goal": "A good title"}
    )
    scene.begin(run)
    done = answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)
    assert (done.state, done.run_state, moves(done)) == ("completed", "completed", [])


SKIPS = """
import pathlib
skipped = int(pathlib.Path("skips.txt").read_text())
cases = "".join(f'<testcase classname="t" name="s{n}"><skipped/></testcase>' for n in range(skipped))
pathlib.Path("report.xml").write_text(f'<testsuite tests="{skipped + 1}"><testcase classname="t" name="a"/>{cases}</testsuite>')
"""


def test_no_worker_moves_the_measure_of_skipped_tests(scene: Scene) -> None:
    scene.check("test", SKIPS, junit="report.xml", writes=["report.xml"])
    gate = command("test", no_new_skips=True)
    scene.write("skips.txt", "1")
    first = scene.start(phase("plan", gate))
    assert scene.do(first, "plan").state == "completed"
    assert "no earlier result" in str(evidence(scene, first)[-1])
    scene.clock.advance(minutes=1)
    run = scene.start(phase("look", command("test")), phase("plan", gate), name="again")
    scene.write("skips.txt", "5")
    assert scene.do(run, "look").state == "completed", "it passes where nobody asks for skips, and is no measure"
    for _ in range(2):  # nor is a failed try one for the next
        scene.write("skips.txt", "2")
        scene.clock.advance(minutes=1)
        no = scene.do(run, "plan")
        assert no.error is not None
        assert "2 tests are skipped; before, 1 were" in no.error.message
    scene.write("skips.txt", "1")
    assert scene.do(run, "plan").state == "completed"


def test_in_a_run_without_a_past_the_first_count_is_the_measure(scene: Scene) -> None:
    scene.check("test", SKIPS, junit="report.xml", writes=["report.xml"])
    scene.write("skips.txt", "0")
    run = scene.start(phase("plan", command("test")), phase("build", command("test", no_new_skips=True)))
    scene.do(run, "plan")
    scene.clock.advance(minutes=1)
    scene.write("skips.txt", "3")
    no = scene.do(run, "build")
    assert no.error is not None
    assert "3 tests are skipped; before, 0 were" in no.error.message


def evidence(scene: Scene, run: str) -> list[dict[str, Any]]:
    with scene.store.read() as tx:
        return [row.data for row in tx.evidence.of_run(scene.engine.load(tx, run).record.id)]
