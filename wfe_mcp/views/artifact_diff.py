"""The revision that an artifact is compared with.

3                  revision 3 of the same phase
attempt:2          the last submission of attempt 2 of the phase, whatever its result
iteration:1        the last submission in that iteration
RUN2[:PHASE][@3]   the artifact of another run: of the same phase, or by the same name; its newest revision
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.views.diff import difference
from wfe_mcp.views.model import JsonObject, view_model
from wfe_mcp.views.pointer_view import part_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfe_mcp.core.model import RunId
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import RevisionHead, RevisionRecord

    PhaseOf = Callable[[Overview, str, str], PhasePath]

_OF_SAME_PHASE = re.compile(r"(attempt|iteration):([0-9]{1,9})")
_OF_RUN = re.compile(r"([0-9a-z]+)(?::([^@]+))?(?:@([0-9]{1,9}))?")
_FORMS = "Name a revision (2), attempt:2, iteration:1, or another run: RUN2, RUN2:PHASE, RUN2@REVISION."


@view_model
class DifferenceView:
    """How a revision differs from another one; that one's run and phase where they are others."""

    artifact: str
    phase: str
    revision: int
    against: int
    against_run: str = ""
    against_phase: str = ""
    difference: tuple[JsonObject, ...]


def compared(
    tx: Tx, record: RevisionRecord, against: str, pointer: str, run_named: Callable[[str], Overview], phase_of: PhaseOf
) -> DifferenceView:
    """``record`` and how it differs from the revision that ``against`` names; with ``pointer`` only in that part.

    ``run_named`` finds a run of this project, ``phase_of`` a phase of it that makes an artifact. Refuses ``bad_argument``,
    ``unknown_run``, ``unknown_phase``, ``unknown_artifact``.
    """
    other = _other(tx, record, against, run_named, phase_of)
    changes = difference(json.loads(other.content), json.loads(record.content))
    matching = tuple(each for each in changes if _touches(each["path"], pointer))
    if not matching:
        part_view(json.loads(record.content), pointer)  # refuses a pointer that leads nowhere
    return DifferenceView(
        artifact=record.name,
        phase=record.phase,
        revision=record.revision,
        against=other.revision,
        difference=matching,
        against_run="" if other.run_id == record.run_id else other.run_id,
        against_phase="" if other.phase == record.phase else other.phase,
    )


def revision_of(tx: Tx, run: RunId, path: PhasePath, number: int | None) -> RevisionRecord:
    """A revision of a phase, its newest for None. Refuses ``unknown_artifact``."""
    heads = _heads(tx, run, path)
    return _read(tx, heads[-1] if number is None else _newest(heads, "revision", number))


def _other(
    tx: Tx, record: RevisionRecord, against: str, run_named: Callable[[str], Overview], phase_of: PhaseOf
) -> RevisionRecord:
    if against.isdecimal() and len(against) < 10:  # an id of a run is longer
        return revision_of(tx, record.run_id, record.phase, int(against))
    same = _OF_SAME_PHASE.fullmatch(against)
    if same is not None:
        return _read(tx, _newest(_heads(tx, record.run_id, record.phase), same[1], int(same[2])))
    named = _OF_RUN.fullmatch(against)
    if named is None:
        raise Refused("bad_argument", f"There is nothing to compare with at {against!r:.80}.", _FORMS)
    found = run_named(named[1])
    if named[2]:
        path = phase_of(found, named[2], "")
    elif record.phase in found.loaded.state.attempts and found.plan.has_artifact(record.phase):
        path = record.phase
    else:
        path = phase_of(found, "", record.name)
    return revision_of(tx, found.loaded.record.id, path, int(named[3]) if named[3] else None)


def _heads(tx: Tx, run: RunId, path: PhasePath) -> list[RevisionHead]:
    heads = tx.artifacts.revisions(run, path)
    if not heads:
        raise Refused(
            "unknown_artifact", f"Phase {path!r} has no artifact yet.", "It is there once the phase has submitted one."
        )
    return heads


def _newest(heads: list[RevisionHead], what: str, number: int) -> RevisionHead:
    """The newest of ``heads`` whose revision, attempt or iteration (``what``) is ``number``."""
    numbers = [int(getattr(head, what)) for head in heads]
    if number in numbers:
        return heads[len(numbers) - 1 - numbers[::-1].index(number)]
    known = ", ".join(dict.fromkeys(map(str, numbers)))
    handed_in = "" if what == "revision" else " with a submission"
    raise Refused(
        "unknown_artifact",
        f"Phase {heads[0].phase!r} has no {what} {number}{handed_in}.",
        f"{what.capitalize()}s: {known}.",
    )


def _read(tx: Tx, head: RevisionHead) -> RevisionRecord:
    record = tx.artifacts.revision(head.run_id, head.phase, head.revision)
    assert record is not None, "revisions are never deleted"
    return record


def _touches(path: str, pointer: str) -> bool:
    """True for changes in the part that ``pointer`` names, and for those it is a part of."""
    return f"{path}/".startswith(f"{pointer}/") or f"{pointer}/".startswith(f"{path}/")
