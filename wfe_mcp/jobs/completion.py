"""The ways in which a claim of a job ends.

    Outcome                        done, and its ``apply`` runs, in one transaction
    failed, attempts left          queued again, after a backoff
    failed, no attempts left       failed; ``gave_up`` writes the consequence, in the same transaction
    cancel requested               cancelled; with a reason given, ``gave_up`` writes the consequence
    process ended or disappeared   queued again at once; a non-repeatable job is parked for the user instead

Every ending checks the fence. One that comes too late changes nothing and returns False.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.texts import clean
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.jobs.limits import backoff_s
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import Effect, JobRecord
from wfe_mcp.store.records.runs import IN_DOUBT
from wfe_mcp.workspace.system.redaction import without_hidden

_LOG = logging.getLogger(__name__)

GaveUp = Callable[[Tx, JobRecord, str], object]
"""Writes the consequence of a job that will not be retried. Arguments: the transaction, the job, the reason.

A job with a ``cancel_reason`` was cancelled on request."""


class ApplyFailed(Exception):
    """The ``apply`` of an outcome failed; the cause is ``__cause__``."""


class _ClaimLost(Exception):
    """Rolls the transaction back: another worker holds the job by now."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The ways a claim ends, over one store."""

    store: Store
    clock: Callable[[], datetime]
    gave_up: GaveUp | None = None
    base_s: float = 1.0
    cap_s: float = 300.0
    random: Callable[[], float] = random.random

    def complete(self, job: JobRecord, outcome: Outcome) -> bool:
        """Write the outcome. False when the claim is lost or the result obsolete. Raises ApplyFailed; then nothing is written."""
        try:
            return self._complete(job, outcome)
        except Refused as refused:
            if refused.code == "unavailable":
                raise
            # The run changed meanwhile (a closed attempt, a cancelled run): the result is obsolete.
            with self.store.tx() as tx:
                tx.jobs.finish(job.id, job.fence, {"dropped": refused.code, "message": refused.message})
            return False

    def fail(
        self, job: JobRecord, reason: str, after_s: float | None = None, *, for_good: bool = False, is_try: bool = True
    ) -> bool:
        """Retry later; give up when no attempt is left or it failed ``for_good``. ``after_s``, ``is_try``: as of ``RetryLater``."""
        reason = clean(without_hidden(reason))  # it may be the text of any exception, and it is kept
        if for_good or (is_try and job.tries >= job.max_attempts):
            return self._given_up(job, reason)
        wait_s = backoff_s(job.tries, self.base_s, self.cap_s, self.random) if after_s is None else after_s
        return self._queue_again(job, reason, wait_s, tries=job.tries - (not is_try))

    def left_to_newer(self, job: JobRecord, reason: str) -> bool:
        """Return the job to the queue, whatever its tries: only a newer version can do it.

        It waits for the longest backoff, or for a worker that loaded what is installed now (``Worker``).
        """
        return self._queue_again(job, clean(without_hidden(reason)), self.cap_s, result={"left": True})

    def handed_back(self, job: JobRecord, reason: str) -> bool:
        """Return the job to the queue for any worker; park it when a second execution could do harm."""
        # The call may have been made: only a person says that it is made again.
        if job.effect is Effect.NON_REPEATABLE:
            with self.store.tx() as tx:
                return self._end_with_effect(tx, job, f"{IN_DOUBT}{reason}", tx.jobs.park)
        return self._queue_again(job, reason, 0)

    def cancel(self, job: JobRecord) -> bool:
        """End the claim of a job whose cancellation was requested."""
        with self.store.tx() as tx:
            return self._cancel(tx, job)

    def _complete(self, job: JobRecord, outcome: Outcome) -> bool:
        try:
            with self.store.tx() as tx:
                # In the transaction that would end it: a cancel that was committed first wins over the result.
                if _is_cancelled(tx, job):
                    self._cancel(tx, job)
                    return False
                _finish(tx, job, outcome)
        except _ClaimLost:
            return False
        return True

    def _queue_again(self, job: JobRecord, reason: str, wait_s: float, **more: object) -> bool:
        """Queue the job once more, after ``wait_s``. One that was cancelled meanwhile ends: no worker would take it from the queue."""
        with self.store.tx() as tx:
            if _is_cancelled(tx, job):
                return self._cancel(tx, job)
            return tx.jobs.fail(job.id, job.fence, reason, self.clock() + timedelta(seconds=wait_s), **more)

    def _cancel(self, tx: Tx, job: JobRecord) -> bool:
        row = tx.jobs.get(job.id)
        if row is None or row.cancel_reason is None:  # its attempt is over: no consequence to write
            return tx.jobs.cancel_done(job.id, job.fence)
        asked = replace(job, cancel_requested=True, cancel_reason=row.cancel_reason)
        return self._end_with_effect(
            tx, asked, row.cancel_reason, lambda job_id, fence, _: tx.jobs.cancel_done(job_id, fence)
        )

    def _given_up(self, job: JobRecord, reason: str) -> bool:
        with self.store.tx() as tx:
            return self._end_with_effect(
                tx, job, reason, lambda job_id, fence, error: tx.jobs.fail(job_id, fence, error, None)
            )

    def _end_with_effect(self, tx: Tx, job: JobRecord, reason: str, end: Callable[[str, int, str], bool]) -> bool:
        is_ours = end(job.id, job.fence, reason)
        if is_ours and self.gave_up is not None:
            _keep_calls(tx, job)
            try:
                self.gave_up(tx, job, reason)
            except Refused as refused:
                # Its attempt is closed: the result is obsolete.
                _LOG.info("the end of job %s has no consequence: %s", job.id, refused)
        return is_ours


def _is_cancelled(tx: Tx, job: JobRecord) -> bool:
    row = tx.jobs.get(job.id, to_change=True)
    return row is not None and row.cancel_requested


def _finish(tx: Tx, job: JobRecord, outcome: Outcome) -> None:
    if not tx.jobs.finish(job.id, job.fence, outcome.result):
        raise _ClaimLost
    if outcome.apply is None:
        return
    # First: the event that follows seals them.
    _keep_calls(tx, job)
    try:
        outcome.apply(tx)
    except Refused:
        raise
    except Exception as exc:
        raise ApplyFailed(f"{type(exc).__name__}: {exc}") from exc


def _keep_calls(tx: Tx, job: JobRecord) -> None:
    """Link the job's model calls to its run, phase and attempt."""
    if job.run_id is not None:
        tx.seals.keep_calls(job.run_id, job.phase, job.attempt, job.id)
