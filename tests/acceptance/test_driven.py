"""Models complete runs in real processes: unattended, through kill -9, within a cap, through an outage, until cancelled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import MakePlayground
from tests.acceptance.scene import BUGGED, PROBLEM, event_types, whole_only
from tests.acceptance.test_role_pipeline import GOAL, TEAM
from tests.fake_models.process import ModelProcess, models_running
from wfe_mcp.core.model import RunId
from wfe_mcp.resources import shipped_folder
from wfe_mcp.store.records.calls import CallRecord, CallStatus
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.testing.playground import Playground
from wfe_mcp.testing.stdio_client import StdioClient
from wfe_mcp.workflow.load import load_definition

HOLD: dict[str, Any] = {"hold": True}
PASS: dict[str, Any] = {"value": {"verdict": "pass", "findings": [], "summary": "fine"}}
SPEC = {
    "title": "calc",
    "goal": "add() adds",
    "requirements": [{"id": "R-1", "text": "add(1, 2) is 3"}],
    "acceptance": ["add(1, 2) is 3"],
}
PLAN = {"steps": [{"id": "S-1", "title": "Mend add()", "acceptance": ["add(1, 2) is 3"]}]}
CHANGE = {"summary": "add() adds", "files": ["calc.py"]}
EVAL = {"passed": True, "summary": "done", "criteria": [{"id": "R-1", "met": True, "evidence": "the tests pass"}]}
WORKERS = {"plan": SPEC, "synthesise": PLAN, "build": CHANGE, "retro": EVAL}

WAITS_ONCE = """
import pathlib, sys, time
log = pathlib.Path(sys.argv[1])
first = not log.exists()
with log.open("a") as out:
    out.write("began\\n")
for _ in range(2400 if first else 0):
    time.sleep(0.05)
print("Ran 1 test in 0.1s\\n\\nOK")
"""

AGENT = """
import json, pathlib, sys, time
prompt = sys.stdin.read()
place = prompt.split("into the file `")[1].split("`")[0]
script = json.loads(pathlib.Path(sys.argv[1]).read_text())
work = script[pathlib.PurePosixPath(place).parts[3]]
for name, text in work["files"].items():
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_text(text)
pathlib.Path(place).write_text(json.dumps(work["artifact"]))
say = lambda **record: print(json.dumps(record), flush=True)
say(type="system", subtype="init", model="stub", session_id="s", tools=[])
say(type="result", subtype="success", is_error=False, result="Done.", session_id="s", num_turns=1,
    usage={"input_tokens": 10, "output_tokens": 5}, total_cost_usd=0.01)
"""

HANGS = """
import pathlib, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(other.pid))
time.sleep(600)
"""


def until(happens: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, f"{what}: it never happened"
        time.sleep(0.05)


def configure(playground: Playground, *tables: str) -> None:
    """More of the project's configuration, trusted."""
    file = playground.root / ".wfe" / "config.toml"
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text("\n".join([before, *tables]), encoding="utf-8")
    playground.trust()


def roles(models: ModelProcess, *names: str) -> str:
    """Roles of these names, each filled by the model of that name."""
    reported = f'[providers.local]\nkind = "openai-compatible"\nbase_url = "{models.v1}"\n'
    return reported + "".join(f'[roles.{name}]\nprovider = "local"\nmodel = "{name}"\n' for name in names)


def save(playground: Playground, definition: dict[str, Any]) -> str:
    name = definition["name"]
    playground.write({f".wfe/templates/{name}/template.json": json.dumps(definition)})
    playground.trust()
    return name


def one_phase(**keys: Any) -> dict[str, Any]:
    """A template with one phase that the role ``plan`` works."""
    phase = {
        "id": "note",
        "kind": "llm",
        "role": "plan",
        "prompt": "Write.",
        "on_fail": [{"do": "wait_human"}],
        "output": {"artifact": "note", "schema": "markdown_doc@1"},
        **keys,
    }
    return {
        "format": "wfe/1",
        "name": "one",
        "version": "1.0.0",
        "phases": [phase],
        "roles": {"plan": {"provider": "plan"}},
    }


def compound() -> dict[str, Any]:
    """The shipped template with a model for each phase, two reviewers of the plan, and no person."""
    made = json.loads(json.dumps(load_definition(shipped_folder("templates") / "compound")))
    made |= {"name": "compound_driven", "default": False}
    made["roles"] = {name: {"provider": name} for name in (*WORKERS, "one", "two")}
    quorum = {"kind": "opinion", "reviewers": ["one", "two"], "quorum": 2}
    for phase in made["phases"]:
        for inner in phase.get("phases", [phase]):
            # No files gate either: these models only answer, they change nothing.
            inner["gates"] = [gate for gate in inner["gates"] if gate["kind"] not in {"approval", "opinion", "files"}]
            inner["role"] = inner["id"] if inner["id"] in WORKERS else "plan"
        if phase["id"] == "plan":
            phase["kind"] = "llm"
        if phase["id"] == "synthesise":
            phase["gates"].append(quorum)
    return made


