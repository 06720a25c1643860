"""What is written is the same on both databases: rows, logs, hashes and seals, so that a run can move from one to the other."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.store.scene import ADA, AGENT, NOW, PLAN, Clock, add_plan, create, fold
from wfe_mcp.core import events as e
from wfe_mcp.core.model import Assurance, RunId, Stage
from wfe_mcp.store import Store
from wfe_mcp.store.records.calls import CallPurpose, NewCall, NewToolCall, Used
from wfe_mcp.store.records.runs import DecisionRecord, EvidenceRecord, NewRequest

RUN = RunId("R-1")
SECTIONS = ("events", "revisions", "refused", "evidence", "requests", "decisions", "model_calls", "tool_calls")


def played(store: Store) -> tuple[list[Any], ...]:
    """A run with a row of most tables, as export reads it, and what verify finds."""
    with store.tx() as tx:
        loaded = create(tx, RUN)
        project = loaded.record.project_id
        add_plan(tx, RUN, "größe \U0001f600 \\u0000")
        tx.artifacts.add_refused(RUN, PLAN, 1, "x", [], NOW)
        data = {"check": "unit", "passed": True, "tests": {"skipped": 2}, "seconds": 0.1}
        at = NOW + timedelta(microseconds=7)
        evidence = EvidenceRecord("ev-1", RUN, PLAN, 1, 1, Stage.AFTER, 0, "command", None, None, None, None, at, data)
        tx.evidence.add(evidence)
        question = NewRequest(RUN, PLAN, 1, Stage.AFTER, 1, "ab", Assurance.HUMAN, expires_at=NOW + timedelta(days=1))
        asked = tx.approvals.request(question, NOW)
        tx.approvals.decide(asked.id, DecisionRecord(True, "ada", ADA.channel, ADA.assurance, NOW, "yes"))
        call = tx.model_calls.begin(
            NewCall(project, CallPurpose.WORK, "openai", "m", run_id=RUN, job_id="j", phase=PLAN)
        )
        tx.model_calls.end(call, Used(1, 10, 20, cost_usd=0.3))
        tool = tx.tool_calls.begin(NewToolCall(RUN, PLAN, 1, "read_file", {"path": "a"}, job_id="j"))
        tx.tool_calls.end(tool, "out", ok=True, duration_ms=3)
        tx.seals.keep_calls(RUN, PLAN, 1, "j")
        claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder="h", started_at=NOW)
        tx.runs.save(loaded, fold(loaded.state, claimed), [claimed], AGENT, NOW)
    with store.read() as tx:
        rows = [list(tx.bundles.rows(section, RUN)) for section in SECTIONS]
        skipped = tx.evidence.skipped_before(project, RunId("R-2"), "unit", NOW + timedelta(days=1), NOW)
        listed = [
            *tx.model_calls.usage_by("day"),
            skipped,
            tx.runs.weakened_gates([RUN]),
            tx.runs.to_tend(project, NOW),
        ]
        return (*rows, listed, list(tx.verification.problems(RUN)))


def test_a_run_has_the_same_rows_hashes_and_seals_on_both(postgres_url: str, tmp_path: Path) -> None:
    found: list[tuple[list[Any], ...]] = []
    for url in (f"sqlite:///{tmp_path / 'state.db'}", postgres_url):
        numbers = iter(range(100))
        store = Store.open(url, clock=Clock(), new_id=lambda numbers=numbers: f"id{next(numbers)}")
        found.append(played(store))
        store.close()

    on_file, on_server = found
    assert on_server == on_file
    assert all(on_file[:-1])
    assert on_file[-1] == []


def test_gates_are_counted_beside_a_run_whose_state_is_no_json(postgres_url: str) -> None:
    store = Store.open(postgres_url, clock=Clock(), new_id=iter(map(str, range(100))).__next__)
    with store.tx() as tx:
        create(tx, RUN)
        create(tx, RunId("R-2"))
        statement = text("UPDATE wfe.run SET state = :state WHERE id = :run")
        weaker = '{"gates":[{"weakens":true}]}'
        for run, state in ((RUN, "{{"), ("R-2", weaker)):
            tx.runs.shared.connection.execute(statement, {"run": run, "state": state})
    with store.read() as tx:
        assert tx.runs.weakened_gates([RUN, RunId("R-2")]) == {"R-2": 1}
    store.close()
