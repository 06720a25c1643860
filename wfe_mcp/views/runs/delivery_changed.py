"""An open run that began while [delivery] said something else: what it does now, and what its user can do."""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.core.model import ENDED
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx


def delivery_at_start(tx: Tx, overview: Overview) -> str:
    """The mode of ``[delivery]`` when the run began; empty where a change of it since then does not concern the run."""
    record = overview.loaded.record
    if overview.loaded.state.status in ENDED or record.origin_sha256 is not None:
        return ""
    began: str = tx.documents.load(record.frozen_sha256).get("delivery") or ""
    template: Mapping[str, Any] = tx.documents.load(record.template_sha256) if began == "none" else {}
    return began if began and _concerns(template, overview) else ""


def delivery_changed(engine: Engine, overview: Overview, began: str) -> tuple[str, ...]:
    """A sentence where ``[delivery]`` was set or removed since the run ``began`` (as above), and the run would have other phases or
    does nothing in one that is to come; else empty. What no one trusts yet sets and removes nothing.
    """
    if not began:
        return ()
    record = overview.loaded.record
    settings = engine.settings()
    now = settings.settings.delivery.mode
    if settings.untrusted or (began == "none") == (now == "none"):
        return ()
    if began == "none":
        return (
            f"This run delivers nothing: [delivery] mode was none when it began, and is {now} now; a run keeps its phases. "
            f"Commit its change yourself, or start a new one in its place: wfe-mcp cancel {record.id}",
        )
    return (
        f"{', '.join(_to_come(overview))} will deliver nothing: [delivery] mode was {began} when the run began, and is none now. "
        "Commit its change yourself, or set it again before then and run: wfe-mcp trust",
    )


def _concerns(template: Mapping[str, Any], overview: Overview) -> bool:
    """Whether the run would have other phases if the project delivered, or has some to come that deliver.

    ``template``: what the run was made from where the project delivered nothing, else empty.
    """
    if not template:
        return bool(_to_come(overview))
    from wfe_mcp.workflow.delivering import as_delivered  # it loads what status at a terminal does without

    return as_delivered(dict(template), delivers=True) != as_delivered(dict(template), delivers=False)


def _to_come(overview: Overview) -> list[str]:
    from wfe_mcp.workflow.delivering import delivers_in

    state, phases = overview.loaded.state, overview.plan.definition["phases"]
    return [
        phase["id"] for phase in phases if delivers_in(phase) and not state.current(PhasePath(phase["id"])).is_settled
    ]
