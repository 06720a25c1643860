"""The runs of one template by the phase that each is at: the columns of a board.

A run is at the first of its top phases that is open and not settled; a run that is over is in ``ended``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.model import AttemptStatus
from wfe_mcp.views.model import view_model
from wfe_mcp.views.run_models import RunRow
from wfe_mcp.views.runs import run_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs.overview import Overview


@view_model
class BoardColumn:
    """The runs at a phase, newest first. ``title``: that of the phase in the newest of the runs that have it."""

    phase: str
    title: str
    runs: tuple[RunRow, ...] = ()


@view_model
class BoardView:
    """The board of ``template``: a column for each top phase of its runs, in their order; then the runs that are over."""

    template: str
    columns: tuple[BoardColumn, ...]
    ended: tuple[RunRow, ...] = ()


def board(template: str, standings: Sequence[Overview]) -> BoardView:
    """The board of the runs, newest first. Phases that only older runs have come after those of the newest."""
    titles: dict[PhasePath, str] = {}
    at = dict["PhasePath", list[RunRow]]()
    ended = list[RunRow]()
    for found in standings:
        for phase in found.loaded.state.spec.body(None):
            titles.setdefault(phase.path, found.plan.phase(phase.path).title or str(phase.path))
        row = run_row(found.loaded.record, waiting_on=found.waiting_on)
        if found.loaded.state.is_over:
            ended.append(row)
        else:
            at.setdefault(_place(found), []).append(row)
    columns = tuple(
        BoardColumn(phase=path, title=title, runs=tuple(at.get(path, ()))) for path, title in titles.items()
    )
    return BoardView(template=template, columns=columns, ended=tuple(ended))


def _place(found: Overview) -> PhasePath:
    state = found.loaded.state
    open_now = [state.current(each.path) for each in state.spec.body(None) if not state.current(each.path).is_settled]
    begun = [each for each in open_now if each.status is not AttemptStatus.PENDING]
    # A run that is held after its last phase has none open: it is still at that phase.
    return (*begun, *open_now, state.current(state.spec.body(None)[-1].path))[0].phase
