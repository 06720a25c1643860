"""``wfe-mcp server --workers N``: several processes answer at one address, any of them, and none is left behind."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.jobs.conftest import until
from tests.loopback import TLS
from tests.server.conftest import House, call, drill, submitted
from tests.server.http.conftest import Running
from tests.server.http.processes import InTurn, children
from tests.server.http.test_metrics import of, samples, scraped
from wfe_mcp.cli.commands import server
from wfe_mcp.core.errors import Refused

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no socket is shared there")
EACH = httpx2.Limits(max_keepalive_connections=0)
"""Every request has a connection of its own."""


@pytest.fixture
def several(house: House, tmp_path: Path) -> Iterator[Running]:
    """Two processes, as the configuration of the user says."""
    own = tmp_path / "wfe-mcp" / "config.toml"
    own.parent.mkdir()
    own.write_text("[server]\nworkers = 2\n")
    house.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    made = Running(house)
    made.start()
    yield made
    made.end()


@pytest.fixture
def in_turn(house: House) -> Iterator[InTurn]:
    made = InTurn(Running(house))
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_consecutive_requests_of_a_client_are_answered_by_different_processes(in_turn: InTurn, era: str) -> None:
    several = in_turn.running
    headers = {"Authorization": f"Bearer {several.token()}"}
    async with (
        httpx2.AsyncClient(trust_env=False, verify=TLS, timeout=60, headers=headers, limits=EACH) as http,
        Client(streamable_http_client(f"{several.url}/mcp", http_client=http), mode=era) as agent,
    ):
        run = await drill(agent)
        await submitted(agent, run, "plan")
        await call(agent, "start_phase", run=run, phase="checked")
        await call(agent, "submit_artifact", run=run, phase="checked", artifact={"title": "It works"})
        found = await call(agent, "status", run=run, wait_s=45)
        while found["waiting_on"] == "job":
            found = await call(agent, "status", run=run, wait_s=45)
        found = await call(agent, "read_artifact", run=run, phase="checked")
        assert found["ok"], found
    assert len({*in_turn.turns}) == 2
    assert all(one != other for one, other in zip(in_turn.turns, in_turn.turns[1:], strict=False))


async def test_each_process_shows_what_all_of_them_counted_also_those_that_ended(in_turn: InTurn) -> None:
    several = in_turn.running
    monitor, token = several.token("monitor", "read", everywhere=True), several.token()
    before = len(in_turn.turns)
    for _ in range(4):
        several.post(path="/api/v1/nothing", Authorization=f"Bearer {token}")
    assert len({*in_turn.turns[before:]}) == 2
    for _ in range(2):
        found = samples(scraped(several, monitor))
        assert of(found, "wfe_api_requests_total", operation="unknown", code="404") == 4
        assert of(found, "wfe_database_connections", state="free") >= 1
        assert found.keys() >= {("wfe_database_answer_seconds", frozenset())}
    first = children(several)[0]
    first.kill()
    until(lambda: len(children(several)) == 2 and first not in children(several), 60)
    found = samples(scraped(several, monitor))
    assert of(found, "wfe_api_requests_total", operation="unknown", code="404") == 4


def is_ready(running: Running) -> bool:
    with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
        return http.get(f"{running.url}/readyz").status_code == 200


def test_a_process_that_is_killed_is_replaced_while_the_other_one_answers(several: Running) -> None:
    until(lambda: len(children(several)) == 2, 60)
    first = children(several)[0]
    assert is_ready(several)
    first.kill()
    assert is_ready(several)
    until(lambda: len(children(several)) == 2 and first not in children(several), 60)
    assert is_ready(several)
    log = several.end()
    assert f"Process {first.pid} ended (signal 9); another starts in 1 s." in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes_in_order(several: Running, number: signal.Signals) -> None:
    until(lambda: len(children(several)) == 2, 60)
    every = children(several)
    assert is_ready(several)
    log = several.end(number)
    assert (several.process.returncode, "Traceback" in log) == (0, False), log
    assert not any(each.is_running() for each in every)


def test_a_process_that_gets_the_signal_itself_as_from_a_terminal_ends_without_a_fault(several: Running) -> None:
    until(lambda: len(children(several)) == 2, 60)
    every = children(several)
    assert is_ready(several)
    for each in every:
        each.send_signal(signal.SIGINT)
    assert psutil.wait_procs(every, timeout=60)[1] == []
    until(lambda: len(children(several)) == 2, 60)
    assert is_ready(several)
    log = several.end(signal.SIGINT)
    assert all(f"Process {each.pid} ended (exit code" in log for each in every), log
    assert "Fatal" not in log


@pytest.mark.usefixtures("real_processes")
def test_no_process_outlives_the_one_that_started_it(several: Running) -> None:
    until(lambda: len(children(several)) == 2, 60)
    every, port = children(several), several.port
    assert is_ready(several)
    several.end(signal.SIGKILL)
    assert psutil.wait_procs(every, timeout=60)[1] == []
    several.start(port)
    assert is_ready(several)


def test_a_wrong_configuration_is_refused_once_before_any_process_starts(house: House, tmp_path: Path) -> None:
    own = tmp_path / "wfe-mcp" / "config.toml"
    own.parent.mkdir()
    own.write_text('[server]\nworkers = 2\n[server.login]\nissuer = "https://id.example"\nclient_id = "wfe"\n')
    house.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    wrong = Running(house)
    with pytest.raises(KeyError, match="data"):  # it answers with an error instead
        wrong.start()
    output, log = wrong.process.communicate(timeout=60)
    assert (wrong.process.returncode, output, log) == (1, "", ""), log


def test_several_processes_are_refused_on_windows_with_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sys, "platform", "win32")
    assert server._number(1) == 1  # pyright: ignore[reportPrivateUsage] - the rest of the command needs Windows
    with pytest.raises(Refused, match="2 processes cannot share one port") as refused:
        server._number(2)  # pyright: ignore[reportPrivateUsage] - as above
    assert "--port 8767" in refused.value.hint
