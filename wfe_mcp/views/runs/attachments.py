"""Files attached to attempts, and refused submissions kept as drafts.

An attachment is called ``attachment:1``, ``attachment:2`` …, counted per run; no artifact can have such a name.

A refused submission is no revision; it stays readable, also after a time-out (design §4). Its name is ``draft:1``,
``draft:2`` …, counted per phase over all attempts; no artifact can have such a name.
"""

import json
from dataclasses import field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.phases.edit import drafts_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import AttachmentHead, AttachmentRecord, RefusedSubmission
from wfe_mcp.views.values.model import INLINE, Json, PartView, part_view, view_model, view_of

ATTACHMENT = "attachment:"
_TEXT = "text/plain"
_WHOLE_BYTES = 6_000


@view_model
class AttachmentLine:
    """An attached file without its content. ``by``: who attached it."""

    artifact: str
    phase: str
    attempt: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    by: str
    at: str
    note: str = ""


@view_model
class AttachmentView:
    """An attached file; its content where it is text. ``command``: saves its bytes."""

    line: AttachmentLine = field(metadata=INLINE)
    command: str
    part: PartView | None = field(default=None, metadata=INLINE)


def attachment_lines(tx: Tx, run: RunId, phase: str = "") -> list[AttachmentLine]:
    """One line per file attached to the run, or to ``phase``; oldest first."""
    return [attachment_line(attachment) for attachment in tx.attachments.of_run(run) if phase in {"", attachment.phase}]


def attachment_of(tx: Tx, run: RunId, name: str) -> AttachmentRecord:
    """The attachment called ``name``. Refuses ``unknown_artifact``."""
    number = name.removeprefix(ATTACHMENT)
    record = tx.attachments.get(run, int(number)) if number.isdecimal() and len(number) < 7 else None
    if record is None:
        listed = ", ".join(
            f"{ATTACHMENT}{attachment.number} ({attachment.name})" for attachment in tx.attachments.of_run(run)
        )
        raise Refused("unknown_artifact", f"The run has no {name!r}.", f"Attached files: {listed[:500] or 'none'}.")
    return record


def attachment_view(tx: Tx, run: RunId, name: str) -> AttachmentView:
    """The attachment called ``name``. Refuses ``unknown_artifact``."""
    attachment = attachment_of(tx, run, name)
    part = _text_part(attachment.content) if attachment.media_type == _TEXT else None
    command = f"wfe-mcp artifact show {run} {ATTACHMENT}{attachment.number} --save FILE"
    return AttachmentView(line=attachment_line(attachment), command=command, part=part)


def _text_part(content: bytes) -> PartView:
    """The text, or its beginning where it is too long for an answer."""
    if len(content) <= _WHOLE_BYTES:
        return PartView(content=content.decode())
    shown = content[:_WHOLE_BYTES].decode(errors="ignore")
    return PartView(cut=True, text=shown, bytes=len(content), hint="the command saves the whole file")


def attachment_line(head: AttachmentHead) -> AttachmentLine:
    """An attachment without its content."""
    return view_of(AttachmentLine, head, artifact=f"{ATTACHMENT}{head.number}", by=f"{head.actor} ({head.channel})")


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


def draft_lines(tx: Tx, overview: Overview, path: PhasePath) -> list[DraftLine]:
    """One line per refused submission of ``path``, oldest first."""
    return [_line(draft, number) for number, draft in enumerate(drafts_of(tx, overview.loaded, path), 1)]


def draft_view(tx: Tx, overview: Overview, phase: str, name: str, pointer: str) -> DraftView:
    """The draft called ``name`` with its faults. Refuses ``unknown_artifact``."""
    known = {
        (path, f"{DRAFT}{number}"): (number, draft)
        for path in overview.loaded.state.attempts
        if phase in {"", path}
        for number, draft in enumerate(drafts_of(tx, overview.loaded, path), 1)
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
