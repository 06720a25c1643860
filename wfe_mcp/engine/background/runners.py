"""Jobs of runners: the server claims each for a runner, and ends it by what the runner reports. The job's row decides, as for workers.

    claim ──► prepared, its tree at refs/wfe/jobs/JOB, a token ──► … heartbeats … ──► end: judged, recorded once, by the fence
      │ decided without a runner: recorded at once, then the next one            └──► back: queued again

Rules:
1. A runner decides nothing: what it says about its job has to be what it was given, and signed by the key that it has here.
2. A claim whose lease is over is over: workers free it (``jobs/heartbeat.py``), and a later report of it opens nothing.
3. Nothing is kept in this process: any server of the database takes the report of a job that another one gave out.
4. A gate that needs no program, or whose files have changed, is judged at once; then no runner gets anything.
5. A full disk is no verdict, whether here or on the runner: the run pauses, as where the server runs the check.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath

from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.access import runners as access
from wfe_mcp.engine.access.tokens import Token
from wfe_mcp.engine.background.daemon import gave_up_of
from wfe_mcp.engine.background.queues import work_limits
from wfe_mcp.engine.credentials.handing import HandedCredentials, given_to_check
from wfe_mcp.engine.evaluation.gate_jobs import (
    AskedCheck,
    asked_check,
    judged_by,
    leave_for_room,
    record,
    skipped_before,
)
from wfe_mcp.engine.evaluation.gate_scene import JudgedGate, Scene, exact_names, file_beside, scene_of_job
from wfe_mcp.engine.files.tree_binding import kept_look
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.run_change import queue_name
from wfe_mcp.engine.models import waits as outages
from wfe_mcp.gates.check import written_by
from wfe_mcp.gates.expectation import Expectation
from wfe_mcp.gates.from_runner import judge_report
from wfe_mcp.gates.judgement import needs_credential, undecided
from wfe_mcp.gates.place import level_of_check, not_given
from wfe_mcp.gates.runner_protocol import Claim, Ended, Heartbeat, Pulse, Report, Task, Waiting
from wfe_mcp.jobs.child import run_child
from wfe_mcp.jobs.completion import Completion
from wfe_mcp.jobs.handed import CredentialMissing
from wfe_mcp.jobs.heartbeat import take_over
from wfe_mcp.jobs.job_context import Outcome
from wfe_mcp.store import Tx
from wfe_mcp.store.records.jobs import JobRecord, JobStatus, labels_of
from wfe_mcp.workflow.expressions import ExpressionError, fill_shape
from wfe_mcp.workflow.model.gates import CommandGate
from wfe_mcp.workspace.config.checks import FrozenCheck
from wfe_mcp.workspace.files.paths import path_fault
from wfe_mcp.workspace.git.job_refs import drop_jobs, job_ref, keep_files
from wfe_mcp.workspace.git.repository import head
from wfe_mcp.workspace.git.service import GitGrant
from wfe_mcp.workspace.git.working_tree import HashedTree, SeenFiles
from wfe_mcp.workspace.system.ed25519 import signature_holds

log = logging.getLogger("wfe_mcp.engine")

_OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)
_MOST = 20
"""How many jobs that need no runner are ended in the time of one question."""


class _NotForItError(Exception):
    """The job that was due asks for other labels: its claim is rolled back."""


@dataclass(frozen=True, slots=True)
class PreparedCheck:
    """A check that a runner can do. ``tree``: the files that it is about."""

    check: FrozenCheck
    gate: CommandGate
    scene: Scene
    expectation: Expectation
    seen: SeenFiles
    tree: HashedTree


def meet(engine: Engine, token: Token, claim: Claim) -> None:
    """A runner asks for work: its key is the one that it has here, and people see that it is there. Refuses as ``pin_key``."""
    access.pin_key(engine, token, claim.key)
    access.note_seen(engine, token, claim.labels)


def next_task(engine: Engine, token: Token, claim: Claim) -> Task | None:
    """The next check of this project for the runner with ``token``; None: there is none now."""
    endings = _endings(engine)
    for _ in range(_MOST):
        job = _claim_job(engine, endings, token, claim)
        if job is None:
            return None
        try:
            preparation = prepare(engine, job)
            if isinstance(preparation, PreparedCheck):
                try:
                    return _task(engine, token, claim, job, preparation)
                except CredentialMissing as missing:
                    preparation = without_credentials(preparation, missing)
            endings.complete(job, _outcome(engine, job, preparation))
        except (Refused, OSError) as fault:
            if (outage := outages.outage_of(fault)) is not None:
                endings.complete(job, outages.outcome_of(engine, job, outage))
            else:
                reason = fault.text if isinstance(fault, Refused) else str(fault)
                endings.fail(job, reason, for_good=isinstance(fault, Refused) and fault.code != "unavailable")
        except Exception as fault:
            log.exception("job %s could not be given to a runner", job.id)
            endings.fail(job, f"{type(fault).__name__}: {fault}")
    return None


def _claim_job(engine: Engine, endings: Completion, token: Token, claim: Claim) -> JobRecord | None:
    labels, queue = frozenset(claim.labels), queue_name("runner", engine.project_id)
    with engine.store.read() as tx:
        jobs = tx.jobs.filter(statuses=_OPEN, queues=(queue,))
        claims = work_limits(engine)(tx).claims if jobs else None
    now = engine.clock()
    if any(open_job.lease_until is not None and open_job.lease_until < now for open_job in jobs):
        take_over(engine.store, engine.identity, engine.clock, endings, (queue,))
    keys = {open_job.limit_key for open_job in jobs if open_job.limit_key}
    closed = frozenset(key for key in keys if not labels_of(key) <= labels)
    if claims is None or all(open_job.limit_key in closed for open_job in jobs):
        return None
    with suppress(_NotForItError), engine.store.tx() as tx:
        limits = replace(claims, closed=closed)
        job = tx.jobs.claim(access.OWNER + token.name, (queue,), claim.lease_s, engine.clock(), limits)
        # It was enqueued after the look above, so that its labels were not among the closed ones.
        if job is not None and not labels_of(job.limit_key) <= labels:
            raise _NotForItError
        return job
    return None


def _task(engine: Engine, token: Token, claim: Claim, job: JobRecord, found: PreparedCheck) -> Task:
    scene, check = found.scene, found.check
    oid, commit = keep_files(scene.root, job.id, found.tree.files, engine.clock())
    credentials = (
        given_to_check(engine, check, job.of_run, scene.attempt) if check.credentials else HandedCredentials({}, {})
    )
    about = access.RunnerClaim(
        job.id, job.fence, token.name, claim.key, engine.project_id, found.tree.id or "", oid, str(scene.root)
    )
    with engine.store.tx() as tx:
        open_now = {open_job.id for open_job in tx.jobs.filter(statuses=_OPEN, queues=(job.queue,))}
        for job_id in access.claimed_jobs(tx):
            if (gone := tx.jobs.get(job_id)) is None or gone.status is not JobStatus.RUNNING:
                access.forget_claim(tx, job_id, engine.clock())
        text = access.keep_claim(tx, about, engine.clock())
    drop_jobs(scene.root, open_now | {job.id})
    return Task(
        job=job.id,
        fence=job.fence,
        project=engine.project_id,
        run=job.of_run,
        phase=scene.attempt.phase,
        attempt=scene.attempt.number,
        runner=token.name,
        check=check,
        tree=oid,
        commit=commit,
        ref=job_ref(job.id),
        token=text,
        lease_s=claim.lease_s,
        variables=credentials.variables,
        files=credentials.files,
    )


def heartbeat(engine: Engine, text: str, job_id: str, beat: Heartbeat) -> Pulse:
    """Renew the lease of a claim. Refuses ``unauthorized``: it is over."""
    with engine.store.tx() as tx:
        claim, job = _claim_on(engine, tx, text, job_id)
        until = engine.clock() + timedelta(seconds=beat.lease_s)
        if job.cancel_requested or not tx.jobs.heartbeat(job.id, claim.fence, until):
            return Pulse(cancel=True)
        access.note_alive(tx, claim.runner, engine.clock())
        if beat.tail and beat.tail != (job.result or {}).get("text"):
            tx.jobs.show(job.id, claim.fence, beat.tail)
    return Pulse(cancel=False)


def end(engine: Engine, text: str, job_id: str, report: Report) -> Ended:
    """Judge the report of a claim, and record the verdict in the transaction that ends the job.

    Refuses ``unauthorized`` (the claim is over) and ``conflict`` (the report is not about it, or its signature does not hold).
    """
    with engine.store.read() as tx:
        claim, job = _claim_on(engine, tx, text, job_id)
    endings = _endings(engine)
    _refuse_other(claim, job, report)
    # Before it is judged: a cancel that was there first wins over the report.
    if job.cancel_requested:
        endings.cancel(job)
        _over(engine, claim)
        return Ended(verdict="cancelled")
    try:
        outcome = _outcome(engine, job, _verdict_on(engine, job, claim, report))
    except (Refused, OSError) as fault:
        if (outage := outages.outage_of(fault)) is None:
            raise
        outcome = outages.outcome_of(engine, job, outage)
    is_written = endings.complete(job, outcome)
    _over(engine, claim)
    return Ended(verdict=str(outcome.result.get("verdict", "dropped")) if is_written else "dropped")


def _verdict_on(engine: Engine, job: JobRecord, claim: access.RunnerClaim, report: Report) -> JudgedGate | None:
    preparation = prepare(engine, job)
    if not isinstance(preparation, PreparedCheck):
        return preparation
    if report.statement.argv != preparation.check.argv:
        raise _other("it ran another command")
    if preparation.tree.id == claim.tree:
        return judged_from(preparation, report, claim.tree)
    return JudgedGate(None, preparation.scene.tree_of(preparation.seen), seen=preparation.seen)


def give_back(engine: Engine, text: str, job_id: str) -> Ended:
    """Queue the job of a claim again: its runner stops. Refuses ``unauthorized``."""
    with engine.store.read() as tx:
        claim, job = _claim_on(engine, tx, text, job_id)
    endings = _endings(engine)
    endings.cancel(job) if job.cancel_requested else endings.handed_back(job, f"its runner {claim.runner} stopped.")
    _over(engine, claim)
    return Ended(verdict="queued")


def waiting_jobs(engines: Iterable[Engine]) -> list[Waiting]:
    """What waits for runners and what they do, by project and set of labels."""
    waitings: list[Waiting] = []
    for engine in engines:
        now = engine.clock()
        with engine.store.read() as tx:
            jobs = tx.jobs.filter(statuses=_OPEN, queues=(queue_name("runner", engine.project_id),))
        for labels in sorted({tuple(sorted(labels_of(job.limit_key))) for job in jobs}):
            ours = [job for job in jobs if tuple(sorted(labels_of(job.limit_key))) == labels]
            queued = [job for job in ours if job.status is JobStatus.QUEUED]
            oldest = max(((now - job.run_at).total_seconds() for job in queued), default=0.0)
            waitings.append(
                Waiting(
                    project=engine.project_id,
                    labels=labels,
                    queued=len(queued),
                    running=len(ours) - len(queued),
                    oldest_wait_s=round(max(0.0, oldest), 1),
                )
            )
    return waitings


def job_grant(engine: Engine, text: str, project: str) -> GitGrant:
    """What the token of a claim opens of a project's repository: the tree of its job. Refuses ``unauthorized``, ``forbidden``."""
    with engine.store.read() as tx:
        claim, _ = access.claim_of(engine, tx, text)
    if claim.project != project:
        raise Refused("forbidden", "This token is for a job of another project.", "Fetch the ref that its task names.")
    return GitGrant(Path(claim.root), (job_ref(claim.job),), "")


