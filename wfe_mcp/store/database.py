"""The user's database and its transactions.

    with store.tx() as tx:      all of it is durable, or nothing; on SQLite one writer at a time (BEGIN IMMEDIATE)
    with store.read() as tx:    one consistent moment; a write raises
    with store.rehearse() as tx:  the same, and what a rehearsal keeps stays in memory

Rules:
1. Connections, locks and figures are the database's (``databases.py``); statements are the same for each.
2. Faults of the setup (busy, full, read-only, damaged) are refused as ``unavailable``; every other error is our bug.
3. Transactions are short: no gate, no git and no network inside one.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.store.databases import Database, database_at
from wfe_mcp.store.repository import Caches, Library, Repository, RepositoryPart, TransactionContext

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from wfe_mcp.store.driver import Wording
    from wfe_mcp.store.integrity.record_seals import SealRepository
    from wfe_mcp.store.items import ItemRepository
    from wfe_mcp.store.jobs.jobs import JobRepository, QueueRepository
    from wfe_mcp.store.jobs.lines import LineRepository
    from wfe_mcp.store.jobs.model_calls import ModelCallRepository
    from wfe_mcp.store.jobs.tool_calls import ToolCallRepository
    from wfe_mcp.store.jobs.usage_sums import UsageSumRepository
    from wfe_mcp.store.maintenance.bundles import BundleRepository
    from wfe_mcp.store.maintenance.figures import FigureRepository
    from wfe_mcp.store.maintenance.retention import RetentionRepository
    from wfe_mcp.store.maintenance.verify import VerificationRepository
    from wfe_mcp.store.projects import DocumentRepository, ProcessRepository, ProjectRepository
    from wfe_mcp.store.records.runs import Health
    from wfe_mcp.store.runs.approvals import ApprovalRepository
    from wfe_mcp.store.runs.artifacts import ArtifactRepository, AttachmentRepository
    from wfe_mcp.store.runs.events import EventRepository
    from wfe_mcp.store.runs.evidence import EvidenceRepository, OpinionRepository
    from wfe_mcp.store.runs.phase_sums import PhaseSumRepository
    from wfe_mcp.store.runs.runs import RunRepository, StepRepository
    from wfe_mcp.store.runs.timeline import ActivityRepository, TimelineRepository
    from wfe_mcp.store.search.find import SearchRepository
    from wfe_mcp.store.search.index import SearchNoteRepository
    from wfe_mcp.store.search.upkeep import SearchIndexRepository
    from wfe_mcp.store.settings import SecretRepository, SettingsLogRepository, TrustRepository
    from wfe_mcp.store.templates import TemplateRepository


class Tx(Repository):
    """A transaction: one repository for each noun."""

    projects: RepositoryPart[ProjectRepository] = RepositoryPart("projects:ProjectRepository")
    documents: RepositoryPart[DocumentRepository] = RepositoryPart("projects:DocumentRepository")
    templates: RepositoryPart[TemplateRepository] = RepositoryPart("templates:TemplateRepository")
    items: RepositoryPart[ItemRepository] = RepositoryPart("items:ItemRepository")

    runs: RepositoryPart[RunRepository] = RepositoryPart("runs.runs:RunRepository")
    events: RepositoryPart[EventRepository] = RepositoryPart("runs.events:EventRepository")
    activity: RepositoryPart[ActivityRepository] = RepositoryPart("runs.timeline:ActivityRepository")
    timelines: RepositoryPart[TimelineRepository] = RepositoryPart("runs.timeline:TimelineRepository")
    phase_sums: RepositoryPart[PhaseSumRepository] = RepositoryPart("runs.phase_sums:PhaseSumRepository")
    artifacts: RepositoryPart[ArtifactRepository] = RepositoryPart("runs.artifacts:ArtifactRepository")
    attachments: RepositoryPart[AttachmentRepository] = RepositoryPart("runs.artifacts:AttachmentRepository")
    evidence: RepositoryPart[EvidenceRepository] = RepositoryPart("runs.evidence:EvidenceRepository")
    approvals: RepositoryPart[ApprovalRepository] = RepositoryPart("runs.approvals:ApprovalRepository")
    opinions: RepositoryPart[OpinionRepository] = RepositoryPart("runs.evidence:OpinionRepository")
    steps: RepositoryPart[StepRepository] = RepositoryPart("runs.runs:StepRepository")

    jobs: RepositoryPart[JobRepository] = RepositoryPart("jobs.jobs:JobRepository")
    queues: RepositoryPart[QueueRepository] = RepositoryPart("jobs.jobs:QueueRepository")
    lines: RepositoryPart[LineRepository] = RepositoryPart("jobs.lines:LineRepository")
    model_calls: RepositoryPart[ModelCallRepository] = RepositoryPart("jobs.model_calls:ModelCallRepository")
    usage_sums: RepositoryPart[UsageSumRepository] = RepositoryPart("jobs.usage_sums:UsageSumRepository")
    tool_calls: RepositoryPart[ToolCallRepository] = RepositoryPart("jobs.tool_calls:ToolCallRepository")

    secrets: RepositoryPart[SecretRepository] = RepositoryPart("settings:SecretRepository")
    trust: RepositoryPart[TrustRepository] = RepositoryPart("settings:TrustRepository")
    settings_log: RepositoryPart[SettingsLogRepository] = RepositoryPart("settings:SettingsLogRepository")
    processes: RepositoryPart[ProcessRepository] = RepositoryPart("projects:ProcessRepository")

    seals: RepositoryPart[SealRepository] = RepositoryPart("integrity.record_seals:SealRepository")
    verification: RepositoryPart[VerificationRepository] = RepositoryPart("maintenance.verify:VerificationRepository")
    bundles: RepositoryPart[BundleRepository] = RepositoryPart("maintenance.bundles:BundleRepository")
    figures: RepositoryPart[FigureRepository] = RepositoryPart("maintenance.figures:FigureRepository")
    retention: RepositoryPart[RetentionRepository] = RepositoryPart("maintenance.retention:RetentionRepository")
    search: RepositoryPart[SearchRepository] = RepositoryPart("search.find:SearchRepository")
    search_index: RepositoryPart[SearchIndexRepository] = RepositoryPart("search.upkeep:SearchIndexRepository")
    search_notes: RepositoryPart[SearchNoteRepository] = RepositoryPart("search.index:SearchNoteRepository")

    def __init__(self, shared: TransactionContext) -> None:
        super().__init__(shared)
        self.afterwards: list[Callable[[], object]] = []
        self.beforehand: list[Callable[[], object]] = []
        self.undone: list[Callable[[], object]] = []

    def before_commit(self, action: Callable[[], object]) -> None:
        """Call ``action`` in this transaction, once all else is written."""
        self.beforehand.append(action)

    def after_rollback(self, action: Callable[[], object]) -> None:
        """Call ``action`` when this transaction is undone; never when it is committed."""
        self.undone.append(action)

    def after_commit(self, action: Callable[[], object], *, first: bool = False) -> None:
        """Call ``action`` once everything here is durable, outside the transaction; never when it is undone.

        ``first``: before what was asked for earlier.
        """
        self.afterwards.insert(0 if first else len(self.afterwards), action)


class Store:
    """The database of one user, or of a team. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._caches = Caches(Library(database.words))
        self.settings_listeners: list[Callable[[], object]] = []
        """Called after the commit of a transaction that changed a setting."""

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        durable: bool = True,
    ) -> Store:
        """The store at ``url``, created or upgraded when needed. Refuses ``unavailable``: see ``sqlite.py``, ``postgres/``.

        ``durable=False`` is for tests: a commit does not wait for the disk (``sqlite.py``, rule 3).
        """
        database = database_at(url, durable=durable)
        with database.refusals():
            store = cls(database, clock, new_id)
            try:
                database.prepare()
                database.look_at(store._caches.library)
            except BaseException:
                store.close()
                raise
        return store

    @property
    def path(self) -> Path:
        """The database's file. Refuses ``unavailable`` where it is none: PostgreSQL."""
        return self._database.path

    @property
    def has_file(self) -> bool:
        """Whether the database is a file of this machine, which can be copied, shrunk and checked."""
        return self._database.has_file

    @property
    def place(self) -> Path:
        """The database's file, or where one would lie: what this machine keeps for itself (keys, anchors, hooks) is beside it."""
        return self._database.place

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a child process opens the same database. They may have a password: never show them."""
        return self._database.environment

    def word_faults(self, wording: Wording) -> None:
        """Let a fault of the setup be refused as ``wording`` says: a server names no database to its callers."""
        self._database.wording = wording

    def now(self) -> datetime | None:
        """The time at the server of the database, by which leases of several machines are compared; None for a file."""
        return self._database.now()

    def close(self) -> None:
        """Close all connections after open transactions have finished."""
        self._database.close()

    @contextmanager
    def tx(self) -> Generator[Tx]:
        """A transaction that may write. It is committed at the end of the block, and undone when the block raises."""
        with self._database.refusals(), self._database.writer() as writer:
            transaction = self._transaction(writer, locks_rows=self._database.locks_rows)
            try:
                with writer.begin():
                    yield transaction
                    # Now that the block is over: one signature covers all that it added to the settings log.
                    transaction.settings_log.sign()
                    transaction.search_notes.write()
                    for action in transaction.beforehand:
                        action()
            except BaseException:
                for action in transaction.undone:
                    action()
                raise
        # Outside the transaction: what fails here undoes nothing.
        for action in (
            *transaction.afterwards,
            *(self.settings_listeners if transaction.settings_log.has_changed else ()),
        ):
            action()

    @contextmanager
    def read(self) -> Generator[Tx]:
        """A transaction that sees one moment and cannot write."""
        refusals = self._database.refusals(reads_only=True)
        with refusals, self._database.reader() as connection, connection.begin():
            yield self._transaction(connection)

    @contextmanager
    def rehearse(self) -> Generator[Tx]:
        """As ``read``, but documents and revisions can be kept in it; they are forgotten at its end."""
        from wfe_mcp.store.rehearsal import RehearsedArtifacts, RehearsedDocuments

        with self.read() as tx:
            # The attribute of an instance is read before its Part (repository.py).
            tx.__dict__ |= {"documents": RehearsedDocuments(tx.shared), "artifacts": RehearsedArtifacts(tx.shared)}
            yield tx

    def data_version(self) -> int:
        """A number that changes with every commit, by any process; cheap enough to poll."""
        return self._database.data_version()

    def others_version(self) -> int:
        """A number that changes with every commit of another process; on SQLite with none of this one."""
        return self._database.others_version()

    def connections(self) -> tuple[int, int]:
        """The connections with the database that this process uses now, and how many it may use."""
        return self._database.connections()

    def health(self) -> Health:
        """The figures that ``doctor`` shows about the database."""
        return self._database.health()

    def newer_version(self) -> Refused | None:
        """The refusal where a newer version has upgraded the database since this process opened it."""
        with self.read() as tx:
            return tx.runs.newer_version()

    def change_to_wal(self) -> bool:
        """Give the file a write-ahead log; whether it has one now. The caller knows that no other process uses the file."""
        return self._database.change_to_wal()

    def _transaction(self, connection: Connection, *, locks_rows: bool = False) -> Tx:
        return Tx(TransactionContext(connection, self._clock, self._new_id, self._caches, locks_rows=locks_rows))
