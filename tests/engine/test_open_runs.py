"""A call costs the same beside 2,000 open runs as beside 20: counted in steps of SQLite, not in time."""

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Engine, event

from tests.engine.scene import AGENT, GOOD, Scene, approval, command, phase
from tests.store.scene import raw
from wfe_mcp.core.model import RunId
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.store.database import Store
from wfe_mcp.views.answers import tool_answers as answers

FEW, MANY = 20, 2_000
TABLES = ("run", "attempt", "event", "request", "job")
"""What an open run has of its own; triggers write ``hold``."""
BEGUN = "printf('2026-02-01 %02d:%02d:%02d.000000', n.i / 3600, n.i / 60 % 60, n.i % 60)"
"""Copies of different runs alternate in the order of lists."""


@contextmanager
def steps() -> Generator[list[int]]:
    """How often SQLite has done ten steps meanwhile, whichever connection asked."""
    seen = [0]

    def count() -> int:
        seen[0] += 1
        return 0

    def watch(_connection: object, cursor: object, *_: object) -> None:
        cursor.connection.set_progress_handler(count, 10)  # type: ignore[attr-defined]

    event.listen(Engine, "before_cursor_execute", watch)
    yield seen
    event.remove(Engine, "before_cursor_execute", watch)


@contextmanager
def statements() -> Generator[list[int]]:
    """How many statements were sent meanwhile."""
    seen = [0]

    def watch(*_: object) -> None:
        seen[0] += 1

    event.listen(Engine, "before_cursor_execute", watch)
    yield seen
    event.remove(Engine, "before_cursor_execute", watch)


@pytest.fixture
def left(scene: Scene) -> list[str]:
    """Runs as sessions leave them: just started; claimed; waiting for a person. The process that claimed them is gone."""
    scene.check("ok", "pass")
    gates = (command("ok", exit_code=0), approval())
    scene.define(phase("fix", *gates, timeout="2h", locks=["db"]), limits={"max_parallel": 2})
    runs = [str(answers.start_run(scene.engine, AGENT, "drill").run) for _ in range(3)]
    for run, submits in ((runs[1], False), (runs[2], True)):
        neighbour, engine = scene.neighbour()
        scene.begin(run, "fix", engine)
        if submits:
            assert scene.submit(run, "fix", engine=engine).state == "awaiting"
        neighbour.end()
    return runs


def copy(store: Store, runs: list[str], count: int) -> None:
    """So many more open runs, each like one of ``runs``."""
    with closing(raw(store.environment["WFE_DATABASE_URL"])) as connection:
        connection.execute("BEGIN IMMEDIATE")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            key = "id" if table == "run" else "run_id"
            own = {key: f"t.{key} || '-{count}-' || n.i"}
            own |= {name: f"t.{name} || '-{count}-' || n.i" for name in ("id", "dedupe_key")}
            own |= {"created_at": BEGUN} if table == "run" else {}
            chosen, into = (
                ", ".join(own.get(name, f't."{name}"') for name in names),
                ", ".join(f'"{name}"' for name in names),
            )
            connection.execute(
                f"INSERT INTO {table} ({into}) {numbers} SELECT {chosen} FROM {table} t, n WHERE t.{key} IN ({', '.join('?' * len(runs))})",
                (count // len(runs), *runs),
            )
        connection.execute("COMMIT")


def costs(scene: Scene) -> dict[str, int]:
    """The steps of each call of one run, from its start until it waits for a person; then it is cancelled."""
    found: dict[str, int] = {}
    run = ""

    def start() -> None:
        nonlocal run
        run = str(answers.start_run(scene.engine, AGENT, "drill").run)

    def submit() -> None:
        answers.submit_artifact(scene.engine, AGENT, run, "fix", artifact=GOOD)

    def listed() -> None:
        with scene.store.read() as tx:
            assert len(tx.runs.page(scene.engine.project_id, limit=20).runs) == 20

    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("start_run", start),
        ("status", lambda: scene.status(run)),
        ("status without a run", lambda: answers.status(scene.engine, AGENT)),
        ("list", listed),
        ("start_phase", lambda: scene.begin(run, "fix")),
        ("submit_artifact", submit),
        ("gates", scene.work),
        ("an idle worker", scene.work),
    )
    for name, call in calls:
        with steps() as seen:
            call()
        found[name] = seen[0]
    assert scene.attempt(run, "fix").status == "awaiting"
    answers.control_run(scene.engine, AGENT, run, "cancel")
    return found


