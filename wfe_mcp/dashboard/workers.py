"""The workers of a page's or server's process: one for each project in use."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.jobs.worker import Worker

log = logging.getLogger("wfe_mcp.dashboard")


class ProjectWorkers:
    """A worker for each project that was called for, or has a job that waits. ``engines``: those of all projects."""

    def __init__(self, engines: Callable[[], Engines]) -> None:
        self._engines = engines
        self._workers: dict[str, Worker] = {}
        self._roots: dict[str, Path] = {}
        self._left_alone: set[str] = set()
        self._lock = threading.Lock()

    def work(self, engine: Engine) -> None:
        """Work the jobs of the project of ``engine`` in this process. Idempotent.

        They are worked in the project's own folder: that of a developer who comes over a bridge has a copy of its configuration,
        which is renewed with the calls of that developer alone.
        """
        from wfe_mcp.engine.background.daemon import start_worker, tend_open_runs
        from wfe_mcp.engine.integrity.anchoring import anchoring_of

        own = self._engines().by_id(engine.project_id)
        if own is not None and own.root != engine.root:
            engine = own
        with self._lock:
            is_first = self._roots.get(engine.project_id) != engine.root
            if is_first:
                if (before := self._workers.get(engine.project_id)) is not None:  # the project was moved
                    before.stop()
                tend_open_runs(engine)
                self._workers[engine.project_id] = start_worker(engine)
                self._roots[engine.project_id] = engine.root
        self._workers[engine.project_id].wake()
        if is_first and (anchoring := anchoring_of(engine)) is not None:
            anchoring.catch_up()  # with what the last process left undone; it reads every anchor, so no one else waits for it

    def work_what_waits(self) -> None:
        """Work the projects in which a job waits and no one works here: they need no call to go on, such as after a restart."""
        from wfe_mcp.engine.background.queues import projects_with_jobs

        engines = self._engines()
        for project in sorted(projects_with_jobs(engines.engine) - self._workers.keys() - self._left_alone):
            engine = engines.by_id(project)
            if engine is None:
                self._left_alone.add(project)
                log.warning("the jobs of the project %s are left alone: its folder is not there", project)
            else:
                self.work(engine)

    @property
    def slots(self) -> dict[str, tuple[int, int]]:
        """Queue, without its project → the occupied slots of this process, and how many it has."""
        slots_by_queue: dict[str, tuple[int, int]] = {}
        with self._lock:
            items = [item for worker in self._workers.values() for item in worker.slots.items()]
        for name, (taken, total) in items:
            queue = name.partition(":")[0]
            before = slots_by_queue.get(queue, (0, 0))
            slots_by_queue[queue] = (before[0] + taken, before[1] + total)
        return slots_by_queue

    def stop(self) -> None:
        """Stop them; running jobs are taken over by another process."""
        with self._lock:
            for worker in self._workers.values():
                worker.stop()
            self._workers.clear()
            self._roots.clear()
