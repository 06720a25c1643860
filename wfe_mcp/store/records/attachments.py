"""Records of attachments: files that a person or an agent adds to an attempt."""

from datetime import datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Channel, RunId
from wfe_mcp.core.paths import PhasePath


@dataclass(frozen=True, slots=True)
class AttachmentHead:
    """An attachment without its content. ``number``: counted per run, from 1; ``sha256``: of the content."""

    # generated: Attachment, without content
    id: str
    run_id: RunId
    number: int
    phase: PhasePath
    attempt: int
    iteration: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    note: str
    actor: str
    channel: Channel
    at: datetime


@dataclass(frozen=True, slots=True)
class AttachmentRecord(AttachmentHead):
    """An attachment with its content."""

    # generated: Attachment, only content
    content: bytes
