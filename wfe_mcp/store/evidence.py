"""What did the gates see?"""

from dataclasses import asdict

from sqlalchemy import bindparam, insert, select

from wfe_mcp.core.model import RunId
from wfe_mcp.core.spec import PhasePath
from wfe_mcp.store.layout import EVIDENCE
from wfe_mcp.store.records import EvidenceRecord
from wfe_mcp.store.rows import Rows, columns_for

__all__ = ["EvidenceRows"]

_NEW = insert(EVIDENCE)
_SELECT = select(*columns_for(EvidenceRecord, EVIDENCE))
_OF_RUN = _SELECT.where(EVIDENCE.c.run_id == bindparam("run_id")).order_by(EVIDENCE.c.at, EVIDENCE.c.id)
_ONE = _SELECT.where(EVIDENCE.c.id == bindparam("id_"))


class EvidenceRows(Rows):
    """Evidence."""

    def add_evidence(self, evidence: EvidenceRecord) -> None:
        """Keep what a gate saw."""
        self._run(_NEW, asdict(evidence))

    def evidence(
        self, run_id: RunId, phase: PhasePath | None = None, attempt: int | None = None
    ) -> list[EvidenceRecord]:
        """The evidence of a run, a phase or an attempt, oldest first."""
        query = _OF_RUN
        if phase is not None:
            query = query.where(EVIDENCE.c.phase == phase)
        if attempt is not None:
            query = query.where(EVIDENCE.c.attempt == attempt)
        return self._all(EvidenceRecord, query, {"run_id": run_id})

    def evidence_by_id(self, evidence_id: str) -> EvidenceRecord | None:
        """The evidence that a verdict names."""
        return self._first(EvidenceRecord, _ONE, {"id_": evidence_id})
