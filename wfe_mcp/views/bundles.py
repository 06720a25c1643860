"""The answer to an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.views.envelope import Envelope
from wfe_mcp.views.envelopes import standing_of
from wfe_mcp.views.runs import origin_view

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.transfer.importing import Imported

__all__ = ["imported_answer"]


def imported_answer(engine: Engine, found: Imported, *, dry_run: bool = False) -> Envelope:
    """What came in, or would have."""
    data: dict[str, Any] = {"events": found.events, "revisions": found.revisions, "was_here": found.was_here}
    data |= {"imported": origin_view(found.origin)} if found.origin else {}
    counts = f"{found.events} events, {found.revisions} revisions"
    if dry_run:
        more = "; it is here already" if found.was_here else ""
        return Envelope(True, summary=f"Run {found.run} is intact ({counts}){more}. Nothing was stored.", data=data | {"dry_run": True, "run": found.run})  # fmt: skip
    summary = (
        f"Run {found.run} is here already, the same"
        if found.was_here
        else f"Run {found.run} is here now, as history: {counts}"
    )
    stands = standing_of(engine, found.run)
    return Envelope(True, found.run, None, str(stands.loaded.state.status), str(stands.loaded.state.status), stands.waiting_on,
                    summary, data=data | {"files": found.mirrors})  # fmt: skip
