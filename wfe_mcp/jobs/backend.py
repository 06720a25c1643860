"""What must whoever runs our jobs be able to do?

The one seam behind which another engine may stand later (design §1, §9). Jobs are rows: they are enqueued by ``Tx``,
in the transaction that causes them, and survive whoever works on them. A backend only works them off.
"""

from typing import Protocol

__all__ = ["JobBackend"]


class JobBackend(Protocol):
    """Works off the job table. ``jobs.worker.Worker`` is the one that comes with us."""

    def start(self) -> None:
        """Begin. Never raises because of the database: it is tried again."""
        ...

    def wake(self) -> None:
        """There may be something to do now: this process has just enqueued or cancelled a job."""
        ...

    def stop(self, timeout_s: float = 5.0) -> None:
        """End what runs, hand the rest back so that another process takes it at once."""
        ...
