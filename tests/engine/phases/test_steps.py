"""Phases of kind ``steps`` that the server executes."""

from datetime import timedelta

import pytest

from tests.engine.scene import AGENT, Scene, expr, moves, phase, refused
from tests.engine.step_scene import artifact, rows, step_states, steps, tool
from tests.tools.stub import Stub
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.phases import claim as phases, submit as submissions
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers

SET = {"id": "set", "builtin": "set", "params": {"n": 1}, "assign": "one"}


def test_the_server_works_the_phase_and_submits_what_the_steps_answered(scene: Scene) -> None:
    run = scene.start(steps(SET, {"id": "log", "builtin": "log", "params": {"message": "n is ${vars.one.n}"}}))
    assert scene.attempt(run, "ci").holder == "server"
    found = scene.status(run)
    assert (found.waiting_on, moves(found)) == ("job", [("status", "")])
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert artifact(scene, run) == {"steps": {"set": {"n": 1}, "log": {"message": "n is 1"}}}
    assert scene.mirror(run, "ci", 1, "artifact.json").exists()
    assert "warnings" not in scene.status(run).data
    assert answers.read_artifact(scene.engine, AGENT, run, "ci").data["content"]["steps"]["set"] == {"n": 1}


def test_the_step_that_assigns_the_artifacts_name_makes_the_artifact(scene: Scene) -> None:
    schema = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer"}},
        "additionalProperties": False,
    }
    made = steps(
        SET, output={"artifact": "one", "schema": schema}, gates=[expr("${artifacts.one.n == 1 && vars.one.n == 1}")]
    )
    run = scene.start(made, phase("after", expr("${vars.one.n == artifacts.one.n}")))
    scene.work()
    assert artifact(scene, run) == {"n": 1}
    assert scene.do(run, "after").state == "completed"


def test_an_artifact_that_does_not_match_fails_the_attempt(scene: Scene) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "string"}}}
    run = scene.start(steps(SET, output={"artifact": "one", "schema": schema}))
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.fail_kind) == (AttemptStatus.FAILED, FailKind.INVALID)
    assert tried.reason.startswith(
        "The answer of step 'set' (builtin set) does not match the schema of its artifact at /n: "
    )


def test_an_artifact_that_cannot_be_written_into_the_project_fails_the_attempt(scene: Scene) -> None:
    output = {"artifact": "one", "schema": {"type": "object"}, "write_to": "app.py/under-a-file.json"}
    run = scene.start(steps(SET, output=output))
    scene.work()
    assert "could not be written" in scene.attempt(run, "ci").reason


def test_what_the_steps_made_is_written_where_the_template_says(scene: Scene) -> None:
    scene.start(steps(SET, output={"artifact": "one", "schema": {"type": "object"}, "write_to": "made/one.json"}))
    scene.work()
    assert (scene.root / "made" / "one.json").exists()


def test_no_one_else_may_touch_the_phase(scene: Scene) -> None:
    run = scene.start(steps(SET))
    assert refused(phases.start_phase, scene.engine, AGENT, run, "ci").code == "illegal_transition"
    assert refused(phases.start_phase, scene.engine, AGENT, run, None).code == "illegal_transition"
    assert refused(submissions.submit, scene.engine, AGENT, run, "ci", artifact={"steps": {}}).code == "leased"


@pytest.mark.requirement("B-14")
def test_assigned_results_are_there_for_later_steps_and_phases_and_keep_their_types(scene: Scene, stub: Stub) -> None:
    run = scene.start(
        steps(
            tool("fetch", "stub.get_issue", params={"number": 7}, assign="issue"),
            tool("typed", "stub.echo", params={"value": "${vars.issue.number}"}, assign="typed"),
            tool("inside", "stub.echo", params={"value": "fix/${vars.issue.number}"}),
            tool("deep", "stub.echo", params={"value": {"labels": "${vars.issue.labels}"}}, assign="deep"),
        ),
        phase("after", expr("${vars.typed.type == 'int' && vars.deep.value.labels[0].name == 'bug'}")),
    )
    scene.work()
    assert [call["value"] for call in stub.called("echo")] == [7, "fix/7", {"labels": [{"name": "bug"}]}]
    assert scene.do(run, "after").state == "completed"


