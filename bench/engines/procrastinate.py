"""procrastinate 3.10 delivers: no ``lock``, no ``queueing_lock``, finished rows are deleted, its worker is supervised."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from bench.engines.rows import QUEUE, Rows, Sweep, connection_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.engines.rows import Place
    from wfe_mcp.store import Store, Tx

# Its statements name nothing by schema, and the search path of our connections has only ours.
_FIND_IT = text("SELECT set_config('search_path', 'wfe, public, pg_temp', true)")
# Locked first: it raises, and our transaction with it, where the job ends in between.
_RETRY_STALLED = text(
    "WITH stalled AS MATERIALIZED (SELECT job.id FROM procrastinate_jobs job"
    " LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id WHERE job.status = 'doing'"
    " AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :silent_s))"
    " FOR UPDATE OF job SKIP LOCKED)"
    " SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM stalled"
)
_DELIVERED = text("SELECT args->>'job_id' FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")


class Delivery:
    """One task, ``deliver``, whose argument is the id of our job."""

    def __init__(self, place: Place, variant: str) -> None:
        del variant
        self._place, self.sweeping = place, Sweep(place)
        self._engine: Any = import_module("procrastinate")
        self._app: Any = self._engine.App(connector=self._engine.PsycopgConnector(conninfo=place.dsn))
        retry = self._engine.RetryStrategy(max_attempts=1000, wait=1)
        self._task: Any = self._app.task(name="deliver", queue=QUEUE, retry=retry)(self._deliver)
        self._rows: Rows | None = None

    def prepare(self) -> None:
        """Its tables, in the schema ``public``."""
        with self._app.open():
            self._app.schema_manager.apply_schema()

    def announce(self, tx: Tx, job_id: str) -> None:
        """A task of its own, by our connection."""
        connection = connection_of(tx)
        connection.execute(_FIND_IT)
        self._task.configure(connection=connection.connection.driver_connection).defer(job_id=job_id)

    def work(self, ready: Callable[[], object]) -> None:
        """Its worker ends, without an error, when the server does: start it again."""
        self._rows = Rows(self._place, self._place.open(), str(os.getpid()))
        ready()
        asyncio.run(self._supervise())

    async def _supervise(self) -> None:
        while True:
            try:
                async with self._app.open_async():
                    await self._app.run_worker_async(
                        queues=[QUEUE],
                        concurrency=1,
                        delete_jobs="always",
                        install_signal_handlers=False,
                        fetch_job_polling_interval=1.0,  # a retry and a timer send no NOTIFY
                        update_heartbeat_interval=self._place.lease_s / 3,
                        stalled_worker_timeout=self._place.lease_s,
                    )
            except Exception as fault:
                print("worker ended:", type(fault).__name__, fault, file=sys.stderr)
            await asyncio.sleep(0.5)

    def _deliver(self, job_id: str) -> None:
        assert self._rows is not None
        self._rows.run(job_id)

    def sweep(self, store: Store) -> int:
        """Retry what workers that are gone have begun; with our fence, announce what has no delivery."""
        with store.tx() as tx:
            connection = connection_of(tx)
            connection.execute(_FIND_IT)
            connection.execute(_RETRY_STALLED, {"silent_s": self._place.lease_s})
            delivered = set(connection.execute(_DELIVERED).scalars())
            lost = self.sweeping.lost(tx, delivered) if self._place.fenced else set[str]()
            for job_id in lost:
                self.announce(tx, job_id)
        return len(lost)
