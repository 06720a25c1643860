"""The engine: the context of one project in one process (store, settings, identity).

There is one ``Engine`` per process and project. It opens the
database with the first call that needs it, so that a server answers its handshake before SQL is loaded. What a capability
remembers between its calls is a class of that capability (``state_of``): the engine knows none of them.

The actors that the engine itself speaks for.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import tempfile
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Assurance, Attempt, By, Channel, RunId
from wfe_mcp.engine.kernel.template_cache import TemplateCache
from wfe_mcp.workspace.files.programs import temporary_outside
from wfe_mcp.workspace.system.location import Project, database_url, is_named_by_repository
from wfe_mcp.workspace.system.process import ProcessIdentity, holder_id, is_alive, parse_holder, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from wfe_mcp.core.events import Event
    from wfe_mcp.store import Store, Tx
    from wfe_mcp.store.driver import Wording
    from wfe_mcp.store.records.runs import LoadedRun, OpenAttempt
    from wfe_mcp.workspace.config.settings import LoadedSettings


S = TypeVar("S")

log = logging.getLogger("wfe_mcp.engine")

_WORKERS = {"serve", "server", "worker"}
"""The kinds of registered processes that work the queues of their project, or of all."""

CLI_HOLDER = "cli"
"""The holder of phases claimed at a terminal: its lease ends by time-out or from the CLI."""

_TOKEN_HOLDER = re.compile(r"api:([^:]+)")
"""What holds by an access token. A session of a page (``api:session:page``, ``api:person:NAME``) is none."""
LEASE = timedelta(hours=1)
"""The lease time of a holder on another host (or ``cli``)."""


OWN_KEY = "own:"
"""The beginning of each ``own_key``."""


def own_key(file: Path) -> str:
    """The name under which trust in the user's configuration is kept."""
    return f"{OWN_KEY}{file}"