@pytest.mark.requirement("B-14")
def test_a_name_no_one_assigned_is_a_fault_of_the_template(scene: Scene) -> None:
    no = refused(scene.start, steps(SET, {"id": "log", "builtin": "log", "params": {"message": "${vars.two}"}}))
    assert no.code == "invalid_template"
    assert [each.path for each in no.details] == ["/phases/0/steps/1/params/message"]


@pytest.mark.requirement("B-15")
def test_what_a_tool_says_is_data_and_never_an_expression(scene: Scene, stub: Stub) -> None:
    hostile = "Crash: ${inputs.goal} ${1 + 1}"
    run = scene.start(
        steps(
            tool("fetch", "stub.get_issue", params={"number": 1}, assign="issue"),
            tool("again", "stub.say", params={"words": "${vars.issue.title}"}, assign="said"),
            tool("inside", "stub.say", params={"words": "Fix ${vars.issue.title}"}, **{"if": "${vars.said != ''}"}),
        ),
        phase("after", prompt="Look at ${vars.said}"),
        inputs={"goal": "secret"},
    )
    scene.work()
    assert [call["words"] for call in stub.called("say")] == [hostile, f"Fix {hostile}"]
    prompt = scene.begin(run, "after").data["prompt"]
    assert hostile in prompt
    assert "secret" not in prompt


@pytest.mark.requirement("S2-11")
def test_a_step_whose_condition_is_false_is_skipped_and_assigns_nothing(scene: Scene) -> None:
    run = scene.start(
        steps(
            {**SET, "if": "${inputs.goal == 'x'}"},
            {"id": "log", "builtin": "log", "if": "${has(vars.one)}"},
            {"id": "last", "builtin": "log", "if": "${!has(vars.one)}"},
        ),
        inputs={"goal": "y"},
    )
    scene.work()
    assert step_states(scene, run) == {"set": "skipped", "log": "skipped", "last": "done"}


def test_a_condition_or_parameter_without_a_value_fails_the_step(scene: Scene) -> None:
    run = scene.start(steps({"id": "bad", "builtin": "log", "params": {"message": "${inputs.goal}"}}))
    scene.work()
    assert scene.attempt(run, "ci").reason.startswith(
        "Step 'bad' (builtin log) failed: ${inputs.goal} cannot be evaluated"
    )


@pytest.mark.requirement("B-16")
def test_a_step_is_tried_again_after_its_wait_as_often_as_it_says(scene: Scene, stub: Stub) -> None:
    retry = {"max_attempts": 3, "backoff": "exponential", "initial": "10s", "max": "60s"}
    run = scene.start(steps(tool("flaky", "stub.flaky", params={"times": 3}, retry=retry, assign="flaky")))
    scene.work()
    assert len(stub.called()) == 1
    waiting = rows(scene, run)["flaky"]
    assert (str(waiting.status), waiting.tries, waiting.not_before) == (
        "queued",
        1,
        scene.clock.now + timedelta(seconds=10),
    )
    scene.clock.advance(seconds=9)
    assert scene.work() == 0
    scene.clock.advance(seconds=1)
    scene.work()
    assert len(stub.called()) == 2
    scene.clock.advance(seconds=19)
    assert scene.work() == 0
    scene.clock.advance(seconds=1)
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert artifact(scene, run)["steps"]["flaky"] == {"tries": 3}


def test_a_step_that_waits_for_its_next_try_says_when_and_why(scene: Scene, stub: Stub) -> None:
    retry = {"max_attempts": 3, "initial": "10s", "backoff": "fixed"}
    run = scene.start(steps(tool("flaky", "stub.flaky", params={"times": 2}, retry=retry)))

    def said() -> list[str]:
        return [text for text in scene.status(run).data.get("blockers", ()) if "flaky" in text]

    assert said() == []
    scene.work()
    at = scene.clock.now + timedelta(seconds=10)
    (sentence,) = said()
    assert sentence.startswith(f"ci step flaky is tried again at {at:%H:%M:%S} UTC: ") and "no good" in sentence
    assert scene.status(run).waiting_on == "job", "no one is asked"
    scene.clock.advance(seconds=10)
    scene.work()
    assert said() == []


