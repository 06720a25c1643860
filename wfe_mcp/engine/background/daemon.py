"""The worker process and the handlers of its jobs: gates that read files and run checks, steps, timers, model work.

It holds one worker for its project, or one for each project of the database with open work.
It registers like a server, but its terminal is never taken for an agent's.

Rules:
1. Each project uses its own configuration and folder. One whose folder is gone, or now holds another
   project, is skipped and reported once.
2. At the end every unfinished job returns to its queue at once.

Every server process has one worker; a command line that
waits for its gates has one for that long.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.engine.background import queues
from wfe_mcp.engine.background.processes import register_process
from wfe_mcp.engine.evaluation import second_opinion
from wfe_mcp.engine.evaluation.opinion_by_hand import WaitsForPerson
from wfe_mcp.engine.evaluation.opinion_gate import work_opinion
from wfe_mcp.engine.evaluation.reactions import enqueue_gates
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.files.checkpoints import keep_again
from wfe_mcp.engine.integrity.anchoring import start_anchoring, stop_anchoring
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.evidence_seals import Process, ServerKey
from wfe_mcp.engine.kernel.transaction import change_run, change_run_in
from wfe_mcp.engine.models import waits as outages
from wfe_mcp.engine.outbox.outbox import NOTICE, WEBHOOK
from wfe_mcp.engine.phases import model_worker as driven
from wfe_mcp.engine.phases.model_worker_jobs import driven_gave_up, work_phase
from wfe_mcp.engine.phases.step_jobs import look_again, work_files, work_step
from wfe_mcp.jobs.completion import GaveUp
from wfe_mcp.jobs.job_context import Handler, JobContext, Outcome
from wfe_mcp.jobs.worker import Worker
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus
from wfe_mcp.workspace.config.layers import may_set
from wfe_mcp.workspace.system.location import project_at
from wfe_mcp.workspace.system.temporary import remove_abandoned

log = logging.getLogger("wfe_mcp.engine")

PHASES = frozenset({"step", "files", driven.JOB})
"""The jobs that work phases. A command that waits for something else leaves them alone: it would cut them off at its end."""
LOOK_S = 2.0
_ASK_S = 0.2


class Workers:
    """The workers of this process. ``engine``: of the project it was started in; ``everywhere``: of all projects.

    ``phases``: they also work phases (``PHASES``).
    """

    def __init__(
        self, engine: Engine, kinds: Sequence[str] = queues.QUEUES, *, everywhere: bool = False, phases: bool = True
    ) -> None:
        self._engine, self._kinds, self._everywhere, self._phases = engine, tuple(kinds), everywhere, phases
        self._workers: dict[str, Worker] = {}
        self._engines: list[Engine] = []
        self._left_alone: set[str] = set()

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects that have a worker here."""
        return tuple(self._workers)

    def run_until(self, is_over: Callable[[], bool]) -> int:
        """Work until ``is_over()``, polled often; then return unfinished jobs to their queues and count them."""
        with register_process(self._engine, "worker", None if self._everywhere else self._engine.project_id):
            try:
                next_look = 0.0
                while not is_over():
                    if time.monotonic() >= next_look:
                        self._look()
                        next_look = time.monotonic() + LOOK_S
                    time.sleep(_ASK_S)
            finally:
                handed_back = self._stop()
        return handed_back

    def _look(self) -> None:
        """Start a worker for each project with open work and no worker here."""
        if not self._everywhere:
            if not self._workers:
                self._begin(self._engine)
            return
        wanted = queues.projects_with_jobs(self._engine) - self._workers.keys() - self._left_alone
        with self._engine.store.read() as tx:
            roots = tx.projects.roots(sorted(wanted))
        for project, root in roots.items():
            engine = self._engine_of(project, Path(root))
            if engine is None:
                self._left_alone.add(project)
                log.warning("the jobs of the project in %s are left alone: it is not there any more", root)
            else:
                self._begin(engine)

    def _engine_of(self, project: str, root: Path) -> Engine | None:
        if not root.is_dir():
            return None
        engine = create_beside(self._engine, project_at(root))
        return engine if engine.project_id == project else None

    def _begin(self, engine: Engine) -> None:
        start_anchoring(engine, catch_up=True)
        engine.state_of(ServerKey).process = "worker"
        worker = new_worker(engine, self._kinds, phases=self._phases)
        self._workers[engine.project_id] = worker
        self._engines.append(engine)
        tend_open_runs(engine)
        worker.start()

    def _stop(self) -> int:
        running = [job.id for worker in self._workers.values() for job in worker.running]
        for worker in self._workers.values():
            worker.stop()
        for engine in self._engines:
            stop_anchoring(engine)
        # A job whose outcome is written is done, even if its thread still runs follow-up work.
        with self._engine.store.read() as tx:
            rows = [tx.jobs.get(job_id) for job_id in running]
        return sum(row is not None and row.status is not JobStatus.DONE for row in rows)


