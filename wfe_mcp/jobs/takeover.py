"""Reclaims jobs of dead processes.

    the owner's process has ended (pid and start time, this host)    ┐ cancel requested → cancelled
    the lease has expired                                            ┘ no attempts left → given up
                                                                       non-repeatable → parked
                                                                       anything else → queued, due at once
Rules:
1. The row changes first, then the processes end: once the row has changed, a late result of the old claim fails the
   fence check. So the exit code of a child that was ended here never counts as the child's own.
2. After a crash between the two, the next claim ends the processes with the previous claim's mark.
3. A final end of a job changes its run, so it is left to a worker of the job's own queue.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from wfe_mcp.jobs.completion import Completion
from wfe_mcp.jobs.job_context import mark_of
from wfe_mcp.jobs.process_tree import end_process_tree
from wfe_mcp.store import Store
from wfe_mcp.store.records.jobs import Effect, JobRecord
from wfe_mcp.workspace.system.process import ProcessIdentity, is_alive, parse_holder

_LOG = logging.getLogger(__name__)


def take_over(
    store: Store,
    me: ProcessIdentity,
    clock: Callable[[], datetime],
    endings: Completion,
    queues: Sequence[str] | None = None,
) -> int:
    """Free the jobs of dead or late owners. Returns their number. Cheap when there are none.

    ``queues``: those whose jobs may end finally here; None is all.
    """
    with store.read() as tx:
        held = tx.jobs.running()
    now = clock()
    orphans = [job for job in held if _is_dead(job.lease_owner) or _is_late(job, now)]
    ours = [job for job in orphans if queues is None or job.queue in queues or _is_repeated(job)]
    freed = [job for job in ours if _decide(job, endings)]
    for job in freed:
        _LOG.info("job %s (%s) was taken from %s", job.id, job.kind, job.lease_owner)
        _end_children(job, me)
    return len(freed)


def _is_dead(owner: str | None) -> bool:
    identity = parse_holder(owner or "")
    return identity is not None and not is_alive(identity)


def _is_late(job: JobRecord, now: datetime) -> bool:
    return job.lease_until is not None and job.lease_until < now


def _is_repeated(job: JobRecord) -> bool:
    """True when freeing the job needs no change of its run: it will be queued again, or cancelled."""
    return job.cancel_requested or (job.effect is not Effect.NON_REPEATABLE and job.tries < job.max_attempts)


def _end_children(job: JobRecord, me: ProcessIdentity) -> None:
    owner = parse_holder(job.lease_owner or "")
    if owner is None or owner.host != me.host:
        return
    # By mark too: the owner may have died between starting the child and recording its pid.
    survivors = end_process_tree(job.child_pid, job.child_started_at, mark_of(job.id, job.fence), grace_s=0.5)
    if survivors:  # pragma: no cover - only a process stuck in the kernel survives SIGKILL
        _LOG.warning("job %s left processes that could not be ended: %s", job.id, survivors)


def _decide(job: JobRecord, endings: Completion) -> bool:
    """Free the row. False when another process was faster."""
    if job.cancel_requested:
        return endings.cancelled(job)
    if job.effect is not Effect.NON_REPEATABLE and not _is_repeated(job):
        return endings.failed(job, f"the process that worked on it ended {job.tries} times.", for_good=True)
    return endings.handed_back(job, "the process that worked on it ended.")
