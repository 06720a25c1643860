"""Refused submissions, kept as drafts.

A refused submission is no revision; it stays readable, also after a time-out (design §4). Its name is ``draft:1``,
``draft:2`` …, counted per phase over all attempts; no artifact can have such a name.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.phases.edit import drafts_of
from wfe_mcp.views.model import INLINE, Json, view_model, view_of
from wfe_mcp.views.pointer_view import PartView, part_view

if TYPE_CHECKING:
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RefusedSubmission

DRAFT = "draft:"


@view_model
class DraftLine:
    """A refused submission. ``faults``: how many it has."""

    artifact: str
    phase: str
    attempt: int
    faults: int
    size_bytes: int
    at: str


@view_model
class DraftView:
    """A refused submission with its faults and its content."""

    line: DraftLine = field(metadata=INLINE)
    details: tuple[Json, ...]
    part: PartView = field(metadata=INLINE)


def draft_lines(tx: Tx, found: Overview, path: PhasePath) -> list[DraftLine]:
    """One line per refused submission of ``path``, oldest first."""
    return [_line(draft, number) for number, draft in enumerate(drafts_of(tx, found.loaded, path), 1)]


def draft_view(tx: Tx, found: Overview, phase: str, name: str, pointer: str) -> DraftView:
    """The draft called ``name`` with its faults. Refuses ``unknown_artifact``."""
    known = {
        (path, f"{DRAFT}{number}"): (number, draft)
        for path in found.loaded.state.attempts
        if phase in {"", path}
        for number, draft in enumerate(drafts_of(tx, found.loaded, path), 1)
    }
    matches = [entry for (_, own_name), entry in known.items() if own_name == name]
    if len(matches) != 1:
        listed = ", ".join(f"{own_name} of {path}" for path, own_name in known) or "there are none"
        why = f"No draft is called {name!r}." if not matches else f"Several phases have a {name!r}."
        raise Refused("unknown_artifact", why, f"Name the phase too. Drafts: {listed[:500]}.")
    number, draft = matches[0]
    try:
        value: Json = json.loads(draft.raw)
    except ValueError:  # cut where it was kept
        value = draft.raw.decode(errors="replace")
    return DraftView(line=_line(draft, number), details=tuple(draft.errors[:20]), part=part_view(value, pointer))


def _line(draft: RefusedSubmission, number: int) -> DraftLine:
    return view_of(DraftLine, draft, artifact=f"{DRAFT}{number}", faults=len(draft.errors))
