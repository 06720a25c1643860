"""The heartbeat of running jobs: renews their leases and notices cancellations.

One thread serves all running jobs of a worker, and lives only while there are some. It renews the leases every
``beat_s``, and reads the rows whenever the database has changed, so that a cancel from another process arrives within
``watch_s``.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.jobs.job_context import Stop
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import JobRecord

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A claim that is being executed. ``overdue_at``: when its time limit ends it, by ``time.monotonic``."""

    job: JobRecord
    stop: Stop = field(default_factory=Stop)
    overdue_at: float | None = None


class Heartbeat:
    """Renews the leases of running jobs, and asks them to stop."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, lease_s: float, beat_s: float, watch_s: float
    ) -> None:
        self._store, self._clock = store, clock
        self._lease_s, self._beat_s, self._watch_s = lease_s, beat_s, watch_s
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._wakeup = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    @contextmanager
    def beating(self, running: Running) -> Generator[None]:
        """Renew the lease of ``running`` inside the block."""
        with self._lock:
            self._running[running.job.id] = running
            if self._thread is None and not self._is_stopped:
                self._thread = threading.Thread(target=self._beat, name="wfe-heart", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(running.job.id, None)
                if not self._running:
                    self._wakeup.set()

    @property
    def running(self) -> tuple[Running, ...]:
        """The claims that are being executed now."""
        with self._lock:
            return tuple(self._running.values())

    def wake(self) -> None:
        """Check at once: this process may have cancelled a job."""
        self._wakeup.set()

    def stop(self, timeout_s: float) -> None:
        """Stop the heartbeat, even of running jobs. Returns once the thread no longer uses the store."""
        with self._lock:
            self._is_stopped, thread = True, self._thread
        self._wakeup.set()
        if thread is not None:
            thread.join(timeout_s)

    def _beat(self) -> None:
        next_beat, seen = time.monotonic() + self._beat_s, -1
        while self._goes_on():
            self._wakeup.wait(self._watch_s)
            self._wakeup.clear()
            try:
                version, is_due = self._store.data_version(), time.monotonic() >= next_beat
                for running in self.running:
                    self._look_after(running, is_due=is_due, has_news=version != seen)
                seen, next_beat = version, time.monotonic() + self._beat_s if is_due else next_beat
            except Exception:
                # The store is unavailable: the lease decides. A second execution elsewhere is better than none.
                _LOG.exception("the heartbeat could not be written")

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on = bool(self._running) and not self._is_stopped
            if not goes_on:
                self._thread = None
            return goes_on

    def _look_after(self, running: Running, *, is_due: bool, has_news: bool) -> None:
        job, stop = running.job, running.stop
        if running.overdue_at is not None and time.monotonic() >= running.overdue_at:
            stop.ask("overdue")
        if is_due and not stop.is_asked:
            with self._store.tx() as tx:
                has_news |= not tx.jobs.heartbeat(job.id, job.fence, self._clock() + timedelta(seconds=self._lease_s))
        if has_news:
            with self._store.read() as tx:
                row = tx.jobs.get(job.id)
            if row is None or row.fence != job.fence or row.lease_owner != job.lease_owner:
                stop.ask("lost")
            elif row.cancel_requested:
                stop.ask("cancelled")
