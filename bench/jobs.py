"""Measures how soon a cancelled job and its processes end, how fast a job is claimed, and what the end of a child costs on a busy machine."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.figures import Figure, median, percentile
from wfe_mcp.jobs.environment import child_env
from wfe_mcp.jobs.job_context import ChildStopped, JobContext, Outcome
from wfe_mcp.jobs.process_tree import process_tree
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, NewJob
from wfe_mcp.workspace.system.process import started_at, this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scene import Scene


_FOREVER = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']); time.sleep(600)"
_QUEUE = "bench"
_OTHERS = 600


def measure(scene: Scene, times: int) -> list[Figure]:
    """Milliseconds from a cancellation by another process to the end of a command (with a grandchild) and of a call."""
    store = Store.open(scene.environment["WFE_DATABASE_URL"], clock=_now)
    handlers = {"command": _command, "call": _call}
    worker = Worker(lambda: store, this_process(), handlers, _now, (_QUEUE,), poll_s=0.05)
    worker.start()
    try:
        commands = [_cancelled(store, worker, "command") for _ in range(times)]
        calls = [_cancelled(store, worker, "call") for _ in range(times)]
    finally:
        worker.stop()
    claims = _claims(store, times * 20)
    store.close()
    left = sum(1 for _, pid in commands if pid is not None and started_at(pid) is not None)
    return [
        Figure("cancel to the end of a running command, p50", median([ms for ms, _ in commands]), "ms"),
        Figure("cancel to the end of a running command, p99", percentile([ms for ms, _ in commands], 99), "ms"),
        Figure("processes left of cancelled commands", left, "processes", 0),
        Figure("cancel to the end of a running call to a model, p50", median([ms for ms, _ in calls]), "ms"),
        Figure("claim of a job, p50", median(claims), "ms"),
        Figure("claim of a job, p99", percentile(claims, 99), "ms"),
        _end_beside_others(times),
    ]


def _end_beside_others(times: int) -> Figure:
    """CPU of the look for what a child has left, which reads each process of the machine; of that, one line of each is the floor."""
    others = [
        subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        for _ in range(_OTHERS)
    ]
    try:
        younger = this_process().started_at + 3600  # as a child that began after all of them
        look, floor = (_cpu_ms(times, run) for run in (partial(process_tree, None, younger, "none has it"), _read_each))
    finally:
        for other in others:
            other.communicate()
    note = f"{look:.1f} ms, reading {floor:.1f}"
    return Figure(
        f"CPU of a child's end beside {_OTHERS} processes, ÷ reading a line of each", look / floor, "×", 2, note
    )


def _read_each() -> None:
    for pid in psutil.pids():
        with suppress(OSError):
            Path(f"/proc/{pid}/stat").read_bytes()


def _cpu_ms(times: int, run: Callable[[], object]) -> float:
    """CPU milliseconds of one call."""
    began = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - began) * 1000 / times


def _now() -> datetime:
    return datetime.now(UTC)


def _command(context: JobContext) -> Outcome:
    context.run_child([sys.executable, "-S", "-c", _FOREVER], cwd=Path.cwd(), env=child_env(), timeout_s=600)
    return Outcome()


def _call(context: JobContext) -> Outcome:
    if context.stop.wait(600):
        raise ChildStopped(context.stop.reason)
    return Outcome()


def _cancelled(store: Store, worker: Worker, kind: str) -> tuple[float, int | None]:
    """Milliseconds until it ended, and its child process."""
    with store.tx() as tx:
        job = tx.jobs.enqueue(NewJob(kind, _QUEUE, {}))
    worker.wake()
    _until(lambda: _is_up(_job(store, job), kind))
    pid = _job(store, job).child_pid
    began = time.perf_counter()
    with store.tx() as tx:  # without a wake-up, like a write by another process
        tx.jobs.request_cancel(job)
    _until(lambda: _job(store, job).status is JobStatus.CANCELLED)
    return (time.perf_counter() - began) * 1000, pid


def _is_up(job: JobRecord, kind: str) -> bool:
    return job.status is JobStatus.RUNNING and (kind == "call" or job.child_pid is not None)


def _claims(store: Store, times: int) -> list[float]:
    with store.tx() as tx:
        for _ in range(times):
            tx.jobs.enqueue(NewJob("nothing", _QUEUE, {}))
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        with store.tx() as tx:
            tx.jobs.claim("bench", [_QUEUE], 60, _now())
        found.append((time.perf_counter() - began) * 1000)
    return found


def _job(store: Store, job: str) -> JobRecord:
    with store.read() as tx:
        found = tx.jobs.get(job)
    assert found is not None, "it was just enqueued"
    return found


def _until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError
        threading.Event().wait(0.002)
