"""The engines of all projects of a database, by request or project, re-runs of their gates, and workers of their jobs.

An engine is created at its first use. A project whose folder is missing has none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.commands import Overrule
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, RunId, RunStatus
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.identity import other_key
from wfe_mcp.engine.runs.control import MAY_BE_STALE, MAY_BE_STUCK, stale_of
from wfe_mcp.engine.runs.needs import NOT_OVER
from wfe_mcp.engine.runs.overview import Overview, is_quiet
from wfe_mcp.engine.templates.config_drift import own_configuration, templates_enabled
from wfe_mcp.engine.templates.pending import OWN
from wfe_mcp.engine.templates.trust import pending_trust
from wfe_mcp.store.records.runs import RequestRecord, RunRecord
from wfe_mcp.views.approvals.request import DecisionView, decision_view, takes_answer
from wfe_mcp.views.approvals.trust import trust_path
from wfe_mcp.views.moves.blockers import blocker_of, waits_for
from wfe_mcp.views.moves.calls import user_moves
from wfe_mcp.views.reports.envelopes import overviews_of
from wfe_mcp.views.reports.stuck_runs import StuckAmong, by_engine, stuck_among, without_waiting
from wfe_mcp.views.runs.requests import WaitingTrust
from wfe_mcp.views.values.model import view_of
from wfe_mcp.workspace.system.location import project_at

if TYPE_CHECKING:
    from wfe_mcp.jobs.worker import Worker

log = logging.getLogger("wfe_mcp.dashboard")

_GATES = ("command",)
"""The queues worked here: gates that are fast and free. A server or a worker calls models."""
_LOOK_S = 0.2
_GATES_S = 900.0
_END_S = 6.0
"""Seconds for what judges gates to end: a worker takes five at most."""


MOST_RUNS = 30
ALL_RUNS = 100_000
_TOGETHER = 200
"""So many runs are asked about in one reading transaction: without a write-ahead log a writer waits for its end."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is not over."""

    id: str
    title: str
    status: str
    waits_for: str
    """Who moves it."""
    project: str
    overrulable: tuple[tuple[str, str], ...] = ()
    """Phases at an opinion gate that a person may overrule, each with why it stops."""


