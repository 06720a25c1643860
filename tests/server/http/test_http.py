"""``wfe-mcp server``: agents with tokens work over HTTP as over standard input; each request stands alone."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.jobs.conftest import until
from tests.loopback import TLS
from tests.postgres import Cluster
from tests.server.conftest import HUMAN, House, call, drill, submitted
from tests.server.http.conftest import ADA, Running
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.access.tokens import revoke_token
from wfe_mcp.engine.approvals import decide as approvals
from wfe_mcp.engine.approvals.pin import set_pin
from wfe_mcp.engine.phases.submit import submit
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.workspace.system.anchors import anchor_file, commits_of, lines_of

AGENTS = 16
PIN = "correct horse"


async def test_a_run_goes_from_its_start_to_its_checks_with_a_token_in_both_eras(running: Running, era: str) -> None:
    async with running.agent(running.token(), era) as agent:
        assert {tool.name for tool in (await agent.list_tools()).tools} >= {"status", "start_run", "submit_artifact"}
        run = await drill(agent)
        found = await submitted(agent, run, "plan")
        assert found["ok"], found
        begun = await call(agent, "start_phase", run=run, phase="checked")
        assert begun["ok"], begun
        found = await call(agent, "submit_artifact", run=run, phase="checked", artifact={"title": "It works"})
        while found.get("waiting_on") == "gate":
            found = await call(agent, "status", run=run, phase="checked", wait_s=30)
        found = await call(agent, "read_artifact", run=run, phase="checked")
        assert found["ok"], found
    with running.house.engine().store.read() as tx:
        (event, *_) = tx.events.of_run(running.house.engine().load(tx, run).record.id)
    assert (event.actor, event.channel) == ("bot", "http")


async def test_a_person_decides_elsewhere_and_the_agent_sees_it(running: Running, era: str) -> None:
    async with running.agent(running.token(), era) as agent:
        run = await drill(agent)
        await submitted(agent, run, "signed")
        asked = await call(agent, "approve", run=run, phase="signed")
        assert asked["error"]["code"] == "needs_human"
        assert "wfe-mcp approve" in asked["error"]["hint"]
        assert "signed" in await open_phases(agent, run)
        approvals.decide(running.house.engine(), HUMAN, run, "signed", comment="fine")
        assert "signed" not in await open_phases(agent, run)


@pytest.mark.attack(
    "what a team's server has stored is rewritten before any other process anchored it", "detected", "T11; A2"
)
async def test_what_agents_change_through_the_server_is_anchored(running: Running, other_project: House) -> None:
    for house in (running.house, other_project):
        async with running.agent(Running(house, url=running.url).token(f"bot-{house.root.name}")) as agent:
            started = await call(
                agent, "start_run", template="plan_generate_review", inputs={"goal": "g", "folder": "docs"}
            )
            assert started["ok"], started
    running.end()
    for house in (running.house, other_project):
        engine = house.engine()
        with engine.store.read() as tx:
            (run,) = tx.runs.page(engine.project_id).runs
            tail = tx.events.tails([run.id])
        for anchors in (commits_of(house.root), lines_of(anchor_file(engine.store.place, engine.project_id))):
            # a setting that is noted later has an anchor of its own
            assert {run: head for anchor in anchors or () for run, head in anchor.runs.items()} == tail


def test_a_server_keeps_a_restore_and_a_move_away_until_it_has_ended(
    running: Running, tmp_path: Path, postgres_url: str
) -> None:
    house = running.house
    set_pin(house.engine(), PIN, HUMAN)

    def at_terminal(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "wfe_mcp", *words],
            cwd=house.root,
            env=house.environment,
            input=f"{PIN}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    copy = str(tmp_path / "copy.db")
    assert at_terminal("backup", copy)[0] == 0
    for words in (("restore", copy, "--pin-fd", "0"), ("move-to", postgres_url)):
        code, text = at_terminal(*words)
        assert code != 0 and f"server {running.process.pid}" in text and "[not_ready]" in text, text
    running.end()
    assert at_terminal("restore", copy, "--pin-fd", "0")[0] == 0


def test_a_server_that_is_started_again_continues_with_what_waits_before_any_call(house: House) -> None:
    engine = house.engine()
    run = str(answers.start_run(engine, By(), "drill", inputs={"goal": "try"}).run)
    for name in ("plan", "checked"):
        answers.start_phase(engine, By(), run, name)
        submit(engine, By(), run, name, artifact={"title": "A good title"})

    def stands() -> str:
        with engine.store.read() as tx:
            return engine.load(tx, run).state.current(PhasePath("checked")).status

    assert stands() == "gating"
    running = Running(house)
    running.start()
    until(lambda: stands() != "gating", every_s=0.1)
    running.end()
    assert stands() == "completed"


def test_a_server_in_a_folder_that_was_renamed_says_how_to_move_the_project(house: House) -> None:
    answers.start_run(house.engine(), By(), "drill", inputs={"goal": "try"})
    renamed = house.root.rename(house.root.with_name("renamed"))
    argv = [sys.executable, "-m", "wfe_mcp", "server", "--port", "0"]
    done = subprocess.run(
        argv, cwd=renamed, env=house.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and "wfe-mcp project move" in done.stderr and "served" not in done.stdout


async def open_phases(agent: Client, run: str) -> set[str]:
    return {each["phase"] for each in (await call(agent, "status", run=run))["data"]["phases"]}


async def test_sixteen_agents_at_once_lose_nothing(running: Running) -> None:
    tokens = [running.token(f"bot-{number}") for number in range(4)]

    async def work(number: int) -> str:
        async with running.agent(tokens[number % len(tokens)]) as agent:
            run = await drill(agent, title=f"Drill {number}")
            found = await submitted(agent, run, "plan")
            assert found["ok"], found
            return run

    runs = await asyncio.gather(*(work(number) for number in range(AGENTS)))
    assert len(set(runs)) == AGENTS
    with running.house.engine().store.read() as tx:
        assert {each.id for each in tx.runs.page(limit=99).runs} == set(runs)


@pytest.mark.usefixtures("real_processes")
async def test_a_client_continues_after_the_server_was_killed_and_started_again(running: Running) -> None:
    token, port = running.token(), running.port
    async with running.agent(token) as agent:
        run = await drill(agent)
        running.end(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        running.start(port)
        found = await submitted(agent, run, "plan")
        assert found["ok"], found


def test_it_ends_in_order_and_its_log_has_no_token(running: Running) -> None:
    token = running.token()
    running.post(Authorization=f"Bearer {token}")
    log = running.end()
    assert running.process.returncode == 0 or sys.platform == "win32", log
    assert token not in log
    assert "Traceback" not in log


def test_it_says_that_it_lives_and_is_ready_and_shows_no_page(running: Running) -> None:
    with httpx2.Client(trust_env=False, verify=TLS) as http:
        assert [http.get(running.url + path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        assert [http.get(running.url + path).status_code for path in ("/", "/app/", "/security")] == [404] * 3
        listed = http.get(f"{running.url}/api/v1/runs", headers={"Authorization": f"Bearer {running.token()}"})
    assert listed.status_code == 200


def test_it_is_not_ready_while_the_server_of_its_database_is_away(
    house: House, postgres: Cluster, postgres_url: str
) -> None:
    house.environment["WFE_DATABASE_URL"] = postgres_url
    running = Running(house)
    running.start()
    try:
        with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
            assert http.get(f"{running.url}/readyz").status_code == 200
            postgres.stop()
            away = http.get(f"{running.url}/readyz")
            assert (away.status_code, http.get(f"{running.url}/healthz").status_code) == (503, 200)
            assert "database" in away.text
            assert [each for each in ("127.0.0.1", "postgres", str(postgres.port)) if each in away.text] == []
            postgres.start()
            assert http.get(f"{running.url}/readyz").status_code == 200
    finally:
        running.end()


async def test_a_call_while_the_database_is_away_is_refused_in_the_protocol_and_its_streams_end_quietly(
    house: House, postgres: Cluster, postgres_url: str, era: str
) -> None:
    house.environment["WFE_DATABASE_URL"] = postgres_url
    running = Running(house)
    token = running.token()
    running.start()
    try:
        async with running.agent(token, era) as agent, httpx2.AsyncClient(trust_env=False, verify=TLS) as http:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.stream("GET", f"{running.url}/api/v1/events", headers=headers) as events:
                lines = events.aiter_lines()
                await anext(lines)
                postgres.stop()
                with pytest.raises(MCPError) as refused:
                    await agent.call_tool("status", {})
                assert [line async for line in lines if "error" in line] == [], "it has ended"
            assert refused.value.error.data["code"] == "unavailable"
            assert "Call again" in refused.value.error.message
            postgres.start()
            found = await call(agent, "status")
            assert found["ok"], found
    finally:
        log = running.end()
    assert "ASGI application" not in log
    assert "cannot be reached" in log


async def test_a_client_learns_that_its_token_was_revoked(running: Running, era: str) -> None:
    async with running.agent(running.token(), era) as agent:
        found = await call(agent, "status")
        assert found["ok"], found
        revoke_token(running.house.engine(), ADA, "bot")
        with pytest.raises(MCPError, match="revoked or expired") as refused:
            await agent.call_tool("status", {})
    assert refused.value.error.data["code"] == "unauthorized"


async def test_a_phase_of_a_token_is_another_workers_once_that_was_revoked(running: Running) -> None:
    first, second = running.token(), running.token("bot-2")
    async with running.agent(first) as agent, running.agent(second) as other:
        run = await drill(agent)
        await call(agent, "start_phase", run=run, phase="checked")
        held = await call(other, "start_phase", run=run, phase="checked")
        assert held["error"]["code"] == "leased", held
        revoke_token(running.house.engine(), ADA, "bot")
        late = {"run": run, "phase": "checked", "artifact": {"title": "Late"}}
        with pytest.raises(MCPError, match="revoked or expired"):
            await agent.call_tool("submit_artifact", late)
        taken = await call(other, "start_phase", run=run, phase="checked")
        assert taken["ok"], taken
        done = await call(other, "submit_artifact", **late)
        assert done["ok"], done


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--host", "0.0.0.0"], "this server speaks no TLS itself"),
        (["--host", "0.0.0.0", "--origin", "http://wfe.example"], "this server speaks no TLS itself"),
        (["--origin", "wfe.example"], "is no address of a server"),
        (["--origin", "https://wfe.example/path"], "is no address of a server"),
    ],
)
def test_an_address_by_which_tokens_could_be_read_or_that_is_none_is_refused(
    house: House, more: list[str], message: str
) -> None:
    argv = [sys.executable, "-m", "wfe_mcp", "server", "--port", "0", *more]
    done = subprocess.run(argv, cwd=house.root, env=house.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def test_it_answers_at_the_address_of_its_proxy_and_on_this_machine(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    running = Running(house, ("--origin", "https://Wfe.example:443"))
    running.start(port)
    assert running.url == "https://wfe.example"
    running.url = f"http://127.0.0.1:{port}"
    token = f"Bearer {running.token()}"
    hosts = ("wfe.example", "evil.example", f"localhost:{port}")
    assert [running.post(Host=each, Authorization=token).status_code == 421 for each in hosts] == [False, True, False]
    assert running.post(Host="wfe.example", Origin="http://wfe.example", Authorization=token).status_code == 403
    running.end()
