"""A worker process of the trial: ``python -m bench.engines.worker VARIANT URL LEASE_S``. It works until it is killed.

It writes ``ready`` once, and ``began JOB FENCE TIME`` and ``worked JOB FENCE`` for each job.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.engines.rows import KIND, QUEUE, Place, now, perform, record_effect
from wfe_mcp.jobs.job_context import JobContext, Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.workspace.system.process import this_process

if TYPE_CHECKING:
    from collections.abc import Generator

_PACKAGE = "procrastinate"
VARIANTS = ("delivered", "polled")
"""As it is, and as where procrastinate is not installed."""


@contextmanager
def without_package(variant: str) -> Generator[None]:
    """``procrastinate`` cannot be imported where jobs are ``polled``. What else is imported meanwhile stays."""
    modules: dict[str, Any] = sys.modules
    there = {name: module for name, module in modules.items() if name == _PACKAGE} if variant == "polled" else None
    if there is not None:
        modules[_PACKAGE] = None
    yield
    if there is not None:
        del modules[_PACKAGE]
        modules.update(there)


def main(variant: str, url: str, lease_s: str) -> None:
    place = Place(url, lease_s=float(lease_s))
    worker = Worker(
        place.open,
        this_process(),
        {KIND: _handle},
        now,
        (QUEUE,),
        slots=1,
        lease_s=place.lease_s,
        beat_s=place.lease_s / 3,
        take_over_s=min(5.0, place.lease_s),
    )
    with without_package(variant):
        worker.start()
        print("ready", flush=True)
        threading.Event().wait()


def _handle(context: JobContext) -> Outcome:
    job = context.job
    perform(job.payload, job.id, job.fence)
    return Outcome({"by": os.getpid()}, lambda tx: record_effect(tx, job.id, job.fence))


if __name__ == "__main__":
    main(*sys.argv[1:])
