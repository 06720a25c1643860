"""What leans on SQLite's single writer holds with many writers: jobs, limits, numbers and chains."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.postgres import Cluster
from tests.store.postgres.claiming import AT_ONCE, QUEUE
from tests.store.scene import ADA, AGENT, NOW, PLAN_READY, STARTED, Clock, create, fold, new_run
from tests.store.test_templates import version
from wfe_mcp.core.items import ItemKind, new_item
from wfe_mcp.core.model import RunId, RunState
from wfe_mcp.store import Store
from wfe_mcp.store.enums import JobStatus
from wfe_mcp.store.records.jobs import NewJob

ROOT = Path(__file__).parents[3]
JOBS = 400
WRITERS = 8


@pytest.fixture
def store(postgres_url: str, clock: Clock) -> Iterator[Store]:
    opened = Store.open(postgres_url, clock=clock, durable=True)
    yield opened
    opened.close()


def at_once(action: Callable[[int], object]) -> None:
    """``action`` by eight threads that begin together; each has connections of its own."""
    faults: list[BaseException] = []
    ready = threading.Barrier(WRITERS)

    def one(number: int) -> None:
        try:
            ready.wait(30)
            action(number)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if faults:
        raise faults[0]


def queue_all(store: Store) -> None:
    with store.tx() as tx:
        create(tx, "R-1")
        for number in range(JOBS):
            tx.jobs.enqueue(NewJob("check", QUEUE, {"number": number}, run_id=RunId("R-1")))


def claimer(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.postgres.claiming", url, name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.mark.usefixtures("real_processes")
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_each_of_400_jobs_is_done_once_by_eight_processes_that_are_killed_and_frozen(
    store: Store, postgres: Cluster, postgres_url: str
) -> None:
    queue_all(store)
    workers = [claimer(postgres_url, f"w{number}") for number in range(WRITERS)]
    lines: list[str] = []
    for number, end in ((0, signal.SIGKILL), (1, signal.SIGKILL), (2, signal.SIGSTOP)):
        lines += read_lines(workers[number], 1)
        os.kill(workers[number].pid, end)
    lines += read_lines(workers[3], 5)
    postgres.restart("immediate")
    for worker in workers[3:]:
        lines += worker.communicate(timeout=240)[0].splitlines()
    os.kill(workers[2].pid, signal.SIGCONT)
    for worker in workers[:3]:
        lines += worker.communicate(timeout=60)[0].splitlines()

    ends = Counter(line for line in lines if line.startswith("done"))
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL] * 2 + [0] * (WRITERS - 2), lines
    assert not [line for line in lines if line.startswith("crowded")], f"more than {AT_ONCE} at once"
    assert set(ends.values()) == {1}
    with store.read() as tx:
        assert len(tx.jobs.filter(statuses=(JobStatus.DONE,))) == JOBS


def test_a_job_with_a_key_is_queued_once_by_eight_writers(store: Store) -> None:
    ids: list[str] = []

    def enqueue(_: int) -> None:
        with store.tx() as tx:
            ids.append(tx.jobs.enqueue(NewJob("check", QUEUE, {}, dedupe_key="once")))

    at_once(enqueue)

    assert len(ids) == WRITERS
    assert len(set(ids)) == 1


def test_items_of_eight_writers_have_their_own_numbers_and_one_chain(store: Store) -> None:
    with store.tx() as tx:
        project = tx.projects.id_of("/p/.git", "/p")

    def add(number: int) -> None:
        for each in range(5):
            with store.tx() as tx:
                item = new_item(tx.items.new_id(project), ItemKind.TASK, {"title": f"zephyr {number} {each}"})
                tx.items.add(project, item, ADA, NOW)

    at_once(add)

    with store.read() as tx:
        rows, count = tx.items.backlog([project], (), tuple(tx.items.counts(project)), limit=100)
        assert {row.number for row in rows} == set(range(1, count + 1)) == set(range(1, 5 * WRITERS + 1))
        assert not list(tx.items.problems(project))
        assert not tx.search_index.is_behind()


def test_secrets_of_eight_writers_are_one_chain(store: Store) -> None:
    def put(number: int) -> None:
        for each in range(5):
            with store.tx() as tx:
                tx.secrets.set(f"key-{number}-{each}", "sealed", ADA, datetime.now(UTC))

    at_once(put)

    with store.read() as tx:
        assert not list(tx.settings_log.problems())


def test_a_template_and_a_secret_that_eight_writers_save_at_once_are_kept_once(store: Store) -> None:
    with store.tx() as tx:
        new = version(tx, "1.0.0")

    def save(number: int) -> None:
        with store.tx() as tx:
            tx.templates.save(new)
            tx.secrets.set("same", f"sealed {number}", ADA, datetime.now(UTC))

    at_once(save)

    with store.read() as tx:
        assert len(tx.templates.versions(new.project_id, new.name)) == 1
        assert not list(tx.settings_log.problems())


def test_runs_of_one_key_by_eight_writers_are_one_run(store: Store) -> None:
    made: list[str] = []

    def start(number: int) -> None:
        with store.tx() as tx:
            new = new_run(tx, f"R-{number}", key="same")
            found = tx.runs.for_key(new.project_id, "same", new.args_sha256)
            state = fold(RunState(), STARTED, PLAN_READY)
            made.append(found or tx.runs.create(new, state, (STARTED, PLAN_READY), AGENT, NOW).id)

    at_once(start)

    assert len(set(made)) == 1
