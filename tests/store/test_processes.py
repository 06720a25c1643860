"""Several processes on one file lose nothing, and a killed one leaves nothing half done."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from tests.store import writers
from tests.store.scene import Clock, create
from wfe_mcp.core.model import RunId
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import NewJob

# A fork server imports once and then starts a process in milliseconds; Windows can only spawn.
CONTEXT: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
WAIT_S = 120

Start = Callable[..., BaseProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a function in a process of its own; whatever still runs at the end is killed."""
    CONTEXT.set_forkserver_preload(["tests.store.writers", "wfe_mcp.store.database"])
    started: list[BaseProcess] = []

    def start_one(target: Callable[..., None], *arguments: object) -> BaseProcess:
        process = CONTEXT.Process(target=target, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.join(WAIT_S)
        process.close()


def ended_well(processes: list[BaseProcess]) -> bool:
    for process in processes:
        process.join(WAIT_S)
    return [process.exitcode for process in processes] == [0] * len(processes)


@pytest.mark.requirement("S1-34")
def test_six_processes_that_start_at_once_on_a_fresh_file_all_start(start: Start, url: str, clock: Clock) -> None:
    together = CONTEXT.Barrier(6, timeout=WAIT_S)
    assert ended_well([start(writers.create_runs, url, f"p{number}", 1, together) for number in range(6)])

    store = Store.open(url, clock=clock)
    with store.read() as tx:
        assert len(tx.runs.page().runs) == 6
    store.close()


@pytest.mark.requirement("S1-30")
def test_eight_processes_that_create_fifty_runs_each_lose_none(start: Start, url: str, clock: Clock) -> None:
    together = CONTEXT.Barrier(8, timeout=WAIT_S)
    assert ended_well([start(writers.create_runs, url, f"p{number}", 50, together) for number in range(8)])

    store = Store.open(url, clock=clock)
    with store.read() as tx:
        found = {run.id for run in tx.runs.page(limit=1000).runs}
        assert tx.verification.problems(RunId("p7-49")) == []
    store.close()
    assert found == {f"p{process}-{number}" for process in range(8) for number in range(50)}


@pytest.mark.requirement("B-27")
def test_four_workers_share_the_jobs_without_a_job_given_out_twice(start: Start, url: str, clock: Clock) -> None:
    store = Store.open(url, clock=clock)
    with store.tx() as tx:
        jobs = {tx.jobs.enqueue(NewJob("check", "local", {})) for _ in range(60)}
    store.close()
    together = CONTEXT.Barrier(4, timeout=WAIT_S)
    pipes = [CONTEXT.Pipe() for _ in range(4)]
    workers = [start(writers.claim_jobs, url, f"w{number}", pipes[number][1], together) for number in range(4)]
    claimed: list[str] = []
    for answers, _ in pipes:
        assert answers.poll(WAIT_S)
        claimed += answers.recv()

    assert ended_well(workers)
    assert sorted(claimed) == sorted(jobs)


@pytest.mark.requirement("B-02", "S0-07")
def test_a_killed_writer_leaves_whole_steps_and_every_acknowledged_one(start: Start, url: str, clock: Clock) -> None:
    acknowledged: set[str] = set()
    for round_ in range(4):
        answers, theirs = CONTEXT.Pipe()
        process = start(writers.write_for_ever, url, f"k{round_}", theirs)
        for _ in range(5 + 3 * round_):
            assert answers.poll(WAIT_S)
            acknowledged.add(answers.recv())
        process.kill()
        process.join(WAIT_S)

    store = Store.open(url, clock=clock)
    with store.read() as tx:
        runs = tx.runs.page(limit=10_000).runs
        assert {run.id for run in runs} >= acknowledged
        for run in runs:
            assert (run.last_seq, run.artifact_count, run.revision) == (3, 1, 2)
            assert tx.verification.problems(run.id) == []
    store.close()


@pytest.mark.requirement("B-02")
def test_a_writer_killed_half_way_leaves_nothing_and_holds_no_one_up(start: Start, url: str, clock: Clock) -> None:
    answers, theirs = CONTEXT.Pipe()
    process = start(writers.stop_half_way, url, theirs)
    assert answers.poll(WAIT_S)
    process.kill()
    process.join(WAIT_S)

    store = Store.open(url, clock=clock)
    with store.tx() as tx:
        assert tx.runs.page().runs == ()
        create(tx, "whole")
    with store.read() as tx:
        assert [run.id for run in tx.runs.page().runs] == ["whole"]
    store.close()
