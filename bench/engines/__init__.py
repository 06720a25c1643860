"""Ways to deliver jobs to workers: one module each, behind one protocol, and what they share: the job's row.

    own.py            our claims (``jobs/worker.py``), polled, or woken by NOTIFY
    procrastinate.py  procrastinate 3.10
    absurd.py         Absurd 0.5

The engines are no dependency of the project: a module loads its engine by name, where it is used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.engines.rows import Place, Sweep
    from wfe_mcp.store import Store, Tx

VARIANTS = ("own", "own+notify", "own-lean", "procrastinate", "absurd")
_MODULES = {"own": "own", "own+notify": "own", "own-lean": "own", "procrastinate": "procrastinate", "absurd": "absurd"}
_NEEDED = {"procrastinate": ("procrastinate",), "absurd": ("absurd_sdk", "absurdctl")}
"""The packages that a variant needs beside ours; absurdctl carries Absurd's schema."""


class Delivery(Protocol):
    """What the job row needs of a delivery."""

    sweeping: Sweep

    def prepare(self) -> None:
        """Create what it keeps in the database, once."""
        ...

    def announce(self, tx: Tx, job_id: str) -> None:
        """Deliver the job once this transaction is committed."""
        ...

    def work(self, ready: Callable[[], object]) -> None:
        """Work on what is delivered, one job at a time, until the process is killed."""
        ...

    def sweep(self, store: Store) -> int:
        """Deliver again what was lost; how many jobs of ours it announced. Called once a second by one process."""
        ...


def delivery(variant: str, place: Place) -> Delivery:
    """The delivery of ``variant`` in a database."""
    module = import_module(f"bench.engines.{_MODULES[variant]}")
    made: Delivery = module.Delivery(place, variant)
    return made


def missing(variant: str) -> list[str]:
    """The packages that ``variant`` needs and that are not installed."""
    return [name for name in _NEEDED.get(variant, ()) if find_spec(name) is None]
