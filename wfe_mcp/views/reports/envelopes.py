"""Envelopes about a run: its state, the next calls, why a call was refused, and the conditions that a waiting caller polls.

Level-triggered: a poll reads the state, never a change since a cursor; a lost wake-up costs one period.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, RunId, RunStatus
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.history.rollback_recovery import end_interrupted, is_interrupted
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.waits import is_left_alone
from wfe_mcp.engine.runs.control import end_time
from wfe_mcp.engine.runs.needs import TRUST, Stop, Who
from wfe_mcp.engine.runs.overview import Overview, overview
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.views.artifacts import artifacts as artifact_views
from wfe_mcp.views.moves.blockers import blocker_of, elsewhere
from wfe_mcp.views.moves.calls import commands_after_failure, next_moves, submit_call, wait_call
from wfe_mcp.views.moves.envelope import Envelope, Next
from wfe_mcp.views.runs.left_to_commit import left_to_commit
from wfe_mcp.views.values.model import plain

_TOGETHER = 25
"""Looks at runs in one reading transaction: without a write-ahead log a writer waits for its end."""


def overview_of(engine: Engine, run: str | LoadedRun) -> Overview:
    """The status of ``run`` as this process sees it. An interrupted rollback, and a time that is over, are ended first.

    So is a wait for trust, or for a credential, that nothing needs any more.
    """
    with engine.store.read() as tx:
        run_overview = overview(engine, tx, engine.load(tx, run))
    return _at_its_end(engine, run_overview)


def overviews_of(
    runs: Sequence[tuple[Engine, str]], unreadable: dict[str, Refused] | None = None
) -> Iterator[tuple[Engine, Overview]]:
    """The same for each of ``runs`` of one database; those that were removed meanwhile are left out.

    So are those whose record cannot be read: ``unreadable`` gets why.
    """
    for start in range(0, len(runs), _TOGETHER):
        some = list[tuple[Engine, Overview]]()
        with runs[start][0].store.read() as tx:
            for engine, run in runs[start : start + _TOGETHER]:
                try:
                    some.append((engine, overview(engine, tx, engine.load(tx, run))))
                except Refused as refused:
                    if unreadable is not None and refused.code != "unknown_run":
                        unreadable[run] = tx.runs.damage_of(RunId(run), refused)
        for engine, run_overview in some:
            with suppress(Refused):
                yield engine, _at_its_end(engine, run_overview)


def _at_its_end(engine: Engine, run_overview: Overview) -> Overview:
    run = run_overview.loaded.record.id
    if end_time(engine, run_overview.loaded):
        return overview_of(engine, run)
    if _goes_on_now(engine, run_overview):
        with engine.store.read() as tx:
            return overview(engine, tx, engine.load(tx, run))
    if run_overview.loaded.state.going_back is None or not is_interrupted(engine, run_overview.loaded):
        return run_overview
    with suppress(Refused):  # it cannot be ended now; the blockers name it
        end_interrupted(engine, run)
    with engine.store.read() as tx:
        return overview(engine, tx, engine.load(tx, run))


def _goes_on_now(engine: Engine, run_overview: Overview) -> bool:
    """Whether the run waited for trust, or for a credential, without need, and continues."""
    waits = {need.stop for need in run_overview.needs if need.who is Who.HUMAN}
    if Stop.NEEDS_CREDENTIAL in waits and not all(faults for _, faults in run_overview.lacking):
        from wfe_mcp.engine.phases.waiting import continue_run

        return continue_run(engine, run_overview.loaded.record.id, "command")
    if run_overview.folder or waits.isdisjoint(TRUST):
        return False
    from wfe_mcp.engine.phases.waiting import continue_trusted

    return continue_trusted(engine, run_overview.loaded, steps_wait=bool(run_overview.untrusted))


def envelope_of(
    run_overview: Overview, summary: str, view: object, *, phase: str | None = None, error: Refused | None = None
) -> Envelope:
    """The answer about a run as it is now, and one of its phases."""
    state = run_overview.loaded.state
    of_phase = str(state.current(PhasePath(phase)).status) if phase else None
    return Envelope(
        error is None,
        run_overview.loaded.record.id,
        phase,
        of_phase or str(state.status),
        str(state.status),
        run_overview.waiting_on,
        summary,
        next_moves(run_overview),
        error=error,
        view=view,
    )


def after_move(engine: Engine, run: str | LoadedRun, phase: str, what: str) -> Envelope:
    """The answer to a call that changed a phase: its newest attempt."""
    run_overview = overview_of(engine, run)
    return envelope_of(
        run_overview,
        ". ".join((f"{phase}: {what}", *left_to_commit(run_overview, has_just_ended=True))),
        {"attempt": run_overview.loaded.state.current(PhasePath(phase)).number},
        phase=phase,
    )


def refusal(engine: Engine, refused: Refused, run: str | None = None, phase: str | None = None) -> Envelope:
    """The envelope of a refusal, with the state of the run and the legal next calls where the run is known."""
    run, phase = refused.run or run, refused.phase or phase
    data = dict(refused.data)
    starts = {"unknown_template": (Next("list_templates"),), "unknown_run": (Next("status"),)}.get(refused.code, ())
    run_overview = None
    with suppress(Refused):
        run_overview = overview_of(engine, run) if run else None
    if run_overview is None:
        return Envelope(False, summary=refused.message, next=starts, data=data, error=refused)
    if phase not in run_overview.loaded.state.attempts:
        phase = None
    error = _with_machine_of_holder(
        engine, run_overview, _with_command_of_the_user(run_overview, refused, phase), phase
    )
    # The rules do not know the run's id; a command that is named must be one to paste.
    named = re.sub(r"(?<=[ '])RUN\b", run_overview.loaded.record.id, error.hint)
    error = replace(error, hint=type(error.hint)(named))
    envelope = envelope_of(run_overview, refused.message, data, phase=phase, error=error)
    if error.code == "invalid_template":  # a run keeps its template, so the same call is refused again
        envelope = replace(envelope, next=tuple(move for move in envelope.next if move.args.get("phase") != phase))
    if error.code == "needs_human" and not envelope.next and not run_overview.loaded.state.is_over:
        envelope = replace(envelope, next=(wait_call(run_overview.loaded.record.id),))
    return _resubmit(run_overview, envelope, phase) if refused.code == "invalid_artifact" and phase else envelope


def _with_command_of_the_user(run_overview: Overview, refused: Refused, phase: str | None) -> Refused:
    """``refused`` with what the user can do where no call of an agent helps: after too many invalid artifacts, or at an
    opinion gate that no reviewer answers.

    At a server that people log in to, the page in place of the command that only the user runs.
    """
    attempt = None if phase is None else run_overview.loaded.state.current(PhasePath(phase))
    if refused.code == "invalid_artifact" and attempt is not None and attempt.status is AttemptStatus.FAILED:
        commands = commands_after_failure(run_overview, attempt)
        return replace(refused, hint=f"{refused.hint} The user decides: {commands}") if commands else refused
    blocker = None if attempt is None else blocker_of(run_overview, attempt)
    if run_overview.page and blocker is None and refused.code == "needs_human":
        return replace(refused, hint=f"Ask the user to decide: {run_overview.page}")
    if attempt is None or blocker is None or refused.code not in {"needs_human", "illegal_transition"}:
        return refused
    is_users = refused.code == "needs_human" or attempt.status is AttemptStatus.FAILED
    if run_overview.page and blocker.command == run_overview.page and is_users:
        return replace(refused, hint=f"Tell the user: {blocker.sentence}")
    if refused.code == "needs_human" or attempt.phase not in {*run_overview.unanswered, *run_overview.asked_persons}:
        return refused
    return replace(refused, hint=f"{refused.hint} Or tell the user: {blocker.sentence}".strip())


def _with_machine_of_holder(engine: Engine, run_overview: Overview, refused: Refused, phase: str | None) -> Refused:
    """``refused`` with what this machine knows of a holder on another one."""
    if refused.code != "leased" or not (sentences := elsewhere(engine, run_overview, phase)):
        return refused
    return replace(refused, hint=f"{' '.join(sentences)} {refused.hint}".strip())


def _resubmit(run_overview: Overview, envelope: Envelope, phase: str) -> Envelope:
    """After an invalid artifact: submit again, with the schema in the answer when it is small."""
    attempt = run_overview.loaded.state.current(PhasePath(phase))
    if attempt.status is not AttemptStatus.RUNNING or PhasePath(phase) not in run_overview.startable:
        return envelope
    output = plain(artifact_views.output_view(run_overview.plan, attempt.phase))
    if len(str(output)) > 2_000:
        return envelope
    submit = submit_call(run_overview.loaded.record.id, phase, attempt.number)
    return replace(envelope, data=envelope.data | {"output": output}, next=(submit, *envelope.next[:2]))


def gates_are_done(engine: Engine, run: str, phase: str, attempt: int) -> bool:
    """True once ``attempt`` is judged, waits for a person, or for a provider that asks for more than half a minute.

    A paused run settles nothing until it is resumed, so there is nothing to wait for: a cap may pause it while its gates run.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        if loaded.state.status is RunStatus.PAUSED:
            return True
        judged = loaded.state.attempts[PhasePath(phase)][attempt - 1]
        return judged.status is not AttemptStatus.GATING or is_left_alone(tx, loaded, judged, engine.clock())


def moment(engine: Engine, run: str) -> LoadedRun:
    """The run before the wait."""
    with engine.store.read() as tx:
        return engine.load(tx, run)


def has_moved(engine: Engine, before: LoadedRun) -> bool:
    """True when the run differs from ``before``: a checkpoint or a record in its log is nothing to wait for."""
    with engine.store.read() as tx:
        if tx.runs.revision(before.record.id) == before.record.revision:
            return False
        return engine.load(tx, before.record.id).state != before.state


def sleeps(engine: Engine, run: str) -> bool:
    """True while only a job, a person or a reviewer can move the run, and there is something to wait for.

    False when the user must reopen the run first: the caller then gets the answer at once.
    """
    run_overview = overview_of(engine, run)
    return run_overview.sleeps and bool(next_moves(run_overview))
