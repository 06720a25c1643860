"""A process that works a queue until all of it is done: ``python -m tests.store.postgres.claiming URL NAME``.

It writes a line for each job that it has ended: ``done JOB``, or ``late JOB`` where the claim had gone to another process.
"""

import sys
import threading
from datetime import UTC, datetime

from wfe_mcp.core.errors import Refused
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import ClaimLimits, Limit

QUEUE = "checks"
AT_ONCE = 5
LEASE_S = 1.0
LIMITS = ClaimLimits(queues={QUEUE: Limit(concurrency=AT_ONCE)})


def now() -> datetime:
    return datetime.now(UTC)


def work(url: str, name: str) -> None:
    """Claim, look, end; again after a refusal that says so."""
    store = None
    while True:
        try:
            store = store or Store.open(url, clock=now)
            with store.tx() as tx:
                job = tx.jobs.claim(name, [QUEUE], LEASE_S, now(), LIMITS)
                running, waiting = len(tx.jobs.running()), tx.queues.status([QUEUE])[0].waiting
            if running > AT_ONCE:
                print("crowded", running, flush=True)
            if job is None and not running and not waiting:
                break
            if job is None:
                threading.Event().wait(0.02)
                continue
            threading.Event().wait(0.01)  # else one process has done all before the others have begun
            with store.tx() as tx:
                is_ours = tx.jobs.finish(job.id, job.fence, {"by": name})
            print("done" if is_ours else "late", job.id, flush=True)
        except Refused as refused:
            if not (refused.data or {}).get("retry"):
                raise
            threading.Event().wait(0.05)
    store.close()


if __name__ == "__main__":
    work(*sys.argv[1:])
