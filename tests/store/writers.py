"""Other processes that write to the store, for ``test_processes.py``: one function per kind."""

from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from tests.store.scene import NOW, PLAN, Clock, add_plan, create, fold
from wfe_mcp.core import events as e
from wfe_mcp.core.model import By
from wfe_mcp.store import Store


def create_runs(url: str, name: str, count: int, together: Barrier) -> None:
    """Open the store at the same time as the others, then create some runs, one transaction each."""
    together.wait()
    store = Store.open(url, clock=Clock())
    for number in range(count):
        with store.tx() as tx:
            create(tx, f"{name}-{number}")
    store.close()


def claim_jobs(url: str, name: str, answers: Connection, together: Barrier) -> None:
    """Claim jobs until there is none left; answer which."""
    together.wait()
    store = Store.open(url, clock=Clock())
    mine: list[str] = []
    while True:
        with store.tx() as tx:
            job = tx.jobs.claim(name, ["local"], 30, NOW)
        if job is None:
            break
        mine.append(job.id)
    answers.send(mine)
    store.close()


def write_for_ever(url: str, name: str, answers: Connection) -> None:
    """Create runs with an artifact and a second step; answer each run's name once it is durable."""
    store = Store.open(url, clock=Clock())
    number = 0
    while True:
        number += 1
        with store.tx() as tx:
            loaded = create(tx, f"{name}-{number}")
            add_plan(tx, loaded.record.id)
            claimed = e.PhaseStarted(phase=PLAN, attempt=1, holder=name, started_at=NOW)
            tx.runs.save(loaded, fold(loaded.state, claimed), [claimed], By(), NOW)
        answers.send(loaded.record.id)


def stop_half_way(url: str, answers: Connection) -> None:
    """Write half of a step and answer; then wait to be killed."""
    store = Store.open(url, clock=Clock())
    with store.tx() as tx:
        create(tx, "half")
        add_plan(tx, tx.runs.page().runs[0].id)
        answers.send("half")
        answers.recv()


def put_back_and_die(source: str, target: str, step: int) -> None:
    """Put one database in the place of another, and be killed after ``step`` of the pages' steps."""
    import os
    import signal
    from pathlib import Path

    from wfe_mcp.store.maintenance import copies

    steps = 0

    def patience(_path: Path) -> Callable[[int, int, int], None]:
        def look(_status: int, _remaining: int, _total: int) -> None:
            nonlocal steps
            steps += 1
            if steps == step:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

        return look

    copies._STEP_PAGES = 4  # pyright: ignore[reportPrivateUsage] - so that there are steps to be killed at
    copies._patience = patience  # pyright: ignore[reportPrivateUsage]
    copies.write_over(Path(source), Path(target))
