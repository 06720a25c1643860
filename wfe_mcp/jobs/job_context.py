"""What does a job's handler get, and what may it answer?

A handler runs outside any transaction, for as long as it takes. It answers an ``Outcome``; what that writes is written
inside the transaction that ends the job, after the fence check: a worker that lost its claim writes nothing.

    return Outcome(result, apply)    done
    raise RetryLater(reason)         not now; also any other exception, which is logged
    raise Refused(...)               never: trying again would not change it (but `unavailable` is retried)
    raise Suspended(reason)          its run was paused under it: whoever resumes the run starts the work anew
    raise ChildStopped               we were told to stop; ``context.run_child`` raises it by itself
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfe_mcp.jobs.child import MAX_OUTPUT_BYTES, ChildResult, never, run_child
from wfe_mcp.store import Store, Tx
from wfe_mcp.store.records.jobs import JobRecord

__all__ = ["ChildStopped", "Handler", "JobContext", "Outcome", "RetryLater", "Stop", "Suspended", "mark_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job. ``apply`` writes it down, in the transaction that ends the job; ``afterwards`` runs once that
    is durable, for those who wait in this process (a crash in between skips it).
    """

    result: dict[str, Any] = field(default_factory=dict[str, Any])
    apply: Callable[[Tx], object] | None = None
    afterwards: Callable[[], object] | None = None


class RetryLater(Exception):
    """Not now. ``after_s`` overrides the backoff, as a Retry-After does; tries stay bounded."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Suspended(Exception):
    """The run that the job works for was paused: the job is over, and changes nothing."""


class ChildStopped(Exception):
    """The work was ended because the job must stop; its output is no evidence."""


def mark_of(job_id: str, fence: int) -> str:
    """What the children of one claim of a job carry in their environment. A later claim's children carry another."""
    return f"{job_id}.{fence}"


class Stop:
    """Why a running job must stop; the first reason wins. Set by the heart, the worker's stop and the time limit."""

    def __init__(self) -> None:
        self._flag = threading.Event()
        self.reason = ""

    def ask(self, reason: str) -> None:
        """Tell the handler to stop: ``cancelled``, ``lost``, ``shutdown`` or ``overdue``."""
        if not self._flag.is_set():
            self.reason = reason
            self._flag.set()

    @property
    def is_asked(self) -> bool:
        """True once anybody asked."""
        return self._flag.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until somebody asks; True when somebody did."""
        return self._flag.wait(seconds)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a handler works with."""

    job: JobRecord
    store: Store
    stop: Stop

    def run_child(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout_s: float,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        log_path: Path | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], object] | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> ChildResult:
        """``jobs.child.run_child`` on behalf of this job: its process group is on the job's row before anybody waits,
        and it ends when the job must stop. Raises ChildStopped then, also when ``should_stop`` said so in between.
        """
        result = run_child(
            argv,
            cwd=cwd,
            env=env,
            timeout_s=timeout_s,
            max_output_bytes=max_output_bytes,
            log_path=log_path,
            on_started=self._note_child,
            should_stop=lambda: self.stop.is_asked or should_stop(),
            mark=mark_of(self.job.id, self.job.fence),
            stdin=stdin,
            on_line=on_line,
        )
        if result.cancelled and self.stop.is_asked:
            raise ChildStopped(self.stop.reason)
        return result

    def _note_child(self, pid: int, started_at: float) -> None:
        with self.store.tx() as tx:
            is_ours = tx.set_child(self.job.id, self.job.fence, pid, started_at)
        if not is_ours:
            raise ChildStopped("lost")


Handler = Callable[[JobContext], Outcome]
