"""How long work holds up others: verify of all, backup, prune and vacuum, each beside another process that writes on and on.

A vacuum rewrites the file in one transaction, so it has no budget.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Scene
    from wfe_mcp.engine.kernel.engine import Engine

LONGEST_MS = 200

WRITER = """
import select, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=600, isolation_level=None)
connection.execute("CREATE TABLE IF NOT EXISTS bench_writer (number INTEGER)")
longest, count = 0.0, 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    began = time.perf_counter()
    connection.execute("INSERT INTO bench_writer VALUES (1)")
    longest, count = max(longest, time.perf_counter() - began), count + 1
connection.execute("DROP TABLE bench_writer")
print(1000 * longest, count)
"""
"""Prints how long its longest write took, and how many there were, once its standard input ends."""


def measure(scene: Scene, runs: int) -> list[Figure]:
    """The longest write beside each of the long commands, in a database of ``runs`` finished runs."""
    with closing(create_engine(project_at(scene.root), environment=scene.environment)) as engine:
        _fill(engine, runs)
        idle = _beside(scene, "nothing", lambda: time.sleep(2), None)
        return [idle, *(_beside(scene, *each) for each in _works(engine, scene))]


def _works(engine: Engine, scene: Scene) -> list[tuple[str, Callable[[], Any], int | None]]:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.maintenance.backups import backup
    from wfe_mcp.engine.maintenance.pruning import prune
    from wfe_mcp.store.maintenance.copies import vacuum
    from wfe_mcp.views.approvals.audit import verify

    with engine.store.read() as tx:
        old = tx.runs.page(engine.project_id, limit=10_000).runs
    half = len(old) // 2
    return [
        ("verify of all runs", lambda: verify(engine), LONGEST_MS),
        ("backup", lambda: backup(engine, scene.root.parent / "copy.db"), LONGEST_MS),
        ("prune of half the runs", lambda: prune(engine, old[:half], By()), LONGEST_MS),
        ("a vacuum", lambda: vacuum(engine.store.path), None),
        ("prune of the rest", lambda: prune(engine, old[half:], By()), LONGEST_MS),
    ]


def _beside(scene: Scene, name: str, work: Callable[[], Any], budget: int | None) -> Figure:
    argv = [sys.executable, "-c", WRITER, str(scene.database)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        began = time.perf_counter()
        work()
        took_s = time.perf_counter() - began
        longest, count = writer.communicate()[0].split()
    return Figure(f"longest write beside {name}", float(longest), "ms", budget, f"{took_s:.1f} s, {count} writes")


def _fill(engine: Engine, runs: int) -> None:
    from wfe_mcp.core.model import By
    from wfe_mcp.views.answers import tool_answers as answers

    for _ in range(runs):
        run = answers.start_run(engine, By(), "bench").run
        assert run is not None
        answers.start_phase(engine, By(), run)
        answers.submit_artifact(engine, By(), run, "work", artifact={"front": {}, "body": "word " * 8_000})