def project_of(engine: Engine, text: str) -> str:
    """The project of the claim that a token opens. Refuses ``unauthorized``."""
    with engine.store.read() as tx:
        return access.claim_of(engine, tx, text)[0].project


def _claim_on(engine: Engine, tx: Tx, text: str, job_id: str) -> tuple[access.RunnerClaim, JobRecord]:
    claim, job = access.claim_of(engine, tx, text)
    if claim.job != job_id or claim.project != engine.project_id:
        raise Refused("forbidden", f"This token is for job {claim.job}.", "Use the token that came with the task.")
    return claim, job


def _refuse_other(claim: access.RunnerClaim, job: JobRecord, report: Report) -> None:
    stated = report.statement
    expected = {
        "job": claim.job,
        "fence": claim.fence,
        "project": claim.project,
        "run": job.of_run,
        "phase": job.phase,
        "attempt": job.attempt,
        "runner": claim.runner,
        "key": claim.key,
        "tree": claim.oid,
    }
    if differs := [name for name, ours in expected.items() if getattr(stated, name) != ours]:
        raise _other(f"it is about another {', '.join(differs)}")
    if not signature_holds(claim.key, report.signature, stated.to_sign()):
        raise _other("its signature does not hold")
    hashes = {file.path: sha256_hex(file.content) for file in report.reports}
    if sha256_hex(report.log) != stated.log_sha256 or hashes != stated.reports:
        raise _other("its log or its reports have other hashes than it says")
    if any("\\" in file.path or path_fault(file.path) for file in report.reports):
        raise _other("a report has a path that leads out")
    if any(str(parent) in hashes for path in hashes for parent in PurePosixPath(path).parents):
        raise _other("a report has a path below another one's")


