"""Measures calls that change a run, and the minimum possible time.

The minimum, measured in the same run: a no-op tool of the bare SDK over the same pipes, plus the rows of a submission
written with raw sqlite3 to the same file.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

from bench.figures import Figure, median, percentile

if TYPE_CHECKING:
    from pathlib import Path

    from bench.scene import Scene, Server


def measure(scene: Scene, calls: int, artifacts: int) -> list[Figure]:
    """p50 and p99 of start_run, start_phase, submit_artifact with ``artifacts`` in the database (ms)."""
    fill(scene.database, artifacts)
    spent: dict[str, list[float]] = {"start_run": [], "start_phase": [], "submit_artifact": []}
    with scene.server() as server:
        server.hello()
        for number in range(calls + 5):
            # By then the modules of a call are loaded, and the copied runs are indexed.
            if number == 5:
                server.until_idle()
                for times in spent.values():
                    times.clear()
            _drive(server, number, spent)
    every = [value for times in spent.values() for value in times]
    floor = _noop_ms(scene, calls) + _raw_rows_ms(scene.database, calls)
    label = f"at {artifacts:,} artifacts"
    return [
        Figure(f"state-changing call p50 {label}", median(every), "ms", 10),
        Figure(f"state-changing call p99 {label}", percentile(every, 99), "ms", 50),
        *(Figure(f"  {name} p50", median(times), "ms") for name, times in spent.items()),
        Figure("floor: no-op SDK call + the same rows by raw sqlite3", floor, "ms"),
        Figure(f"p50 ÷ floor {label}", median(every) / floor, "×", 6, "stretch 3"),
    ]


def _drive(server: Server, number: int, spent: dict[str, list[float]]) -> None:
    def timed(tool: str, **arguments: object) -> dict[str, object]:
        began = time.perf_counter()
        answer = server.call(tool, **arguments)["structuredContent"]
        spent[tool].append((time.perf_counter() - began) * 1000)
        assert answer["ok"], answer
        return answer

    run = str(timed("start_run", template="bench", title=f"bench {number}")["run"])
    timed("start_phase", run=run)
    body = f"Body {number}. " + "word " * 700
    answer = timed("submit_artifact", run=run, phase="work", artifact={"front": {}, "body": body})
    assert answer["run_state"] == "completed", answer


def fill(database: Path, artifacts: int) -> None:
    """Copy the newest run with its rows until there are ``artifacts`` revisions of about 4 kB."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    have = connection.execute("SELECT count(*) FROM revision").fetchone()[0]
    missing = artifacts - have
    if missing > 0:
        connection.execute("BEGIN IMMEDIATE")
        copy_runs(connection, missing)
        connection.execute("COMMIT")
    connection.close()
    with database.open("rb+") as file:  # else the first sync of the server writes out all of them
        os.fsync(file.fileno())


def copy_runs(connection: sqlite3.Connection, count: int) -> None:
    """``count`` copies of the newest run, with its rows."""
    source = connection.execute("SELECT id FROM run ORDER BY created_at DESC LIMIT 1").fetchone()[0]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {count})"
    for table in ("run", "attempt", "event", "revision"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        key = "id" if table == "run" else "run_id"
        taken = [name for name in columns if not (table == "revision" and name == "id")]
        chosen = ", ".join(f"'copy-{count}-' || n.i" if name == key else f't."{name}"' for name in taken)
        names = ", ".join(f'"{name}"' for name in taken)
        connection.execute(
            f"INSERT INTO {table} ({names}) {numbers} SELECT {chosen} FROM {table} t, n WHERE t.{key} = ?", (source,)
        )


_NOOP = """
import anyio
from mcp.server import MCPServer
server = MCPServer("noop", version="1", log_level="CRITICAL")
@server.tool()
def noop() -> str:
    return "ok"
server.run("stdio")
"""


def _noop_ms(scene: Scene, calls: int) -> float:
    with scene.server(sys.executable, "-c", _NOOP) as server:
        server.hello()
        spent: list[float] = []
        for _ in range(calls):
            began = time.perf_counter()
            server.call("noop")
            spent.append((time.perf_counter() - began) * 1000)
    return median(spent)


def _raw_rows_ms(database: Path, calls: int) -> float:
    """One transaction with the rows of a submission: run and attempt rewritten, three events, one revision."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    run = connection.execute("SELECT id FROM run ORDER BY created_at DESC LIMIT 1").fetchone()[0]
    seq = connection.execute("SELECT max(seq) FROM event WHERE run_id = ?", (run,)).fetchone()[0]
    event = list(connection.execute("SELECT * FROM event WHERE run_id = ? AND seq = ?", (run, seq)).fetchone())
    revision = list(connection.execute("SELECT * FROM revision WHERE run_id = ?", (run,)).fetchone())
    spent: list[float] = []
    for number in range(calls):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE run SET updated_at = updated_at, revision = revision WHERE id = ?", (run,))
        connection.execute("UPDATE attempt SET state = state WHERE run_id = ?", (run,))
        for _ in range(3):
            seq += 1
            event[1] = seq
            connection.execute(f"INSERT INTO event VALUES ({','.join('?' * len(event))})", event)
        revision[0], revision[3] = None, 1000 + number
        connection.execute(f"INSERT INTO revision VALUES ({','.join('?' * len(revision))})", revision)
        connection.execute("COMMIT")
        spent.append((time.perf_counter() - began) * 1000)
    connection.close()
    return median(spent)
