"""Who has the working tree for itself?

A phase whose gates read the files (command, git) has the worktree from claim to completion, over all runs (design §4).
The lock dies with the lease, except while a gate runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus

if TYPE_CHECKING:
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import LoadedRun

__all__ = ["busy_tree"]


def busy_tree(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> Refused | None:
    """Why another run keeps ``path`` from being claimed (``leased``), or None."""
    if not loaded.state.phase(path).exclusive:
        return None
    for other in tx.exclusive_holders(loaded.record.worktree):
        works = other.status is AttemptStatus.GATING or engine.is_alive(other.holder, other.lease_until)
        if other.run_id != loaded.record.id and works:
            return Refused(
                "leased", f"Run {other.run_id} works in this folder: its phase {other.phase!r} is {other.status} and its gates read the files.",
                f"Finish or cancel run {other.run_id} first, or work in another git worktree.",
            )  # fmt: skip
    return None
