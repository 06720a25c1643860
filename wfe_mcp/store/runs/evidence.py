"""The evidence that gates recorded."""

from datetime import datetime

from sqlalchemy import bindparam, func, insert, literal_column, select

from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import EVIDENCE, RUN
from wfe_mcp.store.records.runs import EvidenceRecord
from wfe_mcp.store.repository import OURS, Part, Repository, columns_for, row_from
from wfe_mcp.store.search.entries import of_evidence
from wfe_mcp.store.search.index import SearchNoteRepository

_NEW = insert(EVIDENCE)
_SELECT = select(*columns_for(EvidenceRecord, EVIDENCE))
_OF_RUN = _SELECT.where(EVIDENCE.c.run_id == bindparam("run_id")).order_by(
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

    _seals = Part(SealRepository)
    _search_notes = Part(SearchNoteRepository)

    def add(self, evidence: EvidenceRecord) -> None:
        """Store the evidence of a gate."""
        self._run(_NEW, row_from(evidence, EVIDENCE))
        self._seals.keep("evidence", evidence.run_id, EVIDENCE.c.id == evidence.id)
        self._search_notes.note(evidence.run_id, of_evidence(evidence))

    def of_run(self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None) -> list[EvidenceRecord]:
        """The evidence of a run, a phase or an attempt, oldest first."""
        query = _OF_RUN
        if phase is not None:
            query = query.where(EVIDENCE.c.phase == phase)
        if attempt is not None:
            query = query.where(EVIDENCE.c.attempt == attempt)
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