@pytest.mark.requirement("B-16")
def test_tries_that_are_used_up_fail_the_attempt_by_on_fail(scene: Scene, stub: Stub) -> None:
    retry = {"max_attempts": 2, "backoff": "none"}
    run = scene.start(steps(tool("flaky", "stub.flaky", params={"times": 9}, retry=retry)))
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.human_only, len(stub.called())) == (AttemptStatus.FAILED, True, 2)
    assert "try 2 is no good" in tried.reason
    assert "ci failed" in str(scene.status(run).data["blockers"])


@pytest.mark.requirement("B-16")
def test_a_call_that_takes_too_long_is_left_to_a_person_unless_it_may_be_tried_again(scene: Scene, stub: Stub) -> None:
    late = tool("late", "stub.hang", params={"seconds": 20}, timeout="4s")
    run = scene.start(steps(late, on_fail=[{"do": "retry", "max_attempts": 5}]))
    scene.work()
    tried = scene.attempt(run, "ci")
    assert (tried.status, tried.human_only, tried.number, len(stub.called())) == (AttemptStatus.FAILED, True, 1, 1)
    assert "may have completed" in tried.reason
    assert "no answer within 4 s" in tried.reason
    again = scene.start(steps({**late, "retry": {"max_attempts": 2, "backoff": "none"}}), name="second")
    scene.work()
    assert (step_states(scene, again), len(stub.called())) == ({"late": "unknown"}, 3)


def test_after_a_failed_step_the_next_attempt_continues_at_that_step(scene: Scene, stub: Stub) -> None:
    run = scene.start(
        steps(
            tool("first", "stub.say", params={"words": "once"}, assign="first"),
            tool("flaky", "stub.flaky", params={"times": 2}),
            on_fail=[{"do": "retry", "max_attempts": 3}],
        )
    )
    scene.work()
    assert [call["tool"] for call in stub.called()] == ["say", "flaky", "flaky"]
    assert scene.state(run).status is RunStatus.COMPLETED
    kept = rows(scene, run)
    assert (kept["first"].attempt, kept["first"].carried, kept["flaky"].carried) == (2, 1, None)
    assert step_states(scene, run, attempt=1) == {"first": "done", "flaky": "failed"}


def test_after_a_failed_gate_all_steps_run_again(scene: Scene, stub: Stub) -> None:
    gate = expr("${phase.attempt > 1}")
    run = scene.start(
        steps(tool("say", params={"words": "x"}), gates=[gate], on_fail=[{"do": "retry", "max_attempts": 2}])
    )
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(stub.called()) == 2


def test_a_finished_step_with_the_same_idempotency_key_is_not_called_again(scene: Scene, stub: Stub) -> None:
    once = tool("fetch", "stub.get_issue", params={"number": 1}, idempotency_key="${run.id}:fetch", assign="issue")
    run = scene.start(
        steps(
            once,
            gates=[expr("${vars.issue.number == 1 && phase.attempt > 1}")],
            on_fail=[{"do": "retry", "max_attempts": 2}],
        )
    )
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert [call["key"] for call in stub.called()] == [f"{run}:fetch"]
    assert rows(scene, run)["fetch"].carried == 1


def test_a_key_of_another_call_is_a_fault(scene: Scene) -> None:
    run = scene.start(steps({**SET, "idempotency_key": "k"}, {"id": "log", "builtin": "log", "idempotency_key": "k"}))
    scene.work()
    assert "the idempotency key 'k' is that of step 'set' (builtin set)" in scene.attempt(run, "ci").reason


@pytest.mark.requirement("S2-11")
def test_with_continue_on_error_the_next_step_runs(scene: Scene) -> None:
    failing = {
        "id": "fail",
        "builtin": "fail",
        "params": {"message": "RED"},
        "continue_on_error": True,
        "assign": "gone",
    }
    run = scene.start(steps(failing, {"id": "log", "builtin": "log", "if": "${!has(vars.gone)}"}))
    scene.work()
    assert step_states(scene, run) == {"fail": "failed", "log": "done"}
    assert artifact(scene, run) == {"steps": {"log": {}}}


