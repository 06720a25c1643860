"""What reads many runs costs the same beside 2,000 finished runs as beside 20: counted in steps of SQLite, not in time."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.engine.scene import AGENT, Scene, expr, phase
from tests.engine.test_open_runs import steps
from tests.store.scene import raw
from wfe_mcp.clients.hooks import script_folder
from wfe_mcp.clients.wfe_hook.statements import NEXT_WORK, RUNNING_WORK
from wfe_mcp.core.model import RunStatus
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.background.queues import queues_now
from wfe_mcp.engine.maintenance.pruning import prunable
from wfe_mcp.engine.search.finding import catch_up, find
from wfe_mcp.engine.statistics.phase_sums import count_ended
from wfe_mcp.store import sqlite
from wfe_mcp.store.database import Store, Tx
from wfe_mcp.views.answers import tool_answers as answers
from wfe_mcp.views.history import stats
from wfe_mcp.views.runs import usage

pytestmark = pytest.mark.sqlite_only("steps, locks and copies of rows are those of a file")

FEW, MANY = 20, 2_000
WEEK = timedelta(days=7)
TABLES = ("run", "attempt", "event")


@pytest.fixture
def finished(scene: Scene) -> str:
    """A run that has ended; two others are open."""
    scene.define(phase("fix", expr("${true}")))
    runs = [str(answers.start_run(scene.engine, AGENT, "drill").run) for _ in range(3)]
    scene.do(runs[0], "fix")
    assert scene.state(runs[0]).status is RunStatus.COMPLETED
    return runs[0]


def copy(store: Store, run: str, count: int, first: int = 0) -> None:
    """So many more finished runs, each a minute older than the one before, with a cancelled timer each."""
    with closing(raw(store.environment["WFE_DATABASE_URL"])) as connection:
        connection.execute("BEGIN IMMEDIATE")
        numbers = "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        earlier = "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-02-27', '-' || n.i || ' minutes')"
        for table in TABLES:
            key = "id" if table == "run" else "run_id"
            own = {key: f"'{run}-' || n.i"}
            if table == "run":
                own["counted"] = "NULL"
                own |= dict.fromkeys(("created_at", "updated_at", "ended_at"), earlier)
            if table == "event":
                own["at"] = earlier
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(own.get(name, f't."{name}"') for name in names)
            quoted = ", ".join(f'"{name}"' for name in names)
            connection.execute(
                f"{numbers} INSERT INTO {table} ({quoted}) SELECT {chosen} FROM {table} t, n WHERE t.{key} = ?",
                (first + 1, first + count, run),
            )
        connection.execute(
            f"{numbers} INSERT INTO job (id, kind, queue, status, priority, run_at, tries, max_attempts, effect, fence, "
            "cancel_requested, created_at, payload) SELECT 'timer-' || n.i, 'timer', 'timer:' || project_id, 'cancelled', "
            "100, created_at, 1, 5, 'idempotent', 1, 0, created_at, '{}' FROM run, n WHERE run.id = ?",
            (first + 1, first + count, run),
        )
        connection.execute(
            f"{numbers} INSERT INTO model_call (id, project_id, run_id, phase, attempt, purpose, role, provider, model, "
            "status, started_at, finished_at, requests, input_tokens, output_tokens, cache_read_tokens, "
            "cache_write_tokens, cost_usd, reserved_tokens) SELECT 'call-' || n.i, project_id, id || '-' || n.i, 'fix', 1, "
            f"'opinion', 'reviewer', 'fake', 'fake', 'done', {earlier}, {earlier}, 1, 1000, 200, 0, 0, 0.25, 0 "
            "FROM run, n WHERE run.id = ?",
            (first + 1, first + count, run),
        )
        connection.execute("COMMIT")


def spent(read: Callable[[], object]) -> int:
    read()  # loads modules and compiles statements
    with steps() as seen:
        read()
    return seen[0]


def readers(scene: Scene, run: str) -> dict[str, Callable[[], object]]:
    engine = scene.engine

    def reading(ask: Callable[[Tx], object]) -> Callable[[], object]:
        def read() -> object:
            with engine.store.read() as tx:
                return ask(tx)

        return read

    return {
        "runs to tend": reading(lambda tx: tx.runs.to_tend(engine.project_id, engine.clock())),
        "a run by its beginning": reading(lambda tx: tx.runs.find(engine.project_id, f"{run}-1")),
        "open runs": reading(lambda tx: tx.runs.page(engine.project_id, status=[RunStatus.RUNNING], limit=10)),
        "open runs of all projects": reading(lambda tx: tx.runs.page(status=[RunStatus.RUNNING], limit=10)),
        "a rare type of event": reading(
            lambda tx: tx.activity.before(tx.activity.last_position() + 1, type_="RunForked", limit=10)
        ),
        "inbox": lambda: everything_waiting(Engines(engine)),
        "a page of some open runs": reading(
            lambda tx: tx.runs.page(engine.project_id, status=[RunStatus.RUNNING], ids=[run, "another"])
        ),
        "stuck runs": lambda: Engines(engine).stuck(),
        "queue": lambda: queues_now(engine),
        "index": reading(lambda tx: tx.search_index.is_behind()),
        "runs to prune": lambda: prunable(engine, older="1d", keep=0, most=5),
        "phases": lambda: stats.phases(engine),
        "phases of all projects": lambda: stats.phases(engine, everywhere=True),
        "the week": lambda: stats.week(engine),
        "the week of all projects": lambda: stats.week(engine, everywhere=True),
        "models": lambda: usage.stats(engine),
        "models of all projects": lambda: usage.stats(engine, everywhere=True),
        "models since a time": lambda: usage.stats(engine, since=engine.clock() - WEEK),
        "models of all projects since a time": lambda: usage.stats(
            engine, since=engine.clock() - WEEK, everywhere=True
        ),
    }


def test_readers_cost_the_same_beside_many_finished_runs(scene: Scene, finished: str) -> None:
    copy(scene.engine.store, finished, FEW)
    count_ended(scene.engine, most_s=600)
    few = {name: spent(read) for name, read in readers(scene, finished).items()}

    copy(scene.engine.store, finished, MANY - FEW, FEW)
    count_ended(scene.engine, most_s=600)
    many = {name: spent(read) for name, read in readers(scene, finished).items()}

    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name] * 1.5 + 100}
    assert not grown
    assert stats.week(scene.engine).finished == MANY + 1
    assert prunable(scene.engine, older="1d", keep=0, most=5).count == MANY
    assert usage.stats(scene.engine).total.calls == MANY


def test_a_hook_reads_the_same_beside_many_open_runs(scene: Scene, finished: str) -> None:
    assert script_folder().is_dir()
    folder = str(scene.engine.root)

    def read() -> list[object]:
        with scene.engine.store.read() as tx:
            connection = tx.shared.connection
            found = connection.exec_driver_sql(RUNNING_WORK, (folder,)).all()
            return [*found, *connection.exec_driver_sql(NEXT_WORK, (folder, "running")).all()]

    with scene.engine.store.read() as tx:
        opened = str(tx.shared.connection.execute(text("SELECT id FROM run WHERE ended_at IS NULL")).scalar())
    assert len(read()) == 2
    few = spent(read)
    with closing(raw(scene.url)) as connection:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        for table, key in (("run", "id"), ("attempt", "run_id")):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(f"'{opened}-' || n.i" if name == key else f't."{name}"' for name in names)
            quoted = ", ".join(f'"{name}"' for name in names)
            connection.execute(
                f"{numbers} INSERT INTO {table} ({quoted}) SELECT {chosen} FROM {table} t, n WHERE t.{key} = ?",
                (opened,),
            )

    assert len(read()) == 20
    assert spent(read) < few * 20


_READER = """
import json, sys
from pathlib import Path
from wfe_mcp.store.driver import driver
driver().sqlite_version_info = (3, 53, 4)  # so that the journal stays as the test made it
from wfe_mcp.engine.factory import create_engine
from wfe_mcp.engine.statistics import phase_sums
from wfe_mcp.views.history import stats
from wfe_mcp.workspace.system.location import project_at
engine = create_engine(project_at(Path(sys.argv[1])), environment=json.loads(sys.argv[2]))
real, seen = phase_sums.tasks_of, []
def waiting(*given):
    if not seen:
        seen.append(True)
        print("reading", flush=True)
        sys.stdin.readline()
    return real(*given)