_FILES_KEPT_AGAIN = 3


def start_worker(
    engine: Engine, kinds: Sequence[str] = queues.QUEUES, process: Process | None = None, *, phases: bool = True
) -> Worker:
    """A running worker of ``engine``; stop it with ``stop()`` before closing the engine.

    ``process``: what evidence says of it; ``phases``: it also works phases (``PHASES``).
    """
    if process is not None:
        engine.state_of(ServerKey).process = process
    worker = new_worker(engine, kinds, phases=phases)
    worker.start()
    return worker


def new_worker(engine: Engine, kinds: Sequence[str] = queues.QUEUES, *, phases: bool = True) -> Worker:
    """A worker of ``engine`` for queues of these kinds; it runs a job when ``work_one`` is called. ``phases``: ``PHASES``, too."""
    kinds = [kind for kind in kinds if queues.SLOTS.get(kind, 1)]
    names, limits = queues.queue_names(engine, kinds), queues.work_limits(engine)
    worker = Worker(
        lambda: engine.store,
        engine.identity,
        {kind: work for kind, work in _handlers(engine).items() if phases or kind not in PHASES},
        engine.clock,
        names,
        slots={name: queues.SLOTS[kind] for name, kind in zip(names, kinds, strict=True)},
        frees=queues.queue_names(engine, ("runner",)),
        gave_up=gave_up_of(engine),
        limits=limits,
        tend=partial(_plan_schedules, engine),
    )
    # Limits are read through the caller's transaction: one beside it would wait for itself.
    engine.workers[worker.wake] = lambda tx, queue: worker.claim_in(tx, queue, lambda: limits(tx).claims)
    return worker


def stop_worker(engine: Engine, worker: Worker) -> None:
    """Stop a worker of ``engine``, which lives on: this process works its queues no longer."""
    worker.stop()
    del engine.workers[worker.wake]


def _handlers(engine: Engine) -> dict[str, Handler]:
    """What a worker of this version does, by the kind of the job."""
    return {
        "gate": partial(_work_gate, engine),
        "timer": partial(_work_timer, engine),
        "step": partial(work_step, engine),
        "files": partial(work_files, engine),
        second_opinion.JOB: partial(work_opinion, engine),
        queues.JOB: partial(queues.work_question, engine),
        driven.JOB: partial(work_phase, engine),
        **dict.fromkeys((WEBHOOK, NOTICE, "schedule", "claim"), partial(_work_rare, engine)),
    }


def unknown_jobs(engine: Engine) -> list[JobRecord]:
    """Jobs of this project that wait and that no worker of this version takes, as a newer one made them."""
    with engine.store.read() as tx:
        jobs = tx.jobs.filter(statuses=(JobStatus.QUEUED,), queues=queues.known_queues(engine, tx))
    known = _handlers(engine)
    return [job for job in jobs if job.kind not in known]


def gave_up_of(engine: Engine) -> GaveUp:
    """The effect on its attempt of a job that is cancelled or out of retries."""
    return partial(_gave_up, engine)


