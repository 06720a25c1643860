"""``wfe-mcp jobs`` and ``wfe-mcp stats``: running work, queue positions and cost."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.commands.test_worker import WAITS, until
from tests.cli.scene import CHECK, PIN, Terminal, phase, template
from wfe_mcp.core.model import By, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store.records.calls import CallPurpose, NewCall, Used
from wfe_mcp.store.records.jobs import JobStatus, NewJob
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.location import project_at


@pytest.fixture
def engine(cli: Terminal) -> Iterator[Engine]:
    """The project as a process has it that works no jobs."""
    made = create_engine(project_at(cli.root), clock=cli.clock, holder="cli")
    yield made
    made.close()


def enqueue(engine: Engine, queue: str = "llm", **more: Any) -> str:
    with engine.store.tx() as tx:
        return tx.jobs.enqueue(replace(NewJob("opinion", f"{queue}:{engine.project_id}", {"about": "plan"}), **more))


def gating(cli: Terminal, engine: Engine) -> str:
    """A run whose gate waits for someone to run it."""
    run = cli.start("code")
    phases.start_phase(engine, By(), run, "build")
    answers.submit_artifact(engine, By(), run, "build", artifact={"text": "hello"})
    return run


def called(cli: Terminal, engine: Engine, run: str | None = None, cost: float | None = 0.25, **more: Any) -> None:
    """A call to a model that was made, and what it cost."""
    new = NewCall(engine.project_id, CallPurpose.OPINION, "openai", "gpt-4o", role="second")
    if run:
        new = replace(new, run_id=RunId(run), phase=PhasePath("draft"), attempt=1)
    with engine.store.tx() as tx:
        tx.model_calls.end(tx.model_calls.begin(replace(new, **more)), Used(1, 1000, 200, cost_usd=cost))


@pytest.mark.requirement("S4-27")
def test_jobs_are_listed_newest_first_with_their_turn_and_the_queues(cli: Terminal, engine: Engine) -> None:
    run = gating(cli, engine)
    cli.clock.forward(seconds=1)
    waiting = enqueue(engine)
    found = cli.json("jobs", "list").data
    assert found["jobs"][0]["job"] == waiting
    assert found["jobs"][0]["position"] == 1
    assert found["jobs"][1] | {"job": ""} == {
        "job": "",
        "queue": "command",
        "kind": "gate",
        "state": "queued",
        "priority": "normal",
        "run": run,
        "phase": "build",
        "attempt": 1,
        "position": 1,
        "created_at": "2026-11-20T08:00:00+00:00",
        "does": "runs check test",
        "title": "A code",
    }
    assert {each["queue"]: each["waiting"] for each in found["queues"]} == {"command": 1, "llm": 1}

    assert [each["kind"] for each in cli.json("jobs", "list", "--queue", "llm").data["jobs"]] == ["opinion"]
    assert [each["kind"] for each in cli.json("jobs", "list", "--run", run).data["jobs"]] == ["gate"]
    assert len(cli.json("jobs", "list", "--limit", "1").data["jobs"]) == 1
    assert cli.json("jobs", "list", "--status", "done,failed").data["jobs"] == []
    lines = cli("jobs", "list").out
    assert "opinion" in lines and "POSITION" in lines and "AVERAGE RUN" in lines
    short = lines.splitlines()[1].partition("  ")[0]
    assert (short, cli.json("jobs", "show", short).data["job"]) == (waiting[:12], waiting)


def test_a_job_is_shown_with_what_it_was_given_and_what_came_of_it(cli: Terminal, engine: Engine) -> None:
    job = enqueue(engine, priority=10)
    with engine.store.tx() as tx:
        claimed = tx.jobs.claim("another:1:1.000", [f"llm:{engine.project_id}"], 60, cli.clock())
        assert claimed is not None
        cli.clock.forward(seconds=12)
        tx.jobs.finish(claimed.id, claimed.fence, {"verdict": "pass"})
    found = cli.json("jobs", "show", job[:14]).data
    assert (found["state"], found["priority"], found["payload"]) == ("done", "critical", {"about": "plan"})
    assert (found["result"], found["ran_s"], found["waited_s"]) == ({"verdict": "pass"}, 12.0, 0.0)
    assert "result: {'verdict': 'pass'}" in cli("jobs", "show", job).out


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["jobs", "show", "nope"], "This project has no job 'nope'."),
        (["jobs", "cancel"], "No job is named."),
        (["jobs", "list", "--status", "runing"], "'runing' is not a status of a job."),
        (["jobs", "list", "--queue", "lmm"], "There is no queue 'lmm'."),
    ],
)
def test_what_cannot_be_found_is_refused(cli: Terminal, words: list[str], answer: str) -> None:
    found = cli.json(*words)
    assert (found.code, found.refusal, found.document["error"]["message"]) == (1, "bad_argument", answer)


def test_a_cancelled_gate_is_an_error_of_the_gate(cli: Terminal, engine: Engine) -> None:
    run = gating(cli, engine)
    (gate,) = cli.json("jobs", "list").data["jobs"]
    document = cli.json("jobs", "cancel", gate["job"], "--reason", "wrong machine")
    assert document.data["jobs"] == [{"job": gate["job"], "state": "cancelled"}]
    blockers = cli.json("status", run).data["blockers"]
    assert "cancelled by ada: wrong machine" in blockers[0]
    assert cli.json("jobs", "cancel", gate["job"]).refusal == "illegal_transition"


def test_all_work_of_a_run_is_cancelled_at_once(cli: Terminal, engine: Engine) -> None:
    run = gating(cli, engine)
    enqueue(engine)
    assert [each["state"] for each in cli.json("jobs", "cancel", "--run", run).data["jobs"]] == ["cancelled"]
    assert [each["kind"] for each in cli.json("jobs", "list", "--status", "queued").data["jobs"]] == ["opinion"]
    assert cli("jobs", "cancel", "--run", run).out.startswith("No queued or running job.")


def test_all_work_of_the_project_is_cancelled_at_once(cli: Terminal, engine: Engine) -> None:
    gating(cli, engine)
    enqueue(engine)
    assert len(cli.json("jobs", "cancel", "--all").data["jobs"]) == 2
    assert cli.json("jobs", "list", "--status", "queued,running").data["jobs"] == []


def test_a_list_that_leaves_jobs_out_says_so(cli: Terminal, engine: Engine) -> None:
    for _ in range(3):
        enqueue(engine)
    assert "The newest 2 jobs; --limit N shows more." in cli("jobs", "list", "--limit", "2").out
    for limit in ("3", "20"):
        assert "--limit" not in cli("jobs", "list", "--limit", limit).out


@pytest.mark.requirement("S4-27")
def test_waiting_for_a_job_shows_how_it_ended(cli: Terminal, engine: Engine) -> None:
    jobs = {enqueue(engine) for _ in range(3)}
    with engine.store.tx() as tx:
        for is_good in (True, False):
            job = tx.jobs.claim("another:1:1.000", [f"llm:{engine.project_id}"], 60, cli.clock())
            assert job is not None
            end = (
                tx.jobs.finish(job.id, job.fence, {}) if is_good else tx.jobs.fail(job.id, job.fence, "no route", None)
            )
            assert end
    ended = {each["job"]: each["state"] for each in cli.json("jobs", "list").data["jobs"]}
    assert sorted(ended.values()) == ["done", "failed", "queued"]
    for job_id, state in ended.items():
        document = cli.json("jobs", "wait", job_id, "--timeout", "0")
        assert (document.code, document.data["state"]) == (0 if state == "done" else 1, state)
    assert jobs == set(ended)


def test_a_running_job_is_asked_to_stop(cli: Terminal, engine: Engine) -> None:
    job = enqueue(engine)
    with engine.store.tx() as tx:
        tx.jobs.claim("another:1:1.000", [f"llm:{engine.project_id}"], 60, cli.clock())
    assert cli.json("jobs", "cancel", job).data["jobs"] == [{"job": job, "state": "cancelling"}]
    with engine.store.read() as tx:
        found = tx.jobs.get(job)
    assert found is not None and found.status is JobStatus.RUNNING and found.cancel_reason == "it was cancelled by ada"
    assert cli.json("jobs", "show", job).data["cancelling"] is True


# what models cost


def test_stats_add_up_by_template_role_model_and_day(cli: Terminal, engine: Engine) -> None:
    run = cli.start("note")
    called(cli, engine, run)
    cli.clock.forward(days=1)
    called(cli, engine, cost=None, model="own", role="author")
    found = cli.json("stats").data
    assert found["total"] == {"calls": 2, "cost_usd": 0.25, "input_tokens": 2000, "output_tokens": 400, "unpriced": 1}
    assert [(each["template"], each["cost_usd"]) for each in found["by_template"]] == [("note", 0.25), ("", 0)]
    assert [each["model"] for each in found["by_model"]] == ["gpt-4o", "own"]
    assert [each["role"] for each in found["by_role"]] == ["second", "author"]
    assert [each["day"] for each in found["by_day"]] == ["2026-11-21", "2026-11-20"]
    assert cli.json("stats", "--since", "2h").data["total"]["calls"] == 1

    lines = cli("stats").out
    assert lines.startswith("2 model calls, $0.25, 2,400 tokens. ")
    assert "without a known price" in lines and "2026-11-20" in lines


def test_stats_of_all_projects_count_the_others_too(cli: Terminal, engine: Engine) -> None:
    with engine.store.tx() as tx:
        other = tx.projects.id_of("/other", "/other")
        tx.model_calls.begin(NewCall(other, CallPurpose.TEST, "openai", "gpt-4o", reserved_usd=0.05))
    assert cli.json("stats").data["total"] == {"calls": 0, "cost_usd": 0}
    assert cli.json("stats", "--all").data["total"]["in_flight"] == 1
    assert "up to $0.05" in cli("stats", "--all").out


def test_status_and_show_give_what_a_run_has_spent_of_its_cap(cli: Terminal, engine: Engine) -> None:
    cli.save(template("dear", phase("draft"), limits={"max_cost": 2.0}))
    run = cli.start("dear")
    assert "spent" not in cli.json("status", run).data
    called(cli, engine, run)
    assert cli.json("status", run).data["spent"] == "$0.25 of $2.00, 1,200 tokens"
    assert "$0.25 of $2.00" in cli("status", run).out
    found = cli.json("show", run).data
    assert found["usage"]["cost_usd"] == 0.25
    assert found["usage"]["by_phase"] == [
        {"phase": "draft", "calls": 1, "cost_usd": 0.25, "input_tokens": 1000, "output_tokens": 200}
    ]
    assert "draft: $0.25, 1,200 tokens, 1 call" in cli("show", run).out


def test_dollars_of_which_calls_are_left_out_say_so_beside_their_cap(cli: Terminal, engine: Engine) -> None:
    cli.save(template("dear", phase("draft"), limits={"max_cost": 2.0}))
    run = cli.start("dear")
    called(cli, engine, run, cost=None, model="own")
    assert "  models: $0.00 of $2.00, 1,200 tokens, 1 call without a known price\n" in cli("status", run).out


def test_a_person_raises_what_a_run_may_spend_and_continues(cli: Terminal, engine: Engine) -> None:
    run = cli.start("note")
    called(cli, engine, run)
    cli.json("pause", run)
    assert cli.json("resume", run, "--max-cost", "5").refusal == "needs_human"
    assert cli.json("resume", run, "--max-cost", "-1", pin=PIN).refusal == "bad_argument"
    assert cli.json("resume", run, "--max-cost", "5", "--max-tokens", "90000", pin=PIN).code == 0
    assert cli.json("status", run).data["spent"] == "$0.25 of $5.00, 1,200 of 90,000 tokens"


@pytest.mark.requirement("S4-27")
def test_a_question_is_enqueued_with_its_priority_and_listed(cli: Terminal) -> None:
    (cli.root / "question.md").write_text("What is missing in the plan?")
    first = cli.json("jobs", "enqueue", "--role", "claude-code", "Why?").data
    second = cli.json("jobs", "enqueue", "--role", "claude-code", "--path", "question.md", "--priority", "high").data
    assert (first["position"], second["position"]) == (1, 1)
    rows = cli.json("jobs", "list").data["jobs"]
    assert {row["job"]: (row["kind"], row["priority"], row["position"]) for row in rows} == {
        first["job"]: ("question", "normal", 2),
        second["job"]: ("question", "high", 1),
    }
    assert "high" in cli("jobs", "list").out
    assert cli.json("jobs", "show", second["job"]).data["payload"]["question"] == "What is missing in the plan?"
    assert cli.json("jobs", "cancel", first["job"], second["job"]).code == 0


@pytest.mark.parametrize("words", [(), ("Why?", "--path", "question.md"), ("--path", "absent.md"), ("--path", "bytes")])
def test_a_question_is_a_text_or_a_file_that_can_be_read(cli: Terminal, words: tuple[str, ...]) -> None:
    (cli.root / "bytes").write_bytes(b"\xff\xfe")
    document = cli.json("jobs", "enqueue", "--role", "claude-code", *words)
    assert (document.code, document.refusal) == (1, "bad_argument")


def test_waiting_for_an_answer_prints_it(cli: Terminal, engine: Engine) -> None:
    job = cli.json("jobs", "enqueue", "--role", "codex", "Why?").data["job"]
    with engine.store.tx() as tx:
        claimed = tx.jobs.claim("another:1:1.000", [f"agent:{engine.project_id}"], 60, cli.clock())
        assert claimed is not None
        assert tx.jobs.finish(claimed.id, claimed.fence, {"text": "Because.", "provider": "codex", "model": "m"})
    answer = cli("jobs", "wait", job)
    assert (answer.code, answer.out) == (0, "Because.\n")


def test_a_job_in_a_queue_of_a_newer_version_is_listed_named_and_cancelled(cli: Terminal, engine: Engine) -> None:
    job = enqueue(engine, "newer", kind="newer")

    listed = cli.json("jobs", "list").data
    assert [(row["job"], row["queue"]) for row in listed["jobs"]] == [(job, "newer")]
    assert [(queue["queue"], queue["waiting"]) for queue in listed["queues"]] == [("newer", 1)]
    assert f"wfe-mcp jobs cancel {job}" in cli("doctor").out
    assert cli("jobs", "cancel", job).code == 0
    assert cli.json("jobs", "show", job).data["state"] == "cancelled"


def test_a_command_that_waited_for_a_job_ends_after_the_step_that_it_began(
    cli: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = cli.root / ".wfe" / "config.toml"
    config.write_text(config.read_text() + f"[checks.slow]\nargv = {json.dumps([sys.executable, '-S', '-c', WAITS])}\n")
    assert cli("trust", "--yes", pin=PIN).code == 0
    cli.save(template("out", {"id": "go", "kind": "steps", "steps": [{"id": "slow", "check": "slow"}]}))
    run = cli.start("out")
    finish = Worker.finish

    def let_the_step_end(*arguments: Any) -> None:
        until((cli.root / "up").exists)
        (cli.root / "go").touch()
        finish(*arguments)

    monkeypatch.setattr(Worker, "finish", let_the_step_end)
    (files,) = cli.json("jobs", "list", "--run", run).data["jobs"]
    assert files["kind"] == "files"
    assert cli.json("jobs", "wait", files["job"]).data["state"] == "done"
    step = {job["kind"]: job["job"] for job in cli.json("jobs", "list", "--run", run).data["jobs"]}["step"]
    shown = cli.json("jobs", "show", step).data
    assert (shown["state"], shown["tries"]) == ("done", 1)


def test_a_submission_that_waits_for_its_gates_begins_no_step(cli: Terminal) -> None:
    go: dict[str, Any] = {
        "id": "go",
        "kind": "steps",
        "needs": [],
        "steps": [{"id": "say", "builtin": "log", "params": {}}],
    }
    cli.save(template("out", go, phase("note", CHECK, needs=[]), limits={"max_parallel": 2}))
    run = cli.start("out")
    (cli.root / "ok").touch()
    assert cli.submit_work(run, "note").document["state"] == "completed"
    states = {job["kind"]: job["state"] for job in cli.json("jobs", "list", "--run", run).data["jobs"]}
    assert states == {"step": "queued", "gate": "done"}