phase_sums.tasks_of = waiting
print(*(each.runs for each in stats.phases(engine, everywhere=True)), flush=True)
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_process_in_the_middle_of_stats_holds_no_writer_up(
    scene: Scene, finished: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)  # a writer that had to wait would be refused
    copy(scene.engine.store, finished, 500)
    scene.engine.store.close()
    with closing(raw(scene.url)) as connection:
        assert connection.execute(f"PRAGMA journal_mode={journal}").fetchone() == (journal,)
    url = scene.url
    environment = json.dumps({**scene.engine.environment, "WFE_DATABASE_URL": url})
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(scene.engine.root), environment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"

    started = answers.start_run(scene.engine, AGENT, "drill").run
    scene.do(str(started), "fix")

    told, _ = reader.communicate("\n", timeout=60)
    assert scene.state(str(started)).status is RunStatus.COMPLETED
    assert told.split() == ["502"]  # those of before, and the new one, which is behind all pages


def test_a_reader_of_another_process_holds_no_writer_up_with_a_write_ahead_log(
    scene: Scene, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    scene.engine.store.close()
    with closing(raw(scene.url)) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    code = (
        "import sys; from wfe_mcp.store.driver import driver; c = driver().connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN'); print(c.execute('SELECT count(*) FROM run').fetchone()[0], flush=True); sys.stdin.readline(); "
        "print(c.execute('SELECT count(*) FROM run').fetchone()[0])"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(scene.engine.store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    before = reader.stdout.readline()

    assert answers.start_run(scene.engine, AGENT, "drill").ok

    assert (before, reader.communicate("\n", timeout=60)[0]) == ("3\n", "3\n")


def test_a_run_that_is_not_found_yet_is_indexed_at_the_same_cost_beside_many(scene: Scene, finished: str) -> None:
    def one_more(number: int) -> int:
        assert catch_up(scene.engine, within_s=600) == "whole"
        copy(scene.engine.store, finished, 1, number)
        with steps() as seen:
            assert catch_up(scene.engine, within_s=600) == "whole"
        return seen[0]

    one_more(0)  # loads modules and compiles statements
    copy(scene.engine.store, finished, FEW, 1)
    few = one_more(FEW + 1)
    copy(scene.engine.store, finished, MANY, FEW + 2)
    many = one_more(FEW + MANY + 2)

    assert many <= few * 1.5 + 100, (few, many)
    assert find(scene.engine, "drill", run=f"{finished}-{FEW + MANY + 3}").page.hits