@contextmanager
def _collecting_nothing() -> Generator[None]:
    """Imports make objects that all stay: a garbage collection while SQLAlchemy loads costs 50 ms."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


class CommitWatcher(Protocol):
    """Hears of the commits of this process, and has an end of its own."""

    def note(self, runs: Iterable[str] = (), events: Sequence[Event] = (), *, by_human: bool = False) -> None:
        """These runs have new events; none given: the settings have changed."""
        ...

    def close(self) -> None:
        """Finish: no more commits follow."""
        ...


class Engine:
    """The engine of one project in one process. ``beside``: another one of this process with the same database."""

    def __init__(
        self,
        project: Project,
        *,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = utc_now,
        store: Store | None = None,
        holder: str | None = None,
        beside: Engine | None = None,
    ) -> None:
        self.project = project
        self.environment = dict(os.environ if environment is None else environment)
        temporary_outside(self.environment, project.root)
        if temporary_outside(os.environ, project.root):
            tempfile.tempdir = None  # it may be remembered already
        self.clock = clock
        self._holder = holder
        self._is_beside = beside is not None
        self.plans = TemplateCache() if beside is None else beside.plans
        self.listeners: list[Callable[[str], None]] = []
        self.workers: dict[Callable[[], None], Callable[[Tx, str], bool]] = {}
        """What wakes each worker of this process, and claims the next job of a queue for it in the transaction that enqueued it."""
        self.watchers: list[CommitWatcher] = []
        self.watched: dict[str, list[CommitWatcher]] = {} if beside is None else beside.watched
        """The watchers of all engines beside each other, by project; the first of these that is closed ends them."""
        self.states: dict[type, object] = {}
        """What ``state_of`` has created, by class."""
        self.shared_states: dict[type, object] = {} if beside is None else beside.shared_states
        self._store = store
        self._wording: Wording | None = None
        self._project_id: str | None = None
        self.is_server = False
        """Whether this process works the queues of the project from its first answer on."""
        self.serves_folder = False
        """Whether its callers work in its folder whatever their channel: the other end of a bridge."""
        self.people_at = "" if beside is None else beside.people_at
        """The address of this server where people log in to it, and decide; empty in any other process."""
        self.token_counts: Callable[[Tx, str], bool] = self._has_token if beside is None else beside.token_counts
        """Whether the token of this name opens something now; where people log in, also whether its maker has the role for it."""
        self.perhaps = ""
        """The missing project that this one may continue, as a sentence with the command; shown where nothing is open."""
        self._opening = threading.Lock()

    @cached_property
    def identity(self) -> ProcessIdentity:
        """The identity of this process. Made when it is asked for: a list of templates does without psutil."""
        return this_process()

    @cached_property
    def holder(self) -> str:
        """The name under which this engine holds phases."""
        return self._holder or holder_id(self.identity)

    @property
    def store(self) -> Store:
        """The database, opened (and migrated) on first use."""
        with self._opening:
            if self._store is None:
                # SQLAlchemy costs 270 ms: it loads with the first call, after the handshake.
                with _collecting_nothing():
                    from wfe_mcp.store import Store

                if self.clock is utc_now:
                    self.clock = self._shared_time
                try:
                    self._store = Store.open(database_url(self.environment), clock=self.clock)
                except Refused as refused:
                    if self._wording is None:
                        raise
                    raise self._wording(refused) from refused
                if self._wording is not None:
                    self._store.word_faults(self._wording)
            if self._project_id is None:
                from wfe_mcp.engine.kernel.identity import identify

                # Read here, never first inside a transaction: there is one writer at a time.
                self._project_id, self.perhaps = identify(self._store, self.project, brings_back=not self._is_beside)
                self._store.settings_listeners.append(self.has_changed)
            return self._store

    def word_faults(self, wording: Wording) -> None:
        """As ``Store.word_faults``, and while the database cannot be opened; it opens none."""
        self._wording = wording
        if self._store is not None:
            self._store.word_faults(wording)

    def _shared_time(self) -> datetime:
        """The time at the server of the database, which is that of all machines that use it; for a file that of this machine."""
        shared = None if self._store is None else self._store.now()
        return shared or utc_now()

    def ready_when_idle(self, with_files: Sequence[str]) -> int | None:
        """How many work items are ready where an idle probe of the file finds no open run and no page, and all runs ``with_files``.

        It does not load SQL.
        """
        if self._store is not None:
            return None
        from wfe_mcp.store.idle_probe import ready_items
        from wfe_mcp.workspace.files.mirror import mark_of

        # A folder with ``.wfe`` that is not known yet, or with the mark of another project, may be one that was moved.
        may_be_new, mark = not (self.project.root / ".wfe").is_dir(), mark_of(self.project.root)
        url, key = database_url(self.environment), self.project.key
        return ready_items(url, key, may_be_new=may_be_new, mark=mark, with_files=with_files)

    def state_of(self, kind: type[S]) -> S:
        """What a capability remembers for this engine: its one ``kind``, created when it is first asked for."""
        state = self.states.get(kind)
        if state is None:
            state = self.states.setdefault(kind, kind())  # of two threads that create one, both get the first
        return cast("S", state)

    def shared_state_of(self, kind: type[S]) -> S:
        """The same for all engines beside each other in this process: a server has one for each token, and each would begin anew."""
        state = self.shared_states.get(kind)
        if state is None:
            state = self.shared_states.setdefault(kind, kind())
        return cast("S", state)

    @property
    def project_id(self) -> str:
        """The id of this project in the database."""
        if self._project_id is None:
            _ = self.store
        assert self._project_id is not None, "opening the store has just named it"
        return self._project_id

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    def settings(
        self, tx: Tx | None = None, folder: Path | None = None, content: bytes | None = None
    ) -> LoadedSettings:
        """The settings as they are now; project configuration counts only while its bytes are trusted.

        ``tx``: the transaction that the caller is in. A second one beside it would wait for a writer that waits for it.
        ``folder``: another work tree of the project, and ``content`` what its configuration would be where it is not made yet.
        """
        from wfe_mcp.engine.kernel.strict_keys import kept_strict
        from wfe_mcp.workspace.config.settings import load_settings

        if tx is None:
            with self.store.read() as reading:
                return self.settings(reading, folder, content)

        def is_trusted(path: Path, sha256: str) -> bool:
            counts = tx.trust.counts_here if is_named_by_repository(self.project) else tx.trust.is_given
            return counts(self.project_id, str(path), sha256)

        def own_trusted(path: Path, sha256: str) -> bool:
            return tx.trust.is_given_anywhere(own_key(path), sha256)

        kept = kept_strict(tx, self.project_id)
        root = folder or self.root
        return load_settings(
            root, is_trusted, self.environment, own_trusted=own_trusted, kept=kept, project_file=content
        )

    def load(self, tx: Tx, run: str | LoadedRun) -> LoadedRun:
        """The run with this id, or a unique prefix of it, in this project. Refuses ``unknown_run``.

        A run that the caller has loaded before is read again only where it has changed since.
        """
        if not isinstance(run, str):
            if tx.runs.revision(run.record.id) == run.record.revision:
                return run
            run = run.record.id
        # Nearly every call names the whole id: that is one query less.
        loaded = tx.runs.load(RunId(run))
        if loaded is None or loaded.record.project_id != self.project_id:
            loaded = tx.runs.load(tx.runs.find(self.project_id, run).id)
        assert loaded is not None, "runs.find has just seen it"
        return loaded

    def close(self) -> None:
        """End the watchers of commits and close the database."""
        for watchers in (self.watchers, *self.watched.values()):
            while watchers:
                watchers.pop().close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def is_alive(self, holder: str | None, lease_until: datetime | None = None) -> bool:
        """True while the lease of ``holder`` is valid: its process lives, or the remote lease has not expired."""
        # this process, and others of this machine    while the process lives (pid and start time), however long
        # another machine, or ``cli``                 until ``lease_until``: its process cannot be looked at
        if holder is None:
            return False
        # Also past ``lease_until``: a process that asks is alive.
        if holder == self.holder:
            return True
        process = None if holder == CLI_HOLDER else parse_holder(holder)
        if process is not None and process.host == self.identity.host:
            return is_alive(process)
        return lease_until is None or self.clock() < lease_until

    def holds(self, tx: Tx, attempt: Attempt | OpenAttempt) -> bool:
        """True while the lease on ``attempt`` is valid: its holder is alive, and the token that it holds by, if any, counts."""
        by_token = _TOKEN_HOLDER.fullmatch(attempt.holder or "")
        return self.is_alive(attempt.holder, attempt.lease_until) and (
            by_token is None or self.token_counts(tx, by_token[1])
        )

    def _has_token(self, tx: Tx, name: str) -> bool:
        return tx.secrets.has_token(name, self.clock())

    def goes_on(self, tx: Tx, attempt: Attempt) -> bool:
        """Whether its holder can work on the next attempt, too. A command cannot: it ends, and another process claims the phase."""
        return attempt.holder != CLI_HOLDER and self.holds(tx, attempt)

    def has_worker(self, tx: Tx) -> bool:
        """True while a process works the queues of this project: this one, a server, a worker, or whose job is running."""
        if self.workers or self.is_server:
            return True
        for process in tx.processes.on_host(self.identity.host):
            works_here = process.kind in _WORKERS and process.project_id in {None, self.project_id}
            if works_here and is_alive(ProcessIdentity(process.host, process.pid, process.started_at)):
                return True
        ours = f":{self.project_id}"
        return any(
            job.queue.endswith(ours) and self.is_alive(job.lease_owner, job.lease_until) for job in tx.jobs.running()
        )

    def lease_is_lost(self, tx: Tx, attempt: Attempt | OpenAttempt) -> bool:
        """True when the holder of the phase is gone, or its token counts no more."""
        return attempt.holder is not None and not self.holds(tx, attempt)

    def has_changed(self, runs: Iterable[str] = (), events: Sequence[Event] = (), *, by_human: bool = False) -> None:
        """Committed: these runs have new events; none given: the settings have changed."""
        for watcher in self.watchers:
            watcher.note(runs, events, by_human=by_human)

    def tell(self, run: str) -> None:
        """Call every listener of this process with the id of a run that has changed; one that fails keeps none from the others."""
        for listener in self.listeners:
            try:
                listener(run)
            except Exception:
                log.exception("a listener failed after the commit")

    def wake(self) -> None:
        """Wake the worker of this process: a job is queued."""
        for wake_worker in [*self.workers]:
            wake_worker()


SYSTEM = By("wfe-mcp", Channel.SYSTEM, Assurance.AGENT)
"""The server itself: conditions, gates, timers, approval requests that are issued again."""
