"""How long work holds up others: verify of all, backup, prune, vacuum, import and upgrade, each beside another process that writes on.

A vacuum rewrites the file in one transaction, so it has no budget.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.loops import TEMPLATE
from bench.scene import HERE, scene
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Scene
    from wfe_mcp.engine.kernel.engine import Engine

LONGEST_MS = 200

OLD = Path(HERE, "tests/store/fixtures/schema-0006.tar.gz")
"""A database as version 0.1.0 wrote it."""
_OLD_RUNS = 25
"""How many runs the old database gets for each run of the new one: an upgrade changes rows, which are smaller than bodies."""

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


def measure(place: Scene, runs: int) -> list[Figure]:
    """The longest write beside each of the long commands, in a database of ``runs`` finished runs."""
    with closing(create_engine(project_at(place.root), environment=place.environment)) as engine:
        _fill(engine, runs)
        idle = _beside(place.database, "nothing", lambda: time.sleep(2), None)
        found = [idle, *(_beside(place.database, *each) for each in _works(engine, place))]
        return [*found, _import(place, engine, runs), _upgrade(place, runs * _OLD_RUNS)]


def _works(engine: Engine, place: Scene) -> list[tuple[str, Callable[[], Any], int | None]]:
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
        ("backup", lambda: backup(engine, place.root.parent / "copy.db"), LONGEST_MS),
        ("prune of half the runs", lambda: prune(engine, old[:half], By()), LONGEST_MS),
        ("a vacuum", lambda: vacuum(engine.store.path), None),
        ("prune of the rest", lambda: prune(engine, old[half:], By()), LONGEST_MS),
    ]


def _beside(database: Path, name: str, work: Callable[[], Any], budget: int | None) -> Figure:
    argv = [sys.executable, "-c", WRITER, str(database)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        began = time.perf_counter()
        work()
        took_s = time.perf_counter() - began
        longest, count = writer.communicate()[0].split()
    return Figure(f"longest write beside {name}", float(longest), "ms", budget, f"{took_s:.1f} s, {count} writes")


def _import(place: Scene, engine: Engine, items: int) -> Figure:
    """The longest write beside the import of one run, with a loop over so many items, into the database of another user."""
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.transfer.exporting import export_run
    from wfe_mcp.engine.transfer.importing import import_run
    from wfe_mcp.views.answers import tool_answers as answers

    place.add_template(TEMPLATE)
    run = answers.start_run(engine, By(), TEMPLATE["name"]).run
    assert run is not None
    steps: list[tuple[str, dict[str, Any]]] = [
        ("plan", {"items": [{"id": f"T-{number}", "title": "a task"} for number in range(items)]})
    ]
    for number in range(items):
        steps += (
            (f"build[T-{number}].code", {"summary": "word " * 100}),
            (f"build[T-{number}].test", {"passed": True}),
        )
    for phase, artifact in steps:
        answers.start_phase(engine, By(), run, phase)
        answers.submit_artifact(engine, By(), run, phase, artifact=artifact)
    bundle = place.root.parent / "run.wfe"
    bundle.write_bytes(b"".join(export_run(engine, run).lines()))
    with scene() as other, closing(create_engine(project_at(other.root), environment=other.environment)) as theirs:

        def work() -> None:
            with bundle.open("rb") as file:
                import_run(theirs, By(), file)

        return _beside(other.database, f"the import of a run of {items} items", work, LONGEST_MS)


def _upgrade(place: Scene, runs: int) -> Figure:
    """The longest write beside the upgrade of the oldest database, with so many copies of one of its runs."""
    from wfe_mcp.engine.kernel.engine import utc_now
    from wfe_mcp.store import Store

    with tarfile.open(OLD) as archive:
        archive.extract("wfe.db", place.root.parent, filter="data")
    database = place.root.parent / "wfe.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode=WAL")
        old.execute("BEGIN")
        (source,) = old.execute("SELECT id FROM run WHERE status = 'completed' ORDER BY last_seq DESC").fetchone()
        for table, key in (("run", "id"), ("attempt", "run_id"), ("event", "run_id")):
            names = [f'"{row[1]}"' for row in old.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("'copy-' || n.i" if name == f'"{key}"' else f"t.{name}" for name in names)
            old.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) "
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM n, {table} t WHERE t.{key} = ?",
                (runs, source),
            )
        old.execute("COMMIT")

    def work() -> None:
        Store.open(f"sqlite:///{database.as_posix()}", clock=utc_now).close()

    return _beside(database, f"an upgrade of {runs:,} runs", work, LONGEST_MS)


def _fill(engine: Engine, runs: int) -> None:
    from wfe_mcp.core.model import By
    from wfe_mcp.views.answers import tool_answers as answers

    for _ in range(runs):
        run = answers.start_run(engine, By(), "bench").run
        assert run is not None
        answers.start_phase(engine, By(), run)
        answers.submit_artifact(engine, By(), run, "work", artifact={"front": {}, "body": "word " * 8_000})
