"""A wait names who works: a process, another run, a provider that is asked again, or none, and then the command."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.cli.agent import agent
from tests.cli.commands.test_run import DONE, models
from tests.cli.scene import CHECK, HUMAN, PIN, Terminal, phase, template
from tests.engine.scene import AGENT, Neighbour
from tests.fake_models.script import Turn
from wfe_mcp.engine.background.daemon import new_worker
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.process import parse_holder, this_process

STEPS = {"id": "go", "kind": "steps", "steps": [{"id": "one", "builtin": "set", "params": {"a": "b"}}]}
NO_WORKER = "  ! No process works the queue of this project, so this run waits; start one: wfe-mcp watch"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-test-0123456789")


@pytest.fixture
def engine(cli: Terminal) -> Iterator[Engine]:
    """The project as a process has it that works no jobs."""
    made = create_engine(project_at(cli.root), clock=cli.clock, holder="cli")
    yield made
    made.close()


def test_a_start_without_a_server_says_that_nothing_works_and_how_to_start_it(cli: Terminal) -> None:
    cli.save(template("stepped", STEPS))
    started = cli("start", "stepped")
    run = cli.json("list").data["runs"][0]["run"]
    assert f"{NO_WORKER} {run}\n" in started.out
    assert started.err == f"Next: wfe-mcp watch {run}\n"
    shown = cli("status", run)
    assert shown.out.startswith(f'{run} "A stepped": waiting for a worker: none runs, ')
    assert f"{NO_WORKER} {run}\n" in shown.out
    assert shown.err == f"Next: wfe-mcp watch {run}\n"
    assert "You have nothing to do" not in shown.out
    assert "a worker: none runs" in cli("list").out
    assert cli("inbox").out == "Nothing waits for you.\n", "the command is named where the run is"
    assert f"1 run ({run}) with work in the queue, and no process works it: wfe-mcp watch {run}" in cli("doctor").out
    assert cli("watch", run).code == 0
    assert cli.state(run) == "completed"


def test_an_approval_says_when_nothing_works_what_comes_next(cli: Terminal) -> None:
    cli.save(template("release", phase("plan", HUMAN), STEPS))
    run = cli.start("release")
    assert cli.submit_work(run, "plan").code == 0
    answer = cli("approve", run, "plan", pin=PIN)
    assert '"A release" waits for a worker: none runs.' in answer.out
    assert f"{NO_WORKER} {run}\n" in answer.out
    assert answer.err.endswith(f"Next: wfe-mcp watch {run}\n")


def test_a_living_server_or_worker_of_the_project_counts_and_a_dead_one_does_not(cli: Terminal, engine: Engine) -> None:
    cli.save(template("stepped", STEPS))
    run = cli.start("stepped")
    me = this_process()
    dead = ProcessRecord(me.host, me.pid, me.started_at - 1000, "serve", project_id=engine.project_id)
    other = ProcessRecord(me.host, me.pid, me.started_at, "serve", project_id="another")
    ours = ProcessRecord(me.host, me.pid, me.started_at, "serve", project_id=engine.project_id)
    everywhere = ProcessRecord(me.host, me.pid, me.started_at, "worker")
    found: list[bool] = []
    for each in (dead, other, ours, everywhere):
        with engine.store.tx() as tx:
            tx.processes.forget_all()
            tx.processes.register(each)
        found.append(NO_WORKER in cli("status", run).out)
    assert found == [True, True, False, False]
    assert "steps running" in cli("status", run).out


def test_the_holder_of_a_running_job_counts(cli: Terminal, engine: Engine) -> None:
    cli.save(template("stepped", STEPS))
    run = cli.start("stepped")
    neighbour = Neighbour.begin(engine.identity.host)
    with engine.store.tx() as tx:
        assert tx.jobs.claim(neighbour.holder, [f"step:{engine.project_id}"], 60, cli.clock())
    assert NO_WORKER not in cli("status", run).out
    neighbour.end()
    assert parse_holder(neighbour.holder)
    assert NO_WORKER in cli("status", run).out


def test_a_run_that_another_one_blocks_waits_for_that_run_and_says_so_once(cli: Terminal, engine: Engine) -> None:
    cli.save(template("code", phase("build", CHECK), phase("docs", CHECK, needs=[])))
    first, second = cli.start("code"), cli.start("code")
    neighbour = Neighbour.begin(engine.identity.host)
    beside = create_engine(project_at(cli.root), clock=cli.clock, holder=neighbour.holder)
    answers.start_phase(beside, AGENT, first, "build")
    shown, listed = cli("status", second), cli.json("list").data["runs"]
    rows = {row["run"]: (row["waiting_on"], row["waits_for"]) for row in listed}
    beside.close()
    neighbour.end()
    assert shown.out.startswith(f'{second} "A code #2": waiting for run {first}, ')
    assert shown.out.count(f"  ! Run {first} works in this folder: ") == 1, "not for each of its phases"
    assert "gates running" not in shown.out
    assert rows[second] == ("job", f"run {first}")


def test_a_run_that_its_agent_paused_in_the_middle_of_a_phase_names_the_command_that_resumes_it(
    cli: Terminal, engine: Engine
) -> None:
    run = cli.start("note")
    answers.start_phase(engine, AGENT, run, "draft")
    answers.control_run(engine, AGENT, run, "pause")
    shown = cli("status", run)
    assert shown.out.startswith(f'{run} "A note": paused, ')
    assert "You have nothing to do" not in shown.out
    assert shown.err == f"Next: wfe-mcp resume {run}\n"


def test_a_person_goes_back_over_a_phase_that_another_process_holds(
    cli: Terminal, engine: Engine, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    neighbour = Neighbour.begin(engine.identity.host)
    beside = create_engine(project_at(cli.root), clock=cli.clock, holder=neighbour.holder)
    answers.start_phase(beside, AGENT, run, "draft")
    refused = cli.json("undo", run)
    assert refused.refusal == "needs_human"
    assert refused.document["error"]["message"].startswith("Phase 'draft' is held by ")
    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": PIN)
    assert "Undid the start of draft" in cli("undo", run).out
    beside.close()
    neighbour.end()


def test_a_person_opens_an_attempt_at_a_phase_that_another_process_holds(
    cli: Terminal, engine: Engine, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("note")
    neighbour = Neighbour.begin(engine.identity.host)
    beside = create_engine(project_at(cli.root), clock=cli.clock, holder=neighbour.holder)
    answers.start_phase(beside, AGENT, run, "draft")
    refused = cli.json("retry", run, "draft")
    assert refused.refusal == "needs_human"
    assert refused.document["error"]["message"].startswith("Phase 'draft' is held by ")
    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": PIN)
    assert "Opened a new attempt at draft" in cli("retry", run, "draft").out
    beside.close()
    neighbour.end()


def test_a_refused_withdrawal_names_the_submitter_and_a_person_opens_the_next_attempt(
    cli: Terminal, engine: Engine, at_terminal: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli.start("code")
    neighbour = Neighbour.begin(engine.identity.host)
    beside = create_engine(project_at(cli.root), clock=cli.clock, holder=neighbour.holder)
    answers.start_phase(beside, AGENT, run, "build")
    answers.submit_artifact(beside, AGENT, run, "build", artifact={"text": "x"})
    refused = cli("reject", run, "build", "--feedback", "too early")
    process = parse_holder(neighbour.holder)
    assert process is not None
    by = f"{AGENT.actor} (process {process.pid} on {process.host})"
    assert refused.err.startswith(f"error: Phase 'build' was submitted by {by}. [leased]\n")
    assert f"wfe-mcp retry {run} build\n" in refused.err
    at_terminal(True)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": PIN)
    assert "Opened a new attempt at build" in cli("retry", run, "build").out
    beside.close()
    neighbour.end()


def test_a_rejection_names_no_process_to_the_person(cli: Terminal, engine: Engine) -> None:
    cli.save(template("release", phase("plan", HUMAN)))
    run = cli.start("release")
    neighbour = Neighbour.begin(engine.identity.host)
    beside = create_engine(project_at(cli.root), clock=cli.clock, holder=neighbour.holder)
    answers.start_phase(beside, AGENT, run, "plan")
    answers.submit_artifact(beside, AGENT, run, "plan", artifact={"text": "x"})
    rejected = cli("reject", run, "plan", "--feedback", "say more", pin=PIN)
    neighbour.end()
    beside.close()
    assert "attempt 2 has your feedback" in rejected.out
    assert "held by" not in rejected.out


def test_a_question_says_that_nothing_works_the_queue_and_the_wait_works_it(cli: Terminal) -> None:
    each_time = [Turn(text="Because.")] * 5  # the workers that are proposed and followed here may ask, too
    with models(*each_time):
        asked = cli("jobs", "enqueue", "--role", "coder", "Why?")
        job = cli.json("jobs", "list").data["jobs"][0]["job"]
        answer = cli("jobs", "wait", job)
    assert "No process works the queue of this project: wait for the job, or start wfe-mcp worker." in asked.out
    assert asked.err == f"Next: wfe-mcp jobs wait {job}\n"
    assert (answer.code, answer.out) == (0, "Because.\n")


def test_an_outage_gives_its_reason_and_when_it_is_tried_again(cli: Terminal, engine: Engine) -> None:
    out = Turn(status=529)
    with models(out, out, out, DONE, extra='[outage]\nwait = "30m"\n'):
        run = cli.start("note", "--driver", "coder")
        worker = new_worker(engine)
        at = cli.clock.now
        for _ in range(9):
            if cli.json("status", run).document["run_state"] == "paused":
                break
            at = cli.clock.now + timedelta(minutes=30)
            worker.work_one()
            cli.clock.forward(seconds=100)
        worker.stop()
        shown, listed = cli("status", run), cli("list")
    assert "A provider does not answer: " in shown.out
    assert f"It is tried again at {at:%Y-%m-%d %H:%M:%S} UTC; at once with: wfe-mcp resume {run}" in shown.out
    assert "You have nothing to do" not in shown.out
    assert f"Next: wfe-mcp watch {run}\n" in shown.err, "the timer needs a process, and none runs"
    assert "a worker: none runs" in listed.out


def test_stuck_runs_are_named_by_status_and_doctor(cli: Terminal) -> None:
    cli.save(template("strict", phase("build", CHECK, on_fail=[{"do": "block"}])))
    stopped = cli.start("strict")
    assert cli.submit_work(stopped, "build").code == 1

    found = cli.json("status")
    assert found.document["summary"].endswith("; 1 stopped run of this project waits for the user")
    assert [(row["run"], row["waiting_on"]) for row in found.data["runs"]] == [(stopped, "human")]
    assert stopped in cli("status").out
    assert f"1 run ({stopped}): wfe-mcp inbox" in cli("doctor").out

    one = cli.start("note")
    (warning,) = cli.json("status").data["warnings"]
    assert warning == f"1 stopped run of this project waits for the user: {stopped}. See: wfe-mcp inbox"
    other = cli.start("note")
    assert {row["run"] for row in cli.json("status").data["runs"]} == {stopped, one, other}


def test_a_refused_submission_leaves_the_phase_that_it_claimed_to_the_agent(cli: Terminal) -> None:
    run = cli.start("note")
    (cli.root / "bad.json").write_text('{"text": 1}')
    refused = cli("submit", run, "draft", "--path", "bad.json")
    assert "Attempt 1 has 4 tries left.\nNext: wfe-mcp submit" in refused.err
    assert agent(cli, "start_phase", run=run, phase="draft")["state"] == "running"
    assert cli.json("submit", run, "draft", "--path", "bad.json").refusal == "leased", "the agent's stays the agent's"


def test_a_refused_submission_leaves_a_phase_that_its_user_works_to_the_user(cli: Terminal, engine: Engine) -> None:
    run = cli.start("note")
    answers.start_phase(engine, AGENT, run, "draft")  # holder "cli", from an earlier command
    (cli.root / "bad.json").write_text('{"text": 1}')
    assert cli.json("submit", run, "draft", "--path", "bad.json").refusal == "invalid_artifact"
    assert agent(cli, "start_phase", run=run, phase="draft")["error"]["code"] == "leased"


def test_a_refused_submission_of_a_persons_own_phase_is_proved(cli: Terminal) -> None:
    cli.save(template("signed", phase("sign", kind="human")))
    run = cli.start("signed")
    (cli.root / "bad.json").write_text('{"text": 1}')
    assert cli.json("submit", run, "sign", "--path", "bad.json", pin=PIN).refusal == "invalid_artifact"
    assert cli.json("status", run).document["waiting_on"] == "human"
    assert cli("verify", run).code == 0


def test_a_failed_gate_leaves_a_phase_that_the_submission_claimed_to_the_agent(cli: Terminal) -> None:
    never = {"kind": "expr", "assert": "${false}"}
    cli.save(
        template("strict", phase("draft", never, on_fail=[{"do": "retry", "max_attempts": 2}, {"do": "wait_human"}]))
    )
    run = cli.start("strict")
    cli.submit_work(run, "draft")
    assert agent(cli, "status", run=run)["next"][0]["tool"] == "start_phase"
    cli.submit_work(run, "draft")
    assert cli("retry", run, "draft", "--feedback", "Again.", pin=PIN).code == 0
    assert (answer := agent(cli, "start_phase", run=run, phase="draft"))["ok"], answer


def test_a_rejected_submission_leaves_its_phase_to_the_agent(cli: Terminal) -> None:
    cli.save(template("asked", phase("draft", HUMAN)))
    run = cli.start("asked")
    cli.submit_work(run, "draft")
    assert cli("reject", run, "draft", "--feedback", "Shorter.", pin=PIN).code == 0
    assert (answer := agent(cli, "start_phase", run=run, phase="draft"))["ok"], answer
