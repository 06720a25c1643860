"""Deliveries of procrastinate, which tell a worker on PostgreSQL that a job is due (docs/adr/0075).

    a row of procrastinate ──► its worker, in a thread here ──► our dispatcher looks ──► claimed, by our own statement
                                                                        └── still waits for a slot: back, for any worker

Rules:
1. A delivery is a hint. What it names is claimed, by priority and limits, or by another worker, or not at all.
2. procrastinate's worker returns when the server restarts, and raises when it is gone: it is started again. Until then, and
   where the package or its tables are missing, the dispatcher looks as often as on SQLite.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.job_context import log_fault
from wfe_mcp.store import Store

_LOG = logging.getLogger(__name__)
_HELD_S = 1.0
"""A delivery is kept for so long, in which a slot may become free, then it goes back: another worker may have one."""
_AGAIN_S = 1.0
_GIVEN_BACK_MS = int(1250 * _AGAIN_S)
"""What goes back is due a little later than the next look of the worker that gives it back, and so after a look of each other one."""
_PAUSE_S = 1.0
_SILENT_S = 60
"""A worker of procrastinate that has been silent for so long is gone: the rows that it began are of no use any more."""
_CONNECTIONS = 3
_CONNECT_S = 3.0
"""After a crash of the server its pool may hand out nothing for longer: then all of it is started again."""
_ENDING_S = 2.0
_THEIR_LOGS = ("procrastinate", "psycopg.pool")
"""They report each try; what keeps jobs from being delivered is reported here, once."""


class _StillWaitsError(Exception):
    """The job could not be claimed here."""


class Deliveries:
    """The deliveries of ``queues``, ``at_once`` at a time. ``wake``: lets the dispatcher look, which then calls ``settle``."""

    def __init__(self, store: Store, queues: Sequence[str], at_once: int, wake: Callable[[], object]) -> None:
        self._address, self._queues, self._at_once = store.environment["WFE_DATABASE_URL"], list(queues), at_once
        self._wake = wake
        self._waiting: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: asyncio.Task[None] | None = None
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="wfe-deliveries", daemon=True)
        self.is_up = False
        """Whether jobs are delivered now: as far as this process knows."""

    def start(self) -> None:
        """Start, in a daemon thread."""
        self._thread.start()

    def waiting(self) -> list[str]:
        """The jobs whose delivery waits for the dispatcher."""
        return list(self._waiting)

    def settle(self, taken: Collection[str]) -> None:
        """These jobs wait for no worker any more."""
        self._in_loop(lambda: [self._waiting[job].set() for job in taken if job in self._waiting])

    def stop(self, timeout_s: float) -> None:
        """End; what waits is delivered to another worker."""
        self._ends = True
        self._in_loop(self._end)
        self._thread.join(timeout_s)

    def _in_loop(self, action: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            if self._loop is not None:
                self._loop.call_soon_threadsafe(action)

    def _end(self) -> None:
        for event in self._waiting.values():
            event.set()
        if self._working is not None:
            self._working.cancel()

    async def _deliver(self, job_id: str) -> None:
        """The only task of procrastinate. Raises where the job still waits: it is delivered again, here or elsewhere."""
        event = self._waiting.setdefault(job_id, asyncio.Event())
        self._wake()
        try:
            async with asyncio.timeout(_HELD_S):
                await event.wait()
        except TimeoutError:
            raise _StillWaitsError from None
        finally:
            self._waiting.pop(job_id, None)
        if self._ends:
            raise _StillWaitsError

    def _run(self) -> None:
        try:
            app = self._app()
        except ImportError as missing:
            _LOG.warning("jobs are found by looking each second: %s; install wfe-mcp[team]", missing)
            return
        # Named, because psycopg cannot use the default one of Windows.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._supervise(app))

    def _app(self) -> Any:
        import procrastinate
        from procrastinate.retry import BaseRetryStrategy, RetryDecision

        from wfe_mcp.store.postgres import delivery

        deliveries = self

        class WhereItStillWaits(BaseRetryStrategy):
            def get_retry_decision(self, *, exception: BaseException, job: object) -> RetryDecision | None:
                del job
                if not isinstance(exception, _StillWaitsError):
                    return None
                return RetryDecision(retry_in={"milliseconds": 0 if deliveries._ends else _GIVEN_BACK_MS})

        for name in _THEIR_LOGS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        connector = procrastinate.PsycopgConnector(
            conninfo=self._address,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_CONNECT_S,
            kwargs={"application_name": "wfe-mcp", "options": f"-c search_path={delivery.SCHEMA}"},
        )
        app = procrastinate.App(connector=connector)
        app.task(name=delivery.TASK, retry=WhereItStillWaits(), pass_context=False)(self._deliver)
        return app

    async def _supervise(self, app: Any) -> None:
        from procrastinate.exceptions import ConnectorException

        self._loop = asyncio.get_running_loop()
        is_known = False
        while not self._ends:
            self._working = asyncio.create_task(self._work(app))
            try:
                await self._working
                is_known = False
            except asyncio.CancelledError:
                pass  # ``stop``
            except Exception as fault:
                if not is_known:
                    of_setup = isinstance(fault, ConnectorException)  # it says nothing of the error that it wraps
                    known = Refused("unavailable", str(fault.__cause__).partition("\n")[0]) if of_setup else fault
                    log_fault("jobs are found by looking each second until they are delivered again", known)
                is_known = True
            self.is_up = False
            await asyncio.sleep(_PAUSE_S)

    async def _work(self, app: Any) -> None:
        from procrastinate.jobs import Status

        async with app.open_async():
            for left in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_SILENT_S):
                await app.job_manager.finish_job(left, status=Status.FAILED, delete_job=True)
            self.is_up = True
            await app.run_worker_async(
                queues=self._queues,
                concurrency=self._at_once,
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=_AGAIN_S,  # neither a retry nor a time sends a notification
                shutdown_graceful_timeout=_ENDING_S,
            )
