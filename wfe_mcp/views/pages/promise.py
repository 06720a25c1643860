"""What one decision on a run would lead to, for the page that offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.engine.runs.control import retry_plan
from wfe_mcp.views.moves.outlook import leads_to
from wfe_mcp.views.values.model import view_model

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.views.moves.outlook import Way


@view_model
class PromiseView:
    """``leads_to``: a sentence; empty where the decision is refused now.

    Of a retry of a phase of steps: its ``steps`` in order, what follows for them, whose answers are ``kept``, the rest.
    """

    leads_to: str = ""
    steps: tuple[str, ...] = ()
    says: str = ""
    kept: tuple[str, ...] = ()
    called_again: tuple[str, ...] = ()


def promise_view(
    engine: Engine, found: Overview, way: Way, phase: str, *, to: str = "", from_step: str = ""
) -> PromiseView:
    """What ``way`` on ``phase`` would lead to. Refuses an unknown ``from_step``."""
    promised, run = leads_to(engine, found, way, phase, to), found.loaded.record.id
    plan = retry_plan(engine, run, phase, from_step) if way == "retry" and promised else None
    if plan is None:
        return PromiseView(leads_to=promised)
    return PromiseView(leads_to=promised, steps=plan.steps, says=plan.sentence, kept=plan.kept, called_again=plan.again)
