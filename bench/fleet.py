"""Measures whether writes are lost when eight servers write to one database at once."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.figures import Figure

if TYPE_CHECKING:
    from bench.scene import Scene, Server


_SERVERS = 8


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
    ]


def _create(server: Server, each: int) -> list[str]:
    return [server.call("start_run", template="bench")["structuredContent"]["run"] for _ in range(each)]
