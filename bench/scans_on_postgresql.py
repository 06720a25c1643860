"""Measures on PostgreSQL what ``scans`` measures on SQLite: each reader of many runs, at 100 and at many.

    100 runs of ``scans`` ── move-to ──► PostgreSQL ── copied inside it, one ended run again and again ──► many runs

What is counted are the rows that the server read for a reader, as its own statistics say, which do not depend on how busy the
machine is. The server's data lie on the disk: a million runs are 10 GB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.scans import FEW, OPEN, RATIO, READERS, TABLES, filled
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

_SOURCE = "e-00000001"
_COPIED = (*TABLES, "job", "model_call", "find_run", "find_entry")
_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = 'wfe' AND table_name = '{}' AND is_identity = 'NO'"
)
_BEFORE = "(n.i - 1) * interval '1 minute'"
_NUMBERS = "generate_series({first}, {last}) AS n(i)"
_NEW_RUN = "'e-' || lpad(n.i::text, 8, '0')"
_WORDS = f"""
INSERT INTO find_text (rowid, words)
SELECT t.rowid - (n.i - 1) * {60 * 256}::bigint, replace(t.words::text, '_re00000001', '_re' || lpad(n.i::text, 8, '0'))::tsvector
FROM {_NUMBERS}, find_text t JOIN find_entry o ON o.id = t.rowid WHERE o.run_id = '{_SOURCE}'
"""
_DAYS = """
INSERT INTO {table} ({names}) SELECT {chosen} FROM generate_series(1, {days}) AS n(i), {table} t
WHERE t.day = (SELECT max(day) FROM {table} WHERE day <> '') ON CONFLICT DO NOTHING
"""


def measure(place: Scene, many: int) -> list[Figure]:
    """Each reader at ``FEW`` and at ``many`` runs."""
    from tests.postgres import running_cluster

    figures: list[Figure] = []
    with running_cluster(Path(tempfile.gettempdir())) as cluster:
        small = _Moved(cluster, place)
        large, took_s = small.grown(many)
        figures.append(Figure(f"{many:,} runs made by SQL", took_s, "s", note=f"{large.size_mb():,.0f} MB"))
        for name in READERS:
            if name not in _OF_A_FILE:
                before, after = small.spent(name), large.spent(name)
                note = f"{before[0]:.1f} → {after[0]:.1f} ms; {before[1]:,.0f} → {after[1]:,.0f} rows"
                ratio = max(1.0, after[1] / max(before[1], _LEAST_ROWS))
                figures.append(Figure(f"{name}, rows read, {many:,} ÷ {FEW} runs", ratio, "×", RATIO, note))
    return figures


class _Moved:
    """A filled database on PostgreSQL: that of ``scans``, or ``name``, which is there already."""

    def __init__(self, cluster: Cluster, place: Scene, name: str = "", run: str = "") -> None:
        self._cluster, self._place, self._name, self._run = cluster, place, name, run
        if not name:
            self._run, self._name = filled(place, FEW), cluster.new_database()
            self._move()
        cluster.execute("VACUUM ANALYZE", database=self._name)  # as its own daemon does, which the tests switch off
        self._environment = place.environment | {
            "WFE_DATABASE_URL": cluster.url(self._name),
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        }

    def _move(self) -> None:
        url = self._cluster.url(self._name)
        move(
            self._place.environment["WFE_DATABASE_URL"],
            url,
            clock=lambda: datetime.now(UTC),
            may_go=lambda tx: None,
            before_commit=lambda: None,
        )
        _index(url)

    def grown(self, many: int) -> tuple[_Moved, float]:
        """A copy of this database with ``many`` runs, and how many seconds it took to make it."""
        began = time.perf_counter()
        name = self._cluster.new_database(self._name)
        # No trigger acts, and no key is looked up: the rows are copies of some that have passed both.
        begin = ("SET search_path = wfe", "SET session_replication_role = replica", "SET synchronous_commit = off")
        numbers = {"first": FEW - OPEN + 1, "last": many - OPEN}
        copies = (self._copies(table).format(**numbers) for table in _COPIED)
        days = (self._days(table, many // 1440) for table in ("phase_sum", "usage_sum"))
        self._cluster.execute(*begin, *copies, _WORDS.format(**numbers), *days, database=name)
        return _Moved(self._cluster, self._place, name, f"e-{many // 2:08d}"), time.perf_counter() - began

    def _copies(self, table: str) -> str:
        """The statement that copies the rows of the run ``_SOURCE``: later numbers are of a minute before."""
        names = dict(self._cluster.rows(_COLUMNS.format(table), self._name))
        chosen = {name: f't."{name}"' for name in names}
        chosen |= {name: f"{old} - {_BEFORE}" for name, old in chosen.items() if names[name].startswith("timestamp")}
        chosen |= {name: f"t.{name} || '-' || n.i" for name in ("id", "dedupe_key", "request_id") if name in names}
        whose = "t.run_id"
        match table:
            case "run":
                chosen["id"], whose = _NEW_RUN, "t.id"
            case "revision":
                chosen["id"] = "t.id + n.i * 1000"
            case "find_entry":
                chosen["id"] = f"t.id - (n.i - 1) * {60 * 256}::bigint"
                chosen["ref"] = "CASE t.source WHEN 'revision' THEN (t.ref::integer + n.i * 1000)::text ELSE t.ref END"
            case "decision":
                whose = "(SELECT run_id FROM request WHERE id = t.request_id)"
            case _:
                pass
        if "run_id" in names:
            chosen["run_id"] = _NEW_RUN
        return (
            f"INSERT INTO {table} ({', '.join(map(_quoted, chosen))}) SELECT {', '.join(chosen.values())} "
            f"FROM {_NUMBERS}, {table} t WHERE {whose} = '{_SOURCE}'"
        )

    def _days(self, table: str, days: int) -> str:
        """The statement that repeats the sums of a day for so many days before it."""
        chosen = {name: f't."{name}"' for name, _ in self._cluster.rows(_COLUMNS.format(table), self._name)}
        chosen["day"] = "(t.day::date - n.i)::text"
        names = ", ".join(map(_quoted, chosen))
        return _DAYS.format(table=table, days=days, names=names, chosen=", ".join(chosen.values()))

    def size_mb(self) -> float:
        """The size of the database on the disk."""
        return self._asked("SELECT pg_database_size('{}')") / 1e6

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


def _quoted(name: str) -> str:
    return f'"{name}"'
