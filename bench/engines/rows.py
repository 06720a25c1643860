"""What a job of the trial does: it works for a while, and leaves a row in the transaction that ends its claim."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from wfe_mcp.store import Store

if TYPE_CHECKING:
    from wfe_mcp.store import Tx

QUEUE = "trial"
KIND = "trial"
EFFECTS = "CREATE TABLE trial_effect (job_id text, fence int)"
"""Without a key: an effect that is recorded twice has two rows."""

_EFFECT = text("INSERT INTO public.trial_effect VALUES (:job, :fence)")


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and how long a claim lives without a sign of its worker."""

    url: str
    lease_s: float = 30.0

    def open(self) -> Store:
        """The store."""
        return Store.open(self.url, clock=now)


def now() -> datetime:
    return datetime.now(UTC)


def record_effect(tx: Tx, job_id: str, fence: int) -> None:
    """The effect of a job, in the transaction that ends it."""
    tx._connection.execute(_EFFECT, {"job": job_id, "fence": fence})  # pyright: ignore[reportPrivateUsage]


def perform(payload: Any, job_id: str, fence: int) -> None:
    """Do the work of a claim, and report its two ends to the trial, one line each."""
    print("began", job_id, fence, time.time(), flush=True)
    time.sleep(payload["work_s"])
    print("worked", job_id, fence, flush=True)
