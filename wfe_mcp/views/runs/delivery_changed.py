"""An open run that began while [delivery] said something else: what it does now, and what its user can do."""

from typing import Any

from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.workflow.delivering import as_delivered, delivers_in

_OVER = {RunStatus.COMPLETED, RunStatus.CANCELLED}


def delivery_changed(engine: Engine, overview: Overview) -> tuple[str, ...]:
    """A sentence where ``[delivery]`` was set or removed since the run began, and the run would have other phases or does
    nothing in one that is to come; else empty. What nobody trusts yet sets and removes nothing.
    """
    record, state = overview.loaded.record, overview.loaded.state
    if state.status in _OVER or record.origin_sha256 is not None:
        return ()
    settings = engine.settings()
    now = settings.settings.delivery.mode
    with engine.store.read() as tx:
        began: str | None = tx.documents.load(record.frozen_sha256).get("delivery")
        if settings.untrusted or began is None or (began == "none") == (now == "none"):
            return ()
        template: dict[str, Any] | None = tx.documents.load(record.template_sha256) if began == "none" else None
    if template is not None:
        if as_delivered(template, delivers=True) == as_delivered(template, delivers=False):
            return ()
        return (
            f"This run delivers nothing: [delivery] mode was none when it began, and is {now} now; a run keeps its phases. "
            f"Commit its change yourself, or start a new one in its place: wfe-mcp cancel {record.id}",
        )
    idle = [
        phase["id"]
        for phase in overview.plan.definition["phases"]
        if delivers_in(phase) and not state.current(PhasePath(phase["id"])).is_settled
    ]
    if not idle:
        return ()
    return (
        f"{', '.join(idle)} will deliver nothing: [delivery] mode was {began} when the run began, and is none now. Commit "
        "its change yourself, or set it again before then and run: wfe-mcp trust",
    )
