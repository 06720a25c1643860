"""Absurd 0.5 delivers: a task for each announcement, whose parameter is the id of our job; its worker is supervised."""

from __future__ import annotations

import math
import os
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from bench.engines.rows import QUEUE, Rows, Sweep, connection_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.engines.rows import Place
    from wfe_mcp.store import Store, Tx

_DELIVERED = text(f"SELECT params->>'job_id' FROM absurd.t_{QUEUE} WHERE state IN ('pending', 'sleeping', 'running')")
_CLEAN = text("SELECT absurd.cleanup_tasks(:queue, 60, 1000)")


class Delivery:
    """One task, ``deliver``, whose parameter is the id of our job."""

    def __init__(self, place: Place, variant: str) -> None:
        del variant
        self._place, self.sweeping = place, Sweep(place)
        self._engine: Any = import_module("absurd_sdk")

    def prepare(self) -> None:
        """Its schema ``absurd`` and one queue."""
        import psycopg

        schema: Any = import_module("absurdctl").BUNDLED_SCHEMA_SQL
        with psycopg.connect(self._place.dsn, autocommit=True) as connection:
            connection.execute(schema)
            self._engine.Absurd(connection).create_queue(QUEUE)

    def announce(self, tx: Tx, job_id: str) -> None:
        """A task of its own, by our connection."""
        driver = connection_of(tx).connection.driver_connection
        self._engine.Absurd(driver).spawn("deliver", {"job_id": job_id}, queue=QUEUE, max_attempts=1000)

    def work(self, ready: Callable[[], object]) -> None:
        """Its worker raises when the server ends, and keeps its dead connection: start another."""
        rows = Rows(self._place, self._place.open(), str(os.getpid()))

        def deliver(params: Any, _context: Any) -> None:
            rows.run(params["job_id"])

        ready()
        while True:
            try:
                app: Any = self._engine.Absurd(self._place.dsn, queue_name=QUEUE)
                app.register_task(name="deliver")(deliver)
                app.start_worker(claim_timeout=math.ceil(self._place.lease_s))
            except Exception as fault:
                print("worker ended:", type(fault).__name__, fault, file=sys.stderr)
            time.sleep(0.5)

    def sweep(self, store: Store) -> int:
        """Remove what has ended; with our fence, announce what has no delivery."""
        with store.tx() as tx:
            connection = connection_of(tx)
            connection.execute(_CLEAN, {"queue": QUEUE})
            delivered = set(connection.execute(_DELIVERED).scalars())
            lost = self.sweeping.lost(tx, delivered) if self._place.fenced else set[str]()
            for job_id in lost:
                self.announce(tx, job_id)
        return len(lost)
