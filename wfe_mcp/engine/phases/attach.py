"""Files that a person or an agent attaches to an attempt: screenshots, reports, logs.

    file ──► limits ──► stored in the transaction of a run change ──► sealed by the log

Rules:
1. An attachment judges nothing: no gate reads it. It is shown to who decides, and the sha256 decided on covers it.
2. Only the newest attempt of a phase takes attachments, and only while it is open. The same bytes under the same name
   are stored once.
3. The kind of file comes from its bytes, never from its name.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.limits import ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES, Limit
from wfe_mcp.core.model import Attempt, AttemptStatus, By
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.refusals import unknown_phase
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.store.records.attachments import AttachmentHead, AttachmentRecord
from wfe_mcp.workspace.files.paths import path_fault
from wfe_mcp.workspace.files.project_files import named_file, read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange

TEXT = "text/plain"
PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""The pictures that a page shows, by their first bytes; WebP is found by its container."""

_OPEN = {AttemptStatus.READY, AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING, AttemptStatus.FAILED}
_MOST_NAME, _MOST_NOTE = 200, 2_000


@dataclass(frozen=True, slots=True)
class Given:
    """A file to attach: its name without folders, and its bytes."""

    name: str
    content: bytes


def from_project(root: Path, paths: Sequence[str]) -> list[Given]:
    """Files of the project, by their relative paths. Refuses ``path_outside_project``, ``too_large``."""
    return [Given(path.rpartition("/")[2], read_file(root, path, ATTACHMENT_BYTES.most)) for path in paths]


def from_anywhere(paths: Sequence[str]) -> list[Given]:
    """Files that a person names, in the project or not. Refuses ``bad_argument``, ``too_large``."""
    found: list[Given] = []
    for path in paths:
        with named_file(path, "read", "Name a file."), Path(path).open("rb") as file:
            content = file.read(ATTACHMENT_BYTES.most + 1)
        found.append(Given(Path(path).name, content))
    return found


def attach(
    engine: Engine, by: By, run: str, phase: str, files: Sequence[Given], note: str = ""
) -> list[AttachmentHead]:
    """Attach ``files`` to the newest attempt of ``phase``; their heads. All or none."""
    with change_run(engine, run, by) as current:
        return keep(current, _open_attempt(current, phase), files, note)


def keep(current: RunChange, attempt: Attempt, files: Sequence[Given], note: str = "") -> list[AttachmentHead]:
    """Store ``files`` in the transaction of ``current``; their heads, also of those that were there."""
    from dataclasses import replace

    there = current.tx.attachments.of_run(current.run.id)
    of_attempt = [each for each in there if (each.phase, each.attempt) == (attempt.phase, attempt.number)]
    kept: list[AttachmentHead] = []
    # A fork may have left some behind, so their count is no number.
    number, size = max((each.number for each in there), default=0), sum(each.size_bytes for each in there)
    for file in files:
        name, sha256 = _name(file.name), sha256_hex(file.content)
        same = next((each for each in (*of_attempt, *kept) if (each.name, each.sha256) == (name, sha256)), None)
        if same is not None:
            kept.append(same)
            continue
        number, size = number + 1, size + len(file.content)
        _within(ATTACHMENT_BYTES, len(file.content), f"'{name}'")
        _within(ATTACHMENTS, len(of_attempt) + 1, f"Attempt {attempt.number} of '{attempt.phase}'")
        _within(ATTACHMENTS_BYTES, size, f"Run {current.run.id}")
        made = AttachmentRecord(
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
        current.tx.attachments.add(made)
        head = replace(made, content=b"")
        of_attempt.append(head)
        kept.append(head)
    return kept


def takes_files(attempt: Attempt) -> bool:
    """True while the attempt is open, and for a failed one that a person may still reopen."""
    return attempt.status in _OPEN


def media_type(content: bytes) -> str:
    """What the bytes are: a picture, ``text/plain``, or ``application/octet-stream``."""
    for start, kind in PICTURES.items():
        if content.startswith(start):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    try:
        return TEXT if "\x00" not in content.decode() else "application/octet-stream"
    except UnicodeDecodeError:
        return "application/octet-stream"


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


def _name(name: str) -> str:
    fault = path_fault(name) or ("it is longer than 200 characters" if len(name) > _MOST_NAME else None)
    if fault:
        raise Refused("bad_argument", f"The file name {name!r:.300} cannot be used: {fault}.", "Rename the file.")
    return name


def _within(limit: Limit, found: int, what: str) -> None:
    if found > limit.most:
        raise Refused("too_large", f"{what} {limit.fault(found)}.", limit.remedy)
