"""Phases that are open at the same time, and timeouts."""

import sys
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import event_types, template
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.background import daemon as work
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.testing.playground import Playground
from wfe_mcp.views.answers import tool_answers as answers

NOTE: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string"}},
}
ASK = {"kind": "approval", "assurance": "human"}
CHECK = {"kind": "command", "check": "ok", "expect": {"exit_code": 0}}


def phase(name: str, *gates: dict[str, Any], **keys: Any) -> dict[str, Any]:
    output = {"artifact": f"{name}_note", "schema": NOTE}
    return {"id": name, "needs": [], "prompt": f"Write {name}.", "output": output, "gates": list(gates), **keys}


def pair(name: str, *phases: dict[str, Any]) -> dict[str, Any]:
    about = {"format": "wfe/1", "name": name, "version": "1.0.0", "title": name, "inputs": {"type": "object"}}
    return {**about, "limits": {"max_parallel": 2}, "phases": list(phases)}


def submit(agent: Any, run: str, name: str) -> dict[str, Any]:
    return agent.call("submit_artifact", run=run, phase=name, artifact={"text": name})


def test_two_open_phases_do_not_void_each_others_evidence_but_a_decision_is_about_the_files_of_both(
    play: MakePlayground, tmp_path: Path
):
    says = {"kind": "expr", "assert": "${1 == 1}"}
    playground = play(templates=[template(tmp_path, pair("two", phase("left", says, ASK), phase("right", says, ASK)))])

    with playground.agent() as one, playground.server() as other:
        run = one.call("start_run", template="two")["run"]
        one.call("start_phase", run=run, phase="left")
        other.call("start_phase", run=run, phase="right")
        playground.write({"left.txt": "left"})
        assert submit(one, run, "left")["state"] == "awaiting"
        one.call("approve", run=run, phase="left")
        playground.write({"right.txt": "right"})
        assert submit(other, run, "right")["state"] == "awaiting"
        with pytest.raises(Refused, match=r"right\.txt changed since the approval of 'left' was asked for") as refused:
            playground.approve(run, "left")
        assert refused.value.code == "stale_revision"
        playground.approve(run, "left")
        playground.approve(run, "right")
        done = one.call("status", run=run)

    assert done["run_state"] == "completed"
    for name in ("left", "right"):
        types = event_types(playground, run, name)
        assert (types.count("GateJudged"), types.count("ApprovalGiven"), types.count("TreeChanged")) == (1, 1, 0)
    assert playground.problems(run) == []


def test_phases_whose_gates_read_the_files_have_them_one_after_the_other(play: MakePlayground, tmp_path: Path):
    folder = template(tmp_path, pair("files", phase("left", CHECK, ASK), phase("right", CHECK)))
    playground = play(checks={"ok": [sys.executable, "-c", ""]}, templates=[folder])

    with playground.agent() as one, playground.server() as other:
        run = one.call("start_run", template="files")["run"]
        one.call("start_phase", run=run, phase="left")
        refused = other.call("start_phase", run=run, phase="right")
        submit(one, run, "left")
        still_refused = other.call("start_phase", run=run, phase="right")
        playground.approve(run, "left")
        begun = other.call("start_phase", run=run, phase="right")
        playground.write({"right.txt": "right"})
        done = submit(other, run, "right")

    assert (refused["error"]["code"], still_refused["error"]["code"]) == ("leased", "leased")
    assert begun["ok"], begun
    assert done["run_state"] == "completed"
    assert event_types(playground, run, "left").count("GateJudged") == 1
    assert "TreeChanged" not in event_types(playground, run)


def test_files_that_change_under_a_question_are_tested_again_before_the_yes_counts(
    play: MakePlayground, tmp_path: Path
):
    folder = template(tmp_path, pair("late", phase("only", CHECK, ASK)))
    playground = play(checks={"ok": [sys.executable, "-c", ""]}, templates=[folder])

    with playground.agent() as agent:
        run = agent.call("start_run", template="late")["run"]
        agent.call("start_phase", run=run)
        submit(agent, run, "only")
        playground.write({"late.txt": "not what was tested"})
        with pytest.raises(Refused) as refused:
            playground.approve(run, "only")
        while agent.call("status", run=run, wait_s=45)["waiting_on"] == "job":
            pass
        playground.approve(run, "only")

    assert refused.value.code == "stale_revision"
    assert event_types(playground, run, "only").count("GateJudged") == 2
    assert playground.problems(run) == []


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def slow(play: MakePlayground, tmp_path: Path) -> Generator[tuple[Playground, Engine, Clock]]:
    """A playground with a phase that may take a minute, and an engine whose clock the test holds."""
    folder = template(tmp_path, pair("slow", phase("only", timeout="1m", retry={"max_attempts": 2})))
    playground = play(templates=[folder])
    clock = Clock()
    engine = create_engine(playground.engine.project, environment=playground.environment, clock=clock)
    yield playground, engine, clock
    engine.close()


def test_a_phase_that_runs_out_of_time_fails_and_its_drafts_stay_readable(slow: tuple[Playground, Engine, Clock]):
    playground, engine, clock = slow
    by = By()
    run = answers.start_run(engine, by, "slow").run
    assert run is not None
    answers.start_phase(engine, by, run)
    with pytest.raises(Refused):
        answers.submit_artifact(engine, by, run, "only", artifact={"txt": "half a draft"})
    failed = threading.Event()
    engine.listeners.append(lambda run: failed.set() if "AttemptFailed" in event_types(playground, run) else None)
    clock.now += timedelta(seconds=61)
    worker = work.start_worker(engine)
    try:
        assert failed.wait(120)
    finally:
        worker.stop()
    (draft,) = answers.read_artifact(engine, by, run).data["drafts"]
    read = answers.read_artifact(engine, by, run, phase="only", artifact=draft["artifact"]).data

    assert "half a draft" in str(read)
    with engine.store.read() as tx:
        first, second = engine.load(tx, run).state.attempts[PhasePath("only")]
    assert first.fail_kind is FailKind.TIMEOUT
    assert (second.number, second.status) == (2, AttemptStatus.READY)
    assert playground.problems(run) == []
