"""Claims of phases by workers.

Claiming is idempotent for the holder (this server process): the same call brings the prompt, the schema and the
feedback again. A dead holder's phase is taken over at once; for a live holder's the answer is ``leased``.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.guards import time_is_over
from wfe_mcp.core.model import ENDED, Attempt, AttemptStatus, By, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.artifacts.prompts import fenced_feedback, prompt_of
from wfe_mcp.engine.files.checkpoints import at_start, is_saved_at_start, note_taken, save
from wfe_mcp.engine.files.drift import prompt_hash, refuse_changed
from wfe_mcp.engine.files.tree_binding import BoundFiles, files_at_start
from wfe_mcp.engine.kernel.engine import LEASE, Engine
from wfe_mcp.engine.kernel.leases import held_by_another, held_elsewhere, works_elsewhere
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.kernel.transaction import change_run
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed phase: its prompt, schema and gates."""

    loaded: LoadedRun
    plan: CompiledTemplate
    attempt: Attempt
    prompt: str
    feedback: list[dict[str, Any]]


def start_phase(engine: Engine, by: By, run_id: str, phase: str | None, *, holder: str | None = None) -> Claim:
    """Claim ``phase``, else the one this holder has, else the first that is ready."""
    holder, lost_at = holder or engine.holder, -1
    while True:
        with engine.store.read() as tx:
            loaded = engine.load(tx, run_id)
            refuse_elsewhere(engine, loaded, by)
            path = PhasePath(phase) if phase else _choice(engine, tx, loaded, by, holder)
            read_files = files_at_start(engine, tx, loaded, path) if path in loaded.state.attempts else BoundFiles
            saves = _begins(engine, tx, loaded, path, by, holder) and is_saved_at_start(engine, tx, loaded, path)
        try:
            return _claim_phase(engine, by, loaded, path, holder, read_files, saves=saves)
        except Refused as refused:
            if phase or refused.code != "leased" or loaded.record.last_seq == lost_at:
                raise
            lost_at = loaded.record.last_seq  # another worker was faster: choose again


def _claim_phase(
    engine: Engine,
    by: By,
    loaded: LoadedRun,
    path: PhasePath,
    holder: str,
    read_files: Callable[[], BoundFiles],
    *,
    saves: bool,
) -> Claim:
    # Before the transaction: reading all files under the write lock would block every other process.
    tree, files, head = read_files()
    saved = save(engine, loaded.record, "start", files) if saves else None
    import_module("wfe_mcp.workflow.prompts")  # what words the prompt, in the transaction
    with change_run(engine, loaded, by) as current:
        # First: a phase of a dead holder takes a place of ``max_parallel`` and the tree, and would refuse this claim.
        free_dead_leases(current)
        # One that runs has tree and locks since its own claim.
        if path in current.state.attempts and current.attempt(path).status is AttemptStatus.READY:
            busy = held_elsewhere(engine, current.tx, current.run, current.state, path)
            if busy is not None:
                raise busy
        claim(current, path, holder, tree, head)
        attempt = current.attempt(path)
        if current.run.last_seq != loaded.record.last_seq:
            saved = None  # another worker was faster: the files may have changed
        if saved is not None:
            note_taken(current, saved, "start", (attempt,))
        work = Claim(
            current.loaded, current.plan, attempt, prompt_of(current, attempt), fenced_feedback(current, attempt)
        )
    if current.loaded.state.attempts[path][attempt.number - 1].status is not AttemptStatus.RUNNING:
        raise Refused(
            "stale_revision",
            f"The time of attempt {attempt.number} of phase {path!r} is over.",
            "Call status, then start_phase, and work on the open attempt.",
        )
    before = current.loaded_before.state.attempts.get(path, (None,))[-1]
    is_new = before is None or before.status is not AttemptStatus.RUNNING or before.holder != holder
    # No snapshot counts yet: save now, before the worker has its prompt.
    if is_new and saved is None:
        at_start(engine, current.loaded, path, attempt.number)
    return replace(work, loaded=current.loaded)


def refuse_elsewhere(engine: Engine, loaded: LoadedRun, by: By) -> None:
    """Before anything else: an attempt that is claimed in the wrong folder is lost."""
    works = not loaded.state.is_over and loaded.record.origin_sha256 is None
    refused = works_elsewhere(engine, loaded.record, by) if works else None
    if refused is not None:
        raise refused


