"""The signs of life of a runner, where they and its report meet at the server, and checks that it cannot do."""

import os
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.server.http.conftest import ADA, Running
from tests.server.http.runners import LEASE_S, OwnRunner, configure
from tests.server.http.test_runners import checking, fetched, judged
from wfe_mcp.cli.runner.connection import Connection
from wfe_mcp.cli.runner.key import RunnerKey
from wfe_mcp.cli.runner.working import Runner
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.access.tokens import revoke_token
from wfe_mcp.gates.runner_protocol import Report, Task
from wfe_mcp.workspace.config.settings_tables import SandboxSettings


class LateSigns(Connection):
    """Each sign of life arrives after the report, and the report is answered after it."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self.ended, self.refused = threading.Event(), threading.Event()

    def heartbeat(self, task: Task, tail: str) -> bool:
        assert self.ended.wait(60)
        try:
            return super().heartbeat(task, tail)
        finally:
            self.refused.set()

    def end(self, task: Task, report: Report) -> str:
        verdict = super().end(task, report)
        self.ended.set()
        assert self.refused.wait(60)
        return verdict

    def close(self) -> None:
        self._http.close()


def test_a_sign_of_life_that_the_report_overtakes_is_no_lost_check(running: Running, tmp_path: Path) -> None:
    configure(running.house)
    checking(running)
    said, key = list[str](), RunnerKey(tmp_path / "key")
    with closing(LateSigns(running.url, running.token("builder", "runner"))) as server:
        runner = Runner(server, key, (), tmp_path, dict(os.environ), SandboxSettings(), LEASE_S, [], said.append)
        runner.run(once=True, drain=False)
    assert [line.partition(": ")[2].partition(" ")[0] for line in said] == ["check", "pass"]


@pytest.mark.attack("a runner whose token was revoked keeps its check, reads its files or reports", "held", "#31")
@pytest.mark.parametrize("name", ["other", "stolen"])
def test_a_runner_whose_token_is_revoked_loses_its_check_to_another(running: Running, name: str) -> None:
    """``name``: of the other's token; who revokes one often makes the next of the same name at once."""
    configure(running.house)
    run, _ = checking(running)
    gone = OwnRunner(running, running.token("stolen", "runner"))
    task = gone.claim(lease_s=LEASE_S)
    revoke_token(running.house.engine(), ADA, "stolen")
    other = OwnRunner(running, running.token(name, "runner"))
    path = f"jobs/{task['job']}"
    for what, body in (("heartbeat", {}), ("end", gone.report(task)), ("back", {})):
        refused = gone.post(f"{path}/{what}", body, task["token"])
        assert (refused.status_code, "the token of its runner" in refused.text) == (401, True), what
    assert fetched(running, task["project"], task["token"]).status_code == 401
    again = other.claim()
    assert (again["job"], again["fence"]) == (task["job"], task["fence"] + 1)
    assert other.post(f"{path}/end", other.report(again), again["token"]).json() == {"verdict": "pass"}
    assert judged(running.house, run)["runner"]["statement"]["runner"] == name


class Narrow(BaseHTTPRequestHandler):
    """A proxy that takes no message, as one does that is asked for more than it may take."""

    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        self.send_response(413)
        self.end_headers()
        self.wfile.write(b"<html>413 Request Entity Too Large</html>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class BehindProxy(Connection):
    """Its reports go by a proxy. ``lose``: called where one is sent for the third time."""

    def __init__(self, url: str, token: str, proxy: str, lose: Callable[[], object]) -> None:
        super().__init__(url, token)
        self._lose, self._proxy = lose, Connection(proxy, token)

    def end(self, task: Task, report: Report) -> str:
        if Narrow.asked == 2:
            self._lose()
        return self._proxy.end(task, report)

    def close(self) -> None:
        self._http.close()
        self._proxy._http.close()


def test_a_report_that_a_proxy_does_not_take_is_named_and_not_sent_for_ever(running: Running, tmp_path: Path) -> None:
    configure(running.house)
    checking(running)
    said, signals, key = list[str](), list[int](), RunnerKey(tmp_path / "key")

    def say(line: str) -> None:
        said.append(line)
        signals.extend([1] if "the report was refused" in line else [])

    def lose() -> None:
        running.end()
        signals.append(1)

    with ThreadingHTTPServer(("127.0.0.1", 0), Narrow) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        token = running.token("builder", "runner")
        with closing(BehindProxy(running.url, token, address, lose)) as server:
            runner = Runner(server, key, (), tmp_path, dict(os.environ), SandboxSettings(), LEASE_S, signals, say)
            runner.run(once=True, drain=False)
        proxy.shutdown()
    assert Narrow.asked == 1
    assert f"A proxy before {address} takes no message of" in said[-1]


class WithoutTrees(Connection):
    """No tree can be fetched, as where git trusts no certificate of the server."""

    def fetch(self, task: Task, mirrors: Path) -> Path:
        raise Refused("unavailable", "The tree could not be fetched.", "")

    def close(self) -> None:
        self._http.close()


def test_a_runner_that_cannot_do_a_check_waits_longer_each_time_it_gives_it_back(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(running.house)
    checking(running)
    signals, pauses = list[int](), list[float]()

    def pause(runner: Runner, seconds: float) -> float:
        pauses.append(seconds)
        signals.extend([1] if len(pauses) == 3 else [])
        return 2 * seconds

    monkeypatch.setattr(Runner, "_pause", pause)
    with closing(WithoutTrees(running.url, running.token("builder", "runner"))) as server:
        key = RunnerKey(tmp_path / "key")
        Runner(server, key, (), tmp_path, dict(os.environ), SandboxSettings(), LEASE_S, signals, str).run(
            once=False, drain=True
        )
    assert pauses == [0.5, 1.0, 2.0]


def test_a_program_that_a_runner_does_not_have_is_to_be_installed_on_that_runner(running: Running) -> None:
    configure(running.house)
    own = OwnRunner(running, running.token("builder", "runner"))
    _, answer = checking(running)
    task = own.claim()
    report = own.report(task, exit_code=None, fault="There is no program 'mypy' on PATH.", no_program=True)
    assert own.post(f"jobs/{task['job']}/end", report, task["token"]).status_code == 200
    message = answer.result(60).json()["error"]["message"]
    assert ("could not start on builder" in message, "install it on that runner" in message) == (True, True), message
