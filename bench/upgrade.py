"""Rehearses the upgrade of a team that works: two servers of an earlier commit, one of this one that migrates, then the others replaced.

As docs/how-to/operate-a-server.md says it, on SQLite and on PostgreSQL. Eight agents call all the time, each call at any process that a
proxy would choose: one that is ready and not about to end. No call may be refused or stay without an answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from bench.figures import Figure, print_figures
from bench.over_http import call
from bench.scene import HERE, scene

if TYPE_CHECKING:
    from bench.scene import Scene

AGENTS = 8
_CALM_S, _PAUSE_S, _LOOK_S = 5.0, 0.2, 0.3
_TRUST = """
import os
from pathlib import Path
from wfe_mcp.core.model import Assurance, By, Channel
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.templates.trust import give_trust
from wfe_mcp.workspace.system.location import project_at
engine = create_engine(project_at(Path.cwd()), environment=dict(os.environ))
give_trust(engine, By("bench", Channel.CLI, Assurance.HUMAN), [])
engine.close()
"""


def main(argv: list[str]) -> int:
    """``python -m bench upgrade COMMIT``: from that commit to the files of this checkout."""
    from tests.postgres import running_cluster

    with tempfile.TemporaryDirectory(prefix="wfe-upgrade-") as folder, scene() as place, running_cluster() as cluster:
        tree = Path(folder, "tree")
        git = ("git", "-C", HERE, "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), argv[0]], check=True)
        try:
            databases = {
                "SQLite": f"sqlite:///{place.database.as_posix()}.upgraded",
                "PostgreSQL": cluster.url(cluster.new_database()),
            }
            kept = True
            for name, url in databases.items():
                place.environment["WFE_DATABASE_URL"] = url
                kept &= print_figures(f"From {argv[0]} to this, on {name}", _Upgrade(place, tree).figures())
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    return 0 if kept else 1


class _Upgrade:
    """The processes, and the agents that call them."""

    def __init__(self, place: Scene, old: Path) -> None:
        self._place, self._old = place, old
        self._serving: dict[str, subprocess.Popen[str]] = {}
        self._asked: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._slowest = 0.0
        self._is_over = False
        self._run(old, "-c", _TRUST)
        made = self._run(old, "-m", "wfe_mcp", "--json", "token", "create", "agent", "--scope", "work")
        self._token = str(json.loads(made)["data"]["token"])

    def figures(self) -> list[Figure]:
        """What the agents met, and what ``verify`` finds."""
        asyncio.run(self._upgrade())
        checked, differences = self._place.verified()
        refused = ", ".join(f"{what} {count}" for what, count in self._refused.items())
        runs = self._asked["start_run"]
        return [
            Figure("calls", sum(self._asked.values()), "", note=f"of {AGENTS} agents"),
            Figure("calls refused, or without an answer", sum(self._refused.values()), "", 0, refused),
            Figure("the slowest call", self._slowest, "s"),
            Figure(f"runs that are missing, of {runs:,}", runs - checked, "", 0),
            Figure("differences that verify finds", differences, "", 0),
        ]

    async def _upgrade(self) -> None:
        for _ in range(2):
            await self._start(self._old)
        agents = [asyncio.create_task(self._agent()) for _ in range(AGENTS)]
        await asyncio.sleep(_CALM_S)
        before = list(self._serving)
        await self._start(Path(HERE))
        await asyncio.sleep(_CALM_S)
        for each in before:
            await self._end(each)
            await self._start(Path(HERE))
        await asyncio.sleep(_CALM_S)
        self._is_over = True
        await asyncio.gather(*agents)
        for each in list(self._serving):
            await self._end(each)

    async def _start(self, tree: Path) -> None:
        """One more process; requests come once it is ready."""
        url, process = await asyncio.to_thread(self._ready, tree)
        self._serving[url] = process

    def _ready(self, tree: Path) -> tuple[str, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wfe_mcp", "--json", "server", "--port", "0"],
            cwd=self._place.root,
            env=self._place.environment | {"PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        url = str(json.loads(process.stdout.readline())["data"]["url"])
        with httpx2.Client(trust_env=False, timeout=60) as http:
            while http.get(f"{url}/readyz").status_code != 200:
                time.sleep(_LOOK_S)
        return url, process

    async def _end(self, url: str) -> None:
        process = self._serving.pop(url)
        await asyncio.sleep(_PAUSE_S)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate)

    async def _agent(self) -> None:
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            while not self._is_over:
                run = (await self._call(http, "start_run", template="bench")).get("run")
                if run is None:
                    continue
                await self._call(http, "start_phase", run=run)
                body: dict[str, Any] = {"front": {}, "body": "word " * 100}
                await self._call(http, "submit_artifact", run=run, phase="work", artifact=body)
                await self._call(http, "status", run=run)

    async def _call(self, http: httpx2.AsyncClient, tool: str, **arguments: Any) -> dict[str, Any]:
        url, began = random.choice(list(self._serving)), time.perf_counter()
        found, why = await call(http, url, self._token, tool, arguments)
        self._slowest = max(self._slowest, time.perf_counter() - began)
        self._asked[tool] += 1
        if why:
            self._refused[f"{tool} {why}"] += 1
        await asyncio.sleep(_PAUSE_S)
        return found

    def _run(self, tree: Path, *words: str) -> str:
        env = self._place.environment | {"PYTHONPATH": str(tree)}
        return subprocess.run(
            [sys.executable, *words], cwd=self._place.root, env=env, capture_output=True, text=True, check=True
        ).stdout
