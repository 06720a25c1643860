"""Checks that run on a runner: another process, with another data directory, that talks HTTP with the server alone."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.jobs.conftest import until
from tests.loopback import TLS
from tests.sandboxes import NEEDS_SANDBOX
from tests.server.conftest import HUMAN, House, call, drill, structured
from tests.server.http.conftest import Running
from tests.server.http.runners import (
    LEASE_S,
    Machine,
    OwnRunner,
    configure,
    evidence,
    gate_jobs,
    serving_runners,
    settle,
)
from wfe_mcp.engine.integrity.evidence_audit import audit_runner_reports
from wfe_mcp.engine.integrity.verification import verify
from wfe_mcp.engine.runs.control import control
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.views.moves.blockers import sentences
from wfe_mcp.views.reports.envelopes import overview_of

Make = Callable[..., Machine]


@pytest.fixture
def running(house: House) -> Iterator[Running]:
    yield from serving_runners(house)


@pytest.fixture
def machine(running: Running, tmp_path: Path) -> Iterator[Make]:
    made = list[Machine]()

    def make(name: str = "builder") -> Machine:
        made.append(Machine(running, tmp_path / name, running.token(name, "runner")))
        return made[-1]

    yield make
    for process in (each for one in made for each in one.processes):
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


@pytest.fixture
def own(running: Running) -> OwnRunner:
    return OwnRunner(running, running.token("builder", "runner"))


def checked(running: Running) -> str:
    """A run whose check waits for a runner."""
    return checking(running)[0]


def checking(running: Running) -> tuple[str, "Future[httpx2.Response]"]:
    """The run, and the answer to its submission, which waits for the gates, and so for the runner that the test starts next."""
    headers = {"Authorization": f"Bearer {running.token(f'bot-{time.monotonic_ns()}')}"}

    def post(path: str, **body: object) -> httpx2.Response:
        return httpx2.post(
            f"{running.url}/api/v1{path}", json=body, headers=headers, timeout=60, trust_env=False, verify=TLS
        )

    started = post("/runs", template="drill", inputs={"goal": "try"}).json()
    assert started["ok"], started
    run = str(started["run"])
    begun = post(f"/runs/{run}/start_phase", phase="checked").json()
    assert begun["ok"], begun
    thread = ThreadPoolExecutor(1)
    answer = thread.submit(post, f"/runs/{run}/submit_artifact", phase="checked", artifact={"title": "It works"})
    thread.shutdown(wait=False)
    until(lambda: answer.done() or any(each.run_id == run for each in gate_jobs(running.house)))
    return run, answer


def judged(house: House, run: str) -> dict[str, Any]:
    """The only evidence of the check."""
    (found,) = [each.data for each in evidence(house, run) if each.data.get("check") == "ok"]
    return found


@NEEDS_SANDBOX
def test_a_check_passes_on_a_runner_and_its_evidence_names_runner_tree_and_level(
    running: Running, machine: Make
) -> None:
    run = checked(running)
    output = machine().done()
    found = judged(running.house, run)
    assert (found["passed"], found["level"], found["exit_code"], found["where"]) == (True, "runner", 0, "sandbox"), (
        output
    )
    said = found["runner"]["statement"]
    assert (said["runner"], said["tree"]) == ("builder", found["tree"]["before"].partition("+")[0])
    assert "looking" in found["output"]["tail"]
    assert found["seal"]["by"] == "http", "the server, no page and no terminal"
    assert verify(running.house.engine(), run).findings == ()


def test_a_submission_that_waits_is_answered_when_the_server_ends(running: Running) -> None:
    _, answer = checking(running)
    running.end()
    found = answer.result().json()
    assert (found["ok"], found["state"]) == (True, "gating"), found


async def test_a_call_that_waits_is_answered_when_the_server_ends(running: Running, era: str) -> None:
    waits = asyncio.Event()

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        del progress, total, message
        waits.set()

    async with running.agent(running.token(), era) as agent:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="checked")
        sent = {"run": run, "phase": "checked", "artifact": {"title": "It works"}}
        answer = asyncio.create_task(agent.call_tool("submit_artifact", sent, progress_callback=progressed))
        await waits.wait()
        running.process.send_signal(signal.SIGTERM)
        found = structured(await answer)
    assert (found["ok"], found["state"]) == (True, "gating"), found


def test_a_check_fails_on_a_runner_and_its_phase_with_it(running: Running, machine: Make) -> None:
    (running.house.root / "exit").write_text("3")
    run = checked(running)
    machine().done()
    found = judged(running.house, run)
    assert (found["passed"], found["exit_code"], found["level"]) == (False, 3, "runner")


def test_a_runner_that_is_killed_loses_its_check_to_another_and_it_is_recorded_once(
    running: Running, machine: Make
) -> None:
    run = checked(running)
    first = machine("first")
    process = first.start(SLOW="1")
    until(lambda: is_checking(process.pid), 60)
    process.kill()
    machine("second").done()
    assert judged(running.house, run)["runner"]["statement"]["runner"] == "second"
    (job,) = gate_jobs(running.house)
    assert (job.status, job.tries) == (JobStatus.DONE, 2)


def test_a_runner_that_was_frozen_past_its_lease_reports_nothing(running: Running, machine: Make) -> None:
    run = checked(running)
    first = machine("first")
    process = first.start("--once", SLOW="1")
    until(lambda: is_checking(process.pid), 60)
    process.send_signal(signal.SIGSTOP)
    machine("second").done()
    process.send_signal(signal.SIGCONT)
    first.says(process, "This token opens no job")
    assert judged(running.house, run)["runner"]["statement"]["runner"] == "second"


def is_checking(pid: int) -> bool:
    """Whether the runner's check runs."""
    with suppress(psutil.NoSuchProcess):
        return any(each.cmdline()[-1:] == ["check.py"] for each in psutil.Process(pid).children(recursive=True))
    return False


