"""Control of a run: retry, skip, force, pause, resume, proceed, cancel, automatic mode, archive.

Stale and stuck are no states of a run: they follow from the clock, ``runs.stale_after`` and ``runs.stuck_after`` of
configuration, and the run's last change. Stuck is a run that waits for an agent or the server, without progress.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from wfe_mcp.core import commands as c
from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.canonical import canonical_json
from wfe_mcp.core.consequences import next_end
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, By, Channel, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.spec import CLIENT_ROLE
from wfe_mcp.core.units import LONGEST_S
from wfe_mcp.engine.artifacts.revisions import keep_revision
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.leases import held_by_another
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.engine.maintenance.pruning import refuse_open
from wfe_mcp.engine.phases.claim import free_dead_leases
from wfe_mcp.engine.runs.step_retry import StepRetry, carry, plan_retry
from wfe_mcp.store.records.runs import LoadedRun, RunRecord

Action = Literal["pause", "resume", "cancel", "proceed", "auto_on", "auto_off"]


def retry(
    engine: Engine,
    by: By,
    run_id: str,
    phase: str,
    feedback: str = "",
    role: str | None = None,
    *,
    from_step: str = "",
    blockers: Settled | None = None,
) -> LoadedRun:
    """Open a new attempt of ``phase``. ``role``: who works it from now on, a configured role or ``client``.

    ``from_step``: of a phase of steps, the one that runs again, with all that see its result. ``blockers``: what a person
    says of its open blockers.
    """
    with change_run(engine, run_id, by) as current:
        path = PhasePath(phase)
        # Of a dead worker's phase anyone opens the next attempt, so that one stays; the others are ready again.
        free_dead_leases(current, kept=path)
        _refuse_others_work(current, path)
        if role is not None and role != CLIENT_ROLE:
            from wfe_mcp.engine.models.roles import fill_role  # the tables of providers, which a status does not need

            fill_role(engine.settings(current.tx), role, current.frozen)  # refuses an unfilled role
        step_retry = _from_step(current, by, path, from_step) if from_step else None
        note = f"From step {from_step}. {feedback}".strip() if from_step else feedback
        last = current.state.attempts.get(path, (None,))[-1]
        current.give(c.Retry(phase=path, feedback=note, role=role, blockers=blockers, **current.given))
        if step_retry is not None and last is not None:
            carry(current, current.state.current(path), last, step_retry)
    return current.loaded


def retry_plan(engine: Engine, run_id: str, phase: str, from_step: str = "") -> StepRetry | None:
    """What a retry of a phase of steps keeps, and what it calls again; None for other phases."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        plan = engine.plans.of_run(tx, loaded.record)
        return plan_retry(tx, loaded.record.id, plan, loaded.state, PhasePath(phase), from_step)


def _from_step(current: RunChange, by: By, path: PhasePath, first: str) -> StepRetry | None:
    repeat = plan_retry(current.tx, current.run.id, current.plan, current.state, path, first)
    if repeat is not None and repeat.repeats and not by.is_human:
        raise Refused(
            "needs_human",
            f"Only the user repeats calls to the outside. {repeat.sentence}",
            f"Ask the user to run: wfe-mcp retry RUN {shell_path(path)} --from {first}",
            phase=path,
        )
    return repeat


def skip(engine: Engine, by: By, run_id: str, phase: str, reason: str) -> LoadedRun:
    """Leave ``phase`` out."""
    with change_run(engine, run_id, by) as current:
        current.give(c.Skip(phase=PhasePath(phase), reason=reason, **current.given))
    return current.loaded


def force_accept(engine: Engine, by: By, run_id: str, phase: str, reason: str) -> LoadedRun:
    """Overrule the gates of ``phase``: the open revision, else the last refused draft, is accepted; the run is tainted."""
    with change_run(engine, run_id, by) as current:
        force(current, PhasePath(phase), reason)
    return current.loaded


def force(current: RunChange, path: PhasePath, reason: str) -> None:
    """Accept the open revision of ``path``, else its last refused draft, whatever its gates say."""
    revision, sha256 = _draft(current, path)
    current.give(c.ForceAccept(phase=path, reason=reason, revision=revision, sha256=sha256, **current.given))


def overrule(engine: Engine, by: By, run_id: str, phase: str, reason: str) -> LoadedRun:
    """Overrule the reviewers of the open opinion gate of ``phase``; later gates judge as usual."""
    with change_run(engine, run_id, by) as current:
        current.give(c.Overrule(phase=PhasePath(phase), reason=reason, **current.given))
    return current.loaded


