"""Records of attachments: files that a person or an agent adds to an attempt."""

from wfe_mcp.store.layout.run_records import AttachmentHead, AttachmentRecord

__all__ = [
    "AttachmentHead",
    "AttachmentRecord",
]