def calls_of(playground: Playground, run: str) -> list[CallRecord]:
    with playground.engine.store.read() as tx:
        return tx.model_calls.filter(RunId(run))


def under_way(playground: Playground, run: str) -> set[str]:
    """The calls whose answer is not there, or whose job has not yet made anything of it."""
    with playground.engine.store.read() as tx:
        open_jobs = {job.id for job in tx.jobs.filter(RunId(run)) if job.finished_at is None}
    return {
        call.id for call in calls_of(playground, run) if call.status is CallStatus.STARTED or call.job_id in open_jobs
    }


def finished(agent: StdioClient, run: str) -> dict[str, Any]:
    """The run's status once nothing more happens by itself."""
    answer = agent.call("status", run=run)
    for _ in range(30):
        if answer["waiting_on"] not in {"job", "reviewer"}:
            break
        answer = agent.call("status", run=run, wait_s=20)
    return answer


@contextmanager
def wfe(playground: Playground, *words: str) -> Generator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "wfe_mcp", *words, "--project", str(playground.root)]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, cwd=playground.root, env=playground.environment, text=True, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def reported(playground: Playground, *words: str) -> tuple[int, str]:
    with wfe(playground, *words) as process:
        out, _ = process.communicate(timeout=300)
        return process.returncode, out


@pytest.mark.requirement("S4-27", "S4-29", "S0-28")
def test_a_driver_works_the_role_pipeline_from_one_human_gate_to_the_next(bugged: Playground) -> None:
    stub, script = bugged.folder / "agent.py", bugged.folder / "script.json"
    stub.write_text(AGENT, encoding="utf-8")
    works = {phase: {"artifact": work[0].artifact, "files": dict(work[0].files)} for phase, work in TEAM.items()}
    script.write_text(json.dumps(works), encoding="utf-8")
    argv = json.dumps([sys.executable, str(stub), str(script)])
    configure(bugged, f'[providers.claude-code]\nargv = {argv}\n[roles.coder]\nprovider = "claude-code"\n')

    code, out = reported(bugged, "run", "role_pipeline", "--driver", "coder", "--input", f"goal={GOAL['goal']}")
    run = out.split()[1].rstrip(".")
    assert code == 0, out
    assert f"wfe-mcp approve {run} pm" in out
    for phase in ("pm", "qa_tests", "deploy"):
        bugged.approve(run, phase)
        code, out = reported(bugged, "run", "--resume", run)
        assert code == 0, out
    assert "completed" in out
    assert bugged.problems(run) == []


def test_compound_is_worked_by_models_and_outlives_a_kill_in_each_stage(play: MakePlayground, tmp_path: Path) -> None:
    log, program = tmp_path / "check.log", tmp_path / "check.py"
    program.write_text(WAITS_ONCE, encoding="utf-8")
    playground = play(BUGGED, {"test": [sys.executable, "-S", str(program), str(log)]})
    script = {name: [{"value": value}] * 5 for name, value in WORKERS.items()} | {"one": [PASS] * 5, "two": [PASS] * 5}
    script["plan"], script["one"] = [HOLD, *script["plan"]], [HOLD, *script["one"]]
    kills, lost = 0, set[str]()
    with models_running(script) as models:
        configure(playground, roles(models, *WORKERS, "one", "two"))
        name = save(playground, compound())

        def asked(model: str) -> bool:
            return any(one["model"] == model for one in models.asked)

        def submitted() -> bool:
            return "RevisionSubmitted" in event_types(playground, run, "execute[S-1].build")

        with playground.server() as agent:
            run = agent.call("start_run", template=name, inputs=GOAL)["run"]
            until(lambda: asked("plan"), "the model works")
            agent.kill()
        for what, happens in (
            ("reviewers are asked", lambda: asked("one")),
            ("right after a submission", submitted),
            ("the check runs", log.exists),
        ):
            kills, lost = kills + 1, lost | under_way(playground, run)
            with playground.server() as agent:
                until(happens, what)
                agent.kill()
        lost |= under_way(playground, run)
        with playground.server() as agent:
            last = finished(agent, run)
        count = models.count
    assert last["run_state"] == "completed", last
    assert kills == 3
    # plan, synthesise, one, two, build, retro: once each; more only for what was under way when a server died.
    assert 6 < count <= 6 + len(lost), (count, lost)
    assert playground.problems(run) == []
    assert event_types(playground, run).count("RunCompleted") == 1


