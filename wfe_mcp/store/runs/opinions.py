"""Opinions of reviewing models."""

from sqlalchemy import bindparam, insert, literal_column, select

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.layout.tables import OPINION
from wfe_mcp.store.records.opinions import AskedBy, OpinionRecord
from wfe_mcp.store.repository import Part, Repository, columns_for, is_of_ours, row_from
from wfe_mcp.store.search.entries import of_opinion
from wfe_mcp.store.search.index import NO_RUN, SearchNoteRepository

_NEW = insert(OPINION)
_SELECT = select(*columns_for(OpinionRecord, OPINION))
_SAME = _SELECT.where(
    OPINION.c.project_id == bindparam("project_id_"),
    OPINION.c.asked_by == bindparam("asked_by_"),
    OPINION.c.reviewer == bindparam("reviewer_"),
    OPINION.c.question_sha256 == bindparam("question_"),
    OPINION.c.artifact_sha256 == bindparam("artifact_"),
    OPINION.c.provider == bindparam("provider_"),
    OPINION.c.model == bindparam("model_"),
    is_of_ours(OPINION.c.run_id),
).order_by(OPINION.c.at.desc())
_OF_RUN = _SELECT.where(OPINION.c.run_id == bindparam("run_id_")).order_by(
    OPINION.c.at, literal_column("opinion.rowid")
)
_OF_PHASE = _OF_RUN.where(OPINION.c.phase == bindparam("phase_"))


class OpinionRepository(Repository):
    """Opinions."""

    _search_notes = Part(SearchNoteRepository)

    def add(self, opinion: OpinionRecord) -> None:
        """Store a reviewer's opinion."""
        self._run(_NEW, row_from(opinion, OPINION))
        self._search_notes.note(opinion.run_id or NO_RUN, of_opinion(opinion)).project_id = opinion.project_id

    def known(
        self, project_id: str, asked_by: AskedBy, reviewer: str, provider: str, model: str, question: str, artifact: str
    ) -> OpinionRecord | None:
        """The stored opinion of this reviewer and model for exactly the same question about the same bytes."""
        values = {
            "project_id_": project_id,
            "asked_by_": asked_by,
            "reviewer_": reviewer,
            "provider_": provider,
            "model_": model,
            "question_": question,
            "artifact_": artifact,
        }
        return self._first(OpinionRecord, _SAME, values)

    def of_run(self, run_id: RunId, phase: PhasePath | None = None) -> list[OpinionRecord]:
        """The opinions of a run or of a phase, oldest first."""
        if phase is None:
            return self._all(OpinionRecord, _OF_RUN, {"run_id_": run_id})
        return self._all(OpinionRecord, _OF_PHASE, {"run_id_": run_id, "phase_": phase})
