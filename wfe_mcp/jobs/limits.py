"""How much may be worked at once, and for how long?

slots       in this process, for each queue: a long job of one queue never takes the place of another's
claims      over all processes (``store.job_records.ClaimLimits``)
timeouts    of one job, for each queue; a job's own limit comes first
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from wfe_mcp.store.records.jobs import ClaimLimits

__all__ = ["Slots", "WorkLimits"]


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """What configuration allows at the moment. ``timeouts``: seconds by queue; a queue without one has none."""

    claims: ClaimLimits = field(default_factory=ClaimLimits)
    timeouts: Mapping[str, float] = field(default_factory=dict[str, float])


class Slots:
    """The places of one process. ``of``: how many by queue (one where it is silent), or the same number for each."""

    def __init__(self, of: int | Mapping[str, int]) -> None:
        self._of = of
        self._taken: dict[str, int] = {}
        self._lock = threading.Lock()

    def free(self, queues: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``queues`` with a place left, in their order."""
        with self._lock:
            return tuple(queue for queue in queues if self._taken.get(queue, 0) < self._number(queue))

    def take(self, queue: str) -> None:
        """A job of ``queue`` begins."""
        with self._lock:
            self._taken[queue] = self._taken.get(queue, 0) + 1

    def give_back(self, queue: str) -> None:
        """It has ended."""
        with self._lock:
            self._taken[queue] -= 1

    def _number(self, queue: str) -> int:
        return self._of if isinstance(self._of, int) else self._of.get(queue, 1)
