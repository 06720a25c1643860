"""Measures on PostgreSQL what ``scans`` measures on SQLite: each reader of many runs, at 100 and at many.

The databases are those of ``scans``, taken over by ``move-to``. What is counted are the rows that the server read for a reader, as
its own statistics say, which do not depend on how busy the machine is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.scans import FEW, RATIO, READERS, filled
from bench.scene import scene
from wfe_mcp.store import Store
from wfe_mcp.store.moving import move

if TYPE_CHECKING:
    from bench.scene import Scene
    from tests.postgres import Cluster

_OF_A_FILE = ("hook, open work of a folder",)
"""Client hooks are silent on PostgreSQL."""
_LEAST_ROWS = 1_000
"""A ratio of fewer says nothing."""
_CALLS = 3

_CHILD = """
import json, sys, time
from pathlib import Path
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at
engine = create_engine(project_at(Path(".")))
run = sys.argv[1]
def reader():
    global found
    READER
IMPORTS
spent = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    reader()
    spent.append((time.perf_counter() - began) * 1000)
engine.close()
print(json.dumps(min(spent, default=0)))
"""


def _index(url: str) -> None:
    """As servers do it after a move, some runs at a time."""
    store, after = Store.open(url, clock=lambda: datetime.now(UTC)), None
    while True:
        with store.tx() as tx:
            after = tx.search_index.index_missing(after, most=20_000)
        if after is None:
            break
    store.close()


_READ = "SELECT tup_returned + tup_fetched FROM pg_stat_database WHERE datname = '{}'"
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'"


def measure(place: Scene, many: int) -> list[Figure]:
    """Each reader at ``FEW`` and at ``many`` runs."""
    from tests.postgres import running_cluster

    figures: list[Figure] = []
    with running_cluster() as cluster, scene() as other:
        small, large = (_Moved(cluster, each, count) for each, count in ((place, FEW), (other, many)))
        figures.append(Figure(f"move-to without its look at the logs, {many:,} runs", large.moved_s, "s"))
        for name in READERS:
            if name not in _OF_A_FILE:
                before, after = small.spent(name), large.spent(name)
                note = f"{before[0]:.1f} → {after[0]:.1f} ms; {before[1]:,.0f} → {after[1]:,.0f} rows"
                ratio = max(1.0, after[1] / max(before[1], _LEAST_ROWS))
                figures.append(Figure(f"{name}, rows read, {many:,} ÷ {FEW} runs", ratio, "×", RATIO, note))
    return figures


class _Moved:
    """A filled database on PostgreSQL."""

    def __init__(self, cluster: Cluster, place: Scene, count: int) -> None:
        self._cluster, self._place, self._run = cluster, place, filled(place, count)
        self._name = cluster.new_database()
        url = cluster.url(self._name)
        began = time.perf_counter()
        move(
            place.environment["WFE_DATABASE_URL"],
            url,
            clock=lambda: datetime.now(UTC),
            may_go=lambda tx: None,
            before_commit=lambda: None,
        )
        self.moved_s = time.perf_counter() - began
        _index(url)
        cluster.execute("VACUUM ANALYZE", database=self._name)  # as its own daemon does, which the tests switch off
        self._environment = place.environment | {
            "WFE_DATABASE_URL": url,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        }

    def spent(self, name: str) -> tuple[float, float]:
        """The milliseconds of a call of the reader, and the rows that the server read for it."""
        (_, once), (took_ms, often) = (self._read(name, calls) for calls in (1, 1 + _CALLS))
        return took_ms, (often - once) / _CALLS

    def _read(self, name: str, calls: int) -> tuple[float, int]:
        imports, reader = READERS[name]
        before = self._rows()
        done = subprocess.run(
            [sys.executable, "-c", _CHILD.replace("READER", reader).replace("IMPORTS", imports), self._run, str(calls)],
            cwd=self._place.root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")
        while self._asked(_OTHERS):  # its sessions report when they end
            time.sleep(0.01)
        return float(json.loads(done.stdout.splitlines()[-1])), self._rows() - before

    def _rows(self) -> int:
        return self._asked(_READ)

    def _asked(self, query: str) -> int:
        found: list[tuple[Any, ...]] = self._cluster.rows(query.format(self._name))
        return int(found[0][0])