def test_what_is_cancelled_stops_a_call_at_once_and_a_command_with_all_it_started(bugged: Playground) -> None:
    stub, pid_file = bugged.folder / "hangs.py", bugged.folder / "pid"
    stub.write_text(HANGS, encoding="utf-8")
    argv = json.dumps([sys.executable, "-S", str(stub), str(pid_file)])
    with models_running({"plan": [HOLD]}) as models:
        configure(bugged, roles(models, "plan"), f"[providers.claude-code]\nargv = {argv}\n")
        name = save(bugged, one_phase())
        with bugged.server() as agent:
            by_call = agent.call("start_run", template=name)["run"]
            by_agent = agent.call("start_run", template="quick_fix", driver="claude-code", inputs=PROBLEM)["run"]
            until(lambda: models.count == 1, "the model is asked")
            until(lambda: pid_file.exists() and pid_file.read_text(), "the agent works")
            other = psutil.Process(int(pid_file.read_text()))
            for each in (by_call, by_agent):
                assert agent.call("control_run", run=each, action="cancel")["run_state"] == "cancelled"
            until(lambda: not working(bugged), "the jobs end")
            until(lambda: not other.is_running() or other.status() == psutil.STATUS_ZOMBIE, "what it started is gone")
            assert [child for child in psutil.Process(agent.pid).children(recursive=True) if is_ours(child)] == []
    assert [call.status for call in calls_of(bugged, by_call)] == [CallStatus.FAILED]


def working(playground: Playground) -> list[str]:
    with playground.engine.store.read() as tx:
        return [job.id for job in tx.jobs.filter(statuses=(JobStatus.RUNNING,))]


def is_ours(child: psutil.Process) -> bool:
    try:
        return "hangs.py" in " ".join(child.cmdline())
    except psutil.Error:
        return False


def test_a_cap_pauses_the_run_before_the_call_that_would_go_over_it(bugged: Playground) -> None:
    with models_running() as models:
        configure(bugged, roles(models, "plan"), "[budget]\ntokens_per_run = 10\n")
        with bugged.server() as agent:
            run = agent.call("start_run", template=save(bugged, one_phase()))["run"]
            last = finished(agent, run)
        assert models.count == 0
    assert (last["run_state"], last["waiting_on"]) == ("paused", "human")
    assert f"wfe-mcp resume {run} --max-tokens" in json.dumps(last["data"]["blockers"])


@pytest.mark.requirement("S1-10")
def test_an_outage_pauses_the_run_and_it_continues_alone(bugged: Playground) -> None:
    with models_running({"plan": [{"status": 529}] * 3}) as models:
        configure(bugged, roles(models, "plan"), '[outage]\nwait = "1s"\n')
        with bugged.server() as agent:
            run = agent.call("start_run", template=save(bugged, one_phase()))["run"]
            last = finished(agent, run)
        assert models.count == 4
    assert last["run_state"] == "completed"
    kinds = event_types(bugged, run)
    assert kinds.index("RunPaused") < kinds.index("RunResumed") < kinds.index("RunCompleted")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking them")
def test_ctrl_c_hands_the_work_back_and_says_how_to_continue(bugged: Playground) -> None:
    with models_running({"plan": [HOLD]}) as models:
        configure(bugged, roles(models, "plan"))
        with wfe(bugged, "run", save(bugged, one_phase())) as process:
            until(lambda: models.count == 1, "the model is asked")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=120)
        run = out.split()[1].rstrip(".")
        assert process.returncode == 130, out
        assert f"wfe-mcp run --resume {run}" in out.partition("Stopped.")[2]
        assert working(bugged) == []
        assert reported(bugged, "run", "--resume", run)[0] == 0
        assert models.count == 2


@whole_only
def test_two_cli_agents_never_work_in_the_same_folder_at_once(bugged: Playground) -> None:
    log, stub = bugged.folder / "agents.log", bugged.folder / "agent.py"
    entered = "open(sys.argv[2], 'a').write('in\\n'); time.sleep(0.5)\n"
    stub.write_text(
        AGENT.replace("prompt = ", entered + "prompt = ") + "open(sys.argv[2], 'a').write('out\\n')\n", encoding="utf-8"
    )
    script = bugged.folder / "script.json"
    script.write_text(json.dumps({"note": {"artifact": {"front": {}, "body": "done"}, "files": {}}}), encoding="utf-8")
    argv = json.dumps([sys.executable, str(stub), str(script), str(log)])
    configure(bugged, f'[providers.claude-code]\nargv = {argv}\n[roles.plan]\nprovider = "claude-code"\n')
    name = save(bugged, one_phase())
    with bugged.server() as agent:
        runs = [agent.call("start_run", template=name)["run"] for _ in range(3)]
        for run in runs:
            assert finished(agent, run)["run_state"] == "completed"
    assert log.read_text(encoding="utf-8").split() == ["in", "out"] * 3
