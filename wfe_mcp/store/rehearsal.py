"""Documents and revisions that a rehearsal keeps: in memory, on top of those that are stored."""

from typing import Any

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.projects import DocumentRepository
from wfe_mcp.store.records.runs import RevisionRecord
from wfe_mcp.store.repository import TransactionContext
from wfe_mcp.store.runs.artifacts import ArtifactRepository


class RehearsedDocuments(DocumentRepository):
    """Stored documents, and those that were kept here."""

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self._kept: dict[str, str] = {}

    def text(self, sha256: str) -> str:
        """The canonical text that ``sha256`` names. KeyError when it was never stored or kept."""
        return self._kept[sha256] if sha256 in self._kept else super().text(sha256)

    def keep_texts(self, *texts: str) -> list[str]:
        """Keep canonical texts here; their sha256."""
        named = [sha256_hex(text) for text in texts]
        self._kept |= zip(named, texts, strict=True)
        return named


class RehearsedArtifacts(ArtifactRepository):
    """Stored revisions, and those that were added here."""

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self._added: dict[tuple[PhasePath, int], RevisionRecord] = {}

    def _insert(self, revision: RevisionRecord) -> None:
        self._added[revision.phase, revision.revision] = revision

    def revision(self, run_id: RunId, phase: PhasePath, revision: int) -> RevisionRecord | None:
        """One revision with its content."""
        return self._added.get((phase, revision)) or super().revision(run_id, phase, revision)

    def contents(self, run_id: RunId, name: str) -> dict[tuple[PhasePath, int], str]:
        """The content of every revision of the artifact ``name``."""
        added: dict[Any, str] = {
            place: revision.content for place, revision in self._added.items() if revision.name == name
        }
        return super().contents(run_id, name) | added
