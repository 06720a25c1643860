"""Our own claims: the worker of ``wfe_mcp/jobs``, which polls the job table. With NOTIFY it is woken by a commit.

The worker of the package does more than the engines' glue: heartbeats, time limits, take-over of dead processes' jobs, retries
of an end that the database refused. ``own-lean`` has the same claims in a loop as small as that glue.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import text

from bench.engines.rows import KIND, QUEUE, Rows, Sweep, connection_of, now, perform, record_effect
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.job_context import JobContext, Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.workspace.system.process import this_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.engines.rows import Place
    from wfe_mcp.store import Store, Tx

_NOTIFY = text("SELECT pg_notify('wfe_job', '')")


class Delivery:
    """The rows are the queue: nothing is announced but a hint, and the workers take over what is lost."""

    def __init__(self, place: Place, variant: str) -> None:
        self._place, self._notifies = place, variant != "own"
        self._is_lean = variant == "own-lean"
        self.sweeping = Sweep(place)

    def prepare(self) -> None:
        """Nothing: the job table is there."""

    def announce(self, tx: Tx, job_id: str) -> None:
        """A hint to all workers, where NOTIFY is used."""
        del job_id  # the row says which
        if self._notifies:
            connection_of(tx).execute(_NOTIFY)

    def work(self, ready: Callable[[], object]) -> None:
        """One slot, as each worker of the trial."""
        if self._is_lean:
            _claim_and_work(self._place, ready)
            return
        worker = Worker(
            self._place.open,
            this_process(),
            {KIND: _handle},
            now,
            (QUEUE,),
            slots=1,
            poll_s=5.0 if self._notifies else 1.0,
            lease_s=self._place.lease_s,
            beat_s=self._place.lease_s / 3,
            take_over_s=min(5.0, self._place.lease_s),
        )
        worker.start()
        if self._notifies:
            threading.Thread(target=_listen, args=(self._place.dsn, worker.wake), daemon=True).start()
        ready()
        threading.Event().wait()

    def sweep(self, store: Store) -> int:
        """Nothing: the workers take over."""
        del store
        return 0


def _handle(context: JobContext) -> Outcome:
    job = context.job
    perform(job.payload, job.id, job.fence)
    return Outcome({"by": os.getpid()}, lambda tx: record_effect(tx, job.id, job.fence))


def _claim_and_work(place: Place, ready: Callable[[], object]) -> None:
    store, wakeup, rows = place.open(), threading.Event(), Rows(place, place.open(), str(os.getpid()))
    threading.Thread(target=_listen, args=(place.dsn, wakeup.set), daemon=True).start()
    ready()
    while True:
        try:
            with store.tx() as tx:
                job = tx.jobs.claim(str(os.getpid()), [QUEUE], place.lease_s, now())
            if job is not None:
                perform(job.payload, job.id, job.fence)
                rows.end_fenced(job.id, job.fence)
                continue
        except Refused as refused:
            print("worker goes on:", refused.message, file=sys.stderr)
        wakeup.wait(1.0)
        wakeup.clear()


def _listen(dsn: str, wake: Callable[[], object]) -> None:
    """Wake the worker with each notification, and after each time that the connection was lost."""
    import psycopg

    while True:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("LISTEN wfe_job")
                wake()
                for _ in connection.notifies():
                    wake()
        except psycopg.OperationalError:
            time.sleep(0.5)