@pytest.mark.attack("a runner replays a report, or keeps the token of a job after its end", "held", "#31")
def test_a_task_is_reported_once_and_its_token_opens_nothing_afterwards(running: Running, own: OwnRunner) -> None:
    run = checked(running)
    task = own.claim()
    report = own.report(task, b"fine")
    path = f"jobs/{task['job']}"
    assert own.post(f"{path}/end", report, task["token"]).json() == {"verdict": "pass"}
    for again in (own.post(f"{path}/end", report, task["token"]), own.post(f"{path}/heartbeat", {}, task["token"])):
        assert (again.status_code, again.json()["error"]["code"]) == (401, "unauthorized")
    assert fetched(running, task["project"], task["token"]).status_code == 401
    assert judged(running.house, run)["passed"]
    assert verify(running.house.engine(), run).findings == ()


def fetched(running: Running, project: str, token: str) -> httpx2.Response:
    """The refs that a token is shown."""
    with httpx2.Client(trust_env=False, verify=TLS) as http:
        return http.get(
            f"{running.url}/git/{project}/info/refs?service=git-upload-pack",
            headers={"Authorization": f"Bearer {token}"},
        )


@pytest.mark.attack("a runner reports another tree, job, command, log or key than it was given", "held", "#31")
@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"tree": "0" * 40}, "another tree"),
        ({"run": "run-other"}, "another run"),
        ({"fence": 99}, "another fence"),
        ({"runner": "trusted"}, "another runner"),
        ({"key": "A" * 43}, "another key"),
        ({"argv": ["true"]}, "another command"),
        ({"log_sha256": "0" * 64}, "other hashes"),
        ({"reports": {"files/junit.xml": "0" * 64}}, "other hashes"),
    ],
)
def test_a_runner_that_lies_is_refused(running: Running, own: OwnRunner, lie: dict[str, Any], why: str) -> None:
    run = checked(running)
    task = own.claim()
    answer = own.post(f"jobs/{task['job']}/end", own.report(task, b"fine", **lie), task["token"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict"), answer.text
    assert why in answer.json()["error"]["message"]
    assert evidence(running.house, run) == []


@pytest.mark.attack("a report of a runner is changed on its way", "held", "#31")
def test_a_report_that_was_changed_on_its_way_is_refused(running: Running, own: OwnRunner) -> None:
    checked(running)
    task = own.claim()
    report = own.report(task)
    report["statement"]["exit_code"] = 1
    answer = own.post(f"jobs/{task['job']}/end", report, task["token"])
    assert "its signature does not hold" in answer.json()["error"]["message"]


@pytest.mark.attack("a token of a runner is used on another machine", "held", "#31")
def test_a_runner_with_another_key_is_refused_once_its_token_has_one(running: Running, own: OwnRunner) -> None:
    assert own.claim(wait_s=0) is None
    thief = OwnRunner(running, own.token)
    answer = thief.post("claim", {"key": thief.public})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert "has another key" in answer.json()["error"]["message"]


@pytest.mark.attack(
    "a runner's token reads runs or works as an agent, or an agent's takes the checks of runners", "held", "#31"
)
def test_a_token_of_a_runner_opens_nothing_else_and_no_other_token_is_one(running: Running, own: OwnRunner) -> None:
    with httpx2.Client(trust_env=False, verify=TLS) as http:
        listed = http.get(f"{running.url}/api/v1/runs", headers={"Authorization": f"Bearer {own.token}"})
    assert listed.status_code == 403
    assert running.post({}, Authorization=f"Bearer {own.token}").status_code == 403
    for scope in ("read", "work", "manage"):
        agent = OwnRunner(running, running.token(scope, scope))
        assert agent.post("claim", {"key": agent.public}).status_code == 403
    assert own.post("claim", {"key": own.public}, "wfe_unknown").status_code == 401


@pytest.mark.attack("a runner reads another job's or project's files, or ends another job", "held", "#31")
def test_the_token_of_a_job_opens_that_job_and_its_tree_alone(
    running: Running, own: OwnRunner, other_project: House
) -> None:
    other_running = Running(other_project, url=running.url)
    settle(running.house, other_project)
    runs = {checked(running), checked(other_running)}
    own.token = running.token("everywhere", "runner", everywhere=True)
    first, second = own.claim(), own.claim()
    assert {first["run"], second["run"]} == runs
    other = own.post(f"jobs/{second['job']}/end", own.report(second), first["token"])
    assert (other.status_code, other.json()["error"]["code"]) == (403, "forbidden")
    refs = [line.partition(" ")[2] for line in fetched(running, first["project"], first["token"]).text.splitlines()]
    assert [each.partition("\0")[0] for each in refs if "refs/" in each] == [first["ref"]]
    assert fetched(running, second["project"], first["token"]).status_code == 403
    assert own.post("claim", {"key": own.public}, first["token"]).status_code == 401
    with httpx2.Client(trust_env=False, verify=TLS) as http:
        path = f"{running.url}/git/{first['project']}/info/refs?service=git-receive-pack"
        assert http.get(path, headers={"Authorization": f"Bearer {first['token']}"}).status_code == 403


@pytest.mark.attack("a runner reports after its lease, when another one has the job", "held", "#31")
def test_a_runner_that_wakes_up_after_its_lease_is_refused(running: Running, own: OwnRunner) -> None:
    run = checked(running)
    late = own.claim(lease_s=LEASE_S)
    other = OwnRunner(running, running.token("other", "runner"))
    task = other.claim()
    assert (task["job"], task["fence"]) == (late["job"], late["fence"] + 1)
    refused = own.post(f"jobs/{late['job']}/end", own.report(late), late["token"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    assert other.post(f"jobs/{task['job']}/end", other.report(task), task["token"]).json() == {"verdict": "pass"}
    assert judged(running.house, run)["runner"]["statement"]["runner"] == "other"


def test_a_report_lands_after_the_server_was_killed_and_started_again(running: Running, own: OwnRunner) -> None:
    run = checked(running)
    task, port = own.claim(), running.port
    running.end(signal.SIGKILL)
    running.start(port)
    assert own.post(f"jobs/{task['job']}/end", own.report(task), task["token"]).json() == {"verdict": "pass"}
    assert judged(running.house, run)["passed"]


def test_a_runner_gets_only_checks_whose_labels_it_has(running: Running, own: OwnRunner) -> None:
    configure(running.house, labels=["gpu", "linux"])
    run = checked(running)
    assert own.claim(wait_s=0, labels=["linux"]) is None
    engine = running.house.engine()
    (said,) = sentences(overview_of(engine, run))
    assert said.endswith("wfe-mcp runner --server URL --labels gpu,linux")
    (waits,) = own.waiting()
    assert (waits["labels"], waits["queued"], waits["running"]) == (["gpu", "linux"], 1, 0)
    assert own.claim(labels=["linux", "gpu", "arm"])["run"] == run
    assert not any("runner" in each for each in sentences(overview_of(engine, run)))
    assert (own.waiting()[0]["queued"], own.waiting()[0]["running"]) == (0, 1)


def test_a_check_of_a_cancelled_run_is_stopped_on_its_runner(running: Running, machine: Make) -> None:
    run = checked(running)
    process = machine().start("--once", SLOW="1")
    until(lambda: is_checking(process.pid), 60)
    control(running.house.engine(), HUMAN, run, "cancel")
    process.communicate(timeout=60)
    assert [each.status for each in gate_jobs(running.house)] == [JobStatus.CANCELLED]


def test_a_second_signal_gives_the_check_back_and_a_first_one_lets_it_end(running: Running, machine: Make) -> None:
    checked(running)
    one = machine()
    process = one.start(SLOW="1")
    until(lambda: is_checking(process.pid), 60)
    process.send_signal(signal.SIGTERM)
    one.says(process, "It ends after this check")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "given back" in output
    assert [each.status for each in gate_jobs(running.house)] == [JobStatus.QUEUED]


HOSTILE = {
    ".gitattributes": "* filter=evil merge=evil diff=evil\n",
    ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch PWNED"\n',
    ".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:9/\n",
    ".gitconfig": "[core]\n\thooksPath = hooks\n",
    "hooks/post-checkout": "#!/bin/sh\ntouch PWNED\n",
}


@pytest.mark.attack(
    "a tree runs a hook, filter, submodule or LFS on the runner, or leads its files out by a link", "held", "#31"
)
def test_nothing_of_a_hostile_tree_runs_on_the_runner_and_no_link_leads_its_writes_out(
    running: Running, machine: Make, tmp_path: Path
) -> None:
    pwned = tmp_path / "pwned"
    root = running.house.root
    for path, content in HOSTILE.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(content.replace("PWNED", str(pwned)))
    (root / "hooks" / "post-checkout").chmod(0o755)
    (root / "out").symlink_to(tmp_path)
    run = checked(running)
    machine().done()
    assert judged(running.house, run)["passed"]
    assert not pwned.exists()


@pytest.mark.attack("a check on a runner reads variables of the server, or the runner's token", "held", "#31")
def test_the_check_gets_no_variable_of_the_server_and_no_token(running: Running, machine: Make) -> None:
    (running.house.root / "check.py").write_text("import json, os; print(json.dumps(dict(os.environ)))")
    run = checked(running)
    machine().done()
    shown = json.loads(judged(running.house, run)["output"]["tail"])
    assert not {"WFE_TOKEN", "WFE_DATABASE_URL"} & set(shown)
    assert shown["HOME"] != os.environ.get("HOME")


@pytest.mark.attack("evidence of a runner is made up or edited", "detected", "#31")
def test_evidence_of_a_runner_that_was_made_up_is_named(running: Running, own: OwnRunner) -> None:
    run = checked(running)
    task = own.claim()
    own.post(f"jobs/{task['job']}/end", own.report(task), task["token"])
    engine = running.house.engine()
    (found,) = evidence(running.house, run)

    said = found.data["runner"]["statement"]
    for change, why in (
        ({"runner": None}, "no report of one"),
        ({"exit_code": 1}, "something else"),
        ({"runner": {**found.data["runner"], "statement": said | {"exit_code": 1}}}, "does not hold"),
        ({"runner": {**found.data["runner"], "statement": said | {"key": "A" * 43}}}, "no runner"),
    ):
        with engine.store.read() as tx:
            (wrong,) = audit_runner_reports(tx, [replace(found, data=found.data | change)])
        assert wrong.code == "runner_report_wrong"
        assert why in wrong.message
