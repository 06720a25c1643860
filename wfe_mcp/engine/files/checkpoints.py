"""Checkpoints: the files of a run, saved at claims and completions of phases.

    a phase is claimed or completed ──► snapshot ──► its ref (git, outside any transaction) ──► CheckpointTaken

Rules:
1. The number of the event names the checkpoint: ``cp-12``. A ref keeps its files, named after the commit: checkpoints of a
   run between which no file changed share it. It is there before the event, so a crash leaves at worst an unused ref.
2. Files are saved before work on a phase begins and when it is completed, unless the phase has
   ``checkpoint: false``. Without git nothing is saved automatically; the log still restores the state.
   Where the submission itself completes the phase, it saves before its transaction, as a claim does.
3. A failed snapshot blocks no work: the checkpoint then holds the state alone, and says why.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, By, RunId, RunStatus
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.transaction import change_run_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.core.rollback_events import Why
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import EventRecord, LoadedRun, RunRecord
    from wfe_mcp.workspace.git.checkpoints import KeptCheckpoint
    from wfe_mcp.workspace.git.snapshot import Snapshot
    from wfe_mcp.workspace.git.snapshot_files import Limits
    from wfe_mcp.workspace.git.working_tree import SeenFiles

TAKEN = "CheckpointTaken"
_LOOKED_AT = 3
_PRUNED_EACH = 10
"""After so many saves of a run, a process prunes its old checkpoints."""
_PRUNED_EVERY = timedelta(hours=1)
"""How often a process prunes the checkpoints of all runs."""

log = logging.getLogger("wfe_mcp.engine")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of a run. ``commit`` None: it holds the state alone, and ``note`` says why."""

    seq: int
    why: str
    phase: str | None
    attempt: int
    commit: str | None
    tree: str | None
    skipped: int
    note: str
    event: EventRecord

    @property
    def name(self) -> str:
        """Its name."""
        return name_of(self.seq)


@dataclass(frozen=True, slots=True)
class SavedFiles:
    """Saved files, kept by a ref. ``snapshot`` None: they could not be saved, ``fault`` says why."""

    snapshot: Snapshot | None
    fault: str = ""


def name_of(seq: int) -> str:
    """The name of the checkpoint of event ``seq``."""
    return f"cp-{seq}"


def ref_of(run: str, commit: str) -> str:
    """The name in ``workspace.checkpoints`` of a run's files at ``commit``."""
    return f"{run}/{commit}"


def checkpoints_of(tx: Tx, run: str) -> list[Checkpoint]:
    """The checkpoints of a run, oldest first."""
    return [_checkpoint(event) for event in tx.events.of_types(RunId(run), TAKEN)]


