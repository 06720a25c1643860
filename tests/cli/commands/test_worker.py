"""``wfe-mcp worker`` as a process: runs continue without a server, and its jobs outlive it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wfe_mcp.core.model import By, RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.phases import claim as phases
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.testing.playground import Playground, stand_in
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.config.checks import CheckSettings
from wfe_mcp.workspace.system.process import started_at

AGENT = By()
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
WAITS = "import pathlib, time; pathlib.Path('up').touch()\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")


def until(happens: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def checked(check: str) -> dict[str, Any]:
    """A template with one phase that ``check`` judges."""
    one = {
        "id": "build",
        "prompt": "Build.",
        "output": {"artifact": "note", "schema": TEXT},
        "gates": [{"kind": "command", "check": check}],
        "on_fail": [{"do": "wait_human"}],
    }
    return {"format": "wfe/1", "name": f"run_{check}", "version": "1.0.0", "phases": [one]}


def play(folder: Path) -> Playground:
    """A project whose check ``waits`` for a file."""
    folder.mkdir(exist_ok=True)
    checks = {
        "quick": [sys.executable, "-S", "-c", ""],
        "waits": CheckSettings(argv=[sys.executable, "-S", "-c", WAITS], writes=["up", "go"]),
    }
    made = Playground(folder, files={".gitignore": "up\ngo\n"}, checks=checks)
    for check in checks:
        made.write({f".wfe/templates/run_{check}/template.json": json.dumps(checked(check))})
    made.trust()
    return made


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Playground]:
    with play(tmp_path / "one") as made:
        yield made


@contextmanager
def worker(project: Playground, *options: str) -> Generator[subprocess.Popen[str]]:
    """A worker in a process of its own; it is over at the end of the block."""
    argv = [sys.executable, "-m", "wfe_mcp", "worker", "--json", "--project", str(project.root), *options]
    process = subprocess.Popen(
        argv,
        cwd=project.root,
        env=project.environment | {"PYTHONPATH": str(Path.cwd())},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert "Ctrl-C stops it" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def submit_work(project: Playground, check: str) -> str:
    """A run whose gate waits for someone to run it."""
    run = answers.start_run(project.engine, AGENT, f"run_{check}").run
    assert run is not None
    phases.start_phase(project.engine, AGENT, run, "build")
    answers.submit_artifact(project.engine, By("ada"), run, "build", artifact={"text": "hello"})
    return run


def job(project: Playground, run: str) -> JobRecord:
    with project.engine.store.read() as tx:
        return next(each for each in tx.jobs.filter(RunId(run)) if each.kind == "gate")


def state(project: Playground, run: str) -> str:
    with project.engine.store.read() as tx:
        loaded = tx.runs.load(RunId(run))
    assert loaded is not None
    return str(loaded.state.current(PhasePath("build")).status)


def is_up(project: Playground) -> bool:
    return (project.root / "up").exists()


@POSIX
def test_a_run_continues_with_no_server_alive_and_the_worker_ends_on_request(project: Playground) -> None:
    run = submit_work(project, "quick")
    with worker(project) as process:
        until(lambda: state(project, run) == "completed")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert json.loads(out)["data"] == {"handed_back": 0}


@POSIX
def test_ctrl_c_hands_the_jobs_back_at_once_and_leaves_no_process(project: Playground) -> None:
    run = submit_work(project, "waits")
    with worker(project) as process:
        until(lambda: is_up(project) and job(project, run).child_pid is not None)
        child = job(project, run).child_pid
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["data"]) == (0, {"handed_back": 1}), out
    found = job(project, run)
    assert (found.status, found.lease_owner) == (JobStatus.QUEUED, None)
    assert child is not None and started_at(child) is None
    with project.engine.store.read() as tx:
        assert [each.kind for each in tx.processes.on_host(project.engine.identity.host)] == []


@pytest.mark.requirement("B-27")
def test_the_job_of_a_worker_that_was_killed_is_done_by_the_next_one(project: Playground) -> None:
    run = submit_work(project, "waits")
    with worker(project) as process:
        until(lambda: is_up(project) and job(project, run).child_pid is not None)
        orphan = job(project, run).child_pid
        process.kill()
        process.wait(60)
    assert job(project, run).status is JobStatus.RUNNING
    (project.root / "up").unlink()
    with worker(project):
        until(lambda: is_up(project) and job(project, run).fence == 2)
        assert orphan is not None and started_at(orphan) is None
        (project.root / "go").touch()
        until(lambda: state(project, run) == "completed")


@pytest.mark.requirement("S4-27")
def test_a_job_is_cancelled_from_another_terminal_with_all_it_started(project: Playground) -> None:
    run = submit_work(project, "waits")
    with worker(project):
        until(lambda: is_up(project) and job(project, run).child_pid is not None)
        found = job(project, run)
        child = found.child_pid
        argv = [sys.executable, "-m", "wfe_mcp", "jobs", "cancel", found.id, "--json", "--project", str(project.root)]
        output = subprocess.run(
            argv,
            cwd=project.root,
            env=project.environment | {"PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(output.stdout)["data"]["jobs"] == [{"job": found.id, "state": "cancelling"}]
        until(lambda: job(project, run).status is JobStatus.CANCELLED)
        assert child is not None and started_at(child) is None
    assert state(project, run) == "failed"


def test_a_worker_takes_only_its_own_queues(project: Playground) -> None:
    run = submit_work(project, "quick")
    with worker(project, "--queues", "timer,llm"):
        with project.engine.store.tx() as tx:
            seen = tx.jobs.enqueue(NewJob("step", f"llm:{project.engine.project_id}", {}, max_attempts=1))

        def is_taken() -> bool:
            with project.engine.store.read() as tx:
                found = tx.jobs.get(seen)
            return found is not None and found.started_at is not None

        until(is_taken)
        assert state(project, run) == "gating"


@pytest.mark.parametrize(("queues", "hint"), [("lm", "Did you mean 'llm'?"), (",", "One of: timer, schedule, command")])
def test_a_queue_that_is_none_is_refused(project: Playground, queues: str, hint: str) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", "worker", "--json", "--project", str(project.root), "--queues", queues]
    done = subprocess.run(
        argv,
        cwd=project.root,
        env=project.environment | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done
    assert json.loads(done.stdout)["error"]["hint"].startswith(hint)


def test_one_worker_serves_all_projects_of_the_database(project: Playground, tmp_path: Path) -> None:
    with play(tmp_path / "two") as other:
        other.engine.close()
        other.environment["WFE_DATABASE_URL"] = project.environment["WFE_DATABASE_URL"]
        other.engine = create_engine(other.engine.project, environment=other.environment)
        give_trust(other.engine, stand_in(other.engine), [])
        gone = tmp_path / "gone"
        with other.engine.store.tx() as tx:
            nowhere = tx.projects.id_of(str(gone), str(gone))
            tx.jobs.enqueue(NewJob("gate", f"command:{nowhere}", {}))
        with worker(project, "--all"):
            runs = [(each, submit_work(each, "quick")) for each in (project, other)]
            for each, run in runs:
                until(lambda each=each, run=run: state(each, run) == "completed")
