"""The millionth artifact costs what the first did: nothing that a call needs reads a whole table."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.store.scene import ADA, AGENT, NOW, PLAN, Clock, add_plan, create, fold, new_run, raw
from wfe_mcp.core import events as e
from wfe_mcp.core.model import Assurance, RunId, RunState, RunStatus, Stage
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.calls import CallPurpose, NewCall, NewToolCall, Used
from wfe_mcp.store.records.jobs import ClaimLimits, Limit, NewJob
from wfe_mcp.store.records.runs import DecisionRecord, NewRequest

Statement = tuple[str, Any]


@contextmanager
def statements() -> Generator[list[Statement]]:
    """Every statement that any connection executes meanwhile."""
    seen: list[Statement] = []

    def note(_c: object, _cursor: object, sql: str, values: Any, _context: object, many: bool) -> None:
        seen.append((sql, values[0] if many else values))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def a_phase_with_everything(tx: Tx) -> None:
    new = new_run(tx, "R-1", key="k")
    events = (e.RunStarted(spec=e.RunSpec(()), auto=True, started_at=NOW),)
    tx.runs.for_key(new.project_id, "k", new.args_sha256)
    tx.runs.create(new, fold(RunState(), *events), events, AGENT, NOW)
    loaded = create(tx, "R-2")
    run = loaded.record.id
    tx.runs.load(run)
    tx.runs.revision(run)
    list(tx.runs.holders("/w"))
    tx.runs.open_attempts()
    add_plan(tx, run)
    tx.artifacts.seal(run, PLAN, 1, NOW)
    tx.artifacts.add_refused(run, PLAN, 1, "x", [], NOW)
    claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW)
    tx.runs.save(loaded, fold(loaded.state, claimed), [claimed], AGENT, NOW)
    question = NewRequest(run, PLAN, 1, Stage.AFTER, 1, "ab", Assurance.HUMAN)
    asked = tx.approvals.request(question, NOW)
    tx.approvals.decide(asked.id, DecisionRecord(True, "ada", ADA.channel, ADA.assurance, NOW))
    tx.approvals.void(run, PLAN, 1, NOW)


def a_job(tx: Tx) -> None:
    tx.jobs.enqueue(NewJob("check", "local", {}, dedupe_key="once"))
    job = tx.jobs.claim("a", ["local"], 30, NOW)
    assert job is not None
    tx.jobs.heartbeat(job.id, job.fence, NOW)
    tx.jobs.set_child(job.id, job.fence, 1, 1.0)
    tx.jobs.fail(job.id, job.fence, "no", NOW)
    tx.jobs.request_cancel(run_id=RunId("R-2"))
    tx.jobs.running()
    tx.jobs.filter(RunId("R-2"))
    tx.jobs.filter()
    limits = ClaimLimits({"local": Limit(1, 60)}, {"openai": Limit(1, 60)})
    tx.jobs.is_due(["local"], NOW, limits)
    tx.jobs.filter(queues=["local"], limit=5)
    tx.queues.status(["local"])
    tx.queues.open_names()
    tx.queues.position(job, NOW)
    call = tx.model_calls.begin(
        NewCall(tx.projects.id_of("/p/.git", "/p"), CallPurpose.WORK, "openai", "m", run_id=RunId("R-2"))
    )
    tx.model_calls.end(call, Used())
    tool = tx.tool_calls.begin(NewToolCall(RunId("R-2"), PLAN, 1, "read_file", {}))
    tx.tool_calls.end(tool, "", ok=True, duration_ms=1)


def reading(tx: Tx) -> None:
    project = tx.projects.id_of("/p/.git", "/p")
    page = tx.runs.page(project, limit=1)
    tx.runs.page(project, limit=1, cursor=page.cursor)
    tx.runs.page(project, status=[RunStatus.RUNNING, RunStatus.WAITING], limit=1)
    tx.runs.page(limit=1, cursor=page.cursor)
    tx.runs.open_ids(project)
    tx.runs.find(project, "R-2")
    run = RunId("R-2")
    tx.events.of_run(run, after=1)
    tx.events.replay(run)
    tx.verification.problems(run)
    tx.artifacts.revisions(run, PLAN)
    tx.artifacts.revision(run, PLAN, 1)
    tx.artifacts.last_revisions(run, 50)
    tx.artifacts.contents(run, "plan")
    tx.artifacts.refused_submissions(run, PLAN, 1)
    tx.evidence.of_run(run, PLAN, 1)
    tx.approvals.open_request(run, PLAN, 1)
    tx.approvals.open_requests(run_id=run)
    tx.templates.get(project, "tiny")
    tx.templates.of_project(project)
    tx.templates.versions(project, "tiny")
    tx.templates.marks(project)
    tx.trust.is_given(project, "a", "b")
    tx.secrets.get("pin")
    tx.model_calls.usage(run_id=run, phase=PLAN, attempt=1)
    tx.model_calls.usage(project_id=project, since=NOW)
    tx.model_calls.usage(since=NOW)
    tx.model_calls.filter(run)
    tx.model_calls.newest_models(run)
    tx.tool_calls.filter(run, PLAN, 1)
    tx.model_calls.started_since("openai", NOW)
    tx.model_calls.in_flight("openai", NOW)


@pytest.mark.sqlite_only("the planner of SQLite")
def test_no_statement_of_a_call_reads_a_whole_table(store: Store, url: str) -> None:
    with statements() as seen, store.tx() as tx:
        a_phase_with_everything(tx)
        a_job(tx)
        reading(tx)
    connection = raw(url)
    scans: list[str] = []
    for sql, values in seen:
        if sql.split()[0] in {"SELECT", "UPDATE", "INSERT", "DELETE"}:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            # A list in the order of an index is walked along it, and stops at its limit: "SCAN run USING INDEX".
            scans += [f"{step[-1]}: {sql}" for step in plan if step[-1].startswith("SCAN") and "USING" not in step[-1]]
    connection.close()

    assert len(seen) > 60
    assert [scan for scan in scans if not scan.startswith("SCAN CONSTANT ROW")] == []


@pytest.mark.parametrize("words", ["count(*)", "count(1)"])
def test_nothing_is_counted_row_by_row_but_the_questions_of_one_attempt(store: Store, words: str) -> None:
    with statements() as seen, store.tx() as tx:
        a_phase_with_everything(tx)
        reading(tx)

    assert all("FROM request" in sql for sql, _ in seen if words in sql)


@pytest.mark.sqlite_only("the index of words is one of the statements")
def test_a_state_change_takes_few_round_trips(store: Store, clock: Clock) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
    claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=clock())

    with statements() as seen, store.tx() as tx:
        loaded = tx.runs.load(RunId("R-1"))
        assert loaded is not None
        tx.runs.save(loaded, fold(loaded.state, claimed), [claimed], AGENT, NOW)

    verbs = [sql.split()[0] for sql, _ in seen]
    # The state is known by the hash of the last event; the last one: what is indexed, up to here.
    assert verbs == ["SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"]
