"""Several processes of ``wfe-mcp server`` on one PostgreSQL database: any may answer, any may be killed, and two versions may live."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import MCPError

from tests.loopback import TLS
from tests.server.conftest import House, call
from tests.server.http.conftest import Running, configure
from wfe_mcp.core.model import RunId

ROOT = Path(__file__).parents[3]
NEXT = '''"""A migration of a version after this one: it holds the table of runs for a while and only adds."""

revision = "9000"
down_revision = "{head}"
branch_labels = depends_on = None


def upgrade() -> None:
    from alembic import op

    op.execute("ALTER TABLE run ADD COLUMN next_thing TEXT")
    op.execute("SELECT pg_sleep(1)")
    op.execute("ALTER TABLE run DROP COLUMN next_thing")
'''


@pytest.fixture
def pair(team: House) -> Iterator[tuple[Running, Running]]:
    """Two processes on the same database."""
    both = Running(team), Running(team)
    for each in both:
        each.start()
    yield both
    for each in both:
        each.end()


async def one_call(at: Running, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
    async with at.agent(token) as agent:
        return await call(agent, tool, **arguments)


async def test_a_client_alternates_between_two_processes_for_every_call(pair: tuple[Running, Running]) -> None:
    token = pair[0].token()
    calls = 0

    async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        answer = await one_call(pair[calls % 2], token, tool, **arguments)
        assert answer["ok"], answer
        return answer

    run = (await ask("start_run", template="drill", inputs={"goal": "try"}))["run"]
    await ask("start_phase", run=run, phase="plan")
    await ask("submit_artifact", run=run, phase="plan", artifact={"title": "A good title"})
    await ask("start_phase", run=run, phase="checked")
    await ask("submit_artifact", run=run, phase="checked", artifact={"title": "It works"})
    found = await ask("read_artifact", run=run, phase="checked")
    assert found["data"]["revision"] == 1, found


@pytest.mark.skipif(sys.platform == "win32", reason="PostgreSQL runs elsewhere")
async def test_a_process_that_is_killed_takes_no_answer_and_no_job_with_it(pair: tuple[Running, Running]) -> None:
    waits = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"
    configure(pair[0].house, f"[checks.ok]\nargv = {json.dumps([sys.executable, '-c', waits])}\n")
    token = pair[0].token()
    run = (await one_call(pair[0], token, "start_run", template="drill", inputs={"goal": "try"}))["run"]
    begun = await one_call(pair[0], token, "start_phase", run=run, phase="checked")
    assert begun["ok"], begun
    submitting = asyncio.ensure_future(
        one_call(pair[0], token, "submit_artifact", run=run, phase="checked", artifact={"title": "It works"})
    )
    while not _is_running(pair[1].house):
        assert not submitting.done(), submitting.result()
        await asyncio.sleep(0.01)
    pair[0].end(signal.SIGKILL)
    with pytest.raises((BaseExceptionGroup, httpx2.HTTPError, MCPError, OSError)):
        await submitting
    (pair[1].house.root / "go").touch()
    found = await one_call(pair[1], token, "status", run=run, wait_s=45)
    while found["waiting_on"] == "job":
        found = await one_call(pair[1], token, "status", run=run, wait_s=45)
    found = await one_call(pair[1], token, "read_artifact", run=run, phase="checked")
    assert found["ok"], found
    verified(pair[1].house)


def _is_running(house: House) -> bool:
    with house.engines[-1].store.read() as tx:
        return bool(tx.jobs.running())


def verified(house: House, tree: Path | None = None) -> None:
    environment = house.environment | ({} if tree is None else {"PYTHONPATH": str(tree)})
    argv = [sys.executable, "-m", "wfe_mcp", "verify"]
    done = subprocess.run(argv, cwd=house.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Agents:
    """Agents that start runs and submit plans at one server after the other, and note what was acknowledged."""

    token: str
    servers: list[Running]
    started: list[str] = field(default_factory=list[str])
    submitted: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])

    async def work(self, number: int, until: asyncio.Event) -> None:
        turn = number
        while not until.is_set():
            turn += 1
            run = await self._done(turn, "start_run", template="drill", inputs={"goal": "try"})
            self.started.append(run)
            await self._done(turn + 1, "start_phase", run=run, phase="plan")
            await self._done(turn, "submit_artifact", run=run, phase="plan", artifact={"title": "A good title"})
            self.submitted.append(run)

    async def until(self, number: int, working: list["asyncio.Task[None]"]) -> None:
        """Wait until so many plans are acknowledged; an agent that failed ends it."""
        while len(self.submitted) < number:
            for each in working:
                if each.done():
                    await each
            await asyncio.sleep(0.05)

    async def _done(self, turn: int, tool: str, **arguments: Any) -> str:
        """The run, once the call is acknowledged; a refusal to be tried again is tried again, elsewhere."""
        for again in range(200):
            answer = await one_call(self.servers[(turn + again) % len(self.servers)], self.token, tool, **arguments)
            if answer["ok"]:
                return str(answer["run"])
            assert answer["error"]["code"] == "unavailable", answer
            assert answer["data"]["retry"] is True, answer
            self.refused.append(tool)
        raise AssertionError(f"{tool} was never answered")


@pytest.mark.usefixtures("real_processes")
async def test_two_versions_live_while_the_newer_one_migrates_and_no_call_is_lost(team: House, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    for name in ("wfe_mcp", "templates", "schemas"):
        shutil.copytree(ROOT / name, newer / name, ignore=shutil.ignore_patterns("__pycache__"))
    versions = newer / "wfe_mcp" / "store" / "schema" / "migrations" / "versions"
    head = max(each.name[:4] for each in versions.glob("[0-9]*.py"))
    (versions / "9000_next.py").write_text(NEXT.format(head=head), encoding="utf-8")
    older, next_ = Running(team), Running(team)
    older.start()
    try:
        agents, ends = Agents(older.token(), [older]), asyncio.Event()
        working = [asyncio.ensure_future(agents.work(number, ends)) for number in range(3)]
        await agents.until(3, working)
        before = len(agents.submitted)
        await asyncio.to_thread(next_.start, tree=newer)  # migrates, while the agents call
        agents.servers.append(next_)
        await agents.until(before + 6, working)
        ends.set()
        await asyncio.gather(*working)
        answer = await one_call(older, agents.token, "status")
        assert answer["ok"], answer
        with team.engines[-1].store.read() as tx:  # opened before
            there = {each.id for each in tx.runs.page(limit=999).runs}
            plans = {run for run in agents.submitted if tx.artifacts.last_revisions(RunId(run), 1)}
        assert there == set(agents.started)
        assert plans == set(agents.submitted)
        verified(team, newer)
        older.end()
        older.start()
        with httpx2.Client(trust_env=False, verify=TLS, timeout=60) as http:
            ready = http.get(f"{older.url}/readyz")
        assert ready.status_code == 503, ready.text
        assert "written by a newer wfe-mcp" in older.end()
    finally:
        older.end()
        next_.end()
