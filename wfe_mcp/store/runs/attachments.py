"""Files attached to attempts."""

from sqlalchemy import bindparam, insert, select

from wfe_mcp.core.model import RunId
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import ATTACHMENT
from wfe_mcp.store.records.attachments import AttachmentHead, AttachmentRecord
from wfe_mcp.store.repository import Part, Repository, columns_for, row_from
from wfe_mcp.store.search.entries import of_attachment
from wfe_mcp.store.search.index import SearchNoteRepository

_NEW = insert(ATTACHMENT)
_OF_RUN = ATTACHMENT.c.run_id == bindparam("run_id")
_HEADS = select(*columns_for(AttachmentHead, ATTACHMENT)).where(_OF_RUN).order_by(ATTACHMENT.c.number)
_ONE = select(*columns_for(AttachmentRecord, ATTACHMENT)).where(_OF_RUN, ATTACHMENT.c.number == bindparam("number"))


class AttachmentRepository(Repository):
    """Attachments."""

    _seals = Part(SealRepository)
    _search_notes = Part(SearchNoteRepository)

    def add(self, attachment: AttachmentRecord) -> None:
        """Store an attachment; the log seals it with its content."""
        self._run(_NEW, row_from(attachment, ATTACHMENT))
        self._search_notes.note(attachment.run_id, of_attachment(attachment))
        self._seals.keep("attachment", attachment.run_id, ATTACHMENT.c.id == attachment.id)

    def of_run(self, run_id: RunId) -> list[AttachmentHead]:
        """The attachments of a run without their content, oldest first."""
        return self._all(AttachmentHead, _HEADS, {"run_id": run_id})

    def get(self, run_id: RunId, number: int) -> AttachmentRecord | None:
        """One attachment with its content; None when the run has no such number."""
        return self._first(AttachmentRecord, _ONE, {"run_id": run_id, "number": number})
