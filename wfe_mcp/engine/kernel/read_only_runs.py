"""What may somebody do with a run that was worked elsewhere?

    look at it, verify it, hand it over, export it again ──► yes
    any command, whoever gives it                        ──► no: what was decided in it, was decided elsewhere

The way on is a new run of a template that counts here: there every gate asks again. So no bundle can bring a yes along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RunRecord

__all__ = ["IMPORTED", "imported_name", "origin_of", "refuse_change", "way_on"]

IMPORTED = "RunImported"
"""Noted among the settings with every run that comes in: a run without its mark would be one that goes on."""


_SUCCESSORS = {"aiwf_session": "plan_generate_review", "hub_reports": "role_pipeline"}
"""What works on here what another system began: the run has a template that was made of its own phases."""


def imported_name(run_id: str, origin_sha256: str) -> str:
    """How the log of settings calls an import: the run, and which origin it has."""
    return f"{run_id} {origin_sha256}"


def origin_of(tx: Tx, record: RunRecord) -> dict[str, Any] | None:
    """Where an imported run comes from, when, and by whom it came in; None for a run of ours."""
    return None if record.origin_sha256 is None else dict(tx.document(record.origin_sha256))


def refuse_change(record: RunRecord) -> None:
    """Refuses ``illegal_transition`` for an imported run, with the way on."""
    if record.origin_sha256 is not None:
        raise Refused(
            "illegal_transition", f"Run {record.id} was imported: it is history, and takes no commands.",
            f"Go on in a new run, where everything is asked again: {way_on(record)}", run=record.id,
        )  # fmt: skip


def way_on(record: RunRecord) -> str:
    """What somebody types who wants to go on where an imported run stands."""
    return f"wfe-mcp start {_SUCCESSORS.get(record.template, record.template)} --inputs JSON"
