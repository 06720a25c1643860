"""Measures what grows with the number of runs: each reader of many runs, at 100 and at many.

The databases are copies of a few played runs, made by SQL: one in ``_OPEN_OF`` is open up to ``OPEN`` runs, all others have
ended, one each minute backwards from two days ago. Each reader runs in a process of its own: CPU time, memory above that of an opened
database, and steps of SQLite's virtual machine, which do not depend on how busy the machine is.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import Figure
from bench.scene import scene

if TYPE_CHECKING:
    from bench.scene import Scene

FEW = 100
OPEN = 20
RATIO = 1.5
_LEAST_STEPS = 2_000
_LEAST_OF = {"find a word of every run": 4_000}
"""It reads the newest 200 matches, and ``FEW`` runs have half as many."""
_MEMORY_MB = 60
_MOMENT = "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-2 days', '-' || n.i || ' minutes')"
_SHIFTED = (
    f"strftime('%Y-%m-%d %H:%M:%f', julianday({_MOMENT}) + julianday(t.at) - (SELECT julianday(updated_at) FROM run "
    "WHERE id = t.run_id)) || '000'"
)
TABLES = ("run", "attempt", "event", "revision", "evidence", "request", "decision")
_SIGNED: dict[str, Any] = {
    "format": "wfe/1",
    "name": "signed",
    "version": "1.0.0",
    "title": "Plan, then a person agrees",
    "description": "What waits for a person.",
    "phases": [
        {
            "id": "plan",
            "prompt": "Plan it.",
            "output": {"artifact": "plan", "schema": "markdown_doc@1"},
            "gates": [{"kind": "approval", "assurance": "human"}],
        }
    ],
}

_CHILD = """
import json, resource, sys, time
from wfe_mcp.store.driver import driver
import _sqlite3
library, real, steps = driver(), driver().connect, [0]
def tick():
    steps[0] += 1
def connect(*given, **named):
    made = real(*given, **named)
    made.set_progress_handler(tick, 100)
    return made
library.connect = _sqlite3.connect = connect
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.workspace.system.location import project_at
from pathlib import Path
engine = create_engine(project_at(Path(".")))
run = sys.argv[1]
def reader():
    global found
    READER
IMPORTS
with engine.store.read() as tx:
    tx.runs.page(engine.project_id, limit=1)
def peak():
    if sys.platform == "linux":  # getrusage has the peak of the parent there
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
spent = []
before = peak()
for time_ in range(2):  # the first loads modules and compiles statements
    steps[0], began, found = 0, time.process_time(), None
    reader()
    spent.append((time.process_time() - began) * 1000)
    if spent[0] > 3000:
        break
print(json.dumps([min(spent), steps[0] * 100, (peak() - before) / 1e6]))
"""

_JOBS_AND_CALLS = """
INSERT INTO job (id, kind, queue, status, priority, run_at, tries, max_attempts, effect, fence, cancel_requested, run_id,
  created_at, started_at, finished_at, payload)
SELECT 'job-' || run.id || kinds.column1, 'gate', kinds.column1 || ':' || project_id, kinds.column2, 100, created_at, 1, 5,
  'idempotent', 1, 0, run.id, created_at, CASE kinds.column2 WHEN 'done' THEN created_at END, created_at, '{}'
FROM run, (VALUES ('command', 'done'), ('timer', 'cancelled')) AS kinds WHERE run.id LIKE 'e-%';
INSERT INTO model_call (id, project_id, run_id, phase, attempt, purpose, role, provider, model, status, started_at,
  finished_at, requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, reserved_tokens)
SELECT 'call-' || id, project_id, id, 'work', 1, 'opinion', 'reviewer', 'fake', 'fake-' || (rowid % 3), 'done', created_at,
  created_at, 1, 1000, 200, 0, 0, 0.01, 0 FROM run WHERE id LIKE 'e-%';