def claim(current: RunChange, path: PhasePath, holder: str, tree: str | None, head: str | None = None) -> None:
    """Give StartPhase for ``holder`` in this change. Refuses ``conflict`` over a changed file of a sealed artifact."""
    attempt = current.state.attempts.get(path, (None,))[-1]
    prompt = None
    if attempt is not None and attempt.status is AttemptStatus.READY:
        refuse_changed(current, path)
        prompt = prompt_hash(current, attempt)
    until, on = current.at + LEASE, current.given
    try:
        current.give(
            c.StartPhase(phase=path, holder=holder, lease_until=until, tree=tree, head=head, prompt_sha256=prompt, **on)
        )
    except Refused as refused:
        raise _with_holder(current.tx, current.run.id, attempt, refused) from None


def _with_holder(tx: Tx, run: str, attempt: Attempt | None, refused: Refused) -> Refused:
    """``refused``, with the client that holds ``attempt``: the state of a run knows its process alone."""
    if attempt is None or attempt.status is not AttemptStatus.RUNNING or refused.code != "leased":
        return refused
    return held_by_another(tx, run, attempt, refused.hint)


def free_dead_leases(current: RunChange, kept: PhasePath | None = None) -> None:
    """Phases whose holder is gone are ready again, but ``kept``; one whose time is over has failed."""
    in_work = {AttemptStatus.RUNNING, AttemptStatus.GATING, AttemptStatus.AWAITING}
    for attempt in current.state.moving_attempts:
        is_dead = attempt.status in in_work and current.engine.lease_is_lost(current.tx, attempt)
        if is_dead and attempt.phase != kept:
            on = current.values_of(attempt)
            late = c.TimeOut(**on)
            current.give(c.LoseLease(**on) if refusal(current.state, late) else late)


def _choice(engine: Engine, tx: Tx, loaded: LoadedRun, by: By, holder: str) -> PhasePath:
    """The phase this holder has, else the first one it may claim now."""
    state = loaded.state
    for attempt in state.moving_attempts:
        if attempt.status is AttemptStatus.RUNNING and attempt.holder == holder:
            return attempt.phase
    first: Refused | None = None
    for attempt in state.moving_attempts:  # what is over, or waits for other phases, is no one's to claim
        refused = _claim_refused(engine, tx, loaded, attempt, by, holder)
        if refused is None:
            return attempt.phase
        if attempt.status in {AttemptStatus.READY, AttemptStatus.RUNNING} and state.phase(attempt.phase).loop is None:
            first = first or _with_holder(tx, loaded.record.id, attempt, refused)
    if first is not None:
        raise first
    if state.status is RunStatus.BLOCKED and state.time_is_over(engine.clock()):
        raise time_is_over(c.StartPhase(phase=PhasePath(""), holder=holder, by=by, at=engine.clock()))
    if state.is_over or state.status is RunStatus.PAUSED:
        way = "Start a new run." if state.status in ENDED else "Call status."
        raise Refused("illegal_transition", f"The run is {state.status}: no phase can start.", way)
    raise Refused("not_ready", "No phase is ready now.", "Call status to see what is waited for.")


def _claim_refused(engine: Engine, tx: Tx, loaded: LoadedRun, attempt: Attempt, by: By, holder: str) -> Refused | None:
    """Why a worker that does not hold ``attempt`` cannot claim it; None when it can."""
    if attempt.status is AttemptStatus.RUNNING and engine.lease_is_lost(tx, attempt):
        return held_elsewhere(engine, tx, loaded.record, loaded.state, attempt.phase)
    command = c.StartPhase(phase=attempt.phase, holder=holder, by=by, at=engine.clock())
    return refusal(loaded.state, command) or held_elsewhere(engine, tx, loaded.record, loaded.state, attempt.phase)


def _begins(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath, by: By, holder: str) -> bool:
    """True when ``holder`` would get an attempt that it does not have yet."""
    attempt = loaded.state.attempts.get(path, (None,))[-1]
    if attempt is None or (attempt.status is AttemptStatus.RUNNING and attempt.holder == holder):
        return False
    return _claim_refused(engine, tx, loaded, attempt, by, holder) is None


def claimable(engine: Engine, tx: Tx, loaded: LoadedRun) -> tuple[PhasePath, ...]:
    """The phases that an agent of this process may claim now: its own first, then those of the dead and the ready."""
    if works_elsewhere(engine, loaded.record, By()) is not None:
        return ()
    attempts = [attempt for attempt in loaded.state.moving_attempts if attempt.status is AttemptStatus.RUNNING]
    ready = [attempt for attempt in loaded.state.moving_attempts if attempt.status is AttemptStatus.READY]
    return tuple(
        attempt.phase
        for attempt in (*attempts, *ready)
        if not (loaded.state.is_served(attempt.phase) or loaded.state.phase(attempt.phase).kind == "human")
        and (
            (attempt.status is AttemptStatus.RUNNING and attempt.holder == engine.holder)
            or _claim_refused(engine, tx, loaded, attempt, By(), engine.holder) is None
        )
    )
