"""Imported runs are read-only: which actions they allow and refuse.

    show, verify, hand off, export ──► allowed
    any command                    ──► refused: its decisions were made elsewhere

To continue, start a new run of a trusted template: every gate asks again. No bundle can import an approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.kernel.reactions import composition_of

if TYPE_CHECKING:
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RunRecord

IMPORTED = "RunImported"
"""The settings event of each import: without it a run would accept commands."""


_SUCCESSORS = {"aiwf_session": "plan_generate_review", "hub_reports": "role_pipeline"}
"""Template of a foreign run → the shipped template that continues its work."""


def imported_name(run_id: str, origin_sha256: str) -> str:
    """The name of an import in the log of settings: the run and its origin."""
    return f"{run_id} {origin_sha256}"


def origin_of(tx: Tx, record: RunRecord) -> dict[str, Any] | None:
    """The source, time and importer of an imported run; None for a local run."""
    return None if record.origin_sha256 is None else dict(tx.documents.load(record.origin_sha256))


def refuse_change(engine: Engine, record: RunRecord) -> None:
    """Refuses ``illegal_transition`` for an imported run, with the command that continues its work."""
    if record.origin_sha256 is not None:
        raise Refused(
            "illegal_transition",
            f"Run {record.id} was imported: it is history, and takes no commands.",
            f"Continue in a new run, where everything is asked again: {way_on(engine, record)}",
            run=record.id,
        )


def way_on(engine: Engine, record: RunRecord) -> str:
    """The command that continues the work of an imported run; one that lists the templates where its own is not here."""
    name = _SUCCESSORS.get(record.template, record.template)
    if name in composition_of(engine).known_templates(engine):
        return f"wfe-mcp start {name} --inputs JSON"
    return f"wfe-mcp templates list (template {name!r} is not in this project)"
