"""The answer to an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core.units import plural
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import envelope_of, overview_of
from wfe_mcp.views.runs.run import origin_view
from wfe_mcp.views.values.model import view_model, view_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.transfer.importing import ImportedRun
    from wfe_mcp.views.runs.models import OriginView


@view_model
class ImportedView:
    """What came in. ``files``: how many of it were written; a dry run says which run it would be instead."""

    events: int
    revisions: int
    was_here: bool
    imported: OriginView | None = None
    dry_run: bool = False
    run: str = ""
    files: int | None = None


def imported_answer(engine: Engine, run: ImportedRun, *, dry_run: bool = False) -> Envelope:
    """What came in, or would have."""
    view = view_of(
        ImportedView,
        run,
        imported=origin_view(run.origin) if run.origin else None,
        files=None if dry_run else run.mirrors,
        dry_run=dry_run,
        run=run.run if dry_run else "",
    )
    counts = f"{plural(run.events, 'event')}, {plural(run.revisions, 'revision')}"
    if dry_run:
        more = "; it is here already" if run.was_here else ""
        return Envelope(True, summary=f"Run {run.run} is intact ({counts}){more}. Nothing was stored.", view=view)
    summary = (
        f"Run {run.run} is here already, the same"
        if run.was_here
        else f"Run {run.run} is here now, as history: {counts}"
    )
    return envelope_of(overview_of(engine, run.run), summary, view)
