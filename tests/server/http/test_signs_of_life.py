"""The signs of life of a runner, where they and its report meet at the server."""

import os
import threading
from contextlib import closing
from pathlib import Path

from tests.server.http.conftest import Running
from tests.server.http.runners import LEASE_S, configure
from tests.server.http.test_runners import checking
from wfe_mcp.cli.runner.connection import Connection
from wfe_mcp.cli.runner.key import RunnerKey
from wfe_mcp.cli.runner.working import Runner
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
