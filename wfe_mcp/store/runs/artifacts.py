"""Artifact revisions, refused submissions, and files attached to attempts.

Revisions are numbered per (run, phase) over all attempts and are never overwritten. Content is canonical JSON text. A
refused submission is stored as received, up to 100 kB.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, desc, func, insert, select, update

from wfe_mcp.core.errors import Detail
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.store.integrity.record_seals import SealRepository
from wfe_mcp.store.layout.tables import ATTACHMENT, REFUSED_SUBMISSION, REVISION, RUN
from wfe_mcp.store.records.runs import AttachmentHead, AttachmentRecord, RefusedSubmission, RevisionHead, RevisionRecord
from wfe_mcp.store.repository import Repository, RepositoryPart, TransactionContext, bound, columns_for, row_from
from wfe_mcp.store.search.entries import of_attachment, of_revision
from wfe_mcp.store.search.index import SearchNoteRepository

MAX_REFUSED_BYTES = 100_000

_OF_PHASE = bound(REVISION, "run_id", "phase")
_NEWEST = select(func.max(REVISION.c.revision)).where(*_OF_PHASE)
_INSERT_REVISION = insert(REVISION)
_COUNT = update(RUN).where(RUN.c.id == bindparam("run_id_")).values(artifact_count=RUN.c.artifact_count + 1)
_COUNTED = update(RUN).where(RUN.c.id == bindparam("run_id_")).values(artifact_count=bindparam("count_"))
_COPIED = [column for column in REVISION.columns if column.name not in {"id", "run_id"}]
_TAKEN = insert(REVISION).from_select(
    ["run_id", *(column.name for column in _COPIED)],
    select(bindparam("to_", type_=REVISION.c.run_id.type), *_COPIED)
    .where(
        REVISION.c.run_id == bindparam("origin_"),
        REVISION.c.phase == bindparam("phase_"),
        REVISION.c.revision <= bindparam("revision_"),
    )
    .order_by(REVISION.c.id),
)
_REVISION_HEADS = select(*columns_for(RevisionHead, REVISION)).where(*_OF_PHASE).order_by(REVISION.c.revision)
_FULL = select(*columns_for(RevisionRecord, REVISION))
_LAST = (
    select(*columns_for(RevisionHead, REVISION))
    .where(REVISION.c.run_id == bindparam("run_id_"))
    .order_by(desc(REVISION.c.id))
    .limit(bindparam("limit_"))
)
_REVISION = _FULL.where(*_OF_PHASE, REVISION.c.revision == bindparam("revision_"))
_CONTENTS = select(REVISION.c.phase, REVISION.c.revision, REVISION.c.content).where(*bound(REVISION, "run_id", "name"))
_SEAL = (
    update(REVISION)
    .where(*_OF_PHASE, REVISION.c.revision == bindparam("revision_"), REVISION.c.sealed_at.is_(None))
    .values(sealed_at=bindparam("at_"))
)
_NEW_REFUSED = insert(REFUSED_SUBMISSION)
_REFUSED = (
    select(*columns_for(RefusedSubmission, REFUSED_SUBMISSION))
    .where(*bound(REFUSED_SUBMISSION, "run_id", "phase", "attempt"))
    .order_by(REFUSED_SUBMISSION.c.id)
)


class ArtifactRepository(Repository):
    """Revisions and refused submissions."""

    _seals = RepositoryPart(SealRepository)
    _search_notes = RepositoryPart(SearchNoteRepository)

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self._written: dict[tuple[RunId, PhasePath, int], RevisionRecord] = {}
        """What this transaction wrote: its gates, and its files in the project, need the content again."""

    def add_revision(
        self,
        run_id: RunId,
        phase: PhasePath,
        attempt: int,
        iteration: int,
        name: str,
        schema_name: str,
        content: str,
        sha256: str,
        source: str,
        note: str,
        at: datetime,
    ) -> RevisionRecord:
        """Store a new revision of a phase's artifact; its number is one more than the last."""
        self.lock_run(run_id)
        newest = self._connection.execute(_NEWEST, {"run_id_": run_id, "phase_": phase}).scalar() or 0
        revision = RevisionRecord(
            run_id=run_id,
            phase=phase,
            revision=newest + 1,
            attempt=attempt,
            iteration=iteration,
            name=name,
            schema_name=schema_name,
            sha256=sha256,
            size_bytes=len(content.encode()),
            source=source,
            note=note,
            at=at,
            sealed_at=None,
            content=content,
        )
        self._insert(revision)
        return revision

    def _insert(self, revision: RevisionRecord) -> None:
        key = self._connection.execute(_INSERT_REVISION, row_from(revision, REVISION)).inserted_primary_key
        assert key is not None  # one row was inserted
        self._search_notes.note(revision.run_id, of_revision(key[0], revision))
        self._run(_COUNT, {"run_id_": revision.run_id})
        self._written[revision.run_id, revision.phase, revision.revision] = revision

    def copy_revisions(self, origin: RunId, run_id: RunId, newest: Mapping[PhasePath, int], count: int) -> None:
        """Copy the revisions of another run, of each phase up to the number in ``newest``; ``count`` in all."""
        places = [
            {"origin_": origin, "to_": run_id, "phase_": phase, "revision_": number} for phase, number in newest.items()
        ]
        self._run(_TAKEN, places)
        self._run(_COUNTED, {"run_id_": run_id, "count_": count})
        self._search_notes.leave(run_id)

    def revisions(self, run_id: RunId, phase: PhasePath) -> list[RevisionHead]:
        """The revisions of a phase, oldest first, without their content."""
        return self._all(RevisionHead, _REVISION_HEADS, {"run_id_": run_id, "phase_": phase})

    def last_revisions(self, run_id: RunId, limit: int) -> list[RevisionHead]:
        """The newest revisions of a run, oldest first, without their content."""
        return self._all(RevisionHead, _LAST, {"run_id_": run_id, "limit_": limit})[::-1]

    def revision(self, run_id: RunId, phase: PhasePath, revision: int) -> RevisionRecord | None:
        """One revision with its content."""
        written = self._written.get((run_id, phase, revision))
        if written is not None:
            return written
        return self._first(RevisionRecord, _REVISION, {"run_id_": run_id, "phase_": phase, "revision_": revision})

    def contents(self, run_id: RunId, name: str) -> dict[tuple[PhasePath, int], str]:
        """The content of every revision of the artifact ``name``, by phase and number: one query for all items."""
        rows = self._connection.execute(_CONTENTS, {"run_id_": run_id, "name_": name})
        return {(PhasePath(phase), revision): content for phase, revision, content in rows}

    def seal(self, run_id: RunId, phase: PhasePath, revision: int, at: datetime) -> None:
        """Mark a revision as accepted; a sealed revision keeps its first time."""
        self._run(_SEAL, {"run_id_": run_id, "phase_": phase, "revision_": revision, "at_": at})
        written = self._written.get((run_id, phase, revision))
        if written is not None and written.sealed_at is None:
            self._written[run_id, phase, revision] = replace(written, sealed_at=at)

    def add_refused(
        self, run_id: RunId, phase: PhasePath, attempt: int, raw: str | bytes, errors: Sequence[Detail], at: datetime
    ) -> RefusedSubmission:
        """Store an invalid submission with its errors."""
        # surrogatepass: a lone surrogate may be the reason for the refusal.
        full = raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw
        # ASCII and str(): the errors may contain values unfit for JSON too.
        text = json.dumps([asdict(error) for error in errors], default=str)
        submission = RefusedSubmission(
            run_id, phase, attempt, len(full), at, full[:MAX_REFUSED_BYTES], json.loads(text)
        )
        inserted = self._connection.execute(
            _NEW_REFUSED, row_from(submission, REFUSED_SUBMISSION) | {"errors": text}
        ).inserted_primary_key
        assert inserted is not None  # one row was inserted
        self._seals.keep("refused_submission", run_id, REFUSED_SUBMISSION.c.id == inserted[0])
        return submission

    def refused_submissions(self, run_id: RunId, phase: PhasePath, attempt: int) -> list[RefusedSubmission]:
        """The invalid submissions of an attempt, oldest first."""
        return self._all(_refused_submission, _REFUSED, {"run_id_": run_id, "phase_": phase, "attempt_": attempt})


