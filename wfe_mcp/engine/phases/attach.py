"""Files that a person or an agent attaches to an attempt: screenshots, reports, logs.

    file ──► limits ──► stored in the transaction of a run change ──► sealed by the log

Rules:
1. An attachment judges nothing: no gate reads it. It is shown to who decides, and the sha256 decided on covers it.
2. Only the newest attempt of a phase takes attachments, and only while it is open. The same bytes under the same name
   are stored once.
3. The kind of file comes from its bytes, never from its name (``workspace/files/given_files.py``).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES
from wfe_mcp.core.model import Attempt, AttemptStatus, By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.store.records.runs import AttachmentHead, AttachmentRecord
from wfe_mcp.workspace.files.given_files import FileToAttach, media_type, refuse_above, refuse_name

_OPEN = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING, AttemptStatus.FAILED}
_MOST_NOTE = 2_000


def attach(
    engine: Engine, by: By, run: str, phase: str, files: Sequence[FileToAttach], note: str = ""
) -> list[AttachmentHead]:
    """Attach ``files`` to the newest attempt of ``phase``; their heads. All or none."""
    with change_run(engine, run, by) as current:
        return keep(current, _open_attempt(current, phase), files, note)


def keep(current: RunChange, attempt: Attempt, files: Sequence[FileToAttach], note: str = "") -> list[AttachmentHead]:
    """Store ``files`` in the transaction of ``current``; their heads, also of those that were there."""
    there = current.tx.attachments.of_run(current.run.id)
    of_attempt = [head for head in there if (head.phase, head.attempt) == (attempt.phase, attempt.number)]
    heads: list[AttachmentHead] = []
    # A fork may have left some behind, so their count is no number.
    number, size = max((head.number for head in there), default=0), sum(head.size_bytes for head in there)
    for file in files:
        name, sha256 = file.name, sha256_hex(file.content)
        refuse_name(name)
        same = next((head for head in (*of_attempt, *heads) if (head.name, head.sha256) == (name, sha256)), None)
        if same is not None:
            heads.append(same)
            continue
        number, size = number + 1, size + len(file.content)
        refuse_above(ATTACHMENT_BYTES, len(file.content), f"'{name}'")
        refuse_above(ATTACHMENTS, len(of_attempt) + 1, f"Attempt {attempt.number} of '{attempt.phase}'")
        refuse_above(ATTACHMENTS_BYTES, size, f"Run {current.run.id}")
        attachment = AttachmentRecord(
            f"at-{uuid.uuid4().hex[:16]}",
            current.run.id,
            number,
            attempt.phase,
            attempt.number,
            attempt.iteration,
            name,
            media_type(file.content),
            len(file.content),
            sha256,
            note[:_MOST_NOTE],
            current.by.actor,
            current.by.channel,
            current.at,
            file.content,
        )
        current.tx.attachments.add(attachment)
        head = replace(attachment, content=b"")
        of_attempt.append(head)
        heads.append(head)
    return heads


def takes_files(attempt: Attempt) -> bool:
    """True while the attempt is open, and for a failed one that a person may still reopen."""
    return attempt.status in _OPEN


def _open_attempt(current: RunChange, phase: str) -> Attempt:
    tries = current.state.attempts.get(PhasePath(phase))
    if tries is None:
        raise unknown_phase(current.state, phase)
    attempt = tries[-1]
    if not takes_files(attempt) or current.run.ended_at is not None:
        raise Refused(
            "illegal_transition",
            f"Attempt {attempt.number} of {phase!r} is {attempt.status}: it takes no files.",
            "Attach files while the phase is worked on or awaits approval.",
            run=current.run.id,
        )
    return attempt
