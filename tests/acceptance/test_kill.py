"""Recovery after kill -9.

Nothing acknowledged is lost, no state is half written, the next server continues, and a check that was running runs again.
"""

import random
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import (
    BUGGED,
    PROBLEM,
    PROOF,
    QUICK_FIX,
    SHOWN,
    WHOLE,
    Acknowledged,
    event_types,
)
from wfe_mcp.core.errors import Refused
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.testing.agent import Work, drive, resume
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import HANDSHAKE, MODERN, ServerGone, StdioClient
from wfe_mcp.workspace.system.process import started_at

KILLS = 50 if WHOLE else 6
WARM_S = 0.6
"""A server that has answered once works a whole run in about this time."""

WAITS_ONCE = """
import pathlib, sys, time
log = pathlib.Path(sys.argv[1])
first = not log.exists()
with log.open("a") as out:
    out.write("began\\n")
for _ in range(1200 if first else 0):
    time.sleep(0.05)
with log.open("a") as out:
    out.write("ended\\n")
print("FAILED tests/test_calc.py::TestAdd::test_one_and_two - -1 != 3\\n1 failed in 0.1s")
sys.exit(1)
"""

WAITS_LONG = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
for _ in range(1200):
    time.sleep(0.05)
"""


def test_a_server_killed_at_any_moment_leaves_no_half_state_and_loses_nothing_acknowledged(bugged: Playground):
    rng = random.Random(20261120)
    script = {phase: [*works] * 60 for phase, works in QUICK_FIX.items()}
    kept = Acknowledged(bugged)
    runs: list[str] = []
    completed = killed = 0
    while killed < KILLS:
        if len(runs) == completed:
            bugged.write(BUGGED)
        with bugged.server(rng.choice([HANDSHAKE, MODERN])) as agent, Doom(agent) as doom, suppress(ServerGone):
            if rng.random() < 0.8:
                agent.call("status")
            doom.comes_in(rng.uniform(0, WARM_S))
            if len(runs) == completed:
                runs.append(agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"])
            played = resume(kept.of(agent.call), bugged.root, runs[-1], script, person=Persistent(bugged))
            completed += played.last["run_state"] == "completed"
        killed += doom.came
        assert [problem for run in runs for problem in bugged.problems(run)] == []
        assert kept.lost() == []

    with bugged.server() as agent:
        for run in runs:
            last = resume(kept.of(agent.call), bugged.root, run, script, person=Persistent(bugged)).last
            assert last["run_state"] == "completed"
            assert event_types(bugged, run).count("RunCompleted") == 1
            assert bugged.problems(run) == []
            hits = agent.call("find", query=f'"{PROOF["why"]}"', kind="artifact", run=run)["data"]["hits"]
            assert "reproduce" in {hit["phase"] for hit in hits}, "what was acknowledged is found, too"
        bugged.write(BUGGED)
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        resume(kept.of(agent.call), bugged.root, run, script, person=Persistent(bugged))
    assert len(kept) >= 2, "the last run was acknowledged"
    assert kept.lost() == []


def test_a_check_that_ran_when_the_server_was_killed_runs_again(play: MakePlayground, tmp_path: Path):
    log, program = tmp_path / "check.log", tmp_path / "check.py"
    program.write_text(WAITS_ONCE, encoding="utf-8")
    playground = play(BUGGED, {"test": [sys.executable, str(program), str(log)]})

    with playground.server() as agent:
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        agent.call("start_phase", run=run)
        agent.begin("submit_artifact", run=run, phase="reproduce", artifact=PROOF)
        _wait_until_it_began(log)
        agent.kill()
    with playground.server() as agent:
        answer = agent.call("status", run=run, wait_s=45)

    assert log.read_text(encoding="utf-8").split() == ["began", "began", "ended"]
    assert event_types(playground, run, "reproduce").count("RevisionSubmitted") == 1
    assert event_types(playground, run, "reproduce").count("GateJudged") == 2, "the files, and the check once"
    assert [one["phase"] for one in answer["data"]["phases"]] == ["fix"]
    assert playground.problems(run) == []


@pytest.mark.parametrize("words", ["cancel {run}", "jobs cancel {job}", "retry {run} reproduce"])
def test_a_check_that_outlived_its_server_ends_when_it_is_not_needed_any_more(
    play: MakePlayground, tmp_path: Path, words: str
):
    log = tmp_path / "check.pid"
    playground = play(BUGGED, {"test": [sys.executable, "-c", WAITS_LONG, str(log)]})

    with playground.server() as agent:
        run = agent.call("start_run", template="quick_fix", inputs=PROBLEM)["run"]
        agent.call("start_phase", run=run)
        agent.begin("submit_artifact", run=run, phase="reproduce", artifact=PROOF)
        _wait_until_it_began(log)
        agent.kill()
    check = int(log.read_text(encoding="utf-8"))
    assert started_at(check) is not None, "no one is there to end it"
    with playground.engine.store.read() as tx:
        (job,) = [job for job in tx.jobs.running() if job.kind == "gate"]
    argv = words.format(run=run, job=job.id).split()
    subprocess.run(
        [sys.executable, "-m", "wfe_mcp", *argv], cwd=playground.root, env=playground.environment, check=True
    )

    with playground.engine.store.read() as tx:
        now = tx.jobs.get(job.id)
    assert (now and now.status, started_at(check)) == (JobStatus.CANCELLED, None)


def test_a_new_session_reaches_its_next_useful_call_in_two(bugged: Playground):
    with bugged.server() as agent:
        drive(agent.call, bugged.root, "quick_fix", PROBLEM, {"reproduce": [Work(PROOF, SHOWN)], "fix": []}, most=4)
        agent.kill()
    with bugged.server() as agent:
        move = agent.call("status")["next"][0]
        answer = agent.call(move["tool"], **move["args"])

    assert answer["ok"], answer
    assert answer["phase"] == "fix"
    assert answer["next"][0]["tool"] == "submit_artifact"


def test_an_open_question_to_a_person_outlives_the_server(bugged: Playground):
    with bugged.server() as agent:
        played = drive(agent.call, bugged.root, "quick_fix", PROBLEM, QUICK_FIX)
        request = played.last["data"]["request"]
        agent.kill()
    with bugged.server() as agent:
        asked_again = agent.call("approve", run=played.run, phase="fix")
        bugged.approve(played.run, "fix")
        done = agent.call("status", run=played.run)

    assert asked_again["data"]["request"] == request
    assert done["run_state"] == "completed"


class Doom:
    """kill -9, in a while."""

    def __init__(self, agent: StdioClient) -> None:
        self._agent = agent
        self._timer: threading.Timer | None = None
        self.came = False

    def comes_in(self, delay_s: float) -> None:
        self._timer = threading.Timer(delay_s, self._come)
        self._timer.start()

    def _come(self) -> None:
        self.came = True
        self._agent.kill()

    def __enter__(self) -> "Doom":
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()


class Persistent:
    """A person who comes back when the files changed under the question."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground

    def __call__(self, run: str, phase: str) -> None:
        try:
            self._playground.approve(run, phase)
        except Refused as refused:
            assert refused.code in {"stale_revision", "illegal_transition"}


def _wait_until_it_began(log: Path) -> None:
    began = threading.Event()
    for _ in range(600):
        if log.exists() and log.read_text(encoding="utf-8"):
            return
        began.wait(0.05)
    raise AssertionError("the check did not begin within 30 s")
