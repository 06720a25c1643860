"""The job worker of a process.

    dispatcher thread   poll → take over → claim, per free slot ───────┐
    one thread per job  handler → ending, fenced                      ←┤
    a change of a run   enqueue and claim, in its transaction ─────────┘
    heartbeat thread    leases, cancels, time limits (only while a job runs)

Rules:
1. A claim is a lease with a fence (``store/jobs.py``); every later write checks the fence.
2. No error of a job or of the store ends a worker thread: it is logged, and the dispatcher continues.
3. ``stop`` ends the children and returns unfinished jobs to the queue, so that another process can claim them at once.
   Jobs of a killed process are reclaimed by another worker (``takeover.py``), within ``take_over_s``.
4. It takes the kinds of jobs that it has a handler for. One that it cannot read, after a newer version has upgraded the
   database or was installed in its place, goes back to its queue, however often; a worker of that version takes it at once.
5. On PostgreSQL a job that becomes due is delivered (``delivery.py``); the poll, every ``sweep_s`` then, finds what was not.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wfe_mcp.artifacts.isolated import CheckAbandoned
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.observing import Observation, observe
from wfe_mcp.jobs import job_context
from wfe_mcp.jobs.completion import ApplyFailed, Completion, GaveUp
from wfe_mcp.jobs.heartbeat import Heartbeat, Running, take_over
from wfe_mcp.jobs.limits import Slots, WorkLimits
from wfe_mcp.jobs.process_tree import end_process_tree
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import TRACED, ClaimLimits, JobRecord
from wfe_mcp.workspace.system.installation import installed_again
from wfe_mcp.workspace.system.process import ProcessIdentity, holder_id

if TYPE_CHECKING:
    from wfe_mcp.jobs.delivery import Deliveries

_LOG = logging.getLogger(__name__)
# Pauses of 0.1 to 1.6 s, 3.1 s in all: far less than a lease.
_STORE_TRIES, _AWAY_TRIES = 5, 600
"""How often the end of a claim is written where that fails, and where the store is only away: some ten minutes."""
_STORE_PAUSE_S = 0.1
_LOOK_S = 0.2
_DISPATCHER = "wfe-jobs"
_UNREADABLE = {"invalid_template", "unavailable"}


class Worker:
    """Runs jobs of ``queues``, at most ``slots`` of each at a time, within ``limits``, which are read before each claim.

    ``store_factory`` is called in the dispatcher thread until it succeeds once; its provider closes the store.
    ``gave_up(tx, job, reason)`` runs in the transaction that ends a job finally without a result; ``tend()`` every
    ``take_over_s``, and enqueues what time alone makes due. ``frees``: queues that others work, whose lost jobs it frees, too.
    """

    def __init__(
        self,
        store_factory: Callable[[], Store],
        identity: ProcessIdentity,
        handlers: Mapping[str, job_context.Handler],
        clock: Callable[[], datetime],
        queues: Sequence[str],
        *,
        frees: Sequence[str] = (),
        slots: int | Mapping[str, int] = 2,
        poll_s: float = 1.0,
        sweep_s: float = 5.0,
        # Three beats long: one may fail or come late.
        lease_s: float = 30.0,
        beat_s: float = 10.0,
        watch_s: float = 0.25,
        take_over_s: float = 5.0,
        backoff_base_s: float = 1.0,
        backoff_cap_s: float = 300.0,
        rng: Callable[[], float] = random.random,
        gave_up: GaveUp | None = None,
        limits: Callable[[], WorkLimits] = WorkLimits,
        tend: Callable[[], object] = lambda: None,
    ) -> None:
        self._store_factory, self._identity, self._handlers, self._clock = store_factory, identity, handlers, clock
        self._owner = holder_id(identity)
        self._queues, self._poll_s, self._take_over_s, self._lease_s = tuple(queues), poll_s, take_over_s, lease_s
        self._sweep_s, self._freed = sweep_s, (*queues, *frees)
        self._deliveries: Deliveries | None = None
        self._backoff: dict[str, Any] = {"base_s": backoff_base_s, "cap_s": backoff_cap_s, "random": rng}
        self._beat: dict[str, float] = {"lease_s": lease_s, "beat_s": beat_s, "watch_s": watch_s}
        self._gave_up, self._limits, self._tend = gave_up, limits, tend
        self._slots = Slots(slots)
        self._wakeup, self._closing, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._opening = threading.Lock()
        self._open: tuple[Store, Completion, Heartbeat] | None = None
        self._threads: list[threading.Thread] = []
        self._next_take_over = 0.0

    def start(self) -> None:
        """Start, in daemon threads."""
        self._spawn(self._dispatch, _DISPATCHER)

    def wake(self) -> None:
        """Check at once: this process has just enqueued or cancelled a job."""
        self._wakeup.set()
        if self._open is not None:
            self._open[2].wake()

    @property
    def running(self) -> tuple[JobRecord, ...]:
        """The jobs that this worker executes now."""
        return () if self._open is None else tuple(running.job for running in self._open[2].running)

    def finish(self, kind: str, should_stop: Callable[[], bool]) -> None:
        """Claim no further job, and wait until those of this kind that run here have ended, or ``should_stop``."""
        self._closing.set()
        self._wakeup.set()
        names = (_DISPATCHER, _thread_name(kind))
        while (alive := self._alive(names)) and not should_stop():
            alive[0].join(_LOOK_S)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the running jobs and return unfinished ones to the queue. Takes at most ``timeout_s``, whatever a handler does."""
        self._closing.set()
        self._stopping.set()
        self._wakeup.set()
        end = time.monotonic() + timeout_s
        for running in () if self._open is None else self._open[2].running:
            running.stop.ask("shutdown")
        if self._deliveries is not None:
            self._deliveries.stop(timeout_s)
        # Listed again each time: the dispatcher may start one more before it notices.
        while (alive := self._alive()) and time.monotonic() < end:
            alive[0].join(max(0.0, end - time.monotonic()))
        if self._open is None:
            return
        _, endings, heart = self._open
        for running in heart.running:
            # Its handler ignores the stop. The fence rejects its later result.
            self._survive(lambda job=running.job: endings.handed_back(job, "the process that worked on it ended."))
        # Last: the caller closes the store next, and no thread may use it then.
        heart.stop(timeout_s)

    @property
    def slots(self) -> dict[str, tuple[int, int]]:
        """Queue → its occupied slots in this process, and how many it has."""
        return self._slots.taken_by_queue(self._queues)

    def is_ready(self) -> bool:
        """True while it works by itself: it was started, its store is open, and it was not stopped."""
        return self._open is not None and bool(self._threads) and not self._closing.is_set()

    @property
    def is_delivered(self) -> bool:
        """Whether jobs are delivered to it now, so that it looks by itself every ``sweep_s`` only."""
        return self._deliveries is not None and self._deliveries.is_up

    def claim_in(self, tx: Tx, queue: str, limits: Callable[[], ClaimLimits]) -> bool:
        """Claim the next job of ``queue`` in the transaction that has just enqueued one; it begins after the commit.

        False where this worker has no slot for it: then any worker finds it in the queue.
        """
        if not self.is_ready() or queue not in self._queues or not self._slots.free((queue,)):
            return False
        job = tx.jobs.claim(self._owner, (queue,), self._lease_s, self._clock(), self._of_kinds(limits()))
        if job is None:
            return False
        # Before the commit, so that no other claim takes the slot meanwhile.
        self._slots.take(queue)
        tx.after_rollback(lambda: self._slots.give_back(queue))
        tx.after_commit(lambda: self._spawn(lambda: self._work_in_slot(job), _thread_name(job.kind)), first=True)
        return True

    def work_one(self) -> bool:
        """Claim one due job and run it in this thread. False when none is due."""
        self._look_for_orphans()
        job = self._claim(self._queues)
        if job is None:
            return False
        self._work(job)
        return True

    def _dispatch(self) -> None:
        logged = ""
        while not self._closing.is_set():
            delivered = () if self._deliveries is None else self._deliveries.waiting()
            try:
                self._deliveries = self._deliveries or self._deliveries_of(self._parts()[0])
                self._look_for_orphans()
                self._fill_slots()
                self._settle(delivered)
                pause_s, logged = self._sweep_s if self.is_delivered else self._poll_s, ""
            except Exception as fault:
                if str(fault) != logged:  # an outage of a night is one line, not one a second
                    job_context.log_fault("the job table could not be read; it is tried again until it can be", fault)
                pause_s, logged = self._poll_s, str(fault)
            self._wakeup.wait(pause_s)
            self._wakeup.clear()

    def _deliveries_of(self, store: Store) -> Deliveries | None:
        if store.has_file:
            return None
        from wfe_mcp.jobs import delivery  # the event loop, and procrastinate with the first of its threads

        deliveries = delivery.Deliveries(store, self._queues, self._slots.total(self._queues), self._wakeup.set)
        deliveries.start()
        return deliveries

    def _settle(self, delivered: Collection[str]) -> None:
        """Say of delivered jobs which ones wait for no worker any more."""
        if self._deliveries is not None and delivered:
            with self._parts()[0].read() as tx:
                self._deliveries.settle({*delivered} - tx.jobs.waiting(delivered))

    def _fill_slots(self) -> None:
        while not self._closing.is_set():
            free = self._slots.free(self._queues)
            job = self._claim(free) if free else None
            if job is None:
                return
            self._slots.take(job.queue)
            self._spawn(lambda job=job: self._work_in_slot(job), _thread_name(job.kind))

    def _work_in_slot(self, job: JobRecord) -> None:
        try:
            self._work(job)
        finally:
            self._slots.give_back(job.queue)
            self._wakeup.set()

    def _alive(self, names: Collection[str] = ()) -> list[threading.Thread]:
        """The threads of this worker that run; with ``names``: those of them."""
        return [thread for thread in self._threads if thread.is_alive() and (not names or thread.name in names)]

    def _spawn(self, target: Callable[[], object], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        with self._opening:  # the dispatcher and every thread that commits a change may start one
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
            thread.start()

    def _parts(self) -> tuple[Store, Completion, Heartbeat]:
        with self._opening:
            if self._open is None:
                store = self._store_factory()
                endings = Completion(store, self._clock, self._gave_up, **self._backoff)
                self._open = (store, endings, Heartbeat(store, self._clock, **self._beat))
            return self._open

    def _look_for_orphans(self) -> None:
        if time.monotonic() >= self._next_take_over:
            store, endings, _ = self._parts()
            take_over(store, self._identity, self._clock, endings, self._freed)
            self._hurry_what_older_left(store)
            self._next_take_over = time.monotonic() + self._take_over_s
            self._tend()

    def _hurry_what_older_left(self, store: Store) -> None:
        with store.read() as tx:
            left = tx.lines.left_by_older(self._queues, self._clock())
        if not left or _is_overtaken(store) or installed_again():
            return
        with store.tx() as tx:
            for job in left:
                tx.lines.hurry(job)

    def _claim(self, queues: Sequence[str]) -> JobRecord | None:
        store, _, _ = self._parts()
        now = self._clock()
        with store.read() as tx:
            # Without the write lock: an idle server must not block writers.
            if not tx.jobs.is_due(queues, now):
                return None
        # Limits come from the configuration, so they are read only when a job is due.
        limits = self._of_kinds(self._limits().claims)
        with store.read() as tx:
            if not tx.jobs.is_due(queues, now, limits):
                return None
        with store.tx() as tx:
            return tx.jobs.claim(self._owner, queues, self._lease_s, now, limits)

    def _of_kinds(self, limits: ClaimLimits) -> ClaimLimits:
        return replace(limits, kinds=frozenset(self._handlers))

    def _work(self, job: JobRecord) -> None:
        store, endings, heart = self._parts()
        limit_s = job.timeout_s or self._limits().timeouts.get(job.queue)
        overdue_at = None if limit_s is None else time.monotonic() + limit_s
        running = Running(job, overdue_at=overdue_at)
        with heart.beating(running):
            # It may have been claimed after ``stop`` asked those that ran then.
            if self._stopping.is_set():
                running.stop.ask("shutdown")
            if job.tries > 1:
                # The previous claim may have ended by its lease alone; its children must not run beside this one's.
                end_process_tree(None, None, job_context.mark_of(job.id, job.fence - 1))
            end = self._handle(job_context.JobContext(job, store, running.stop, running.progress), endings, limit_s)
            self._survive(end)

    def _handle(
        self, context: job_context.JobContext, endings: Completion, limit_s: float | None
    ) -> Callable[[], object]:
        """Run the handler. Returns the call that ends the claim."""
        job = context.job
        with observe("job", job.kind, str(job.payload.get(TRACED, ""))) as observation:
            return self._handle_observed(context, endings, limit_s, observation)

    def _handle_observed(
        self, context: job_context.JobContext, endings: Completion, limit_s: float | None, observation: Observation
    ) -> Callable[[], object]:
        job = context.job
        try:
            outcome = self._handlers[job.kind](context)
        except job_context.ChildStopped:
            observation.code = "stopped"
            return lambda: self._end_stopped(job, context.stop.reason, endings, limit_s)
        except CheckAbandoned:
            observation.code = "stopped"
            return lambda: self._end_stopped(job, "shutdown", endings, limit_s)
        except job_context.Suspended as suspended:
            outcome, observation.code = job_context.Outcome({"suspended": str(suspended)}), "suspended"
        except job_context.RetryLater as later:
            reason, after_s, is_try, observation.code = str(later), later.after_s, later.is_try, "retry"
            return lambda: endings.fail(job, reason, after_s, is_try=is_try)
        except Refused as refused:
            reason, for_good, observation.code = refused.text, refused.code != "unavailable", refused.code
            if refused.code in _UNREADABLE and _is_overtaken(context.store):
                return lambda: endings.left_to_newer(job, reason)
            return lambda: endings.fail(job, reason, for_good=for_good)
        except Exception as exc:
            _LOG.exception("job %s (%s) failed", job.id, job.kind)
            reason, observation.code = f"{type(exc).__name__}: {exc}", "internal"
            if _is_overtaken(context.store) or installed_again():
                return lambda: endings.left_to_newer(job, reason)
            return lambda: endings.fail(job, reason)
        return lambda: self._end_done(job, outcome, endings)

    def _end_done(self, job: JobRecord, outcome: job_context.Outcome, endings: Completion) -> object:
        try:
            is_written = endings.complete(job, outcome)
        except ApplyFailed as exc:
            _LOG.exception("the outcome of job %s (%s) could not be written", job.id, job.kind)
            return endings.fail(job, str(exc))
        if is_written and outcome.afterwards is not None:
            try:
                outcome.afterwards()
            except Exception as fault:
                job_context.log_fault(f"the follow-up of job {job.id} ({job.kind}) failed", fault)
        return is_written

    def _end_stopped(self, job: JobRecord, reason: str, endings: Completion, limit_s: float | None) -> object:
        match reason:
            case "cancelled":
                return endings.cancel(job)
            case "overdue":
                return endings.fail(job, f"it took longer than {limit_s:g} s")
            case "shutdown":
                return endings.handed_back(job, "the process that worked on it ended.")
            case _:
                return False

    def _survive(self, end: Callable[[], object]) -> None:
        """End a claim, with retries while the store is unavailable; after these its lease ends it.

        What a call outside has answered is in this process alone: without it, a person has to say whether it was made.
        """
        for number in range(_AWAY_TRIES):
            try:
                end()
            except Exception as fault:
                if not number:
                    job_context.log_fault("a job could not be ended yet; it is tried again", fault)
                is_away = isinstance(fault, Refused) and fault.code == "unavailable" and not self._stopping.is_set()
                if number + 1 >= _STORE_TRIES and not is_away:
                    return
                time.sleep(min(_STORE_PAUSE_S * 2**number, 1))
            else:
                return


def _thread_name(kind: str) -> str:
    return f"wfe-{kind}"


def _is_overtaken(store: Store) -> bool:
    try:
        return store.newer_version() is not None
    except Refused:  # it is away: the next try looks again
        return False
