"""The heartbeat of running jobs, and the reclaiming of jobs whose process died.

One thread serves all running jobs of a worker, and lives only while there are some. It renews the leases every
``beat_s``, and reads the rows whenever the database has changed, so that a cancel from another process arrives within
``watch_s``. It writes the text that a job shows to the job's row, at most once in ``SHOW_S``.

    the owner's process has ended (pid and start time, this host)    ┐ cancel requested → cancelled
    the lease has expired                                            ┘ no attempts left → given up
                                                                       non-repeatable → parked
                                                                       anything else → queued, due at once
    it was queued or tried by a clock that was ahead                   → it waits from now on, as long as it should
Rules:
1. The row changes first, then the processes end: once the row has changed, a late result of the old claim fails the
   fence check. So the exit code of a child that was ended here never counts as the child's own.
2. After a crash between the two, the next claim ends the processes with the previous claim's mark.
3. A final end of a job changes its run, so it is left to a worker of the job's own queue.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.jobs.completion import Completion
from wfe_mcp.jobs.job_context import Progress, Stop, log_fault, mark_of
from wfe_mcp.jobs.process_tree import end_process_tree
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import Effect, JobRecord
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, parse_holder
from wfe_mcp.workspace.system.temporary import remove_abandoned

_LOG = logging.getLogger(__name__)

SHOW_S = 1.0
"""The least time between two writes of a job's text."""


@dataclass(frozen=True, slots=True)
class Running:
    """A claim that is being executed. ``overdue_at``: when its time limit ends it, by ``time.monotonic``."""

    job: JobRecord
    stop: Stop = field(default_factory=Stop)
    overdue_at: float | None = None
    progress: Progress = field(default_factory=Progress)


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
        next_beat, next_show, seen, is_away = time.monotonic() + self._beat_s, 0.0, -1, False
        while self._goes_on():
            self._wakeup.wait(self._watch_s)
            self._wakeup.clear()
            if not self.running:
                continue
            try:
                version, is_due = self._store.data_version(), time.monotonic() >= next_beat
                for running in self.running:
                    self._look_after(running, is_due=is_due, has_news=version != seen)
                seen, next_beat, is_away = version, time.monotonic() + self._beat_s if is_due else next_beat, False
            except Exception as fault:
                # The store is unavailable: the lease decides. A second execution elsewhere is better than none.
                if not is_away:
                    log_fault("the heartbeat could not be written; it is tried again until it can be", fault)
                is_away = True
            # After the limits and cancels: a text that cannot be written must not keep them from a job.
            if time.monotonic() >= next_show and (news := self._news()):
                next_show = time.monotonic() + SHOW_S
                try:
                    self._show(news)
                except Exception as fault:
                    log_fault("the text of a job could not be written", fault)

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on = bool(self._running) and not self._is_stopped
            if not goes_on:
                self._thread = None
            return goes_on

    def _news(self) -> list[tuple[Running, str]]:
        """The jobs whose text is another than that last written, with it."""
        return [(running, text) for running in self.running if (text := running.progress.news()) is not None]

    def _show(self, news: Sequence[tuple[Running, str]]) -> None:
        """Write what the jobs show, all in one transaction."""
        with self._store.tx() as tx:
            for running, text in news:
                tx.jobs.show(running.job.id, running.job.fence, text)
        for running, text in news:
            running.progress.mark_written(text)

    def _look_after(self, running: Running, *, is_due: bool, has_news: bool) -> None:
        job, stop = running.job, running.stop
        if running.overdue_at is not None and time.monotonic() >= running.overdue_at:
            stop.ask("overdue")
        # Not for a job that is to stop: should its handler hang, the end of the lease frees the job.
        if is_due and not stop.is_asked:
            with self._store.tx() as tx:
                # A lease that cannot be renewed is lost or is to stop: the row says which.
                has_news |= not tx.jobs.heartbeat(job.id, job.fence, self._clock() + timedelta(seconds=self._lease_s))
        if has_news:
            with self._store.read() as tx:
                row = tx.jobs.get(job.id)
            stop.ask_as_recorded(job, row)


def take_over(
    store: Store,
    me: ProcessIdentity,
    clock: Callable[[], datetime],
    endings: Completion,
    queues: Sequence[str] | None = None,
) -> int:
    """Free the jobs of dead or late owners; returns their number. Brings forward what a clock that was ahead has put off.

    Cheap when there are none.

    ``queues``: those whose jobs may end finally here; None is all.
    """
    now = clock()
    with store.read() as tx:
        held = tx.jobs.running()
        put_off = tx.lines.put_off(queues or (), now)
    if put_off:
        with store.tx() as tx:
            for job in put_off:
                tx.lines.bring_forward(job, now)
    orphans = [job for job in held if _is_dead(job.lease_owner) or _is_late(job, now)]
    jobs = [job for job in orphans if queues is None or job.queue in queues or _is_repeated(job)]
    freed = [job for job in jobs if _decide(job, endings)]
    for job in freed:
        _LOG.info("job %s (%s) was taken from %s", job.id, job.kind, job.lease_owner)
        _end_children(job, me)
    if orphans:
        remove_abandoned()  # credentials that its process had laid out for a child
    return len(freed)


def end_cancelled(store: Store, me: ProcessIdentity, endings: Completion, job_id: str) -> None:
    """End a cancelled job whose process is gone, and what still runs of it: there may be no worker that would."""
    with store.read() as tx:
        job = tx.jobs.get(job_id)
    # Without ``gave_up`` only what has no consequence: the cancel of a person has one.
    if job is None or not _is_dead(job.lease_owner) or (job.cancel_reason is not None and endings.gave_up is None):
        return
    if job.cancel_requested and endings.cancel(job):
        _end_children(job, me)


def _is_dead(owner: str | None) -> bool:
    identity = parse_holder(owner or "")
    return identity is not None and not is_alive(identity)


def _is_late(job: JobRecord, now: datetime) -> bool:
    return job.lease_until is not None and job.lease_until < now


def _is_repeated(job: JobRecord) -> bool:
    """True when freeing the job needs no change of its run: it will be queued again, or cancelled."""
    return job.cancel_requested or (job.effect is not Effect.NON_REPEATABLE and job.tries < job.max_attempts)


def _end_children(job: JobRecord, me: ProcessIdentity) -> None:
    owner = parse_holder(job.lease_owner or "")
    if owner is None or owner.host != me.host:
        return
    # By mark too: the owner may have died between starting the child and recording its pid.
    survivors = end_process_tree(job.child_pid, job.child_started_at, mark_of(job.id, job.fence), grace_s=0.5)
    if survivors:  # pragma: no cover - only a process stuck in the kernel survives SIGKILL
        _LOG.warning("job %s left processes that could not be ended: %s", job.id, survivors)


def _decide(job: JobRecord, endings: Completion) -> bool:
    """Free the row. False when another process was faster."""
    if job.cancel_requested:
        return endings.cancel(job)
    if job.effect is not Effect.NON_REPEATABLE and not _is_repeated(job):
        return endings.fail(job, f"the process that worked on it ended {job.tries} times.", for_good=True)
    return endings.handed_back(job, "the process that worked on it ended.")
