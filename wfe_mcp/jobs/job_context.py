"""The contract of job handlers: their context, their result and their exceptions.

A handler runs outside any transaction and returns an ``Outcome``, whose ``apply`` runs in the transaction that ends the
job, after the fence check: a worker that lost its claim writes nothing.

    return Outcome(result, apply)    done
    raise RetryLater(reason)         retried; also any other exception, which is logged
    raise Refused(...)               failed: a retry would not change it (but `unavailable` is retried)
    raise Suspended(reason)          the run was paused meanwhile: resuming it starts the work again
    raise ChildStopped               the job must stop; ``context.run_child`` raises it

The interface of a job backend, behind which another job engine can be used (design §1, §9).

Jobs are rows: ``Tx`` enqueues them in the transaction that causes them, and they outlive the process that runs them. A
backend only runs them.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Unpack

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.jobs.child import ChildResult, ChildValues, never, run_child
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import JobRecord

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a job. ``apply`` writes it, in the transaction that ends the job; ``afterwards`` runs after the
    commit, for waiters in this process (a crash in between skips it).
    """

    result: dict[str, Any] = field(default_factory=dict[str, Any])
    apply: Callable[[Tx], object] | None = None
    afterwards: Callable[[], object] | None = None


NOTE_AFTER_S = 0.5
"""How long a child runs before its row names it: a quick check writes nothing. Until then its mark alone finds it after a crash."""


def log_fault(message: str, fault: Exception) -> None:
    """Log a fault that is being handled: what the setup causes in one line, every other one with its traceback."""
    if isinstance(fault, Refused):
        _LOG.warning("%s: %s", message, fault.message)
    else:
        _LOG.error(message, exc_info=fault)


class RetryLater(Exception):
    """The job should be retried. ``after_s`` overrides the backoff, as a Retry-After does; attempts stay limited.

    ``is_try``: False where it only waited for its turn, which is no attempt.
    """

    def __init__(self, reason: str, after_s: float | None = None, *, is_try: bool = True) -> None:
        super().__init__(reason)
        self.after_s, self.is_try = after_s, is_try


class Suspended(Exception):
    """The job's run was paused: the job is over and changes nothing."""


class ChildStopped(Exception):
    """The work was ended because the job must stop; its output is not evidence."""


def mark_of(job_id: str, fence: int) -> str:
    """The mark of the children of one claim of a job, in their environment. Each claim has its own."""
    return f"{job_id}.{fence}"


class Stop:
    """Why a running job must stop; the first reason wins. Set by the heartbeat, the worker's stop and the time limit."""

    def __init__(self) -> None:
        self._flag = threading.Event()
        self.reason = ""

    def ask(self, reason: str) -> None:
        """Ask the handler to stop. ``reason``: ``cancelled``, ``lost``, ``shutdown`` or ``overdue``."""
        # A job that is to end as cancelled must not be handed back because the process stops, too.
        if not self._flag.is_set():
            self.reason = reason
            self._flag.set()

    def ask_as_recorded(self, job: JobRecord, row: JobRecord | None) -> None:
        """Ask where ``row``, the job as it is now, no longer belongs to the claim of ``job``, or is to be cancelled."""
        # The fence alone is not enough: a job that was freed and waits still has that of its last claim.
        if row is None or row.fence != job.fence or row.lease_owner != job.lease_owner:
            self.ask("lost")
        elif row.cancel_requested:
            self.ask("cancelled")

    @property
    def is_asked(self) -> bool:
        """True once a stop was requested."""
        return self._flag.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep until a stop is requested, at most ``seconds``; True when it was."""
        return self._flag.wait(seconds)


class Progress:
    """The text that a running job shows: its end, of at most ``MOST_CHARS`` characters. It is gone when the job ends.

    One thread adds; the heartbeat writes it to the job's row, where other processes read it.
    """

    MOST_CHARS = 8_000

    def __init__(self) -> None:
        self._text = self._written = ""

    def add(self, text: str) -> None:
        """Show ``text`` after what was shown before; of a long text the older half goes."""
        whole = self._text + text
        self._text = whole if len(whole) <= self.MOST_CHARS else whole[-self.MOST_CHARS // 2 :]

    def end_paragraph(self) -> None:
        """Begin a new one with the next text."""
        if self._text:  # what is shown already stays as it is: a reader gets what is added to it
            self._text += "\n" if self._text.endswith("\n") else "\n\n"

    def news(self) -> str | None:
        """The text, where it is another one than that last written."""
        text = self._text
        return None if text == self._written else text

    def mark_written(self, text: str) -> None:
        """``text``, which ``news`` gave, is in the job's row."""
        self._written = text


@dataclass(frozen=True, slots=True)
class JobContext:
    """A handler's job, its store, its stop signal, and what it shows meanwhile."""

    job: JobRecord
    store: Store
    stop: Stop
    progress: Progress = field(default_factory=Progress)

    def run_child(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        on_line: Callable[[str], object] | None = None,
        should_stop: Callable[[], bool] = never,
        leaves: bool = False,
        **values: Unpack[ChildValues],
    ) -> ChildResult:
        """``jobs.child.run_child`` for this job: a child that runs for longer than ``NOTE_AFTER_S`` is recorded on the job's
        row, and it ends when the job must stop. Raises ChildStopped then, also when ``should_stop`` returned True in between.
        """
        began, unnoted = time.monotonic(), list[tuple[int, float]]()

        def must_stop() -> bool:
            # What leaves something behind has no mark: only its row leads to it after a crash.
            # Most children end before: a write for each would cost more than they take.
            if unnoted and (leaves or time.monotonic() - began >= NOTE_AFTER_S):
                self._note_child(*unnoted.pop())
            return self.stop.is_asked or should_stop()

        result = run_child(
            argv,
            **values,
            on_started=lambda pid, started_at: unnoted.append((pid, started_at)),
            should_stop=must_stop,
            mark=mark_of(self.job.id, self.job.fence),
            stdin=stdin,
            on_line=on_line,
            leaves=leaves,
        )
        if result.cancelled and self.stop.is_asked:
            raise ChildStopped(self.stop.reason)
        return result

    def _note_child(self, pid: int, started_at: float) -> None:
        with self.store.tx() as tx:
            is_ours = tx.jobs.set_child(self.job.id, self.job.fence, pid, started_at)
        if not is_ours:
            raise ChildStopped("lost")


Handler = Callable[[JobContext], Outcome]
