"""Files attached to attempts, as lines and as content.

An attachment is called ``attachment:1``, ``attachment:2`` …, counted per run; no artifact can have such a name.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.views.model import INLINE, view_model, view_of
from wfe_mcp.views.pointer_view import PartView

if TYPE_CHECKING:
    from wfe_mcp.core.model import RunId
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.attachments import AttachmentHead, AttachmentRecord

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
    return [attachment_line(each) for each in tx.attachments.of_run(run) if phase in {"", each.phase}]


def attachment_of(tx: Tx, run: RunId, name: str) -> AttachmentRecord:
    """The attachment called ``name``. Refuses ``unknown_artifact``."""
    number = name.removeprefix(ATTACHMENT)
    found = tx.attachments.get(run, int(number)) if number.isdecimal() and len(number) < 7 else None
    if found is None:
        listed = ", ".join(f"{ATTACHMENT}{each.number} ({each.name})" for each in tx.attachments.of_run(run))
        raise Refused("unknown_artifact", f"The run has no {name!r}.", f"Attached files: {listed[:500] or 'none'}.")
    return found


def attachment_view(tx: Tx, run: RunId, name: str) -> AttachmentView:
    """The attachment called ``name``. Refuses ``unknown_artifact``."""
    found = attachment_of(tx, run, name)
    part = _text_part(found.content) if found.media_type == _TEXT else None
    command = f"wfe-mcp artifact show {run} {ATTACHMENT}{found.number} --save FILE"
    return AttachmentView(line=attachment_line(found), command=command, part=part)


def _text_part(content: bytes) -> PartView:
    """The text, or its beginning where it is too long for an answer."""
    if len(content) <= _WHOLE_BYTES:
        return PartView(content=content.decode())
    shown = content[:_WHOLE_BYTES].decode(errors="ignore")
    return PartView(cut=True, text=shown, bytes=len(content), hint="the command saves the whole file")


def attachment_line(found: AttachmentHead) -> AttachmentLine:
    """An attachment without its content."""
    return view_of(AttachmentLine, found, artifact=f"{ATTACHMENT}{found.number}", by=f"{found.actor} ({found.channel})")
