"""The trial of one variant: 400 jobs under kill -9, SIGSTOP and crashes of PostgreSQL, and the same at rest.

chaos   three workers killed and two frozen past their lease, most of them in the middle of a job; PostgreSQL crashes twice
calm    400 jobs without a fault; then single jobs to idle workers; then nothing
"""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.engines.crew import WORKERS, Crew, settle
from bench.engines.rows import EFFECTS, KIND, QUEUE, Place
from wfe_mcp.store.records.jobs import NewJob

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engines.crew import Begun
    from tests.postgres import Cluster
    from wfe_mcp.store import Store

JOBS = 400
SHORT_S, LONG_S = 0.02, 0.6
LONG_EVERY = 40
"""Every 40th job takes long: that a signal meets its worker in its middle."""
CHAOS_LEASE_S, CALM_LEASE_S = 3.0, 30.0
_GIVE_UP_S = 25.0
"""Without a further effect for so long, the jobs that are left are lost."""
_RESUME_S = 12.0
_CRASHES = (100, 250)
_PLAN = ("kill", "stop", "kill", "stop")
"""What happens to the workers of the first long jobs, one each; one more is killed at any moment."""
_ANY_MOMENT = 300
_CALLS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE datname ="


@dataclass
class Chaos:
    """What was left of 400 jobs."""

    lost: int = 0
    twice: int = 0
    late_refused: int = 0
    repeated: int = 0
    left: tuple[str, ...] = ()
    undone: int = 0
    took_s: float = 0.0


@dataclass
class Calm:
    """What the same costs. ``starts_ms``: from before the commit that queues a job to the start of its work."""

    took_s: float = 0.0
    statements: float = 0.0
    writes: float = 0.0
    idle: float = 0.0
    starts_ms: list[float] = field(default_factory=list[float])


class Undone(Exception):
    """The transaction is to be rolled back."""