@pytest.fixture
def few(scene: Scene, left: list[str]) -> dict[str, int]:
    copy(scene.store, left, FEW)
    costs(scene)  # what a process reads only once is read
    return costs(scene)


def test_calls_cost_the_same_beside_a_hundred_times_as_many_open_runs(
    scene: Scene, left: list[str], few: dict[str, int]
) -> None:
    copy(scene.store, left, MANY)

    many = costs(scene)

    assert {name: (few[name], count) for name, count in many.items() if count > 1.3 * few[name] + 10} == {}


def test_the_inbox_reads_no_run_again_that_waits_for_no_person(scene: Scene, left: list[str]) -> None:
    started, claimed, awaiting = left
    engines = Engines(scene.engine)
    everything_waiting(engines)
    with statements() as few:
        everything_waiting(engines)
    copy(scene.store, [started, claimed], 200)

    with statements() as first:
        everything_waiting(engines)
    with statements() as many:
        view = everything_waiting(engines)

    assert [each.run for each in view.unasked] == [awaiting]
    assert many == few
    assert first[0] > 200, "else nothing was to be read"


def test_the_inbox_sees_at_once_what_a_quiet_run_waits_for(scene: Scene, left: list[str]) -> None:
    started, _, awaiting = left
    engines = Engines(scene.engine)
    everything_waiting(engines)

    scene.begin(started, "fix")
    assert scene.submit(started, "fix").state == "awaiting"

    assert {each.run for each in everything_waiting(engines).unasked} == {started, awaiting}


def test_the_inbox_ends_a_quiet_run_whose_time_is_over(scene: Scene) -> None:
    run = scene.start(phase("plan"), limits={"timeout": "1h"})
    engines = Engines(scene.engine)
    assert everything_waiting(engines).stopped == ()

    scene.clock.advance(hours=2)

    assert [each.run for each in everything_waiting(engines).stopped] == [run]


@pytest.mark.parametrize(
    ("index", "dearer"),
    [
        ("ix_hold_scope_name_rank", {"status", "start_phase"}),
        ("ix_run_project_id_status_created_at_id", {"status without a run"}),
        ("ix_job_status_priority_run_at", {"an idle worker"}),
    ],
)
def test_the_count_sees_an_index_that_is_gone(
    scene: Scene, left: list[str], few: dict[str, int], index: str, dearer: set[str]
) -> None:
    copy(scene.store, left, MANY)
    with closing(raw(scene.url)) as connection:
        connection.execute(f"DROP INDEX {index}")

    many = costs(scene)

    assert dearer <= {name for name, count in many.items() if count > 1.3 * few[name] + 10}


def test_of_many_open_runs_the_newest_are_shown_and_where_the_others_are(scene: Scene, left: list[str]) -> None:
    copy(scene.store, left, FEW)

    found = answers.status(scene.engine, AGENT)

    assert len(found.data["runs"]) == 20
    assert found.summary == "The 20 newest open runs of project; wfe-mcp list shows the others"


def test_a_server_that_starts_looks_only_after_runs_whose_next_step_is_its_own(scene: Scene, left: list[str]) -> None:
    run = str(answers.start_run(scene.engine, AGENT, "drill").run)
    scene.begin(run, "fix")
    answers.submit_artifact(scene.engine, AGENT, run, "fix", artifact=GOOD)

    with scene.store.read() as tx:
        assert tx.runs.to_tend(scene.engine.project_id, scene.clock()) == [RunId(run)]
        assert set(tx.runs.open_tails(scene.engine.project_id)) == {run, *left}


def test_a_submission_loads_its_run_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfe_mcp.store.runs.runs import RunRepository

    loads: list[RunId] = []
    load_run = RunRepository.load

    def counted(self: RunRepository, run_id: RunId):
        loads.append(run_id)
        return load_run(self, run_id)

    run = scene.start(phase("plan"))
    scene.begin(run, "plan")
    monkeypatch.setattr(RunRepository, "load", counted)

    found = answers.submit_artifact(scene.engine, AGENT, run, "plan", artifact=GOOD)

    assert (found.run_state, loads) == ("completed", [RunId(run)])
