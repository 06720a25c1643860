"""Fixtures for the store's tests: one specification, two people, and prepared changes."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from wfe_mcp.core import events as e
from wfe_mcp.core.canonical import canonical_json, sha256_hex
from wfe_mcp.core.evolve import evolve
from wfe_mcp.core.model import Assurance, By, Channel, RunId, RunState
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.spec import GateSpec, NextRule, PhaseSpec, RunSpec
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.driver import driver
from wfe_mcp.store.records.jobs import JobRecord
from wfe_mcp.store.records.runs import LoadedRun, NewRun

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AGENT = By()
ADA = By("ada", Channel.CLI, Assurance.HUMAN)
PLAN, BUILD = PhasePath("plan"), PhasePath("build")
SPEC = RunSpec(
    (
        PhaseSpec(PLAN, gates=(GateSpec("expr"), GateSpec("approval", expires_s=60.0))),
        PhaseSpec(BUILD, needs=(PLAN,), next=(NextRule("plan", "${false}", 2),), timeout_s=1.5, exclusive=True),
    )
)
STARTED = e.RunStarted(spec=SPEC, auto=True, started_at=NOW)
PLAN_READY = e.PhaseReady(phase=PLAN, attempt=1)


def raw(url: str) -> Any:
    """A connection past the store, through the same library: two of them in one process would not see their locks."""
    if url.startswith("postgresql"):
        return PastTheStore(url)
    return driver().connect(url.removeprefix("sqlite:///"), isolation_level=None)


def count_words(url: str, word: str) -> int:
    """How many entries of the search index have ``word``."""
    has = "words @@ CAST(? AS tsquery)" if url.startswith("postgresql") else "find_text MATCH ?"
    connection = raw(url)
    (count,) = connection.execute(f"SELECT count(*) FROM find_text WHERE {has}", (word,)).fetchone()
    connection.close()
    return int(count)


class PastTheStore:
    """A connection with PostgreSQL that takes the statements that the tests have for SQLite."""

    def __init__(self, url: str) -> None:
        import psycopg

        address = url.replace("+psycopg", "")
        self.connection = psycopg.connect(address, autocommit=True, options="-c search_path=wfe -c timezone=UTC")

    def execute(self, statement: str, values: Any = ()) -> Any:
        named = statement.replace("%", "%%").replace("?", "%s") if values else statement
        return self.connection.execute(cast("Any", named), values or None)

    def close(self) -> None:
        self.connection.close()


@contextmanager
def unguarded(url: str) -> Generator[Any]:
    """A connection past the store, of someone with a shell who leaves the schema as it was."""
    if url.startswith("postgresql"):
        past = PastTheStore(url)
        for verb in ("DISABLE", "ENABLE"):
            for table in ("event", "setting_event", "item_event"):
                past.execute(f"ALTER TABLE {table} {verb} TRIGGER USER")
            if verb == "DISABLE":
                yield past
        past.close()
        return
    connection = raw(url)
    kept = "SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('event', 'setting_event', 'item_event')"
    triggers = connection.execute(kept).fetchall()
    for name, *_ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    for name, made, table in triggers:
        there = {
            each for (each,) in connection.execute("SELECT name FROM sqlite_master WHERE name IN (?, ?)", (name, table))
        }
        if there == {table}:
            connection.execute(made)
    connection.close()


def tamper(url: str, *statements: str) -> None:
    """Write past the store."""
    with unguarded(url) as connection:
        for statement in statements:
            connection.execute(statement)


AS_OF_0016 = (
    "DROP TABLE phase_sum",
    "DROP TABLE usage_sum",
    "DROP INDEX ix_model_call_project_id_status_started_at",
    "ALTER TABLE model_call DROP COLUMN counted",
    "DROP INDEX ix_run_project_id_created_at",
    "ALTER TABLE run DROP COLUMN counted",
)
AS_OF_0010 = (
    *AS_OF_0016,
    "DROP TABLE item_file",
    "DROP TABLE item",
    "DROP TABLE item_event",
    "ALTER TABLE project DROP COLUMN name",
    "ALTER TABLE project DROP COLUMN first_commit",
    "ALTER TABLE project DROP COLUMN forgotten_at",
    "ALTER TABLE run DROP COLUMN going_back",
    "ALTER TABLE attempt DROP COLUMN repair",
    "UPDATE alembic_version SET version_num = '0010'",
)
"""What makes a file one of a version whose verdicts had no outcome."""

AS_OF_0005 = (
    *AS_OF_0010,
    "ALTER TABLE run DROP COLUMN reached",
    "DROP TABLE attachment",
    "ALTER TABLE opinion DROP COLUMN answered_by",
    *(f"DROP TRIGGER {name}" for name in ("run_is_new", "run_is_gone", "find_run_is_new", "find_run_is_gone")),
    *(f"DROP TRIGGER attempt_{name}" for name in ("is_new", "has_changed", "is_gone")),
    "DROP TABLE hold",
    "DROP TABLE find_waiting",
    "ALTER TABLE find_entry DROP COLUMN title",
    "UPDATE alembic_version SET version_num = '0005'",
)
"""What makes a file one of a version whose index had no list of runs that wait."""

AS_OF_0004 = (
    *AS_OF_0005,
    *(f"DROP TABLE {name}" for name in ("find_text", "find_entry", "find_run")),
    "UPDATE alembic_version SET version_num = '0004'",
)
"""What makes a file one of a version that had no index."""


@dataclass
class Clock:
    """A clock that only the test moves."""

    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def fold(state: RunState, *events: e.Event) -> RunState:
    for event in events:
        state = evolve(state, event)
    return state


def new_run(tx: Tx, run_id: str, *, key: str | None = None, template: str = "tiny", worktree: str = "/w") -> NewRun:
    definition = tx.documents.keep({"format": "wfe/1", "name": template})
    project = tx.projects.id_of("/p/.git", "/p")
    return NewRun(
        RunId(run_id),
        project,
        worktree,
        template,
        "1.0.0",
        definition,
        definition,
        f"Run {run_id}",
        inputs={"goal": "größer"},
        frozen={"checks": {}},
        idempotency_key=key,
        args_sha256=sha256_hex("args"),
    )


def create(tx: Tx, run_id: str, *, at: datetime = NOW, template: str = "tiny", worktree: str = "/w") -> LoadedRun:
    """A run whose plan is ready."""
    events = (STARTED, PLAN_READY)
    state = fold(RunState(), *events)
    record = tx.runs.create(new_run(tx, run_id, template=template, worktree=worktree), state, events, AGENT, at)
    return LoadedRun(record, state)


def step(store: Store, loaded: LoadedRun, *events: e.Event, by: By = AGENT, at: datetime = NOW) -> LoadedRun:
    with store.tx() as tx:
        return tx.runs.save(loaded, fold(loaded.state, *events), events, by, at)


def add_plan(tx: Tx, run_id: RunId, text: str = "first", phase: PhasePath = PLAN) -> int:
    content = canonical_json({"steps": [{"title": text}]})
    made = tx.artifacts.add_revision(
        run_id, phase, 1, 1, "plan", "plan@1", content, sha256_hex(content), "mcp", "", NOW
    )
    return made.revision


def lost_jobs(tx: Tx, clock: Clock) -> list[JobRecord]:
    """Claimed jobs whose lease is over."""
    return [job for job in tx.jobs.running() if job.lease_until is not None and job.lease_until < clock()]