def tend_open_runs(engine: Engine) -> None:
    """Repair after a crash: fire due timers, enqueue lost gate jobs, write lost proofs and remove what checks left behind.

    Runs that wait for an agent or the user need no repair. The newest checkpoints get their refs back now, older
    ones at a rollback to them.
    """
    remove_abandoned()
    with engine.store.read() as tx:
        newest = tx.runs.open_ids(engine.project_id, limit=_FILES_KEPT_AGAIN)
        runs = tx.runs.to_tend(engine.project_id, engine.clock())
    has_keys = (engine.root / ".wfe" / "approvers.json").is_file()
    for run in dict.fromkeys((*newest, *runs)):
        try:
            keep_again(engine, run)
            if has_keys:
                from wfe_mcp.engine.approvals.proof_files import write_proofs  # what checks signatures

                write_proofs(engine, run)
            if run not in runs:
                continue
            with change_run(engine, run, SYSTEM) as current:
                enqueue_gates(current)
        except Refused as refused:  # a rollback that cannot be finished now: the next call retries
            log.warning("run %s is left alone: %s", run, refused.message)


def _work_gate(engine: Engine, context: JobContext) -> Outcome:
    from wfe_mcp.engine.evaluation.gate_jobs import judge, record

    try:
        judged = judge(engine, context)
    except outages.Outage as outage:
        return outages.outcome_of(engine, context.job, outage)
    except Refused as refused:
        if (outage := outages.outage_of(refused)) is None:
            raise
        return outages.outcome_of(engine, context.job, outage)
    except WaitsForPerson as waits:
        return Outcome({"by_hand": [asdict(person) for person in waits.asked]})
    if judged is None:
        return Outcome({"stale": True})
    return Outcome(
        {"verdict": str(judged.judgement.kind) if judged.judgement else "the files had changed"},
        lambda tx: record(engine, tx, context.job, judged),
    )


def _work_rare(engine: Engine, context: JobContext) -> Outcome:
    """The handler of kinds that few projects have: what works them loads with the first such job."""
    match context.job.kind:
        case "webhook":
            from wfe_mcp.engine.webhooks.sending import deliver as work
        case "notify":
            from wfe_mcp.engine.notifications.notify import show as work
        case "schedule":
            from wfe_mcp.engine.triggers.schedules import start_due as work
        case _:
            from wfe_mcp.engine.evaluation.claim_tests import work_claim as work
    return work(engine, context)


def _plan_schedules(engine: Engine) -> None:
    if may_set({"schedule"}, engine.root, {}):
        from wfe_mcp.engine.triggers.schedules import plan  # what starts runs loads where there is a schedule

        plan(engine)


def _work_timer(engine: Engine, context: JobContext) -> Outcome:
    """The handler of timer jobs: the change itself finds what is due, but for the end of a pause."""
    job = context.job
    if job.payload["timer"] == "resume":
        return Outcome({}, lambda tx: outages.go_on(engine, tx, job))
    return Outcome({}, lambda tx: look_again(engine, tx, job))


def _gave_up(engine: Engine, tx: Tx, job: JobRecord, reason: str) -> None:
    """A gate whose job cannot run at all is an error of the gate, a step's is in doubt: the attempt must not hang."""
    from wfe_mcp.engine.evaluation.gate_scene import judged_attempt

    if job.kind == WEBHOOK:
        tx.lines.advance(job)
    elif job.kind == "schedule":
        return  # the next time is enqueued as always
    elif job.cancel_reason is not None and job.kind != "gate":
        queues.end_for_person(engine, tx, job, reason)
    elif job.kind == "step":
        look_again(engine, tx, job)
    elif job.kind == driven.JOB:
        driven_gave_up(engine, tx, job, reason)
    if job.kind != "gate" or job.run_id is None:
        return
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        attempt = judged_attempt(current, job)
        if attempt is not None:
            current.give(
                c.RecordVerdict(
                    stage=attempt.stage or Stage.AFTER,
                    gate=attempt.gate,
                    outcome=GateOutcome.ERROR,
                    sha256=attempt.sha256 or "",
                    message=f"The gate could not run: {reason}",
                    **current.values_of(attempt),
                )
            )
