"""Stale and stuck runs, and archiving of runs.

Neither is a state: they follow from the clock, ``runs.stale_after`` and ``runs.stuck_after`` of configuration, and the run's
last change. Stuck is a run that an agent or the server works on, without progress.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.model import RunStatus
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.maintenance.pruning import refuse_open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import RunRecord

MAY_BE_STALE = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.BLOCKED)
MAY_BE_STUCK = RunStatus.RUNNING
"""An attempt is ready, at work or under gates. A run that only waits for a person has another status."""

_SURELY_FRESH = timedelta(minutes=1)
"""Younger runs are not checked, to save reading the settings: most are in use."""


def stale_before(engine: Engine) -> datetime:
    """An open run whose last change is older is stale."""
    from wfe_mcp.workspace.config.checks import seconds

    return engine.clock() - timedelta(seconds=seconds(engine.settings().settings.runs.stale_after))


def stuck_before(engine: Engine) -> datetime:
    """A run at work whose last change is older is stuck."""
    from wfe_mcp.workspace.config.checks import seconds

    return engine.clock() - timedelta(seconds=seconds(engine.settings().settings.runs.stuck_after))


def stuck_of(engine: Engine, runs: Iterable[RunRecord]) -> frozenset[str]:
    """Those of ``runs`` at work without progress for ``runs.stuck_after``, at least a minute."""
    return _unchanged(engine, (each for each in runs if each.status is MAY_BE_STUCK), stuck_before)


def stale_of(engine: Engine, runs: Iterable[RunRecord]) -> frozenset[str]:
    """Those of ``runs`` without a change for ``runs.stale_after``, at least a minute."""
    return _unchanged(engine, (each for each in runs if each.status in MAY_BE_STALE), stale_before)


def _unchanged(engine: Engine, runs: Iterable[RunRecord], before: Callable[[Engine], datetime]) -> frozenset[str]:
    """Imported runs are never at work here. Configuration is read only where a run may be meant."""
    fresh = engine.clock() - _SURELY_FRESH
    old = [each for each in runs if each.origin_sha256 is None and each.updated_at < fresh]
    since = before(engine) if old else fresh
    return frozenset(each.id for each in old if each.updated_at < since)


def archive_stale(engine: Engine, by: By, reason: str = "") -> list[RunRecord]:
    """Cancel and archive every stale run of the project; they stay readable. One that changed meanwhile stays."""
    before = stale_before(engine)
    with engine.store.read() as tx:
        found = tx.runs.page(engine.project_id, status=MAY_BE_STALE, limit=10_000, untouched_since=before).runs
    gone: list[RunRecord] = []
    for record in found:
        since = f"untouched since {record.updated_at.isoformat(timespec='seconds')}"
        with change_run(engine, record.id, by) as current:
            if current.run.updated_at >= before or current.state.status not in MAY_BE_STALE:
                continue
            current.give(c.Cancel(reason=f"{since}: {reason}" if reason else since, by=by, at=current.at))
            current.tx.runs.archive(record.id, current.at)
        gone.append(current.loaded.record)
    return gone


def archive(engine: Engine, run: str) -> RunRecord:
    """Hide a finished run from lists; it stays readable. Refuses ``not_ready`` while it is open."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        refuse_open(record)
        if record.archived_at is None:
            tx.runs.archive(record.id, engine.clock())
        return engine.load(tx, record.id).record


def unarchive(engine: Engine, run: str) -> RunRecord:
    """Put a run back on the lists."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        tx.runs.archive(record.id, None)
        return engine.load(tx, record.id).record