@pytest.mark.requirement("S2-13")
def test_a_verdict_can_abort_the_run(scene: Scene) -> None:
    verdict = {"id": "verdict", "builtin": "set", "params": {"simpleVerdict": "RED"}, "assign": "verdict"}
    abort = {
        "id": "red",
        "builtin": "fail",
        "if": "${vars.verdict.simpleVerdict == 'RED'}",
        "params": {"message": "abort"},
    }
    run = scene.start(steps(verdict, abort, on_fail=[{"do": "fail"}]))
    scene.work()
    assert scene.state(run).status is RunStatus.FAILED
    assert "abort" in scene.state(run).reason


@pytest.mark.requirement("S2-12")
def test_an_issue_on_hold_pauses_the_run_until_a_person_resumes_it(scene: Scene) -> None:
    issue = {"id": "issue", "builtin": "set", "params": {"state": "HOLD"}, "assign": "issue"}
    hold = {"id": "hold", "builtin": "fail", "if": "${vars.issue.state == 'HOLD'}", "params": {"message": "on hold"}}
    run = scene.start(steps(issue, hold, on_fail=[{"do": "pause"}]))
    scene.work()
    assert (scene.state(run).status, scene.state(run).paused_by_human) == (RunStatus.PAUSED, True)
    assert refused(control.control, scene.engine, AGENT, run, "resume").code == "needs_human"


def test_a_wait_is_a_timer_and_no_thread_sleeps(scene: Scene) -> None:
    run = scene.start(steps({"id": "rest", "wait": "5m"}, {"id": "log", "builtin": "log"}))
    assert scene.work() == 0
    scene.clock.advance(minutes=5)
    assert scene.work() == 2
    assert artifact(scene, run)["steps"]["rest"] == {"waited": "5m"}


def test_a_result_must_look_as_the_step_says(scene: Scene, stub: Stub) -> None:
    wrong = {"schema": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}}
    run = scene.start(steps({**SET, "output": wrong}))
    scene.work()
    assert "the result does not match its schema" in scene.attempt(run, "ci").reason
    assert step_states(scene, run) == {"set": "failed"}
    called = scene.start(steps(tool("say", params={"words": "x"}, output=wrong)), name="second")
    scene.work()
    assert step_states(scene, called) == {"say": "unknown"}, "the tool was called: a person looks"
    right = scene.start(steps({**SET, "output": {"schema": {"type": "object", "properties": {"n": {}}}}}), name="third")
    scene.work()
    assert step_states(scene, right) == {"set": "done"}


def test_each_item_of_a_loop_has_its_own_steps_and_results(scene: Scene, stub: Stub) -> None:
    loop = {
        "id": "each",
        "kind": "loop",
        "for_each": {"in": "${[7, 8]}", "as": "number", "key": "${'n' + string(number)}"},
        "phases": [
            steps(tool("fetch", "stub.get_issue", params={"number": "${number}"}, assign="issue"), name="fetch"),
            steps(tool("say", params={"words": "got ${vars.issue.number}"}), name="tell"),
        ],
    }
    run = scene.start(
        steps(SET, name="first"), loop, steps(tool("end", params={"words": "n=${vars.one.n}"}), name="last")
    )
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert [call["words"] for call in stub.called("say")] == ["got 7", "got 8", "n=1"]
    assert step_states(scene, run, "each[n8].tell") == {"say": "done"}


def test_a_loop_until_sees_what_its_steps_assigned(scene: Scene, stub: Stub) -> None:
    body = steps(tool("try", "stub.flaky", params={"times": 1}, assign="tried"), name="body")
    loop = {"id": "again", "kind": "loop", "until": {"if": "${vars.tried.tries >= 2}", "max": 5}, "phases": [body]}
    run = scene.start(loop)
    scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert len(stub.called("flaky")) == 2
