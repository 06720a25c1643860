"""Measures one server for a team: agents over MCP and people over the HTTP API at once, on SQLite and on PostgreSQL.

Each agent has runs of its own and works with a short pause between two calls, as a model does that thinks; each person looks at the
inbox, the runs and one run. What is asked and what answers share the processors of this machine.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import psutil

from bench.figures import Figure, median, percentile
from bench.over_http import call
from bench.scene import HERE, scene

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.scene import Scene

AGENTS, PEOPLE, TOKENS = 200, 20, 50
_PAUSE_S = 4.0
"""Between two calls of an agent: a model that thinks, and works with its other tools, takes longer."""
_LOOKS_S = 3.0
_LOOKS = ("inbox", "runs?limit=20", "runs/{run}")
_TOOLS = ("start_run", "start_phase", "submit_artifact", "status")
_WAIT_S = 120.0
_STARTING_S = 10.0
"""Until each of several processes answers: the first would get all connections, which clients keep."""


def measure(place: Scene, each: int, workers: int = 1) -> list[Figure]:
    """p50 and p99 of every tool and page while ``AGENTS`` agents have ``each`` runs and ``PEOPLE`` people look.

    ``workers``: processes of the server.
    """
    from tests.postgres import running_cluster

    figures = _Team(place, "SQLite", workers).figures(each)
    with running_cluster() as cluster, scene() as other:
        other.environment["WFE_DATABASE_URL"] = cluster.url(cluster.new_database())
        other._trust()  # pyright: ignore[reportPrivateUsage] - of the new database
        figures += _Team(other, "PostgreSQL", workers).figures(each)
    return figures


class _Team:
    """A server, its tokens, and everybody who uses it."""

    def __init__(self, place: Scene, database: str, workers: int) -> None:
        self._place, self._database, self._workers = place, database, workers
        self._spent: dict[str, list[float]] = defaultdict(list)
        self._refused: dict[str, int] = defaultdict(int)
        self._runs: list[str] = []
        self._is_over = False

    def figures(self, each: int) -> list[Figure]:
        """All of them, and what ``verify`` says of each run afterwards."""
        tokens = self._tokens()
        with self._serving() as (url, server):
            began, before = time.perf_counter(), _cpu_s(server)
            asyncio.run(self._work(url, tokens, each))
            took = time.perf_counter() - began
            cpu_s = {pid: spent - before.get(pid, 0.0) for pid, spent in _cpu_s(server).items()}
        found = [
            Figure(
                f"{self._database}: {name}, p50",
                median(spent),
                "ms",
                note=f"p99 {percentile(spent, 99):,.0f} ms, {len(spent):,} ×",
            )
            for name, spent in self._spent.items()
        ]
        refused = ", ".join(f"{code} {count}" for code, count in self._refused.items())
        found.append(Figure(f"{self._database}: calls that were refused", sum(self._refused.values()), "", 0, refused))
        found.append(
            Figure(f"{self._database}: runs that are not whole, of {len(self._runs):,}", self._faults(), "", 0)
        )
        calls = sum(map(len, self._spent.values()))
        shares = ", ".join(f"{spent:.1f}" for spent in cpu_s.values() if spent > 0.1)
        found += [
            Figure(f"{self._database}: calls a second", calls / took, "1/s"),
            Figure(
                f"{self._database}: CPU of the server for a call",
                sum(cpu_s.values()) / calls * 1000,
                "ms",
                note=f"its processes: {shares} s in {took:.0f} s",
            ),
        ]
        return found

    def _tokens(self) -> list[str]:
        from wfe_mcp.core.model import Assurance, By, Channel
        from wfe_mcp.engine.access.tokens import create_token
        from wfe_mcp.engine.factory import create_engine
        from wfe_mcp.workspace.system.location import project_at

        engine = create_engine(project_at(self._place.root), environment=self._place.environment)
        by = By("bench", Channel.CLI, Assurance.HUMAN)
        made = [create_token(engine, by, f"a{at}", "work", project=engine.project_id)[1] for at in range(TOKENS)]
        engine.close()
        return made

    @contextmanager
    def _serving(self) -> Generator[tuple[str, psutil.Process]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wfe_mcp", "--json", "server", "--port", "0", "--workers", str(self._workers)],
            cwd=self._place.root,
            env=self._place.environment | {"PYTHONPATH": HERE},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            url = str(json.loads(process.stdout.readline())["data"]["url"])
            if self._workers > 1:
                time.sleep(_STARTING_S)
            yield url, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_WAIT_S)

    async def _work(self, url: str, tokens: list[str], each: int) -> None:
        # A pool would give most calls to the connections that it made first, and so to the process that took those.
        limits = httpx2.Limits(max_connections=AGENTS + PEOPLE, max_keepalive_connections=0)
        async with httpx2.AsyncClient(trust_env=False, timeout=_WAIT_S, limits=limits, base_url=url) as http:
            people = [asyncio.create_task(self._look(http, tokens[at % TOKENS], at)) for at in range(PEOPLE)]
            agents = (self._agent(http, tokens[at % TOKENS], at, each) for at in range(AGENTS))
            await asyncio.gather(*agents)
            self._is_over = True
            await asyncio.gather(*people)

    async def _agent(self, http: httpx2.AsyncClient, token: str, at: int, each: int) -> None:
        await asyncio.sleep(_PAUSE_S * at / AGENTS)
        for _ in range(each):
            run = (await self._call(http, token, "start_run", template="bench")).get("run")
            if run is None:
                continue
            self._runs.append(run)
            await self._call(http, token, "start_phase", run=run)
            body: dict[str, Any] = {"front": {}, "body": "word " * 700}
            await self._call(http, token, "submit_artifact", run=run, phase="work", artifact=body)
            await self._call(http, token, "status", run=run)

    async def _call(self, http: httpx2.AsyncClient, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
        began = time.perf_counter()
        found, why = await call(http, "", token, tool, arguments)
        self._spent[tool].append((time.perf_counter() - began) * 1000)
        if why:
            self._refused[why] += 1
        await asyncio.sleep(_PAUSE_S)
        return found

    async def _look(self, http: httpx2.AsyncClient, token: str, at: int) -> None:
        await asyncio.sleep(_LOOKS_S * at / PEOPLE)
        while not self._is_over:
            for look in _LOOKS:
                path = look.replace("{run}", self._runs[-1] if self._runs else "none")
                began = time.perf_counter()
                answer = await http.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
                if answer.status_code == 200:
                    self._spent[f"GET {look}"].append((time.perf_counter() - began) * 1000)
                elif self._runs:
                    self._refused[f"GET {look} {answer.status_code}"] += 1
                await asyncio.sleep(_LOOKS_S)

    def _faults(self) -> int:
        checked, differences = self._place.verified()
        return max(0, len(set(self._runs)) - checked) + differences


def _cpu_s(server: psutil.Process) -> dict[int, float]:
    """Process → the seconds of CPU that it has used."""
    spent = {each.pid: each.cpu_times() for each in (server, *server.children(recursive=True))}
    return {pid: times.user + times.system for pid, times in spent.items()}
