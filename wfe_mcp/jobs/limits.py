"""Limits on concurrent jobs and on their duration.

slots       per process and queue: a long job of one queue never blocks another queue
claims      over all processes (``store.job_records.ClaimLimits``)
timeouts    per job, by queue; a job's own limit takes precedence
"""

import threading
from collections.abc import Mapping
from dataclasses import field

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
