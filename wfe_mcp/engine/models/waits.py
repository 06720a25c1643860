"""What a run waits for while a model or the disk fails: the end of an outage, a person who reviews, or the time of a retry.

asked a few times ──► fallbacks ──┬► the run pauses, a timer is set ──► it resumes by itself, or by command
          the disk of a check is full ──┘

Rules:
1. A person was asked by a finished job of the same revision, gate and tree, and is waited for until an opinion is stored.
2. While the question is open, no change of the run asks it again: see ``reactions.enqueue_gate``.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunId, RunState, Stage
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.store import Tx
from wfe_mcp.store.records.calls import MANUAL_MODEL
from wfe_mcp.store.records.jobs import JobRecord, JobStatus
from wfe_mcp.store.records.runs import LoadedRun, RunRecord
from wfe_mcp.workspace.files.disk import is_closed


class Outage(Exception):
    """A gate cannot be judged or a phase worked now, and no one's work is why: a provider does not answer, or the disk takes nothing.

    ``after_s``: seconds until the retry. ``result``: what the job keeps of it.
    """

    def __init__(self, reason: str, after_s: float | None = None, **result: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.result = {"outage": reason, **result}


PROVIDER_IS_OUT = "A provider does not answer"
"""How the reason of a pause for one begins."""


def resumes_at(tx: Tx, run_id: RunId) -> datetime | None:
    """When a timer resumes the paused run; None where none is set."""
    waiting = tx.jobs.filter(run_id, statuses=OPEN_JOBS)
    return next((job.run_at for job in waiting if job.kind == "timer" and job.payload["timer"] == "resume"), None)


def outage_of(fault: Refused | OSError) -> Outage | None:
    """The outage where what failed is that the disk takes nothing; None where it is anything else."""
    cause = fault if isinstance(fault, OSError) else fault.__cause__
    return Outage(fault.text if isinstance(fault, Refused) else f"{fault}.") if is_closed(cause) else None


def outcome_of(engine: Engine, job: JobRecord, outage: Outage) -> Outcome:
    """The end of a job in an outage: the run pauses, and no attempt is used."""
    reason, after_s = outage.reason, outage.after_s
    return Outcome(outage.result, lambda tx: _pause(engine, tx, job, reason, after_s))


def _pause(engine: Engine, tx: Tx, job: JobRecord, reason: str, after_s: float | None) -> None:
    """Pause the run of ``job`` and set the time at which it resumes. A run that the user paused stays paused."""
    from wfe_mcp.workspace.config.layers import seconds

    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        wait_s = seconds(engine.settings(tx).settings.outage.wait) if after_s is None else after_s
        command = c.Pause(reason=reason, by=SYSTEM, at=current.at)
        if refusal(current.state, command) is None:
            current.give(command)
            current.enqueue(
                "timer",
                queue="timer",
                payload={"timer": "resume", "reason": reason},
                run_at=current.at + timedelta(seconds=wait_s),
            )


def go_on(engine: Engine, tx: Tx, job: JobRecord) -> None:
    """Resume the run at the set time. Only the pause that set the timer ends; a later pause stays."""
    with change_run_in(engine, tx, job.of_run, SYSTEM) as current:
        command = c.Resume(by=SYSTEM, at=current.at)
        # The reason names the pause: a person may have resumed, and paused for another one, meanwhile.
        if current.state.reason == job.payload["reason"] and refusal(current.state, command) is None:
            current.give(command)


OPEN_JOBS = (JobStatus.QUEUED, JobStatus.RUNNING)
_WORTH_WAITING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """A person who reviews. ``question_sha256``: the key of the opinion; ``question`` and ``answer``: files, relative to
    the project root. ``text_sha256``: of the question's file as it was written; empty in jobs of older versions.
    """

    reviewer: str
    provider: str
    question_sha256: str
    question: str
    answer: str
    text_sha256: str = ""


def gate_payload(attempt: Attempt) -> dict[str, Any]:
    """What a gate job is about; its verdict counts only while this is unchanged."""
    return {"stage": attempt.stage or Stage.AFTER, "gate": attempt.gate, "sha256": attempt.sha256, "tree": attempt.tree}


def persons_asked(tx: Tx, run: RunRecord, state: RunState, attempt: Attempt) -> tuple[AskedPerson, ...]:
    """The persons that the current gate of ``attempt`` waits for; none while a job of it is open."""
    if attempt.status is not AttemptStatus.GATING or current_gate(state, attempt) != "opinion":
        return ()
    payload = gate_payload(attempt)
    jobs = [job for job in tx.jobs.filter(run.id, attempt.phase, attempt.number) if job.payload == payload]
    if any(job.status in OPEN_JOBS and not job.cancel_requested for job in jobs):
        return ()
    asking = [job.result["by_hand"] for job in jobs if job.result and "by_hand" in job.result]
    people = [AskedPerson(**person) for person in asking[0]] if asking else []
    return tuple(
        person
        for person in people
        if tx.opinions.same_question(
            run.project_id,
            "gate",
            person.reviewer,
            person.provider,
            MANUAL_MODEL,
            person.question_sha256,
            attempt.sha256 or "",
        )
        is None
    )


def all_persons_asked(tx: Tx, loaded: LoadedRun) -> Mapping[PhasePath, tuple[AskedPerson, ...]]:
    """The phases whose gate waits for persons, with those persons."""
    persons_by_path = {
        attempt.phase: persons_asked(tx, loaded.record, loaded.state, attempt)
        for attempt in loaded.state.moving_attempts
    }
    return {path: persons for path, persons in persons_by_path.items() if persons}


def is_left_alone(tx: Tx, loaded: LoadedRun, attempt: Attempt, now: datetime) -> bool:
    """True where waiting for a verdict is of no use: a person is waited for, or the next try is not soon."""
    jobs = tx.jobs.filter(loaded.record.id, attempt.phase, attempt.number, OPEN_JOBS)
    payload, soon = gate_payload(attempt), now + _WORTH_WAITING
    if any(
        job.payload == payload and job.error and job.status is JobStatus.QUEUED and job.run_at > soon for job in jobs
    ):
        return True
    return bool(persons_asked(tx, loaded.record, loaded.state, attempt))


def next_try(job: JobRecord) -> str:
    """When a job that waits is tried again, as the end of a sentence; empty while it runs."""
    return f" at {job.run_at:%Y-%m-%d %H:%M:%S} UTC" if job.status is JobStatus.QUEUED else ""
