"""The interface of a job backend, behind which another job engine can be used (design §1, §9).

Jobs are rows: ``Tx`` enqueues them in the transaction that causes them, and they outlive the process that runs them. A
backend only runs them.
"""

from typing import Protocol


class JobBackend(Protocol):
    """Runs the jobs of the job table. ``jobs.worker.Worker`` implements it."""

    def start(self) -> None:
        """Start. Never raises because of the database: a failed access is retried."""
        ...

    def wake(self) -> None:
        """Check for jobs now: this process has just enqueued or cancelled one."""
        ...

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the running jobs and return them to the queue, so that another process can claim them at once."""
        ...
