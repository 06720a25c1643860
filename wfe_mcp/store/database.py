"""The user's database and its transactions.

    with store.tx() as tx:      one writer at a time (BEGIN IMMEDIATE); all of it is durable, or nothing
    with store.read() as tx:    one consistent moment; a write raises
    with store.rehearse() as tx:  the same, and what a rehearsal keeps stays in memory

Rules:
1. A process has one writing connection and a few reading ones: threads queue here, processes at the file.
2. Faults of the setup (busy, full, read-only, damaged) are refused as ``unavailable``; every other error is our bug.
3. Transactions are short: no gate, no git and no network inside one.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from wfe_mcp.core.errors import Refused
from wfe_mcp.store import sqlite
from wfe_mcp.store.driver import HEAD, driver
from wfe_mcp.store.records.runs import Health
from wfe_mcp.store.rehearsal import RehearsedArtifacts, RehearsedDocuments
from wfe_mcp.store.repository import Caches, Part, Repository, Shared
from wfe_mcp.store.schema.upgrade import bring_to_head, stored_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from wfe_mcp.store.integrity.record_seals import SealRepository
    from wfe_mcp.store.items import ItemRepository
    from wfe_mcp.store.jobs.jobs import JobRepository, QueueRepository
    from wfe_mcp.store.jobs.lines import LineRepository
    from wfe_mcp.store.jobs.model_calls import ModelCallRepository
    from wfe_mcp.store.jobs.tool_calls import ToolCallRepository
    from wfe_mcp.store.maintenance.bundles import BundleRepository
    from wfe_mcp.store.maintenance.retention import RetentionRepository
    from wfe_mcp.store.maintenance.verify import VerificationRepository
    from wfe_mcp.store.processes import ProcessRepository
    from wfe_mcp.store.projects import DocumentRepository, ProjectRepository
    from wfe_mcp.store.runs.approvals import ApprovalRepository
    from wfe_mcp.store.runs.artifacts import ArtifactRepository, AttachmentRepository
    from wfe_mcp.store.runs.events import EventRepository
    from wfe_mcp.store.runs.evidence import EvidenceRepository, OpinionRepository
    from wfe_mcp.store.runs.runs import RunRepository, StepRepository
    from wfe_mcp.store.runs.timeline import ActivityRepository, TimelineRepository
    from wfe_mcp.store.search.find import SearchRepository
    from wfe_mcp.store.search.index import SearchNoteRepository
    from wfe_mcp.store.search.upkeep import SearchIndexRepository
    from wfe_mcp.store.settings import SecretRepository, SettingsLogRepository, TrustRepository
    from wfe_mcp.store.templates import TemplateRepository

_DATA_VERSION = text("PRAGMA data_version")


class Tx(Repository):
    """A transaction: one repository for each noun."""

    projects: Part[ProjectRepository] = Part("wfe_mcp.store.projects:ProjectRepository")
    documents: Part[DocumentRepository] = Part("wfe_mcp.store.projects:DocumentRepository")
    templates: Part[TemplateRepository] = Part("wfe_mcp.store.templates:TemplateRepository")
    items: Part[ItemRepository] = Part("wfe_mcp.store.items:ItemRepository")

    runs: Part[RunRepository] = Part("wfe_mcp.store.runs.runs:RunRepository")
    events: Part[EventRepository] = Part("wfe_mcp.store.runs.events:EventRepository")
    activity: Part[ActivityRepository] = Part("wfe_mcp.store.runs.timeline:ActivityRepository")
    timelines: Part[TimelineRepository] = Part("wfe_mcp.store.runs.timeline:TimelineRepository")
    artifacts: Part[ArtifactRepository] = Part("wfe_mcp.store.runs.artifacts:ArtifactRepository")
    attachments: Part[AttachmentRepository] = Part("wfe_mcp.store.runs.artifacts:AttachmentRepository")
    evidence: Part[EvidenceRepository] = Part("wfe_mcp.store.runs.evidence:EvidenceRepository")
    approvals: Part[ApprovalRepository] = Part("wfe_mcp.store.runs.approvals:ApprovalRepository")
    opinions: Part[OpinionRepository] = Part("wfe_mcp.store.runs.evidence:OpinionRepository")
    steps: Part[StepRepository] = Part("wfe_mcp.store.runs.runs:StepRepository")

    jobs: Part[JobRepository] = Part("wfe_mcp.store.jobs.jobs:JobRepository")
    queues: Part[QueueRepository] = Part("wfe_mcp.store.jobs.jobs:QueueRepository")
    lines: Part[LineRepository] = Part("wfe_mcp.store.jobs.lines:LineRepository")
    model_calls: Part[ModelCallRepository] = Part("wfe_mcp.store.jobs.model_calls:ModelCallRepository")
    tool_calls: Part[ToolCallRepository] = Part("wfe_mcp.store.jobs.tool_calls:ToolCallRepository")

    secrets: Part[SecretRepository] = Part("wfe_mcp.store.settings:SecretRepository")
    trust: Part[TrustRepository] = Part("wfe_mcp.store.settings:TrustRepository")
    settings_log: Part[SettingsLogRepository] = Part("wfe_mcp.store.settings:SettingsLogRepository")
    processes: Part[ProcessRepository] = Part("wfe_mcp.store.processes:ProcessRepository")

    seals: Part[SealRepository] = Part("wfe_mcp.store.integrity.record_seals:SealRepository")
    verification: Part[VerificationRepository] = Part("wfe_mcp.store.maintenance.verify:VerificationRepository")
    bundles: Part[BundleRepository] = Part("wfe_mcp.store.maintenance.bundles:BundleRepository")
    retention: Part[RetentionRepository] = Part("wfe_mcp.store.maintenance.retention:RetentionRepository")
    search: Part[SearchRepository] = Part("wfe_mcp.store.search.find:SearchRepository")
    search_index: Part[SearchIndexRepository] = Part("wfe_mcp.store.search.upkeep:SearchIndexRepository")
    search_notes: Part[SearchNoteRepository] = Part("wfe_mcp.store.search.index:SearchNoteRepository")

    def __init__(self, shared: Shared) -> None:
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
    """The database of one user. Safe to use from several threads."""

    def __init__(
        self, path: Path, journal_mode: str, clock: Callable[[], datetime], new_id: Callable[[], str], *, durable: bool
    ) -> None:
        library = driver()
        self._path = path
        self._journal_mode = journal_mode
        self._version = tuple[int, ...](library.sqlite_version_info)
        self._clock = clock
        self._new_id = new_id
        self._caches = Caches()
        self._writing = threading.Lock()
        self._watching = threading.Lock()
        self._write_engine = sqlite.make_engine(path, library, reads_only=False, durable=durable)
        self._read_engine = sqlite.make_engine(path, library, reads_only=True, durable=durable)
        self.settings_listeners: list[Callable[[], object]] = []
        """Called after the commit of a transaction that changed a setting."""
        self._writer: Connection | None = None
        self._watcher: Connection | None = None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        durable: bool = True,
    ) -> Store:
        """The store at ``url``, created or upgraded when needed. Refuses ``unavailable``: see ``sqlite.py``.

        ``durable=False`` is for tests: a commit does not wait for the disk (``sqlite.py``, rule 3).
        """
        path = sqlite.database_file(url)
        head = sqlite.make_file(path)
        with sqlite.refusals(path):
            store = cls(path, sqlite.choose_journal(path, driver(), head), clock, new_id, durable=durable)
            try:
                store._bring_to_head()
                store._look_for_fts5()
            except BaseException:
                store.close()
                raise
        return store

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._path

    def close(self) -> None:
        """Close all connections after open transactions have finished."""
        with self._writing, self._watching:
            for connection in (self._writer, self._watcher):
                if connection is not None:
                    connection.close()
            self._writer = self._watcher = None
            self._write_engine.dispose()
            self._read_engine.dispose()

    @contextmanager
    def tx(self) -> Generator[Tx]:
        """A transaction that may write. It is committed at the end of the block, and undone when the block raises."""
        with self._turn(), sqlite.refusals(self._path):
            writer = self._writer = self._writer or self._write_engine.connect()
            made = self._of(writer)
            try:
                with writer.begin():
                    yield made
                    made.settings_log.sign()
                    made.search_notes.write()
                    for action in made.beforehand:
                        action()
            except BaseException:
                for action in made.undone:
                    action()
                raise
            finally:
                self._end_what_is_open(writer)
        for action in (*made.afterwards, *(self.settings_listeners if made.settings_log.has_changed else ())):
            action()

    @staticmethod
    def _end_what_is_open(writer: Connection) -> None:
        """With a rollback journal readers may hold a commit up for too long; the driver then leaves the transaction open."""
        connection: Any = writer.connection.dbapi_connection
        if connection is not None and connection.in_transaction:
            connection.rollback()

    @contextmanager
    def read(self) -> Generator[Tx]:
        """A transaction that sees one moment and cannot write."""
        refusals = sqlite.refusals(self._path, reads_only=True)
        with refusals, self._read_engine.connect() as connection, connection.begin():
            yield self._of(connection)

    @contextmanager
    def rehearse(self) -> Generator[Tx]:
        """As ``read``, but documents and revisions can be kept in it; they are forgotten at its end."""
        with self.read() as tx:
            # The attribute of an instance is read before its Part (repository.py).
            tx.__dict__ |= {"documents": RehearsedDocuments(tx.shared), "artifacts": RehearsedArtifacts(tx.shared)}
            yield tx

    def data_version(self) -> int:
        """A number that changes with every commit to the file, by any process; cheap enough to poll."""
        with self._watching, sqlite.refusals(self._path):
            if self._watcher is None:
                self._watcher = self._read_engine.connect()
            with self._watcher.begin():
                return int(self._watcher.execute(_DATA_VERSION).scalar_one())

    def others_version(self) -> int:
        """A number that changes with every commit of another process, and with none of this one."""
        with self._turn(), sqlite.refusals(self._path):
            self._writer = self._writer or self._write_engine.connect()
            # SQLite leaves out the commits of the connection that asks
            raw: Any = self._writer.connection.dbapi_connection
            return int(sqlite.patiently(raw, "PRAGMA data_version")[0])

    def health(self) -> Health:
        """The figures that ``doctor`` shows about the database."""
        with sqlite.refusals(self._path), self._read_engine.connect() as connection, connection.begin():
            revision = stored_revision(connection)
        version = ".".join(str(part) for part in self._version)
        return Health(str(self._path), self._journal_mode, version, sqlite.wal_is_safe(self._version), revision or "")

    def change_to_wal(self) -> bool:
        """Give the file a write-ahead log; whether it has one now. The caller knows that no other process uses the file."""
        self.close()
        self._journal_mode = sqlite.change_to_wal(self._path, driver())
        return self._journal_mode == "wal"

    def _bring_to_head(self) -> None:
        with self._read_engine.connect() as connection, connection.begin():
            if stored_revision(connection) == HEAD:
                return
        with self._write_engine.connect() as connection, connection.begin():
            bring_to_head(connection, self._path)
        # The reading connection saw the file without its tables. SQLite looks again when it next reads, but while the
        # file is locked it says "no such table" instead of "busy".
        self._read_engine.dispose()

    def _look_for_fts5(self) -> None:
        library = self._caches.library
        with self._read_engine.connect() as connection, connection.begin():
            library.has_fts5 = sqlite.has_fts5(connection)
            library.can_find = library.has_fts5 and sqlite.has_find_text(connection)

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._writing.acquire(timeout=sqlite.BUSY_TIMEOUT_S):
            raise Refused(
                "unavailable",
                "The database is busy: another call of this process has been writing for long.",
                "Call again in a moment.",
                data={"retry": True},
            )
        try:
            yield
        finally:
            self._writing.release()

    def _of(self, connection: Connection) -> Tx:
        return Tx(Shared(connection, self._clock, self._new_id, self._caches))