def take_checkpoint(engine: Engine, run_id: str, by: By, note: str = "") -> Checkpoint:
    """Save the files now, on request. Without git, or if it fails, the checkpoint holds the state alone."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
    before = _take(engine, loaded, by, "manual", (None,), note).loaded_before.record
    with engine.store.read() as tx:
        return _checkpoint(tx.events.of_run(before.id, after=before.last_seq, limit=1)[0])


def is_saved_at_start(engine: Engine, tx: Tx, loaded: LoadedRun, path: PhasePath) -> bool:
    """True when the files are to be saved before an attempt of ``path`` touches them."""
    return engine.project.is_git and engine.plans.of_run(tx, loaded.record).phase(path).checkpoint


def at_start(engine: Engine, run: str | LoadedRun, path: PhasePath, attempt: int, *, again: bool = False) -> None:
    """Save the files before ``attempt`` of ``path`` touches them. ``again``: a process that died may have done it."""
    if not engine.project.is_git:
        return
    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
        if not is_saved_at_start(engine, tx, loaded, path):
            return
        # Its event says so; a ref alone may be of a process that died before the event.
        if again and any(
            (checkpoint.why, checkpoint.phase, checkpoint.attempt) == ("start", path, attempt)
            for checkpoint in checkpoints_of(tx, loaded.record.id)
        ):
            return
    _take(engine, loaded, SYSTEM, "start", (loaded.state.attempts[path][attempt - 1],))


def is_saved_with(engine: Engine, plan: CompiledTemplate, path: PhasePath) -> bool:
    """True when a submission of ``path`` can complete it by itself: no gate waits for a job or a person, no file is written."""
    phase = plan.phase(path)
    writes = phase.output is not None and phase.output.write_to is not None
    at_once = not writes and all(gate.judged == "inline" for gate in phase.gates)
    return engine.project.is_git and phase.checkpoint and at_once


def note_completed_files(change: RunChange) -> None:
    """Record the checkpoints of the phases that the change completes, where its caller has saved the files."""
    if change.saved is not None and (done := _completed_attempts(change)):
        note_taken(change, SavedFiles(change.saved), "completion", done)


def save_completed_files(change: RunChange) -> None:
    """Save the files of the phases that the committed change completed, unless they are saved with it.

    Those of an attempt that was sent back are kept without a checkpoint: the next decision shows what is new since then.
    """
    if not change.engine.project.is_git or change.state.status is RunStatus.CANCELLED:
        return
    if done := _completed_attempts(change):
        if change.saved is None:
            change.loaded = _take(change.engine, change.loaded, SYSTEM, "completion", done, files=change.seen).loaded
    elif _is_sent_back(change):
        save(change.engine, change.loaded.record, "completion", change.seen)


def _completed_attempts(change: RunChange) -> list[Attempt]:
    """The attempts that the change completes, of phases with a checkpoint. One that a rollback brought back is none."""
    return [
        now
        for now, was in _changed_attempts(change)
        if now.status is AttemptStatus.COMPLETED
        and not now.restores
        and (was is None or was.status is not AttemptStatus.COMPLETED or was.number != now.number)
        and change.state.phase(now.phase).loop is None
        and change.plan.phase(now.phase).checkpoint
    ]


def _is_sent_back(change: RunChange) -> bool:
    return any(
        was is not None and was.status is AttemptStatus.AWAITING and now.number > was.number
        for now, was in _changed_attempts(change)
    )


def _changed_attempts(change: RunChange) -> Iterator[tuple[Attempt, Attempt | None]]:
    """The newest attempt of each phase that the change concerns, and the newest one before it."""
    before = change.loaded_before.state
    for path in change.state.changed_since(before):
        yield change.state.current(path), before.attempts.get(path, (None,))[-1]


def limits_of(engine: Engine) -> Limits:
    """How much of the files one checkpoint saves."""
    from wfe_mcp.workspace.config.layers import may_set
    from wfe_mcp.workspace.git.snapshot_files import Limits

    if not may_set({"checkpoints"}, engine.root, engine.environment):
        return Limits()
    return engine.settings().settings.checkpoints.limits()


def keep_again(engine: Engine, run_id: str) -> None:
    """Restore missing refs of the newest checkpoints."""
    from wfe_mcp.workspace.git.checkpoints import keep, list_checkpoints

    if not engine.project.is_git:
        return
    with engine.store.read() as tx:
        record = engine.load(tx, run_id).record
        newest = [checkpoint for checkpoint in checkpoints_of(tx, record.id) if checkpoint.commit is not None][
            -_LOOKED_AT:
        ]
    if not newest:
        return
    there = set(list_checkpoints(Path(record.worktree), record.id).values())
    for checkpoint in newest:
        if checkpoint.commit is not None and checkpoint.commit not in there:
            try:
                keep(Path(record.worktree), ref_of(record.id, checkpoint.commit), checkpoint.commit)
            except Refused as refused:  # the objects are gone: a rollback to them is refused
                log.warning("%s of %s: %s", checkpoint.name, record.id, refused.message)


def prune(engine: Engine, run_id: str = "") -> list[str]:
    """Drop saved files past their retention (``[checkpoints]``), of one run or of the project's runs.

    Returns the pruned checkpoints (``<run>/cp-12``). Their events stay and hold the state alone.
    """
    from wfe_mcp.workflow.model.base import duration_s
    from wfe_mcp.workspace.git.checkpoints import drop, kept_at, to_drop

    settings = engine.settings().settings.checkpoints
    with engine.store.read() as tx:
        only = engine.load(tx, run_id).record.id if run_id else ""
    times = kept_at(engine.root, only) if engine.project.is_git else {}
    times_by_run: dict[str, dict[str, datetime]] = {}
    for name, at in times.items():
        times_by_run.setdefault(name.partition("/")[0], {})[name] = at
    with engine.store.read() as tx:
        refs = [ref for run, own in sorted(times_by_run.items()) for ref in _refs_of_run(tx, engine, run, own)]
    keep_for = timedelta(seconds=duration_s(settings.keep_for))
    gone = set(to_drop((ref.kept for ref in refs), keep=settings.keep, keep_for=keep_for, now=engine.clock()))
    drop(engine.root, gone)
    return [name for ref in refs if ref.kept.name in gone for name in ref.names or (ref.kept.name,)]


@dataclass(frozen=True, slots=True)
class _KeptRef:
    """A ref, and the checkpoints that name its files."""

    kept: KeptCheckpoint
    names: tuple[str, ...]


def _refs_of_run(tx: Tx, engine: Engine, run: str, times: Mapping[str, datetime]) -> list[_KeptRef]:
    """The refs of one run, whose ``times`` these are; refs of unknown runs belong to another database.

    A ref is as old as the newest checkpoint that names it. A ref without an event is of a process that died, or of
    a rollback that was refused or killed: it may be the only copy of a user's work.
    """
    from wfe_mcp.workspace.git.checkpoints import KeptCheckpoint

    loaded = tx.runs.load(RunId(run))
    if loaded is None or loaded.record.project_id != engine.project_id:
        return []
    named: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints_of(tx, run):
        named.setdefault(ref_of(run, checkpoint.commit or ""), []).append(checkpoint)
    refs: list[_KeptRef] = []
    for ref, at in times.items():
        checkpoints = named.get(ref, [])
        is_safety = any(checkpoint.why == "safety" for checkpoint in checkpoints) or (
            not checkpoints and ref.startswith(f"{run}/safety-")
        )
        newest = max([at, *(checkpoint.event.at for checkpoint in checkpoints)])
        kept = KeptCheckpoint(ref, run, newest, is_safety, loaded.record.ended_at)
        refs.append(_KeptRef(kept, tuple(f"{run}/{checkpoint.name}" for checkpoint in checkpoints)))
    return refs


class _Pruning:
    """When this process last pruned the checkpoints of each project, and how often it saved the files of each run."""

    def __init__(self) -> None:
        self.at: dict[str, datetime] = {}
        self.saved = Counter[str]()


def _prune_now_and_then(engine: Engine, run: str) -> None:
    """Prune automatically: the run's own old files as it proceeds, the project's once an hour of work."""
    now, pruning = engine.clock(), engine.shared_state_of(_Pruning)
    pruning.saved[run] += 1
    before = pruning.at.get(engine.project_id)
    if before is None or now - before >= _PRUNED_EVERY:
        pruning.at[engine.project_id] = now
        whose = ""
    elif pruning.saved[run] % _PRUNED_EACH == 0:
        whose = run
    else:
        return
    try:
        prune(engine, whose)
    except Refused as refused:
        log.warning("old checkpoints stay: %s", refused.message)


def save(engine: Engine, record: RunRecord, why: Why, files: SeenFiles | None = None) -> SavedFiles:
    """Save the files of a run as they are and let a ref keep them, outside any transaction; ``note_taken`` names them.

    ``files``: the caller's look at them, which counts while it is fresh.
    """
    from wfe_mcp.workspace.git.checkpoints import keep
    from wfe_mcp.workspace.git.snapshot import Snapshots

    root = Path(record.worktree)
    try:
        snapshot = engine.shared_state_of(Snapshots).take(
            root, {"run": record.id, "why": why}, limits_of(engine), engine.clock(), files
        )
        keep(root, ref_of(record.id, snapshot.commit), snapshot.commit)
    except Refused as refused:
        # It is read later, by who goes back: whether the disk is still full then, no one knows.
        reason = refused.data.get("why")
        fault = f"its files could not be saved ({reason})" if reason else refused.message
        return SavedFiles(None, f"the state alone: {fault}")
    return SavedFiles(snapshot)


def note_taken(
    current: RunChange, saved: SavedFiles, why: Why, attempts: Sequence[Attempt | None] = (None,), note: str = ""
) -> None:
    """Record the saved files as a checkpoint of the run, one for each of ``attempts``, in this change."""
    snapshot, fault = saved.snapshot, saved.fault
    note = f"{note} ({fault})" if note and fault else note or fault
    for attempt in attempts:
        current.give(
            c.TakeCheckpoint(
                why=why,
                phase=attempt.phase if attempt else None,
                attempt=attempt.number if attempt else 0,
                note=note,
                commit=snapshot.commit if snapshot else None,
                tree=snapshot.tree if snapshot else None,
                skipped=len(snapshot.skipped) if snapshot else 0,
                **current.given,
            )
        )
    if snapshot is not None:
        current.tx.after_commit(lambda: _prune_now_and_then(current.engine, current.run.id))


def _take(
    engine: Engine,
    loaded: LoadedRun,
    by: By,
    why: Why,
    attempts: Sequence[Attempt | None],
    note: str = "",
    files: SeenFiles | None = None,
) -> RunChange:
    """The command that names the saved files."""
    saved = save(engine, loaded.record, why, files)
    with engine.store.tx() as tx, change_run_in(engine, tx, loaded, by) as current:
        note_taken(current, saved, why, attempts, note)
    return current


def _checkpoint(event: EventRecord) -> Checkpoint:
    taken = event.payload
    return Checkpoint(
        seq=event.seq,
        why=taken["why"],
        phase=taken["phase"],
        attempt=taken["attempt"],
        commit=taken["commit"],
        tree=taken["tree"],
        skipped=taken["skipped"],
        note=taken["note"],
        event=event,
    )