class Engines:
    """The engines of all projects in the database of ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._engines = {engine.project_id: engine}
        self._worktrees: dict[Path, Engine] = {}
        self._judging: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._ends = threading.Event()

    def of_request(self, request_id: str) -> Engine | None:
        """The engine of the project that ``request_id`` belongs to; None when there is no such request or folder."""
        with self.engine.store.read() as tx:
            request = tx.approvals.get(request_id)
            loaded = None if request is None else tx.runs.load(request.run_id)
        return None if loaded is None else self.by_id(loaded.record.project_id)

    def of_run(self, run: str) -> Engine | None:
        """The engine of the project of ``run``, a full id; None when there is no such run or folder."""
        with self.engine.store.read() as tx:
            project = tx.runs.projects([RunId(run)]).get(RunId(run))
        return None if project is None else self.by_id(project)

    def by_id(self, project: str) -> Engine | None:
        """The engine of a project in its folder, which may have been moved since; None without such a project or folder.

        That of the page's own project is there also without its folder: by it the lists are read, and said where it is now.
        """
        with self._lock:
            engine = self._engines.get(project)
            if engine is not None and engine.root.is_dir():
                return engine
            with self.engine.store.read() as tx:
                root = tx.projects.roots([project]).get(project)
            if root is None or not Path(root).is_dir():
                return self.engine if project == self.engine.project_id else None
            engine = create_beside(self.engine, project_at(Path(root)), self.engine.holder)
            if engine.project_id != project:
                return None
            self._engines[project] = engine
            return engine

    def by_root(self, folder: str) -> Engine | None:
        """The engine that is there already for the project in ``folder``."""
        with self._lock:
            return next((engine for engine in self._engines.values() if str(engine.root) == folder), None)

    def of_project(self, project: str, folder: str) -> Engine | None:
        """The engine of a project in ``folder``, one of its worktrees; None when there is no such project or worktree."""
        engine = self.by_id(project)
        if engine is None or not os.path.isdir(folder):  # noqa: PTH112 - a name may be too long for pathlib
            return None
        place = project_at(Path(folder))
        if place.root == engine.root:
            return engine
        if place.key not in {engine.project.key, other_key(engine.project.key)}:
            return None
        with self._lock:
            if place.root not in self._worktrees:
                self._worktrees[place.root] = create_beside(engine, place)
            return self._worktrees[place.root]

    def engine_of_run(self, run: str) -> Engine:
        """The engine in the folder where ``run`` works. Refuses ``other_folder``: it is missing."""
        with self.engine.store.read() as tx:
            record = self.engine.load(tx, run).record
        engine = self.of_project(record.project_id, record.worktree)
        if engine is None:
            raise Refused("other_folder", f"Run {record.id} works in {record.worktree}, and that folder is missing.")
        return engine

    def view(self, request_id: str) -> DecisionView | None:
        """The view of a request; None when it, or its project, does not exist."""
        engine = self.of_request(request_id)
        return None if engine is None else decision_view(engine, request_id)

    def open_runs(self) -> list[OpenRun]:
        """The newest open runs of all projects, with who each waits for."""
        return [
            _open_run(engine, overview) for engine, overview in _looks(self._with_engines(self._newest(most=MOST_RUNS)))
        ]

    def waiting(
        self, project: str, sees: Callable[[str], bool], unreadable: dict[str, Refused]
    ) -> tuple[list[tuple[Engine, Overview]], list[WaitingTrust], list[tuple[Engine, RunRecord]]]:
        """The open runs in which a person may be needed, newest first, the projects in which something needs trust, and all open runs.

        Of the projects that the caller ``sees``, or of one; without those whose folder is missing. A project without an open
        run is looked at only where it is that of this page. ``unreadable`` gets why a record cannot be read, by the run.
        """
        runs = self._with_engines(self._newest(project, unreadable=unreadable), sees)
        engines = {engine.project_id: engine for engine, _ in runs}
        if project in {"", self.engine.project_id} and sees(self.engine.project_id):
            engines = {self.engine.project_id: self.engine} | engines
        trust: list[WaitingTrust] = []
        for engine in engines.values():
            with contextlib.suppress(Refused):  # a file changed meanwhile
                trust += [needs for needs in [needs_trust(engine)] if needs is not None]
        return _looks(self._not_quiet(runs), unreadable), trust, runs

    def stuck(self, project: str = "", sees: Callable[[str], bool] = lambda _: True) -> StuckAmong:
        """The runs without progress that wait for no person, of the projects that the caller ``sees`` or of one."""
        stuck = stuck_among(self._with_engines(self._newest(project, statuses=MAY_BE_STUCK), sees))
        unreadable = dict[str, Refused]()
        looks = _looks(self._not_quiet(stuck.runs), unreadable)
        return stuck._replace(runs=without_waiting(stuck.runs, looks, unreadable))

    def stale(self) -> set[str]:
        """The ids of the stale runs of all projects, each by its own setting; by that of this project where the folder is missing."""
        runs = self._newest(statuses=MAY_BE_STALE)
        by_project = by_engine((self.by_id(run.project_id) or self.engine, run) for run in runs)
        return {str(run) for engine, records in by_project for run in stale_of(engine, records)}

    def _with_engines(
        self, runs: Iterable[RunRecord], sees: Callable[[str], bool] = lambda _: True
    ) -> list[tuple[Engine, RunRecord]]:
        pairs = ((self.by_id(run.project_id), run) for run in runs if sees(run.project_id))
        return [(engine, run) for engine, run in pairs if engine is not None]

    def _not_quiet(self, runs: Sequence[tuple[Engine, RunRecord]]) -> list[tuple[Engine, RunRecord]]:
        pairs: list[tuple[Engine, RunRecord]] = []
        for start in range(0, len(runs), _TOGETHER):
            with self.engine.store.read() as tx:
                pairs += [run for run in runs[start : start + _TOGETHER] if not is_quiet(run[0], tx, run[1])]
        return pairs

    def waits(self) -> bool:
        """True while any request takes an answer."""
        return any(takes_answer(engine, request) for request, engine in self._open_requests())

    def judge_again(self, request_id: str) -> None:
        """Run the gates of a request in the background when no server does."""
        engine = self.of_request(request_id)
        with self._lock:
            if engine is None or request_id in self._judging:
                return
            judging = threading.Thread(target=self._judge, args=(engine, request_id), name="gates", daemon=True)
            self._judging[request_id] = judging
            judging.start()

    def close(self) -> None:
        """Stop the background work, which uses the database until this returns; the given engine stays open."""
        self._ends.set()
        with self._lock:
            judging = [*self._judging.values()]
        for thread in judging:
            thread.join(_END_S)

    def _judge(self, engine: Engine, request_id: str) -> None:
        from wfe_mcp.engine.background.daemon import start_worker, stop_worker

        try:
            worker = start_worker(engine, _GATES)
            try:
                waited = 0.0
                while waited < _GATES_S and decision_view(engine, request_id).gating and not self._ends.wait(_LOOK_S):
                    waited += _LOOK_S
            finally:
                stop_worker(engine, worker)
        except Exception:
            log.exception("the gates of request %s did not run here", request_id)
        finally:
            with self._lock:
                self._judging.pop(request_id, None)

    def _newest(
        self,
        project: str = "",
        most: int = ALL_RUNS,
        unreadable: dict[str, Refused] | None = None,
        statuses: Sequence[RunStatus] = NOT_OVER,
    ) -> tuple[RunRecord, ...]:
        with self.engine.store.read() as tx:
            page = tx.runs.page(project or None, status=statuses, limit=most, archived=False)
        if unreadable is not None:
            unreadable |= {**page.damaged}
        return page.runs

    def _open_requests(self) -> list[tuple[RequestRecord, Engine]]:
        pairs = list[tuple["RequestRecord", Engine]]()
        with self.engine.store.read() as tx:
            requests = tx.approvals.open_requests()
            projects = tx.runs.projects([record.run_id for record in requests])
        for request in requests:
            engine = self.by_id(projects[request.run_id])
            pairs += [(request, engine)] if engine is not None else []
        return pairs


def _looks(
    runs: Iterable[tuple[Engine, RunRecord]], unreadable: dict[str, Refused] | None = None
) -> list[tuple[Engine, Overview]]:
    return list(overviews_of([(engine, run.id) for engine, run in runs], unreadable))


def _open_run(engine: Engine, stands: Overview) -> OpenRun:
    record, state = stands.loaded.record, stands.loaded.state
    return view_of(
        OpenRun,
        record,
        status=str(state.status),
        waits_for=waits_for(stands),
        project=str(engine.root),
        overrulable=tuple(
            (str(attempt.phase), _why(stands, attempt))
            for attempt in state.open_attempts
            if any(isinstance(move, Overrule) for move in user_moves(stands, attempt))
        ),
    )


def _why(stands: Overview, attempt: Attempt) -> str:
    blocker = blocker_of(stands, attempt)
    return "" if blocker is None else blocker.sentence


def needs_trust(engine: Engine) -> WaitingTrust | None:
    """What needs trust in the project of ``engine``; None: nothing."""
    names = [trust.name for trust in pending_trust(engine)]
    if OWN not in names and (own_configuration(engine).changed or templates_enabled(engine)):
        names.append(OWN)
    return WaitingTrust(folder=str(engine.root), path=trust_path(engine), names=tuple(names)) if names else None


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
