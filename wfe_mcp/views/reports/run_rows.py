"""The rows of a list of runs: what each is about, the phase that it is at, and who it waits for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.runs.control import stale_of, stuck_of
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.run import OVER, run_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store.records.runs import RunRecord
    from wfe_mcp.views.runs.models import RunRow

_LOOKED_AT = 200
"""Of so many runs the list says who they wait for: that takes a look at each."""


def run_rows(
    engine: Engine, runs: Sequence[RunRecord], engine_of: Callable[[RunRecord], Engine | None] | None = None
) -> tuple[RunRow, ...]:
    """A row for each run, in their order. ``engine_of``: that of the run's project; None where its folder is gone."""
    stale, stuck = stale_of(engine, runs), stuck_of(engine, runs)
    with engine.store.read() as tx:
        weaker = tx.runs.weakened_gates(run.id for run in runs)
        loaded = {run.id: tx.runs.load(run.id) for run in runs}
    rows: list[RunRow] = []
    for number, run in enumerate(runs):
        found = None
        if run.status not in OVER and number < _LOOKED_AT:
            with suppress(Refused):  # it was removed meanwhile, or its folder is gone
                of_run = engine if engine_of is None else engine_of(run)
                found = None if of_run is None else overview_of(of_run, run.id)
        now = loaded[run.id]
        rows.append(
            run_row(
                run,
                found,
                None if now is None else now.state,
                stale=run.id in stale,
                stuck=run.id in stuck - stale,
                weakened_gates=weaker.get(run.id, 0),
            )
        )
    return tuple(rows)