"""
"""A check, a cancelled timer and a call of a model for each run that has ended."""

_READ = "with engine.store.read() as tx:\n        found = "
_FIND = "from wfe_mcp.engine.search.finding import find"
_BY = 'from wfe_mcp.core.model import Assurance, By, Channel\nby = By("bench", Channel.MCP, Assurance.AGENT)\n'
READERS: dict[str, tuple[str, str]] = {
    "status": (f"{_BY}from wfe_mcp.views.answers.reading import status", "found = status(engine, by)"),
    "status of a run": (f"{_BY}from wfe_mcp.views.answers.reading import status", "found = status(engine, by, run)"),
    "a page of runs": ("", f"{_READ}tx.runs.page(engine.project_id)"),
    "a page of runs, far back": ("", f"{_READ}tx.runs.page(engine.project_id, cursor=run)"),
    "a page of the runs of a state": (
        "from wfe_mcp.core.model import RunStatus",
        f"{_READ}tx.runs.page(engine.project_id, status=[RunStatus.COMPLETED])",
    ),
    "a page of the runs of a rare template": ("", f'{_READ}tx.runs.page(engine.project_id, template="signed")'),
    "runs to tend at a server's start": ("", f"{_READ}tx.runs.to_tend(engine.project_id, engine.clock())"),
    "find in one run": (_FIND, 'found = find(engine, "word", "", run, 10)'),
    "find a word of every run": (_FIND, 'found = find(engine, "word", "", "", 10)'),
    "find a rare word": (_FIND, 'found = find(engine, "signed", "", "", 10)'),
    "find a word that no run has": (_FIND, 'found = find(engine, "neversaid", "", "", 10)'),
    "inbox": (
        "from wfe_mcp.dashboard.engines import Engines\nfrom wfe_mcp.dashboard.pages import everything_waiting",
        "found = everything_waiting(Engines(engine))",
    ),
    "stuck runs": ("from wfe_mcp.dashboard.engines import Engines", "found = Engines(engine).stuck()"),
    "queue": ("from wfe_mcp.engine.background.queues import queues_now", "found = queues_now(engine)"),
    "doctor, the database": (
        "from wfe_mcp.cli.terminal.health import health_findings",
        "found = list(health_findings(engine))",
    ),
    "doctor, the search index": ("", f"{_READ}tx.search_index.health()"),
    "activity of a rare type": (
        "",
        f'{_READ}tx.activity.before(tx.activity.last_position() + 1, type_="RunForked", limit=10)',
    ),
    "stats, phases": ("from wfe_mcp.views.history.stats import phases", "found = phases(engine)"),
    "stats, the week": ("from wfe_mcp.views.history.stats import week", "found = week(engine)"),
    "stats, models": ("from wfe_mcp.views.runs.usage import stats", "found = stats(engine)"),
    "prune --dry-run": (
        "from wfe_mcp.engine.maintenance.pruning import prunable",
        'found = prunable(engine, older="1d", keep=0, most=100)',
    ),
    "hook, open work of a folder": (
        "from wfe_mcp.clients.hooks import script_folder\nsys.path.append(str(script_folder()))\n"
        "from wfe_hook.open_runs import open_work\n",
        "found = open_work(str(engine.store.path), [str(engine.root)])",
    ),
}


def measure(place: Scene, many: int) -> list[Figure]:
    """Each reader at ``FEW`` and at ``many`` runs; a hook beside 10 and beside 10,000 open runs."""
    figures: list[Figure] = []
    with scene() as other:
        small, large = (filled(each, count) for each, count in ((place, FEW), (other, many)))
        figures.append(Figure(f"the database of {many:,} runs", other.database.stat().st_size / 1e6, "MB"))
        for name in READERS:
            before, after = _spent(place, name, small), _spent(other, name, large)
            figures += _figures(name, before, after, f"{many:,} ÷ {FEW} runs")
    with scene() as beside:
        opened = filled(beside, 10_000, opened=10_000)
        name = "hook, open work of a folder"
        figures += _figures(name, _spent(place, name, small), _spent(beside, name, opened), "10,000 ÷ 20 open runs")
    return figures


def _figures(name: str, before: list[float], after: list[float], of: str) -> list[Figure]:
    least = max(before[1], _LEAST_OF.get(name, _LEAST_STEPS))
    cpu = f"CPU {before[0]:.1f} → {after[0]:.1f} ms; {before[1]:,.0f} → {after[1]:,.0f} steps"
    return [
        Figure(f"{name}, steps, {of}", max(1.0, after[1] / least), "×", RATIO, cpu),
        Figure("  memory", after[2], "MB", _MEMORY_MB, f"{before[2]:.1f} MB of few"),
    ]


def _spent(place: Scene, name: str, run: str) -> list[float]:
    imports, reader = READERS[name]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.replace("READER", reader).replace("IMPORTS", imports), run],
        cwd=place.root,
        env=place.environment | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def filled(place: Scene, count: int, opened: int = OPEN) -> str:
    """Fill the database with copies until it has ``count`` runs; the id of one that has ended."""
    place.add_template(_SIGNED)
    with place.server() as server:
        server.hello()
        for template, phase in (("bench", "work"), ("signed", "plan")):
            run = server.call("start_run", template=template, title=template)["structuredContent"]["run"]
            server.call("start_phase", run=run)
            server.call("submit_artifact", run=run, phase=phase, artifact={"front": {}, "body": "word by word"})
        server.call("start_run", template="bench", title="open")
    with closing(sqlite3.connect(place.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        connection.execute("PRAGMA temp_store=MEMORY")
        _copy(connection, _newest(connection, "bench"), count - opened, "e")
        _copy(connection, _newest(connection, "signed"), opened // 2, "o")
        _copy(connection, _newest(connection, "open"), opened // 2, "p")
        connection.executescript(_JOBS_AND_CALLS)
        _index_words(connection)
    _caught_up(place)
    return f"e-{count // 2:08d}" if count - opened > count // 2 else f"o-{opened // 4:08d}"


def _caught_up(place: Scene) -> None:
    """What the first readers do, as far as no one has before: the runs that have ended are in the sums, and all can be found."""
    from wfe_mcp.engine.factory import create_engine
    from wfe_mcp.engine.search.finding import catch_up
    from wfe_mcp.engine.statistics.phase_sums import count_ended
    from wfe_mcp.workspace.system.location import project_at

    engine = create_engine(project_at(place.root), environment=place.environment)
    count_ended(engine, most_s=7200)
    catch_up(engine, within_s=600)
    engine.close()


def _newest(connection: sqlite3.Connection, title: str) -> str:
    query = "SELECT id FROM run WHERE title = ? ORDER BY created_at DESC LIMIT 1"
    return str(connection.execute(query, (title,)).fetchone()[0])


def _copy(connection: sqlite3.Connection, source: str, count: int, letter: str) -> None:
    made = f"'{letter}-' || printf('%08d', n.i)"
    for table in TABLES:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        names = [name for name in names if not (table == "revision" and name == "id")]
        own = {name: f"t.{name} || '-{letter}' || n.i" for name in ("id", "dedupe_key")}
        where = "t.run_id = ?"
        if table == "event":
            own["at"] = _SHIFTED
        if table == "run":
            moment = _MOMENT
            own = {"id": made, "created_at": moment, "updated_at": moment}
            own["ended_at"] = f"CASE WHEN t.ended_at IS NULL THEN NULL ELSE {moment} END"
            where = "t.id = ?"
        elif table == "decision":
            own = {"request_id": f"t.request_id || '-{letter}' || n.i"}
            where = "t.request_id IN (SELECT id FROM request WHERE run_id = ?)"
        else:
            own["run_id"] = made
        chosen = ", ".join(own.get(name, f't."{name}"') for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) "
            f"INSERT INTO {table} ({quoted}) SELECT {chosen} FROM n, {table} t WHERE {where}",
            (count, source),
        )


def _index_words(connection: sqlite3.Connection) -> None:
    """An entry for each copy, as ``search/index.py`` writes it."""
    connection.execute(
        "INSERT INTO find_run (run_id, version, last_seq) SELECT id, (SELECT max(version) FROM find_run), last_seq "
        "FROM run WHERE id NOT IN (SELECT run_id FROM find_run)"
    )
    connection.execute(
        "INSERT INTO find_entry (id, project_id, run_id, kind, source, ref, part, title) "
        "SELECT 1000 + revision.id, run.project_id, run.id, 'artifact', 'revision', revision.id, 0, 'plan' "
        "FROM revision JOIN run ON run.id = revision.run_id WHERE run.id LIKE 'e-%' OR run.id LIKE 'o-%'"
    )
    connection.execute(
        "INSERT INTO find_text (rowid, place, title, text) SELECT id, 'p' || replace(project_id, '-', '') || ' r' || "
        "replace(run_id, '-', '') || ' kartifact', 'plan', 'word by word ' || run_id FROM find_entry "
        "WHERE run_id LIKE 'e-%' OR run_id LIKE 'o-%'"
    )
