"""Phases that the server's model worker executes."""

import json
import sys
from typing import Any

import pytest

from tests.engine.model_scene import KEY, ROLES, configure, server
from tests.engine.scene import AGENT, GOOD, HUMAN, LONG_ENOUGH, Scene, command, moves, phase, refused
from tests.fake_models.script import Call, Turn
from tests.fake_models.server import ModelServer
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.background.queues import queue_names
from wfe_mcp.engine.kernel.engine import CLI_HOLDER
from wfe_mcp.engine.phases import claim as phases, submit as submissions
from wfe_mcp.engine.runs import control
from wfe_mcp.views.answers import tool_answers as answers

pytestmark = pytest.mark.usefixtures("home")

STOP = [{"do": "wait_human"}]
DONE = Turn(value=GOOD)


def use(name: str, **given: Any) -> Turn:
    return Turn(calls=(Call(name, given),))


def model_phase(*gates: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return phase("plan", *gates, **{"kind": "llm", "role": "one", **keys})


def drafts(scene: Scene, run: str) -> list[dict[str, Any]]:
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
        return [
            json.loads(each.raw)
            for each in tx.artifacts.refused_submissions(record.id, scene.attempt(run, "plan").phase, 1)
        ]


@pytest.mark.requirement("S1-21", "S1-28")
def test_a_model_works_with_the_tools_of_the_phase_and_each_use_is_on_record(scene: Scene) -> None:
    script = [use("read", path="app.py"), use("write", path="notes.md", content="# Notes\n"), DONE]
    with server(script) as models:
        configure(scene, models)
        run = scene.start(model_phase(tools_allowed=["read", "write"]), roles=ROLES)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert (scene.root / "notes.md").read_text() == "# Notes\n"
    with scene.store.read() as tx:
        record = scene.engine.load(tx, run).record
        used = tx.tool_calls.filter(record.id)
        calls = tx.model_calls.filter(record.id)
    assert [(each.name, each.ok) for each in used] == [("read", True), ("write", True)]
    assert used[0].input == {"path": "app.py"}
    assert "VALUE = 1" in str(used[0].output)
    assert len(calls) == 3
    assert {tool["name"] for tool in models.asked[0].body["tools"]} >= {"read", "write"}
    assert "bash" not in {tool["name"] for tool in models.asked[0].body["tools"]}


def test_what_a_model_submits_goes_through_the_same_gates_and_its_feedback_comes_back(scene: Scene) -> None:
    with server([Turn(value={"title": "no"}), DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(LONG_ENOUGH | {"assert": "${size(artifacts.plan_note.title) > 3}"}), roles=ROLES)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert scene.attempt(run, "plan").number == 2
    assert "What was wrong before" in str(models.asked[1].body)


def test_an_agent_phase_is_the_clients_unless_a_role_or_the_driver_names_a_provider(scene: Scene) -> None:
    with server([DONE], [DONE]) as models:
        configure(scene, models)
        by_role = scene.start(phase("plan", role="one"), roles=ROLES)
        assert refused(phases.start_phase, scene.engine, AGENT, by_role, "plan").code == "illegal_transition"
        assert scene.status(by_role).waiting_on == "job"
        scene.work()
        scene.define(phase("plan"), name="driven")
        driven = answers.start_run(scene.engine, AGENT, "driven", driver="second").run or ""
        scene.work()
        scene.define(phase("plan"), name="own")
        own = answers.start_run(scene.engine, AGENT, "own").run or ""
    assert scene.state(by_role).status is RunStatus.COMPLETED
    assert scene.state(driven).status is RunStatus.COMPLETED
    assert [asked.model for asked in models.asked] == ["claude", "gpt"]
    assert scene.begin(own, "plan").ok


@pytest.mark.requirement("S1-09")
def test_a_tool_loop_ends_at_its_limit_and_what_was_said_is_readable(scene: Scene) -> None:
    words = Turn(text="I will look once more.", calls=(Call("list", {}),))
    with ModelServer({"claude": []}, otherwise=words) as models:
        configure(scene, models, extra="[providers.anthropic.options]\nmax_tool_calls = 3\n")
        run = scene.start(model_phase(on_fail=STOP), roles=ROLES)
        scene.work()
    plan = scene.attempt(run, "plan")
    assert (plan.status, plan.human_only) == ("failed", True)
    assert "tool_limit" in plan.reason
    assert models.count <= 4
    (draft,) = drafts(scene, run)
    assert "I will look once more." in draft["text"]
    with scene.store.read() as tx:
        assert tx.verification.problems(scene.engine.load(tx, run).record.id) == []
    assert answers.read_artifact(scene.engine, AGENT, run, phase="plan", artifact="draft:1").ok


def test_a_model_that_says_a_nul_before_its_limit_is_not_asked_again_for_what_it_said(scene: Scene) -> None:
    words = Turn(text="It holds a \0.", calls=(Call("list", {}),))
    with ModelServer({"claude": []}, otherwise=words) as models:
        configure(scene, models, extra="[providers.anthropic.options]\nmax_tool_calls = 3\n")
        run = scene.start(model_phase(on_fail=STOP), roles=ROLES)
        scene.work()
    assert scene.attempt(run, "plan").status == "failed"
    assert models.count <= 4
    assert "It holds a <U+0000>." in drafts(scene, run)[0]["text"]


@pytest.mark.requirement("S1-09", "S1-31")
def test_the_time_of_a_phase_ends_a_model_that_says_nothing_more(scene: Scene) -> None:
    with server([Turn(text="Thinking about it, ", stall=True)]) as models:
        configure(scene, models)
        run = scene.start(model_phase(on_fail=STOP, timeout="1s"), roles=ROLES)
        scene.work()
    plan = scene.attempt(run, "plan")
    assert (plan.status, "timed_out" in plan.reason) == ("failed", True)


@pytest.mark.requirement("S1-11")
def test_an_output_that_stays_wrong_fails_the_attempt_and_is_kept_beside_what_was_expected(scene: Scene) -> None:
    with ModelServer({"claude": []}, otherwise=Turn(value={"titel": "x"})) as models:
        configure(scene, models)
        run = scene.start(model_phase(on_fail=STOP), roles=ROLES)
        scene.work()
    assert models.count > 1
    assert scene.attempt(run, "plan").human_only
    (draft,) = drafts(scene, run)
    assert "titel" in draft["text"]


def test_a_wrong_key_waits_for_a_person_and_burns_no_retries(scene: Scene) -> None:
    with server([Turn(status=401), DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        scene.work()
        plan = scene.attempt(run, "plan")
        assert (plan.number, plan.status, plan.human_only) == (1, "failed", True)
        assert KEY not in plan.reason
        control.retry(scene.engine, HUMAN, run, "plan")
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


@pytest.mark.requirement("S1-10")
def test_an_outage_is_waited_for_then_pauses_the_run_and_it_continues_by_itself(scene: Scene) -> None:
    with server([Turn(status=529)] * 3 + [DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        for _ in range(3):
            scene.work()
            scene.clock.advance(seconds=100)
        assert scene.state(run).status is RunStatus.PAUSED
        assert "does not answer" in scene.state(run).reason
        scene.clock.advance(minutes=5)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert models.count == 4


def test_configuration_says_how_long_a_paused_run_waits_for_its_provider(scene: Scene) -> None:
    with server([Turn(status=529)] * 3 + [DONE]) as models:
        configure(scene, models, extra='[outage]\nwait = "30m"\n')
        run = scene.start(model_phase(), roles=ROLES)
        for _ in range(3):
            scene.work()
            scene.clock.advance(seconds=100)
        waits = scene.status(run)
        assert (waits.waiting_on, moves(waits)) == ("job", [("status", ""), ("control_run", "resume")])
        scene.clock.advance(minutes=10)
        scene.work()
        assert scene.state(run).status is RunStatus.PAUSED
        scene.clock.advance(minutes=20)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_person_who_does_not_wait_resumes_the_run(scene: Scene) -> None:
    with server([Turn(status=529)] * 3 + [DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        for _ in range(3):
            scene.work()
            scene.clock.advance(seconds=100)
        control.control(scene.engine, AGENT, run, "resume")
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_fallback_works_when_the_first_model_stays_out(scene: Scene) -> None:
    with server([Turn(status=503)] * 3, [DONE]) as models:
        main = '[roles.main]\nprovider = "anthropic"\nmodel = "claude"\nfallback = ["second"]\n'
        configure(scene, models, extra=main)
        run = scene.start(model_phase(role="main"), roles={"main": {"provider": "main"}})
        for _ in range(3):
            scene.work()
            scene.clock.advance(seconds=100)
    assert scene.state(run).status is RunStatus.COMPLETED
    assert [asked.model for asked in models.asked] == ["claude"] * 3 + ["gpt"]


@pytest.mark.requirement("S1-08")
def test_another_model_takes_the_next_attempt_and_the_client_the_one_after_it(scene: Scene) -> None:
    with server([], [Turn(text="I would rather not.")] * 9) as models:
        configure(scene, models)
        run = scene.start(phase("plan", on_fail=STOP), roles=ROLES)
        scene.begin(run, "plan")
        answers.retry_phase(scene.engine, AGENT, run, "plan", role="second")
        assert scene.status(run).waiting_on == "job"
        scene.work()
        assert scene.attempt(run, "plan").human_only
        control.retry(scene.engine, HUMAN, run, "plan", role="client")
    assert {asked.model for asked in models.asked} == {"gpt"}
    assert scene.do(run, "plan").state == "completed"


def test_someone_at_a_terminal_submits_what_a_model_was_to_make(scene: Scene) -> None:
    with server([Turn(status=429, retry_after="600")]) as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        scene.work()
        (waits,) = scene.status(run).data["blockers"]
        assert waits.startswith("plan is tried again at 2026-") and "too many requests" in waits
        no = refused(answers.submit_artifact, scene.engine, AGENT, run, "plan", artifact=GOOD)
        assert no.code in {"illegal_transition", "leased"}
        submissions.submit(scene.engine, HUMAN, run, "plan", artifact=GOOD, holder=CLI_HOLDER)
    assert scene.state(run).status is RunStatus.COMPLETED


def test_a_phase_with_gates_on_files_is_claimed_with_its_tree_and_judged_with_the_models_changes(scene: Scene) -> None:
    scene.check("ok", "import app; assert app.VALUE == 2")
    edit = use("edit", path="app.py", old="VALUE = 1", new="VALUE = 2")
    with server([edit, use("run_check", check="ok"), DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(command("ok")), roles=ROLES)
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED, scene.attempt(run, "plan").reason
    assert scene.attempt(run, "plan").tree_at_start is not None


def test_bash_is_given_only_where_the_phase_names_it_and_configuration_allows_it(scene: Scene) -> None:
    with server([DONE], [DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(tools_allowed=["read", "bash"]), roles=ROLES)
        scene.work()
        assert scene.state(run).status is RunStatus.COMPLETED
        configure(scene, models, extra="[tools]\nbash = true\n")
        scene.start(model_phase(role="two", tools_allowed=["read", "bash"]), roles=ROLES, name="shell")
        scene.work()
    first, second = ({tool["name"] for tool in asked.body["tools"]} for asked in models.asked)
    assert "bash" not in first
    assert "bash" in second


def test_what_was_cancelled_is_worked_no_more(scene: Scene) -> None:
    with server([Turn(status=429, retry_after="60"), DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(), roles=ROLES)
        scene.work()
        control.control(scene.engine, HUMAN, run, "cancel")
        scene.clock.advance(minutes=5)
        scene.work()
    assert models.count == 1


AGENT_STUB = """
import json, pathlib, sys
prompt = sys.stdin.read()
place = prompt.split("into the file `")[1].split("`")[0]
pathlib.Path("made.txt").write_text("by the agent")
say = lambda **record: print(json.dumps(record), flush=True)
say(type="system", subtype="init", model="stub", session_id="s", tools=[])
say(type="assistant", message={"id": "m", "content": [{"type": "text", "text": "On it."}]}, session_id="s")
pathlib.Path(place).write_text(json.dumps({"title": "A title of the agent"}))
say(type="result", subtype="success", is_error=False, result="Done.", session_id="s", num_turns=1,
    usage={"input_tokens": 10, "output_tokens": 5}, total_cost_usd=0.01)
"""


def test_a_cli_agent_works_a_phase_as_a_child_process(scene: Scene) -> None:
    stub = scene.root.parent / "claude_stub.py"
    stub.write_text(AGENT_STUB)
    argv = json.dumps([sys.executable, str(stub)])
    with server() as models:
        coder = f'[providers.claude-code]\nargv = {argv}\n[roles.coder]\nprovider = "claude-code"\n'
        configure(scene, models, extra=coder)
        scene.define(phase("plan"), name="driven")
        run = answers.start_run(scene.engine, AGENT, "driven", driver="coder").run or ""
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED, scene.attempt(run, "plan").reason
    assert (scene.root / "made.txt").read_text() == "by the agent"
    with scene.store.read() as tx:
        (call,) = tx.model_calls.filter(scene.engine.load(tx, run).record.id)
    assert (call.provider, call.cost_usd) == ("claude-code", 0.01)


def test_a_person_answers_for_a_model_by_two_files(scene: Scene) -> None:
    with server() as models:
        configure(scene, models, extra='[roles.me]\nprovider = "manual"\n')
        scene.define(phase("plan"), name="driven")
        run = answers.start_run(scene.engine, AGENT, "driven", driver="me").run or ""
        folder = f".wfe/runs/{run}/plan/1/manual"
        scene.write(f"{folder}/answer.json", json.dumps(GOOD))
        scene.work()
    assert scene.state(run).status is RunStatus.COMPLETED
    assert "Write plan." in (scene.root / folder / "prompt.md").read_text()
    assert "minLength" in (scene.root / folder / "prompt.md").read_text()


def test_who_answers_for_a_model_is_waited_for_and_learns_where_the_files_are(scene: Scene) -> None:
    with server() as models:
        configure(scene, models, extra='[roles.me]\nprovider = "manual"\n')
        scene.define(phase("plan"), name="driven")
        run = answers.start_run(scene.engine, AGENT, "driven", driver="me").run or ""
    found = scene.status(run)
    assert found.waiting_on == "human"
    assert f".wfe/runs/{run}/plan/1/manual/prompt.md" in found.data["blockers"][0]
    assert f"wfe-mcp submit {run} plan --path FILE" in found.data["blockers"][0]


def test_two_cli_agents_wait_for_each_other_in_one_folder(scene: Scene) -> None:
    coder = f'[providers.claude-code]\nargv = {json.dumps([sys.executable])}\n[roles.coder]\nprovider = "claude-code"\n'
    with server() as models:
        configure(scene, models, extra=coder)
        one, two = phase("plan", needs=[]), phase("build", needs=[])
        scene.define(one, two, name="driven", limits={"max_parallel": 2})
        first = answers.start_run(scene.engine, AGENT, "driven", driver="coder").run or ""
        second = answers.start_run(scene.engine, AGENT, "driven", driver="coder").run or ""
        by_role = scene.start(phase("plan"), name="own")
        scene.begin(by_role, "plan")
        answers.retry_phase(scene.engine, AGENT, by_role, "plan", role="coder")
    now = scene.clock()
    worker = new_worker(scene.engine, ["step", "timer"])
    for _ in range(6):
        worker.work_one()
    worker.stop()
    assert [scene.attempt(first, name).status for name in ("plan", "build")] == ["running", "ready"]
    assert [scene.attempt(second, name).status for name in ("plan", "build")] == ["ready", "ready"]
    with scene.store.tx() as tx:
        claimed = [tx.jobs.claim("somebody", queue_names(scene.engine, ["agent"]), 60, now) for _ in range(2)]
    assert claimed[0] is not None and claimed[1] is None


@pytest.mark.requirement("S1-28")
def test_the_tools_that_a_model_used_are_counted_in_full_and_read_one_by_one(scene: Scene) -> None:
    with server([use("read", path="app.py"), use("read", path="nowhere.py"), DONE]) as models:
        configure(scene, models)
        run = scene.start(model_phase(tools_allowed=["read"]), roles=ROLES)
        scene.work()
    (plan,) = answers.status(scene.engine, AGENT, run, "full").data["phases"]
    assert (plan["tools"]["calls"], plan["tools"]["failed"], plan["tools"]["names"]) == (2, 1, {"read": 2})
    assert "tools" not in json.dumps(scene.status(run).data)
    listed = answers.read_artifact(scene.engine, AGENT, run)
    assert listed.data["tools"] == [{"artifact": "tools:1", "phase": "plan", "attempt": 1, "calls": 2}]
    lines = answers.read_artifact(scene.engine, AGENT, run, phase="plan", artifact="tools:1").data["content"]
    assert lines[0].startswith("read app.py: ok ")
    whole = answers.read_artifact(scene.engine, AGENT, run, phase="plan", artifact="tools:1", pointer="/0/output")
    assert "VALUE = 1" in whole.data["content"]
    assert (
        refused(answers.read_artifact, scene.engine, AGENT, run, phase="plan", artifact="tools:2").code
        == "unknown_artifact"
    )


def test_a_commit_of_a_model_says_which_run_made_it_and_where_its_log_stood(scene: Scene) -> None:
    script = [use("write", path="notes.md", content="# Notes"), use("git_commit", message="Write notes"), DONE]
    scene.git("config", "user.name", "Ada")
    scene.git("config", "user.email", "ada@example.org")
    with server(script) as models:
        configure(scene, models)
        run = scene.start(model_phase(tools_allowed=["write", "git_commit"]), roles=ROLES)
        scene.work()
    answer, prefix = scene.git("log", "-1", "--format=%(trailers:key=Wfe-Run,valueonly)").split()
    with scene.store.read() as tx:
        hashes = [event.hash for event in tx.events.log(scene.engine.load(tx, run).record.id)]
    assert answer == run
    assert any(one.startswith(prefix) for one in hashes)
