"""The server's project: its engine, its background worker, and the threads of its calls.

Rules:
1. One process serves one project; no tool asks a model for it. Errors of the project are reported by every call and
   never end the server: the next call checks again.
2. Database, worker and process register are opened only after the first answer to the client.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio import to_thread

from wfe_mcp.artifacts.isolated import end_children
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.integrity.anchoring import start_anchoring
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.served_project import ServedProject
from wfe_mcp.workspace.system.process import client_of_server, stream, this_process

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.jobs.worker import Worker
    from wfe_mcp.store.records.runs import ProcessRecord

AskRoots = Callable[[], Awaitable[Sequence[str]]]
T = TypeVar("T")

THREADS = 4
"""Concurrent calls; SQLite has one writer, so more would only wait."""

PATIENCE_S = 1.5
"""How long a request that the client cancelled or left may still run."""

START_S = 5.0
"""How long the end waits for a start that still runs, as long as for the jobs of the worker."""

log = logging.getLogger("wfe_mcp.server")


async def no_roots() -> Sequence[str]:
    """The folders of a client without any."""
    return ()


class ProjectSession:
    """The project of this process, its engine and its worker.

    ``starts_page``: whether the decision page may be started, which outlives this process. ``streams``: what the process
    began with as standard input and output. ``opened``: an engine of this project from before the event loop; the session
    closes it. ``threads``: those that it shares with other sessions of the process.
    """

    by: By | None = None
    """The caller, where the transport knows it; else the client names itself."""
    is_ending = False
    """Whether calls that wait answer now, since the process ends."""
    is_remote = False
    """Whether the client is a program elsewhere: then no user is asked through it, and what it answers for one does not count."""

    def refuse_tool(self, name: str) -> None:
        """Refuse a tool that this client may not call; one on standard input may call each."""

    def __init__(
        self,
        flag: str | None,
        environment: Mapping[str, str],
        cwd: Path | None,
        *,
        starts_page: bool = False,
        streams: tuple[os.stat_result, os.stat_result] | None = None,
        opened: Engine | None = None,
        threads: anyio.CapacityLimiter | None = None,
    ) -> None:
        self.starts_page = starts_page
        self._streams = streams
        self._served = ServedProject(flag, dict(environment), cwd)
        self._opened = opened
        self.is_started = False
        self._engine: Engine | None = None
        self._listener: Callable[[str], None] | None = None
        self._worker: Worker | None = None
        self._process: ProcessRecord | None = None
        self._opening = anyio.Lock()
        self._starting = threading.Lock()
        self._threads = threads
        self._change = asyncio.Event()
        self._changed: set[str] = set()

    @property
    def is_settled(self) -> bool:
        """True when the project is known without asking the client for its roots.

        A git repository around the working directory counts as the project for a client that can be asked only within a
        call: such clients start the server there, and asking would cost the first call a round trip.
        """
        return self.is_open or self._served.is_named or self._served.is_in_repository

    @property
    def is_open(self) -> bool:
        """True once the engine exists."""
        return (self._engine or self._opened) is not None

    async def engine(self, ask_roots: AskRoots = no_roots) -> Engine:
        """The engine, created at the first call. Refuses a named folder that does not exist."""
        if self._engine is None:
            async with self._opening:
                if self._engine is None:
                    engine, self._opened = self._opened, None
                    if engine is None:
                        roots = () if self._served.is_named else await ask_roots()
                        engine = await self.in_thread(partial(self._served.engine, roots))
                    self._listener = partial(self._on_run_change, asyncio.get_running_loop())
                    engine.listeners.append(self._listener)
                    self._engine = engine
        return self._engine

    async def in_thread(self, ask: Callable[[], T]) -> T:
        """Run ``ask`` in a thread. A cancelled caller waits for its end, so that no work is left half done, but at most
        ``PATIENCE_S``: then it leaves the thread, whose transaction is made completely or not at all.
        """
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(THREADS)
        working = asyncio.ensure_future(to_thread.run_sync(ask, limiter=self._threads, abandon_on_cancel=True))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([working], timeout=PATIENCE_S)
            working.add_done_callback(_ask_for_its_error)
            working.cancel()  # its place among the threads is free for other calls
            raise

    def next_change(self) -> asyncio.Event:
        """An event that is set when this process changes a run. Changes of other processes are polled."""
        return self._change

    def take_changed(self) -> set[str]:
        """The runs that this process has changed since the last call."""
        taken, self._changed = self._changed, set()
        return taken

    async def start(self, ask_roots: AskRoots = no_roots) -> None:
        """Register this process and start the worker. A failure is logged and retried with the next call."""
        if self.is_started:
            return
        self.is_started = True
        try:
            engine = await self.engine(ask_roots)
            await self.in_thread(partial(self._start_in, engine))
        except Exception as exc:
            self.is_started = False
            log.warning("the worker of this server did not start: %s", exc)

    async def close(self) -> None:
        """Stop the worker and close the database."""
        engine, self._engine, self._opened = self._engine or self._opened, None, None
        self.is_started = False
        if engine is not None:
            # A thread of its own: those of requests may all be busy with work that no caller awaits any more.
            await to_thread.run_sync(partial(self._close_in, engine), limiter=anyio.CapacityLimiter(1))
        self._threads = None

    def stop_listening(self) -> None:
        """Hear no more of the runs that an engine changes, which goes on without this session."""
        if self._engine is not None and self._listener is not None:
            self._engine.listeners.remove(self._listener)
            self._listener = None

    def _on_run_change(self, loop: asyncio.AbstractEventLoop, run: str) -> None:
        """Called by the engine, in the thread that changed ``run``."""
        with suppress(RuntimeError):  # the loop is closed: no call waits
            loop.call_soon_threadsafe(self._notify, run)

    def _notify(self, run: str) -> None:
        self._changed.add(run)
        self._change.set()
        self._change = asyncio.Event()

    def _start_in(self, engine: Engine) -> None:
        with self._starting:
            if engine is self._engine:
                self._start_worker(engine)

    def _start_worker(self, engine: Engine) -> None:
        from wfe_mcp.engine.background.daemon import start_worker, tend_open_runs
        from wfe_mcp.engine.maintenance.restore_log import remove_all_left_copies
        from wfe_mcp.store.records.runs import ProcessRecord

        began = None if self._streams is None else (stream(self._streams[0]), stream(self._streams[1]))
        me, client = this_process(), client_of_server(streams=began)
        record = ProcessRecord(
            me.host,
            me.pid,
            me.started_at,
            "serve",
            client.pid if client else None,
            client.started_at if client else None,
            engine.project_id,
        )
        with engine.store.tx() as tx:
            tx.processes.register(record)
        self._process = record
        remove_all_left_copies(engine.store.place)
        start_anchoring(engine, catch_up=True)  # including what the last process left undone
        tend_open_runs(engine)
        self._worker = start_worker(engine, process="server")

    def _close_in(self, engine: Engine) -> None:
        # A start that goes on after the end would leave a worker that no one stops, and open the database again.
        has_ended = self._starting.acquire(timeout=START_S)
        try:
            self._end_worker(engine)
        finally:
            if has_ended:
                self._starting.release()

    def _end_worker(self, engine: Engine) -> None:
        worker, self._worker = self._worker, None
        process, self._process = self._process, None
        end_children()  # the worker would wait for them
        if worker is not None:
            worker.stop()
        if process is not None:
            # Its disk may be full; the next process forgets one that is gone.
            with suppress(Refused), engine.store.tx() as tx:
                tx.processes.forget(process)
        engine.close()


def _ask_for_its_error(working: asyncio.Future[Any]) -> None:
    """No caller awaits this work any more: the loop would log that its error was never retrieved."""
    if not working.cancelled():
        working.exception()
