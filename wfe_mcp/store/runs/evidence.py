"""The evidence that gates recorded, and opinions of reviewing models."""

from datetime import datetime

from sqlalchemy import bindparam, func, insert, literal_column, select

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import EVIDENCE, OPINION, RUN
from wfe_mcp.store.records.calls import AskedBy, OpinionRecord
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.store.repository import (
    OURS,
    Repository,
    RepositoryPart,
    bound,
    columns_for,
    equal_where_given,
    is_of_ours,
    row_from,
)
from wfe_mcp.store.search.entries import of_evidence, of_opinion
from wfe_mcp.store.search.index import NO_RUN, SearchNoteRepository

_INSERT_EVIDENCE = insert(EVIDENCE)
_EVIDENCE = select(*columns_for(EvidenceRecord, EVIDENCE))
_EVIDENCE_OF_RUN = _EVIDENCE.where(EVIDENCE.c.run_id == bindparam("run_id")).order_by(
    EVIDENCE.c.at, literal_column("evidence.rowid")
)
_SKIPPED = func.json_extract(EVIDENCE.c.data, "$.tests.skipped")
_COUNTED = select(_SKIPPED).where(
    EVIDENCE.c.kind == "command",
    EVIDENCE.c.at < bindparam("before"),
    _SKIPPED.is_not(None),
    func.json_extract(EVIDENCE.c.data, "$.check") == bindparam("check"),
)
_OF_PROJECT = (
    _COUNTED.join(RUN, RUN.c.id == EVIDENCE.c.run_id)
    .where(RUN.c.project_id == bindparam("project"), OURS, func.json_extract(EVIDENCE.c.data, "$.passed").is_(True))
    .order_by(EVIDENCE.c.at.desc())
    .limit(1)
)
_IN_RUN = _COUNTED.where(EVIDENCE.c.run_id == bindparam("run")).order_by(EVIDENCE.c.at).limit(1)


class EvidenceRepository(Repository):
    """Evidence."""

    _seals = RepositoryPart(SealRepository)
    _search_notes = RepositoryPart(SearchNoteRepository)

    def add(self, evidence: EvidenceRecord) -> None:
        """Store the evidence of a gate."""
        self._run(_INSERT_EVIDENCE, row_from(evidence, EVIDENCE))
        self._seals.keep("evidence", evidence.run_id, EVIDENCE.c.id == evidence.id)
        self._search_notes.note(evidence.run_id, of_evidence(evidence))

    def of_run(self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None) -> list[EvidenceRecord]:
        """The evidence of a run, a phase or an attempt, oldest first."""
        query = _EVIDENCE_OF_RUN.where(*equal_where_given(((EVIDENCE.c.phase, phase), (EVIDENCE.c.attempt, attempt))))
        return self._all(EvidenceRecord, query, {"run_id": run_id})

    def skipped_before(
        self, project_id: str, run_id: RunId, check: str, begun: datetime, before: datetime
    ) -> int | None:
        """How many tests ``check`` skipped when it last passed in the project before the run (``begun``).

        Without such a pass: when it first ran in this run. So a worker cannot change the baseline that it is measured by.
        """
        on = {"check": check}
        row = self._connection.execute(_OF_PROJECT, {**on, "project": project_id, "before": begun}).first()
        row = row or self._connection.execute(_IN_RUN, {**on, "run": run_id, "before": before}).first()
        return None if row is None else int(row[0])


_INSERT_OPINION = insert(OPINION)
_OPINIONS = select(*columns_for(OpinionRecord, OPINION))
_SAME = _OPINIONS.where(
    *bound(OPINION, "project_id", "asked_by", "reviewer", "question_sha256", "artifact_sha256", "provider", "model"),
    is_of_ours(OPINION.c.run_id),
).order_by(OPINION.c.at.desc())
_OPINIONS_OF_RUN = _OPINIONS.where(OPINION.c.run_id == bindparam("run_id_")).order_by(
    OPINION.c.at, literal_column("opinion.rowid")
)
_OPINIONS_OF_PHASE = _OPINIONS_OF_RUN.where(OPINION.c.phase == bindparam("phase_"))


class OpinionRepository(Repository):
    """Opinions."""

    _search_notes = RepositoryPart(SearchNoteRepository)

    def add(self, opinion: OpinionRecord) -> None:
        """Store a reviewer's opinion."""
        self._run(_INSERT_OPINION, row_from(opinion, OPINION))
        noted = self._search_notes.note(opinion.run_id or NO_RUN, of_opinion(opinion), events=opinion.run_id is None)
        noted.project_id = opinion.project_id

    def same_question(
        self, project_id: str, asked_by: AskedBy, reviewer: str, provider: str, model: str, question: str, artifact: str
    ) -> OpinionRecord | None:
        """The stored opinion of this reviewer and model for exactly the same question about the same bytes."""
        values = {
            "project_id_": project_id,
            "asked_by_": asked_by,
            "reviewer_": reviewer,
            "provider_": provider,
            "model_": model,
            "question_sha256_": question,
            "artifact_sha256_": artifact,
        }
        return self._first(OpinionRecord, _SAME, values)

    def of_run(self, run_id: RunId, phase: PhasePath | None = None) -> list[OpinionRecord]:
        """The opinions of a run or of a phase, oldest first."""
        if phase is None:
            return self._all(OpinionRecord, _OPINIONS_OF_RUN, {"run_id_": run_id})
        return self._all(OpinionRecord, _OPINIONS_OF_PHASE, {"run_id_": run_id, "phase_": phase})