def control(
    engine: Engine,
    by: By,
    run_id: str,
    action: Action,
    *,
    phase: str | None = None,
    reason: str = "",
    max_cost_usd: float | None = None,
    max_tokens: int | None = None,
    timeout_s: float | None = None,
) -> LoadedRun:
    """Pause, resume, cancel, proceed, or switch automatic mode.

    ``max_cost_usd``, ``max_tokens``: what a person who resumes lets the run spend in all from now on.
    ``timeout_s``: how long it may take from now on.
    """
    if any(raised is not None and not 0 < raised < float("inf") for raised in (max_cost_usd, max_tokens)):
        raise Refused("bad_argument", "What a run may spend is more than nothing.", "Give an amount above zero.")
    if timeout_s is not None and not 0 < timeout_s <= LONGEST_S:
        raise Refused(
            "bad_argument", f"A run cannot take {timeout_s:g} s.", "Give a time above zero, at most 100 years."
        )
    with change_run(engine, run_id, by) as current:
        if action == "cancel":
            _wait_for_grants(current)
        on = current.given
        ends_at = None if timeout_s is None else current.at + timedelta(seconds=timeout_s)
        commands: dict[Action, c.Command] = {
            "pause": c.Pause(reason=reason, **on),
            "resume": c.Resume(max_cost_usd=max_cost_usd, max_tokens=max_tokens, ends_at=ends_at, **on),
            "cancel": c.Cancel(reason=reason, **on),
            "proceed": c.Proceed(phase=PhasePath(phase) if phase else None, **on),
            "auto_on": c.SetAuto(auto=True, **on),
            "auto_off": c.SetAuto(auto=False, **on),
        }
        current.give(commands[action])
    return current.loaded


def end_time(engine: Engine, loaded: LoadedRun) -> bool:
    """Block the run, or fail its phases, when their time is over and no process ended it then; True when that changed it."""
    state, at = loaded.state, engine.clock()
    end = None if loaded.record.origin_sha256 is not None else next_end(state)
    if end is None or at < end:
        return False
    phases = (c.TimeOut(by=SYSTEM, at=at, **attempt.on) for attempt in state.moving_attempts)
    if all(refusal(state, command) is not None for command in (c.TimeOutRun(by=SYSTEM, at=at), *phases)):
        return False
    with change_run(engine, loaded.record.id, SYSTEM):
        pass  # its reactions do it
    return True


def _refuse_others_work(current: RunChange, path: PhasePath) -> None:
    """Refuse an agent's new attempt while another live worker holds the phase; a person may open one."""
    attempt = current.state.attempts.get(path, (None,))[-1]
    if attempt is None or current.by.is_human or attempt.holder in {None, current.engine.holder}:
        return
    if current.engine.lease_is_lost(current.tx, attempt):
        return
    if attempt.status in {AttemptStatus.RUNNING, AttemptStatus.GATING}:
        hint = "Only its holder, or a person, opens a new attempt; take another phase."
        refused = held_by_another(current.tx, current.run.id, attempt, hint)
        is_at_shell = current.by.channel is Channel.CLI  # where the PIN can be asked for
        way = "Wait until it ends, or open one yourself: it asks for your PIN."
        raise Refused("needs_human", refused.message, way) if is_at_shell else refused


def _wait_for_grants(current: RunChange) -> None:
    """Let a grant that another process uses now be used before the run is cancelled: the time of the cancellation is later."""
    current.tx.secrets.alone("settings")  # as ``grants.facts.take_use``, which looks for cancelled runs
    current.at = current.engine.clock()


def _draft(current: RunChange, path: PhasePath) -> tuple[int, str | None]:
    """The last refused draft as a revision, when no valid artifact was submitted; (0, None) otherwise."""
    attempt = current.state.attempts.get(path, (None,))[-1]
    if attempt is None or attempt.revision:
        return 0, None
    drafts = current.tx.artifacts.refused_submissions(current.run.id, path, attempt.made_in)
    if not drafts:
        return 0, None
    try:
        value: object = json.loads(drafts[-1].raw)
        content = canonical_json(value)
    except ValueError:  # only its first 100 kB were kept, or it holds what no artifact can: NaN, NUL, half a character
        return 0, None
    if not isinstance(value, dict):
        return 0, None
    revision = keep_revision(current, attempt, content, "forced", "a refused draft, forced by a person")
    return revision.revision, revision.sha256


MAY_BE_STALE = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.BLOCKED)
MAY_BE_STUCK = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
"""An agent or the server must act, unless the run waits for a person: an agent resumes what it paused, and decides what is its own."""

_SURELY_FRESH = timedelta(minutes=1)
"""Younger runs are not checked, to save reading the settings: most are in use."""


