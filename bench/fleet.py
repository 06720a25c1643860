"""Measures many servers that write to one database at once: lost writes of eight, and how evenly sixteen wait."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.figures import Figure, median, percentile

if TYPE_CHECKING:
    from bench.scene import Scene, Server


_SERVERS, _AGENTS = 8, 16
UNEVEN = 10
"""How much longer than half of all calls the slowest hundredth may take."""


def measure(scene: Scene, each: int) -> list[Figure]:
    """Runs lost or doubled when eight server processes create ``each`` runs; seconds it took."""
    with ExitStack() as stack:
        servers = [stack.enter_context(scene.server()) for _ in range(_SERVERS)]
        for server in servers:
            server.hello()
        began = time.perf_counter()
        with ThreadPoolExecutor(_SERVERS) as pool:
            made = [run for runs in pool.map(_create, servers, [each] * len(servers)) for run in runs]
        took = time.perf_counter() - began
    connection = sqlite3.connect(scene.database)
    kept = {row[0] for row in connection.execute("SELECT id FROM run")}
    connection.close()
    return [
        Figure(f"acknowledged runs lost, of {len(made):,}", sum(1 for run in made if run not in kept), "runs", 0),
        Figure("acknowledged runs that are one run twice", len(made) - len(set(made)), "runs", 0),
        Figure("time for all", took, "s"),
        *_sixteen(scene, max(3, each // 20)),
    ]


def _sixteen(scene: Scene, each: int) -> list[Figure]:
    """The calls of sixteen agents at once, each with ``each`` runs of its own."""
    with ExitStack() as stack:
        servers = [stack.enter_context(scene.server()) for _ in range(_AGENTS)]
        for server in servers:
            server.hello()
            _drive(server, 1)  # the first calls load modules
        with ThreadPoolExecutor(_AGENTS) as pool:
            spent = [ms for found in pool.map(_drive, servers, [each] * len(servers)) for ms in found]
    half, last = median(spent), percentile(spent, 99)
    return [
        Figure(f"sixteen agents, {len(spent)} calls: p50", half, "ms"),
        Figure("sixteen agents: p99", last, "ms"),
        Figure("sixteen agents: p99 ÷ p50", last / half, "×", UNEVEN),
    ]


def _drive(server: Server, runs: int) -> list[float]:
    spent: list[float] = []

    def timed(tool: str, **arguments: object) -> dict[str, object]:
        began = time.perf_counter()
        answer = server.call(tool, **arguments)["structuredContent"]
        spent.append((time.perf_counter() - began) * 1000)
        assert answer["ok"], answer
        return answer

    for _ in range(runs):
        run = timed("start_run", template="bench")["run"]
        timed("start_phase", run=run)
        timed("submit_artifact", run=run, phase="work", artifact={"front": {}, "body": "word " * 700})
    return spent


def _create(server: Server, each: int) -> list[str]:
    return [server.call("start_run", template="bench")["structuredContent"]["run"] for _ in range(each)]
