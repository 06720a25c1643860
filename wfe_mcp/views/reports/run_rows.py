"""The rows of a list of runs: what each is about, the phase that it is at, and who it waits for."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import ENDED, RunStatus
from wfe_mcp.core.units import join_names
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.control import MAY_BE_STUCK, stale_of, stuck_of
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import RunPage, RunRecord
from wfe_mcp.store.repository import Recent
from wfe_mcp.views.reports.envelopes import overviews_of
from wfe_mcp.views.reports.stuck_runs import by_engine
from wfe_mcp.views.runs.models import RunList, RunRow
from wfe_mcp.views.runs.run import TopPhaseCounts, place_of, run_row

_LOOKED_AT = 200
"""Of so many runs the list says who they wait for: that takes a look at each."""


def among_statuses(shown: Sequence[RunStatus]) -> list[RunStatus] | None:
    """The statuses in the record that runs shown with one of these may have; None: any."""
    return [*{*shown, RunStatus.RUNNING}] if RunStatus.WAITING in shown else [*shown] or None


def of_stuck(shown: Sequence[RunStatus]) -> list[RunStatus]:
    """The statuses of stuck runs, of which ``shown`` are wanted; empty: any. Refuses those that no such run has."""
    if any(status not in MAY_BE_STUCK for status in shown):
        raise Refused("bad_argument", f"Only {join_names(MAY_BE_STUCK)} runs can be stuck.", "Leave out the status.")
    return [*(shown or MAY_BE_STUCK)]


def run_rows(
    engine: Engine,
    runs: Sequence[RunRecord],
    engine_of: Callable[[RunRecord], Engine | None] | None = None,
    shown: Sequence[RunStatus] = (),
) -> tuple[RunRow, ...]:
    """A row for each run, in their order. ``engine_of``: that of the run's project; None where its folder is gone.

    ``shown``: only those that have one of these statuses as they are shown, which a page of the record does not know.
    """
    engines = dict[str, Engine]()
    looked_at = list[tuple[Engine, str]]()
    for run in runs[:_LOOKED_AT]:
        if run.status in ENDED:
            continue
        with suppress(Refused):  # its folder is gone
            of_run = engine if engine_of is None else engine_of(run)
            if of_run is not None:
                engines[run.project_id] = of_run
                looked_at.append((of_run, run.id))
    stale, stuck = set[str](), set[str]()
    for of_project, records in by_engine((engines.get(run.project_id, engine), run) for run in runs):
        stale |= stale_of(of_project, records)
        stuck |= stuck_of(of_project, records)
    open_here = [run for run in runs if run.status not in ENDED and run.origin_sha256 is None and engine.store.has_file]
    missing = {folder for folder in {run.worktree for run in open_here} if not Path(folder).is_dir()}
    gone = {run.id for run in open_here if run.worktree in missing}
    unreadable: dict[str, Refused] = {}
    known = {str(overview.loaded.record.id): overview for _, overview in overviews_of(looked_at, unreadable)}
    with engine.store.read() as tx:
        weaker = tx.runs.weakened_gates(run.id for run in runs)
        places = {run.id: _place(tx, run, unreadable) for run in runs if run.id not in known}
    rows = (
        run_row(
            run,
            known.get(run.id),
            places.get(run.id),
            stale=run.id in stale,
            stuck=run.id in stuck,
            missing=run.id in gone,
            weakened_gates=weaker.get(run.id, 0),
        )
        for run in runs
    )
    return tuple(
        replace(row, waits_for=f"a repair: wfe-mcp verify {row.run}") if row.run in unreadable else row
        for row in rows
        if not shown or row.state in shown
    )


def run_list(rows: tuple[RunRow, ...], page: RunPage) -> RunList:
    """The list of ``rows``, which are those of ``page``."""
    warnings = tuple(refused.text for refused in page.damaged.values())
    return RunList(runs=rows, cursor=page.cursor or "", warnings=warnings)


_PLACES: Recent[TopPhaseCounts] = Recent(2_000)
"""By a run and the hash of its last event, which determines it: a list of runs that are over reads none of them again."""


def _place(tx: Tx, run: RunRecord, unreadable: dict[str, Refused]) -> TopPhaseCounts | None:
    def read() -> TopPhaseCounts:
        loaded = tx.runs.load(run.id)
        if loaded is None:
            raise LookupError(run.id)
        return place_of(loaded.state)

    try:
        return _PLACES.get(f"{run.id}:{run.last_hash}", read)
    except LookupError:  # it was removed meanwhile
        return None
    except Refused as refused:
        unreadable[run.id] = tx.runs.damage_of(run.id, refused)
        return None