class RunAges(NamedTuple):
    """Seconds without a change after which an open run is stale, and one that waits for no person is stuck (at least a minute)."""

    stale_s: float
    stuck_s: float


def run_ages(engine: Engine) -> RunAges:
    """Those of the project: ``runs.stale_after`` and ``runs.stuck_after``."""
    from wfe_mcp.workspace.config.layers import RUN_AGES, may_set, seconds

    is_set = may_set({"runs"}, engine.root, engine.environment)
    stale, stuck = RUN_AGES["stale_after"], RUN_AGES["stuck_after"]
    if is_set:
        settings = engine.settings().settings.runs
        stale, stuck = settings.stale_after, settings.stuck_after
    least = _SURELY_FRESH.total_seconds()
    return RunAges(max(least, seconds(stale)), max(least, seconds(stuck)))


def stale_before(engine: Engine) -> datetime:
    """An open run whose last change is older is stale."""
    return engine.clock() - timedelta(seconds=run_ages(engine).stale_s)


def stuck_of(engine: Engine, runs: Iterable[RunRecord], ages: RunAges | None = None) -> frozenset[str]:
    """Those of ``runs`` that are stuck, if they do not wait for a person. ``ages``: those of the project, where they are known.

    Which ones wait for a person is not known here: lists leave them out.
    """
    old = _old_runs(engine, (run for run in runs if run.status in MAY_BE_STUCK))
    if not old:
        return frozenset()
    before = engine.clock() - timedelta(seconds=(ages or run_ages(engine)).stuck_s)
    return frozenset(run.id for run in old if run.updated_at < before)


def next_stuck_s(engine: Engine, runs: Iterable[RunRecord], ages: RunAges) -> float | None:
    """Seconds until the next of ``runs`` gets stuck, if nothing happens in it; None: none will."""
    changed = (run.updated_at for run in runs if run.status in MAY_BE_STUCK and run.origin_sha256 is None)
    now = engine.clock()
    left = (ages.stuck_s - (now - at).total_seconds() for at in changed)
    return min((left_s for left_s in left if left_s >= 0), default=None)


def stale_of(engine: Engine, runs: Iterable[RunRecord]) -> frozenset[str]:
    """Those of ``runs`` without a change for ``runs.stale_after``, at least a minute."""
    old = _old_runs(engine, (run for run in runs if run.status in MAY_BE_STALE))
    before = stale_before(engine) if old else engine.clock()
    return frozenset(run.id for run in old if run.updated_at < before)


def _old_runs(engine: Engine, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """``runs`` without imported ones, which are never at work here. Configuration is read only where one is left."""
    fresh = engine.clock() - _SURELY_FRESH
    return [run for run in runs if run.origin_sha256 is None and run.updated_at < fresh]


def stale_runs(engine: Engine) -> tuple[RunRecord, ...]:
    """The stale runs of the project, newest first."""
    with engine.store.read() as tx:
        return tx.runs.page(
            engine.project_id, status=MAY_BE_STALE, limit=10_000, untouched_since=stale_before(engine)
        ).runs


def archive_stale(engine: Engine, by: By, reason: str = "") -> tuple[list[RunRecord], dict[str, str]]:
    """Cancel and archive every stale run of the project; they stay readable. One that changed meanwhile stays.

    Second: the runs that could not be changed, and why; one whose record is damaged, too.
    """
    before, runs = stale_before(engine), stale_runs(engine)
    gone: list[RunRecord] = []
    kept: dict[str, str] = {}
    for record in runs:
        since = f"untouched since {record.updated_at.isoformat(timespec='seconds')}"
        try:
            with change_run(engine, record.id, by) as current:
                if current.run.updated_at >= before or current.state.status not in MAY_BE_STALE:
                    continue
                _wait_for_grants(current)
                current.give(c.Cancel(reason=f"{since}: {reason}" if reason else since, **current.given))
                current.tx.runs.archive(record.id, current.at)
        except (Refused, LookupError, ValueError) as fault:
            kept[record.id] = str(fault)
            continue
        gone.append(current.loaded.record)
    return gone, kept


def archive(engine: Engine, run: str) -> RunRecord:
    """Hide a finished or imported run from lists; it stays readable. Refuses ``not_ready`` while it is open."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        refuse_open(record)
        if record.archived_at is None:
            tx.runs.archive(record.id, engine.clock())
        return engine.load(tx, record.id).record


def unarchive(engine: Engine, run: str) -> RunRecord:
    """Put a run back on the lists."""
    with engine.store.tx() as tx:
        record = engine.load(tx, run).record
        tx.runs.archive(record.id, None)
        return engine.load(tx, record.id).record
