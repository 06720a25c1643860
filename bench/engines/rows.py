"""The job's row as the truth: what a delivered job does to it, with the fence and without.

With the fence a delivery is a hint: the row is claimed by its id, and its end names the fence of that claim. Without it the
engine alone decides: whatever is delivered runs, and whatever ran is written.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, or_, select, text, update

from wfe_mcp.store import Store
from wfe_mcp.store.enums import JobStatus
from wfe_mcp.store.layout.tables import JOB

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from wfe_mcp.store import Tx

QUEUE = "trial"
KIND = "trial"
EFFECTS = "CREATE TABLE trial_effect (job_id text, fence int, late boolean)"
"""Without a key: an effect that is recorded twice has two rows."""

_EFFECT = text("INSERT INTO public.trial_effect VALUES (:job, :fence, :late)")
_DUE = or_(
    and_(JOB.c.status == JobStatus.QUEUED, JOB.c.run_at <= bindparam("now")),
    and_(JOB.c.status == JobStatus.RUNNING, JOB.c.lease_until < bindparam("now")),
)
_BEGIN = (
    update(JOB)
    .where(JOB.c.id == bindparam("id_"))
    .values(
        status=JobStatus.RUNNING,
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        started_at=bindparam("now"),
        fence=JOB.c.fence + 1,
        tries=JOB.c.tries + 1,
    )
    .returning(JOB.c.fence, JOB.c.payload)
)
_CLAIM_THIS = _BEGIN.where(_DUE, ~JOB.c.cancel_requested)
_END = (
    update(JOB)
    .where(JOB.c.id == bindparam("id_"))
    .values(status=JobStatus.DONE, finished_at=bindparam("now"), lease_until=None)
)
_STATE = select(JOB.c.fence, JOB.c.status).where(JOB.c.id == bindparam("id_"))
_TO_DELIVER = select(JOB.c.id).where(_DUE, JOB.c.queue == QUEUE)


@dataclass(frozen=True, slots=True)
class Place:
    """A database, whether our fence holds in it, and how long a claim lives without a sign of its worker."""

    url: str
    fenced: bool = True
    lease_s: float = 30.0

    @property
    def dsn(self) -> str:
        """The address as psycopg takes it."""
        return self.url.replace("+psycopg", "")

    def open(self) -> Store:
        """The store."""
        return Store.open(self.url, clock=now)


def now() -> datetime:
    return datetime.now(UTC)


def connection_of(tx: Tx) -> Connection:
    """The connection of a transaction, for what writes with it."""
    return tx._connection  # pyright: ignore[reportPrivateUsage]  # in the package, the store would announce by itself


def record_effect(tx: Tx, job_id: str, fence: int, *, late: bool = False) -> None:
    """The effect of a job, in the transaction that ends it."""
    connection_of(tx).execute(_EFFECT, {"job": job_id, "fence": fence, "late": late})


class Sweep:
    """What has to be announced again: jobs that are due and have no delivery, or one that led to nothing for four leases.

    The second is what makes the engine's status decide nothing: it can have a job as begun that no worker works on.
    """

    def __init__(self, place: Place) -> None:
        self._patience_s = 4 * place.lease_s
        self._due_since: dict[str, float] = {}
        self.overruled = 0

    def lost(self, tx: Tx, delivered: set[str]) -> set[str]:
        """Those jobs now. ``delivered``: the jobs of the engine's open rows."""
        at = time.monotonic()
        due = set(connection_of(tx).execute(_TO_DELIVER, {"now": now()}).scalars())
        self._due_since = {job: self._due_since.get(job, at) for job in due}
        stale = {job for job, since in self._due_since.items() if at - since > self._patience_s}
        self._due_since |= dict.fromkeys(stale, at)
        self.overruled += len(stale & delivered)
        return (due - delivered) | stale


def perform(payload: Any, job_id: str, fence: int) -> None:
    """Do the work of a claim, and report its two ends to the trial, one line each."""
    print("began", job_id, fence, time.time(), flush=True)
    time.sleep(payload["work_s"])
    print("worked", job_id, fence, flush=True)


class Rows:
    """The rows of delivered jobs."""

    def __init__(self, place: Place, store: Store, owner: str) -> None:
        self._place, self._store, self._owner = place, store, owner

    def run(self, job_id: str) -> None:
        """Claim, work, end. With the fence, nothing happens where the job is held or ended."""
        at = now()
        until = at + timedelta(seconds=self._place.lease_s)
        values = {"id_": job_id, "now": at, "owner": self._owner, "until": until}
        with self._store.tx() as tx:
            claim = connection_of(tx).execute(_CLAIM_THIS if self._place.fenced else _BEGIN, values).first()
        if claim is None:
            print("refused", job_id, flush=True)
            return
        fence, payload = claim
        perform(payload, job_id, fence)
        (self.end_fenced if self._place.fenced else self._end_anyway)(job_id, fence)

    def end_fenced(self, job_id: str, fence: int) -> None:
        """End the claim, with its effect, where the fence still is that of the row."""
        with self._store.tx() as tx:
            if tx.jobs.finish(job_id, fence, {}):
                record_effect(tx, job_id, fence)

    def _end_anyway(self, job_id: str, fence: int) -> None:
        with self._store.tx() as tx:
            newest, status = connection_of(tx).execute(_STATE, {"id_": job_id}).one()
            record_effect(tx, job_id, fence, late=newest != fence or status == JobStatus.DONE)
            connection_of(tx).execute(_END, {"id_": job_id, "now": now()})
