"""A real store, a clock that the test moves, and workers that never outlive their test."""

import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.on_postgresql import ON_POSTGRESQL
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.workspace.system.process import this_process

QUEUES = ("command", "timer")


class Scene:
    """A store with its jobs; ``worker`` makes a worker over it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.stores: list[Store] = []
        self.workers: list[Worker] = []
        self.store = self.open()

    def open(self) -> Store:
        """One more store on the same file, as another process would have it."""
        self.stores.append(Store.open(self.url, clock=self.clock))
        return self.stores[-1]

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def enqueue(self, kind: str = "work", **more: Any) -> str:
        with self.store.tx() as tx:
            return tx.jobs.enqueue(replace(NewJob(kind, "command", {}), **more))

    def job(self, job_id: str) -> JobRecord:
        with self.store.read() as tx:
            found = tx.jobs.get(job_id)
        assert found is not None
        return found

    def status(self, job_id: str) -> JobStatus:
        return self.job(job_id).status

    def worker(self, handlers: Any, store: Callable[[], Store] | None = None, **more: Any) -> Worker:
        options: dict[str, Any] = {
            "poll_s": 0.02,
            "sweep_s": 0.02,
            "watch_s": 0.02,
            "beat_s": 0.05,
            "rng": lambda: 0.5,
            **more,
        }
        made = Worker(store or (lambda: self.store), this_process(), handlers, self.clock, QUEUES, **options)
        self.workers.append(made)
        return made


def until(question: Callable[[], object], seconds: float = 20.0, every_s: float = 0.005) -> None:
    """Wait, bounded, until ``question`` is answered with yes. ``every_s``: longer where asking takes long."""
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it never came true"
        threading.Event().wait(every_s)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database: copying it is much quicker than making one for every test."""
    path = tmp_path_factory.mktemp("jobs") / "wfe.db"
    Store.open(f"sqlite:///{path}", clock=lambda: datetime(2030, 1, 1, tzinfo=UTC)).close()
    return path


@pytest.fixture
def scene(tmp_path: Path, empty_database: Path) -> Generator[Scene]:
    if not ON_POSTGRESQL:
        shutil.copyfile(empty_database, tmp_path / "wfe.db")
    with closing(
        Store.open(f"sqlite:///{tmp_path / 'wfe.db'}", clock=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    ) as store:
        made = Scene(store.environment["WFE_DATABASE_URL"])
    yield made
    for worker in made.workers:
        worker.stop()
    for store in made.stores:
        store.close()