def _other(why: str) -> Refused:
    return Refused("conflict", f"This report does not count: {why}.", "Report what the task named, as it was given.")


def _outcome(engine: Engine, job: JobRecord, judged: JudgedGate | None) -> Outcome:
    if judged is None:
        return Outcome({"stale": True})
    try:
        leave_for_room(engine, job, judged.judgement)
    except outages.Outage as outage:
        return outages.outcome_of(engine, job, outage)
    verdict = str(judged.judgement.kind) if judged.judgement else "the files had changed"
    return Outcome({"verdict": verdict}, lambda tx: record(engine, tx, job, judged))


def _over(engine: Engine, claim: access.RunnerClaim) -> None:
    """Remove what was made for a claim that has ended, unless another claim of the job has it by now."""
    with engine.store.tx() as tx:
        row = tx.jobs.get(claim.job)
        if row is not None and row.status is JobStatus.RUNNING:
            return
        access.forget_claim(tx, claim.job, engine.clock())
        busy = {job.id for job in tx.jobs.filter(statuses=_OPEN, queues=(queue_name("runner", claim.project),))}
    drop_jobs(Path(claim.root), busy)


def _endings(engine: Engine) -> Completion:
    return Completion(engine.store, engine.clock, gave_up_of(engine))


def prepare(engine: Engine, job: JobRecord) -> PreparedCheck | JudgedGate | None:
    """What the runner of ``job`` does; the verdict where that is known without; None when it is no longer needed."""
    with engine.store.read() as tx:
        due = scene_of_job(engine, tx, job)
        if due is None:
            return None
        gate, scene = due
        current, attempt = scene.change, scene.attempt
    seen = kept_look(engine, current.run) or scene.look() or SeenFiles(scene.root)
    tree = scene.tree_of(seen)
    if tree != attempt.tree and attempt.tree is not None:
        return JudgedGate(None, tree, seen=seen)
    try:
        exact, test_file = exact_names(gate), file_beside(gate, scene.values)
        ready = fill_shape(gate, scene.values, current.plan.expressions)
        assert isinstance(ready, CommandGate), "others wait for no runner"
        asked = asked_check(ready, scene)
        expectation = Expectation.of(ready.expect.model_dump(mode="json", exclude_unset=True), exact, test_file)
    except (ExpressionError, ValueError):
        return judged_by(gate, scene, run_child, seen)  # it says why, and runs nothing
    if not isinstance(asked, AskedCheck) or asked.check is None:
        return judged_by(gate, scene, run_child, seen)
    files = seen.tree(written_by(asked.check))
    if files.id is None:
        why = f"Check {asked.check.name!r} runs on a runner only, and this folder has no git tree to send there."
        return scene.judge(undecided("command", why, "run `git init`."), seen)
    return PreparedCheck(asked.check, ready, scene, expectation, seen, files)


def without_credentials(prepared: PreparedCheck, missing: CredentialMissing) -> JudgedGate:
    """The verdict on ``prepared``, whose credentials are not there: no runner gets it."""
    check = prepared.check
    data = {"check": check.name, "level": level_of_check(check), "credentials": [*missing.names]}
    why = f"{not_given(check)} {missing.message}"
    return prepared.scene.judge(needs_credential("command", why, missing.hint, data), prepared.seen)


def judged_from(prepared: PreparedCheck, report: Report, tree: str) -> JudgedGate:
    """The verdict on ``prepared`` from the report of a runner that was given ``tree``."""
    scene, gate = prepared.scene, prepared.gate
    at = head(scene.root)
    judgement = judge_report(
        report,
        prepared.check,
        prepared.expectation,
        root=scene.root,
        evidence_dir=scene.evidence_dir,
        tree=tree,
        head=at,
        if_missing=gate.if_missing,
        skipped_before=skipped_before(gate, scene),
    )
    return scene.judge(judgement, prepared.seen, head=at)
