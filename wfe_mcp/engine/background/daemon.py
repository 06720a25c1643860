"""The worker process: it runs jobs without serving a client, for its project or for every project of the database.

It holds one worker for its project, or one for each project of the database with open work.
It registers like a server, but its terminal is never taken for an agent's.

Rules:
1. Each project uses its own configuration and folder. One whose folder is gone, or now holds another
   project, is skipped and reported once.
2. At the end every unfinished job returns to its queue at once.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.engine.background.job_handlers import new_worker, tend_open_runs
from wfe_mcp.engine.background.queues import QUEUES
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.integrity.anchoring import start_anchoring, stop_anchoring
from wfe_mcp.store.records.runs import ProcessRecord
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.process import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.worker import Worker

log = logging.getLogger("wfe_mcp.engine")

LOOK_S = 2.0
_ASK_S = 0.2


class Workers:
    """The workers of this process. ``engine``: of the project it was started in; ``everywhere``: of all projects."""

    def __init__(self, engine: Engine, kinds: Sequence[str] = QUEUES, *, everywhere: bool = False) -> None:
        self._engine, self._kinds, self._everywhere = engine, tuple(kinds), everywhere
        self._workers: dict[str, Worker] = {}
        self._engines: list[Engine] = []
        self._left_alone: set[str] = set()
        me = this_process()
        project = None if everywhere else engine.project_id
        self._process = ProcessRecord(me.host, me.pid, me.started_at, "worker", project_id=project)

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects that have a worker here."""
        return tuple(self._workers)

    def run_until(self, is_over: Callable[[], bool]) -> int:
        """Work until ``is_over()``, polled often; then return unfinished jobs to their queues and count them."""
        with self._engine.store.tx() as tx:
            tx.processes.register(self._process)
        try:
            next_look = 0.0
            while not is_over():
                if time.monotonic() >= next_look:
                    self._look()
                    next_look = time.monotonic() + LOOK_S
                time.sleep(_ASK_S)
        finally:
            handed_back = self._stop()
            with self._engine.store.tx() as tx:
                tx.processes.forget(self._process)
        return handed_back

    def _look(self) -> None:
        """Start a worker for each project with open work and no worker here."""
        if not self._everywhere:
            if not self._workers:
                self._begin(self._engine)
            return
        with self._engine.store.read() as tx:
            wanted = (
                {queue.partition(":")[2] for queue in tx.queues.open_names()} - set(self._workers) - self._left_alone
            )
            roots = tx.projects.roots(sorted(wanted))
        for project, root in roots.items():
            found = self._engine_of(project, Path(root))
            if found is None:
                self._left_alone.add(project)
                log.warning("the jobs of the project in %s are left alone: it is not there any more", root)
            else:
                self._begin(found)

    def _engine_of(self, project: str, root: Path) -> Engine | None:
        if not root.is_dir():
            return None
        found = create_beside(self._engine, project_at(root))
        return found if found.project_id == project else None

    def _begin(self, engine: Engine) -> None:
        start_anchoring(engine, catch_up=True)
        worker = new_worker(engine, self._kinds)
        self._workers[engine.project_id] = worker
        self._engines.append(engine)
        tend_open_runs(engine)
        worker.start()

    def _stop(self) -> int:
        from wfe_mcp.store.records.jobs import JobStatus

        running = [job.id for worker in self._workers.values() for job in worker.running]
        for worker in self._workers.values():
            worker.stop()
        for engine in self._engines:
            stop_anchoring(engine)
        # A job whose outcome is written is done, even if its thread still runs follow-up work.
        with self._engine.store.read() as tx:
            rows = [tx.jobs.get(job_id) for job_id in running]
        return sum(row is not None and row.status is not JobStatus.DONE for row in rows)
