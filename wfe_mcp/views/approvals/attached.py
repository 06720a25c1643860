"""The files attached to the attempt that a person decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.views.approvals.model import AttachmentShown

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt, RunId
    from wfe_mcp.store import Tx


def attachments_shown(tx: Tx, run: RunId, attempt: Attempt) -> tuple[AttachmentShown, ...]:
    """The files attached to ``attempt``, oldest first."""
    return tuple(
        AttachmentShown(
            each.number,
            each.name,
            each.media_type,
            each.size_bytes,
            each.sha256,
            f"{each.actor} ({each.channel})",
            each.note,
        )
        for each in tx.attachments(run)
        if each.phase == attempt.phase and each.attempt in {attempt.number, attempt.made_in}
    )
