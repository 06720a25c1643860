"""Lets a team work while its machines fail: 8 servers, 4 runners in network namespaces, PostgreSQL, and 24 agents.

Each agent has a work folder of its own at the server, as over a bridge. Each run has ten checks, two of them on a runner. Meanwhile, one
every three seconds and in turn: a server is killed or frozen past its leases, a runner is killed, frozen or cut off, PostgreSQL is
restarted or killed. An agent repeats what was not answered. At the end every run that was acknowledged must be complete, each of its gates
judged once, and ``verify`` must find nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from bench.figures import Figure
from bench.over_http import call
from bench.team_chaos.machines import Chaos, Machines
from bench.team_chaos.network import Network, Proxy, missing as no_network
from wfe_mcp.core.events import GateJudged
from wfe_mcp.core.model import Assurance, By, Channel, RunId, RunStatus
from wfe_mcp.engine.access.tokens import create_token
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.store.enums import JobStatus
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.scene import Scene
    from wfe_mcp.engine.kernel.engine import Engine

    Ask = Callable[..., Awaitable[dict[str, Any]]]

SERVERS, RUNNERS, AGENTS, CHECKS, REMOTE = 8, 4, 24, 10, 2
_CALL_S, _PAUSE_S = 60.0, 0.5
_GIVE_UP_S = 300.0
"""Where no run was completed for so long, those that are open are lost."""
_BY = By("bench", Channel.CLI, Assurance.HUMAN)

TEMPLATE: dict[str, Any] = {
    "format": "wfe/1",
    "name": "chaos",
    "version": "1.0.0",
    "title": "Ten checks",
    "description": "What the agents of bench/chaos.py do.",
    "phases": [
        {
            "id": "work",
            "prompt": "Do it.",
            "output": {"artifact": "report", "schema": "markdown_doc@1"},
            "gates": [{"kind": "command", "check": f"c{at}", "expect": {"exit_code": 0}} for at in range(CHECKS)],
        }
    ],
}


def measure(place: Scene, runs: int, workers: int = 1) -> list[Figure]:
    """What is lost, doubled or not whole after ``runs`` runs under faults. ``workers``: processes of each server."""
    from tests.postgres import missing as no_server, running_cluster

    if reason := no_network() or no_server():
        return [Figure(f"not measured: {reason}", 0, "")]
    with running_cluster() as cluster, tempfile.TemporaryDirectory(prefix="wfe-chaos-") as folder:
        # A server that is frozen while it connects would hold up each restart for a minute.
        cluster.settings |= {"max_connections": "600", "authentication_timeout": "10s"}
        cluster.restart()
        place.environment["WFE_DATABASE_URL"] = cluster.url(cluster.new_database())
        _prepare(place)
        with Network(RUNNERS) as network:
            machines = Machines(place, cluster, network, Path(folder), workers)
            engine = create_engine(project_at(place.root), environment=place.environment)
            try:
                return _Team(place, machines, engine, Path(folder)).figures(runs)
            finally:
                engine.close()
                machines.close()


def _prepare(place: Scene) -> None:
    """The checks, and a commit for the runners."""
    argv = json.dumps([sys.executable, "-S", "-c", "pass"])
    where = {True: 'where = "runner"\n', False: ""}
    text = "".join(f"[checks.c{at}]\nargv = {argv}\n{where[at >= CHECKS - REMOTE]}" for at in range(CHECKS))
    (place.root / ".wfe" / "config.toml").write_text(text, encoding="utf-8")
    (place.root / ".gitignore").write_text(".wfe/\n", encoding="utf-8")
    (place.root / "app.py").write_text("pass\n", encoding="utf-8")
    place.git("add", ".")
    place.git("commit", "-q", "-m", "As it begins")
    place.add_template(TEMPLATE)


class _Team:
    """The agents, and what is counted afterwards."""

    def __init__(self, place: Scene, machines: Machines, engine: Engine, folder: Path) -> None:
        self._place, self._machines, self._engine, self._folder = place, machines, engine, folder
        self._acknowledged: list[str] = []
        self._repeated: Counter[str] = Counter()
        self._chaos: Chaos | None = None
        self._completed = 0.0
        """When the last run was."""
        self._tokens = [
            create_token(engine, _BY, f"agent-{at}", "work", project=engine.project_id)[1] for at in range(AGENTS)
        ]

    def figures(self, runs: int) -> list[Figure]:
        """Work, with faults, until every run is complete or lost."""
        one = self._machines
        one.proxy = Proxy(self._folder, lambda: one.ports)
        names = [f"runner-{at}" for at in range(RUNNERS)]
        one.tokens = [
            create_token(self._engine, _BY, name, "runner", project=self._engine.project_id)[1] for name in names
        ]
        for port in _free_ports(SERVERS):
            one.start_server(port)
        for at in range(RUNNERS):
            one.start_runner(at)
        began = time.perf_counter()
        chaos = self._chaos = Chaos(one)
        asyncio.run(self._work(runs, chaos))
        chaos.stop()
        took = time.perf_counter() - began
        one.proxy.close()
        counted = self._counted()
        errors = one.errors()
        faults = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(chaos.done.items()))
        repeated = ", ".join(f"{name} {count}" for name, count in self._repeated.most_common())
        return [
            Figure(f"runs that are not complete, of {runs:,}", counted["open"], "", 0),
            Figure(f"jobs that did not end, of {counted['jobs']:,}", counted["jobs"] - counted["ended"], "", 0),
            Figure("gates that were judged twice", counted["twice"], "", 0),
            Figure("gates of complete runs that were not judged", counted["unjudged"], "", 0),
            Figure("differences that verify finds", self._place.verified()[1], "", 0),
            Figure("faults", sum(chaos.done.values()), "", note=faults),
            Figure("calls that were repeated", sum(self._repeated.values()), "", note=repeated),
            Figure(
                "errors in the logs",
                sum(errors.values()),
                "",
                lines=tuple(f"{n} × {each}" for each, n in errors.most_common(8)),
            ),
            Figure("time", took, "s", note=f"{counted['jobs'] / took:,.1f} jobs/s"),
        ]

    async def _work(self, runs: int, chaos: Chaos) -> None:
        left = iter(range(runs))

        async def agent(token: str) -> None:
            async with httpx2.AsyncClient(trust_env=False, timeout=_CALL_S) as http:
                for number in left:
                    if chaos.broken is None:
                        await self._run(partial(self._call, http, token), number)
                        print(
                            f"\r{number + 1:,} of {runs:,} runs begun, {sum(chaos.done.values()):,} faults",
                            end="",
                            file=sys.stderr,
                            flush=True,
                        )

        await asyncio.gather(*(agent(each) for each in self._tokens[:runs]))

    async def _run(self, ask: Ask, number: int) -> None:
        run = str((await ask("start_run", template="chaos", title=f"run {number}"))["run"])
        self._acknowledged.append(run)
        body: dict[str, Any] = {"front": {}, "body": f"word {number}"}
        self._completed = self._completed or time.monotonic()
        while time.monotonic() < self._completed + _GIVE_UP_S:
            found = await ask("status", run=run, wait_s=20)
            if found.get("run_state") == "completed":
                self._completed = time.monotonic()
                return
            if found.get("waiting_on") == "gate":
                continue
            await ask("start_phase", run=run, phase="work")
            await ask("submit_artifact", run=run, phase="work", artifact=body)

    async def _call(self, http: httpx2.AsyncClient, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """The envelope. What was not answered, or could not be done now, is repeated, at any server."""
        while True:
            if self._chaos is not None and self._chaos.broken is not None:
                raise self._chaos.broken
            url = f"http://127.0.0.1:{random.choice(self._machines.ports)}"
            found, why = await call(http, url, token, tool, arguments, bridged=True)
            is_answered = bool(found) and why != "unavailable"
            if not why or (is_answered and tool != "start_run"):
                return found
            self._repeated[why] += 1
            await asyncio.sleep(_PAUSE_S)

    def _counted(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for run in self._acknowledged:
            with self._engine.store.read() as tx:
                state = self._engine.load(tx, run).state
                jobs = tx.jobs.filter(RunId(run), limit=10_000)
                events = [each for each in tx.events.core_events(RunId(run)) if isinstance(each, GateJudged)]
            judged = Counter((each.phase, each.attempt) for each in events)
            found["twice"] += sum(max(0, count - CHECKS) for count in judged.values())
            found["open"] += state.status is not RunStatus.COMPLETED
            found["unjudged"] += state.status is RunStatus.COMPLETED and max(judged.values(), default=0) < CHECKS
            found["jobs"] += len(jobs)
            found["ended"] += sum(each.status not in {JobStatus.QUEUED, JobStatus.RUNNING} for each in jobs)
        return found


def _free_ports(count: int) -> list[int]:
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in listening]
    for each in listening:
        each.close()
    return ports