class Trial:
    """One variant in a database of its own."""

    def __init__(self, cluster: Cluster, variant: str, log: Path, *, lease_s: float) -> None:
        self._cluster, self._variant, self._log = cluster, variant, log
        self._database = cluster.new_database()
        self._place = Place(cluster.url(self._database), lease_s=lease_s)
        self._store: Store = self._place.open()
        self._long = set[str]()
        cluster.execute(EFFECTS, database=self._database)

    def close(self) -> None:
        """Drop its database."""
        self._store.close()
        self._cluster.drop(self._database)

    def chaos(self) -> Chaos:
        """400 jobs under all faults at once."""
        found = Chaos()
        with self._crew() as crew:
            undone = self._announce_and_undo()
            began = time.monotonic()
            work = [LONG_S if number % LONG_EVERY == 0 else SHORT_S for number in range(JOBS)]
            jobs, _ = self._announce(work)
            self._long = {job for job, each in zip(jobs, work, strict=True) if each == LONG_S}
            self._disturb(crew)
            found.took_s = time.monotonic() - began
            settle(1.0)  # what a resumed worker writes late comes now
        report = crew.report
        rows = self._rows("SELECT job_id, fence FROM trial_effect")
        recorded = {(job, fence) for job, fence in rows}
        done = {job for job, _ in recorded}
        found.lost = JOBS - len(done)
        found.twice = len(rows) - len(done)
        found.late_refused = sum(1 for claim in report.worked if claim not in recorded and claim[0] in done)
        if found.lost:
            found.left = tuple(
                map(str, self._rows("SELECT id, status, fence, lease_until FROM wfe.job WHERE status <> 'done'"))
            )
        found.repeated = report.repeated
        found.undone = sum(1 for each in report.begun if each.job == undone)
        return found

    def calm(self, singles: int, idle_s: float) -> Calm:
        """The costs without a fault."""
        found = Calm()
        with self._crew() as crew:
            settle(2.0)
            self._cluster.execute("SELECT pg_stat_statements_reset()")
            written, began = self._next_transaction(), time.monotonic()
            self._announce([SHORT_S] * JOBS)
            if not crew.until(lambda: len(crew.report.worked) == JOBS, 120):
                raise RuntimeError(f"{self._variant} did not do {JOBS} jobs in two minutes")
            found.took_s = time.monotonic() - began
            settle(0.2)  # the ends of the last jobs
            found.statements, found.writes = self._calls() / JOBS, (self._next_transaction() - written) / JOBS
            settle(2.0)
            found.starts_ms = [self._one_start(crew) for _ in range(singles)]
            settle(2.0)
            calls = self._calls()
            settle(idle_s)
            found.idle = (self._calls() - calls) / idle_s
        return found

    def _crew(self) -> Crew:
        return Crew(self._variant, self._place, self._log)

    def _announce(self, work: list[float]) -> tuple[list[str], float]:
        """Queue and announce jobs in one transaction: their ids, and when it was about to be committed."""
        with self._store.tx() as tx:
            jobs = [tx.jobs.enqueue(NewJob(KIND, QUEUE, {"work_s": each}, max_attempts=1000)) for each in work]
            return jobs, time.time()

    def _announce_and_undo(self) -> str:
        """Announce a job in a transaction that is rolled back; its id."""
        job = ""

        def fail() -> None:
            raise Undone

        with suppress(Undone), self._store.tx() as tx:
            job = tx.jobs.enqueue(NewJob(KIND, QUEUE, {"work_s": 0.0}))
            tx.before_commit(fail)
        return job

    def _one_start(self, crew: Crew) -> float:
        jobs, at = self._announce([0.0])
        crew.until(lambda: any(each.job == jobs[0] for each in crew.report.begun), 30)
        started = next(each.at for each in crew.report.begun if each.job == jobs[0])
        time.sleep(random.uniform(0.1, 0.6))  # not in step with the polls
        return (started - at) * 1000

    def _disturb(self, crew: Crew) -> None:
        """Kill, freeze and crash while the jobs are done, until all are done or none is any more."""
        faults = Faults(crew, self._long)
        crashes, done, progress, counted = list(_CRASHES), 0, time.monotonic(), 0.0
        while (done < JOBS and time.monotonic() - progress < _GIVE_UP_S) or faults.frozen:
            crew.until(lambda seen=faults.seen: len(crew.report.begun) > seen, 0.05)
            faults.strike()
            if crashes and len(crew.report.worked) >= crashes[0]:
                crashes.pop(0)
                self._cluster.restart("immediate")
            if time.monotonic() - counted < 1.0:
                continue
            counted = time.monotonic()
            now_done = int(self._rows("SELECT count(DISTINCT job_id) FROM trial_effect")[0][0])
            if now_done > done:
                done, progress = now_done, time.monotonic()

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._cluster.rows(query, database=self._database)

    def _calls(self) -> int:
        """Statements of all sessions of this database, BEGIN and COMMIT counted, without what this asks itself."""
        return int(self._cluster.rows(f"{_CALLS} '{self._database}'")[0][0])

    def _next_transaction(self) -> int:
        """The number of the next transaction that writes."""
        return int(self._rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])


class Faults:
    """The signals to workers: the first that begin a long job are hit in its middle, one more at any moment."""

    def __init__(self, crew: Crew, long: set[str]) -> None:
        self._crew, self._long, self._plan = crew, long, list(_PLAN)
        self._hit = set[int]()
        self.seen = 0
        self.frozen: list[tuple[Begun, float]] = []

    def strike(self) -> None:
        """Hit the workers whose turn it is, and resume those that another has overtaken."""
        begun = self._crew.report.begun
        for each in begun[self.seen :]:
            self.seen += 1
            if self._plan and each.worker not in self._hit and each.job in self._long:
                self._hit.add(each.worker)
                action = self._plan.pop(0)
                self._crew.send(each.worker, signal.SIGKILL if action == "kill" else signal.SIGSTOP)
                if action == "stop":
                    self.frozen.append((each, time.monotonic()))
        if self.seen > _ANY_MOMENT and len(self._hit) == len(_PLAN):
            last = next(number for number in range(WORKERS) if number not in self._hit)
            self._hit.add(last)
            self._crew.send(last, signal.SIGKILL)
        for frozen in list(self.frozen):
            if self._may_resume(*frozen):
                self.frozen.remove(frozen)
                self._crew.send(frozen[0].worker, signal.SIGCONT)

    def _may_resume(self, claim: Begun, since: float) -> bool:
        """The first frozen worker resumes once another has done its job, the second while another works on it."""
        report, waited = self._crew.report, time.monotonic() - since
        is_last = bool(self.frozen) and claim is self.frozen[-1][0] and not self._plan
        others = [each for each in report.begun if each.job == claim.job and each.worker != claim.worker]
        over = others if is_last else [each for each in others if (each.job, each.fence) in report.worked]
        return (bool(over) and waited > CHAOS_LEASE_S) or waited > _RESUME_S
