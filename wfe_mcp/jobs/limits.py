"""Limits on concurrent jobs and on their duration, and retry delays: exponential with full jitter.

slots       per process and queue: a long job of one queue never blocks another queue
claims      over all processes (``store.job_records.ClaimLimits``)
timeouts    per job, by queue; a job's own limit takes precedence
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Literal

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.store.records.jobs import ClaimLimits


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """The configured limits. ``timeouts``: seconds by queue; a queue without an entry has no limit."""

    claims: ClaimLimits = field(default_factory=ClaimLimits)
    timeouts: Mapping[str, float] = field(default_factory=dict[str, float])


class Slots:
    """The slots of one process. ``of``: their number by queue (default 1), or one number for every queue."""

    def __init__(self, of: int | Mapping[str, int]) -> None:
        self._of = of
        self._taken: dict[str, int] = {}
        self._lock = threading.Lock()

    def free(self, queues: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``queues`` with a free slot, in their order."""
        with self._lock:
            return tuple(queue for queue in queues if self._taken.get(queue, 0) < self._number(queue))

    def total(self, queues: Iterable[str]) -> int:
        """How many jobs of ``queues`` may run at once."""
        return sum(map(self._number, queues))

    def taken_by_queue(self, queues: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Queue → its occupied slots, and how many it has."""
        with self._lock:
            return {queue: (self._taken.get(queue, 0), self._number(queue)) for queue in queues}

    def take(self, queue: str) -> None:
        """Occupy a slot of ``queue``."""
        with self._lock:
            self._taken[queue] = self._taken.get(queue, 0) + 1

    def give_back(self, queue: str) -> None:
        """Free a slot of ``queue``."""
        with self._lock:
            self._taken[queue] -= 1

    def _number(self, queue: str) -> int:
        return self._of if isinstance(self._of, int) else self._of.get(queue, 1)


Priority = Literal["critical", "high", "normal", "low"]

PRIORITY: dict[Priority, int] = {"critical": 10, "high": 50, "normal": 100, "low": 200}
"""Name → number in the job table. The lowest number runs first; among equals, the oldest job."""


def backoff_s(tries: int, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after attempt ``tries`` (1-based). Full jitter: from 0 to ``base_s`` doubled per attempt, at most
    ``cap_s``. ``random`` returns 0 to 1.
    """
    # The exponent is limited too: 2.0 ** 1100 is an OverflowError.
    return random() * min(cap_s, base_s * 2.0 ** min(tries - 1, 60))