def _refused_submission(*row: Any) -> RefusedSubmission:
    *columns, errors = row
    return RefusedSubmission(*columns, errors=json.loads(errors))


_INSERT_ATTACHMENT = insert(ATTACHMENT)
_OF_RUN = ATTACHMENT.c.run_id == bindparam("run_id")
_ATTACHMENT_HEADS = select(*columns_for(AttachmentHead, ATTACHMENT)).where(_OF_RUN).order_by(ATTACHMENT.c.number)
_ATTACHMENT = select(*columns_for(AttachmentRecord, ATTACHMENT)).where(
    _OF_RUN, ATTACHMENT.c.number == bindparam("number")
)


class AttachmentRepository(Repository):
    """Attachments."""

    _seals = RepositoryPart(SealRepository)
    _search_notes = RepositoryPart(SearchNoteRepository)

    def add(self, attachment: AttachmentRecord) -> None:
        """Store an attachment; the log seals it with its content."""
        self._run(_INSERT_ATTACHMENT, row_from(attachment, ATTACHMENT))
        self._search_notes.note(attachment.run_id, of_attachment(attachment))
        self._seals.keep("attachment", attachment.run_id, ATTACHMENT.c.id == attachment.id)

    def of_run(self, run_id: RunId) -> list[AttachmentHead]:
        """The attachments of a run without their content, oldest first."""
        return self._all(AttachmentHead, _ATTACHMENT_HEADS, {"run_id": run_id})

    def get(self, run_id: RunId, number: int) -> AttachmentRecord | None:
        """One attachment with its content; None when the run has no such number."""
        return self._first(AttachmentRecord, _ATTACHMENT, {"run_id": run_id, "number": number})
