"""When are the files of a run saved, and what is a checkpoint called?

    a phase was claimed, or completed ──► snapshot (git, outside any transaction) ──► CheckpointTaken ──► its ref

Rules:
1. The number of the event names the checkpoint: ``cp-12``. A ref keeps its files; one that a crash lost is made again.
2. Phases are saved before anybody touches the files for them, and when they are completed, unless they say
   ``checkpoint: false``. Without git nothing is taken by itself: the log brings back the state of any moment.
3. A snapshot that fails stops nobody: the checkpoint then holds the state alone, and says why.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.engine.requests import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wfe_mcp.core.history_events import Why
    from wfe_mcp.core.model import Attempt, By
    from wfe_mcp.core.spec import PhasePath
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.turn import Turn
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records import EventRecord
    from wfe_mcp.workspace.checkpoints import Limits, Snapshot
    from wfe_mcp.workspace.retention import KeptCheckpoint

__all__ = [
    "TAKEN", "Checkpoint", "at_completion", "at_start", "checkpoints_of", "keep_again", "limits_of", "name_of", "prune",
    "ref_of", "take_checkpoint",
]  # fmt: skip

TAKEN = "CheckpointTaken"
_LOOKED_AT = 3
_PRUNED_EACH = 10
"""So many checkpoints of a run, and it is looked whether old ones may go."""
_PRUNED_EVERY = timedelta(hours=1)
"""How often one process looks through those of all runs, which takes the longer the more there are."""

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
        """What it is called."""
        return name_of(self.seq)


def name_of(seq: int) -> str:
    """What the checkpoint of event ``seq`` is called."""
    return f"cp-{seq}"


def ref_of(run: str, seq: int) -> str:
    """What ``workspace.checkpoints`` calls it."""
    return f"{run}/{name_of(seq)}"


def checkpoints_of(tx: Tx, run: str) -> list[Checkpoint]:
    """The checkpoints of a run, oldest first."""
    from wfe_mcp.core.model import RunId

    return [_checkpoint(event) for event in tx.events_of(RunId(run), TAKEN)]


def take_checkpoint(engine: Engine, run_id: str, by: By, note: str = "") -> Checkpoint:
    """Save the files now, because somebody asked. Without git, or where it fails, the checkpoint is of the state alone."""
    return _take(engine, run_id, by, "manual", (None,), note)


def at_start(engine: Engine, run_id: str, path: PhasePath, attempt: int, *, again: bool = False) -> None:
    """Save the files before ``attempt`` of ``path`` touches them. ``again``: it may have been done by one who died."""
    if not engine.project.is_git:
        return
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        if not engine.plans.of_run(tx, loaded.record).phase(path).checkpoint:
            return
        if again and any(
            (one.why, one.phase, one.attempt) == ("start", path, attempt)
            for one in checkpoints_of(tx, loaded.record.id)
        ):
            return
    _take(engine, loaded.record.id, SYSTEM, "start", (loaded.state.attempts[path][attempt - 1],))


def at_completion(turn: Turn) -> None:
    """Save the files of the phases that ``turn``, which is committed, has completed."""
    if not turn.engine.project.is_git or turn.state.status is RunStatus.CANCELLED:
        return
    before = turn.loaded_before.state
    done: list[Attempt] = []
    for path in turn.state.changed_since(before):
        now, was = turn.state.current(path), before.attempts.get(path, (None,))[-1]
        is_new = now.status is AttemptStatus.COMPLETED and not now.restores
        is_new = is_new and (was is None or was.status is not AttemptStatus.COMPLETED or was.number != now.number)
        if is_new and turn.state.phase(path).loop is None and turn.plan.phase(path).checkpoint:
            done.append(now)
    if done:
        _take(turn.engine, turn.run.id, SYSTEM, "completion", done)


def limits_of(engine: Engine) -> Limits:
    """How much of the files one checkpoint saves."""
    return engine.settings().settings.checkpoints.limits()


def keep_again(engine: Engine, run_id: str) -> None:
    """The newest checkpoints have their refs again, where a crash came before them."""
    from wfe_mcp.workspace.checkpoints import keep, kept

    if not engine.project.is_git:
        return
    with engine.store.read() as tx:
        record = engine.load(tx, run_id).record
        newest = [one for one in checkpoints_of(tx, record.id) if one.commit is not None][-_LOOKED_AT:]
    if not newest:
        return
    there = kept(Path(record.worktree), record.id)
    for one in newest:
        name = ref_of(record.id, one.seq)
        if name not in there and one.commit is not None:
            try:
                keep(Path(record.worktree), name, one.commit)
            except Refused as refused:  # the objects are gone: whoever asks for them is told
                log.warning("%s of %s: %s", one.name, record.id, refused.message)


def prune(engine: Engine, run_id: str = "") -> list[str]:
    """Let go of files that need not be kept any longer (``[checkpoints]``), of one run or of the project's runs.

    The names that went (``<run>/cp-12``). The events stay: such a checkpoint holds the state alone from now on.
    """
    from wfe_mcp.workflow.model import duration_s
    from wfe_mcp.workspace.checkpoints import drop, kept_at
    from wfe_mcp.workspace.retention import to_drop

    settings = engine.settings().settings.checkpoints
    with engine.store.read() as tx:
        only = engine.load(tx, run_id).record.id if run_id else ""
    times = kept_at(engine.root, only) if engine.project.is_git else {}
    with engine.store.read() as tx:
        found = [
            one for run in sorted({name.partition("/")[0] for name in times}) for one in _kept(tx, engine, run, times)
        ]
    keep_for = timedelta(seconds=duration_s(settings.keep_for))
    gone = to_drop(found, keep=settings.keep, keep_for=keep_for, now=engine.clock())
    drop(engine.root, gone)
    return list(gone)


def _kept(tx: Tx, engine: Engine, run: str, times: Mapping[str, datetime]) -> list[KeptCheckpoint]:
    """The kept checkpoints of one run; those of runs that this database does not know belong to another one.

    What no event names, a rollback that was refused or killed has kept: it may be the only copy of somebody's work.
    """
    from wfe_mcp.core.model import RunId
    from wfe_mcp.workspace.retention import KeptCheckpoint

    loaded = tx.load_run(RunId(run))
    if loaded is None or loaded.record.project_id != engine.project_id:
        return []
    record, known = loaded.record, {ref_of(run, one.seq): one for one in checkpoints_of(tx, run)}
    return [
        KeptCheckpoint(name, run, at, name not in known or known[name].why == "safety", record.ended_at)
        for name, at in times.items()
        if name.startswith(f"{run}/")
    ]


def _prune_now_and_then(engine: Engine, run: str) -> None:
    """Nobody has to think of it: the run's own old files go as it goes on, the project's once an hour of work."""
    now = engine.clock()
    if engine.files_pruned_at is None or now - engine.files_pruned_at >= _PRUNED_EVERY:
        engine.files_pruned_at = now
        whose = ""
    else:
        with engine.store.read() as tx:
            taken = len(checkpoints_of(tx, run))
        if taken <= engine.settings().settings.checkpoints.keep or taken % _PRUNED_EACH:
            return
        whose = run
    try:
        prune(engine, whose)
    except Refused as refused:
        log.warning("old checkpoints stay: %s", refused.message)


def _take(
    engine: Engine, run_id: str, by: By, why: Why, attempts: Sequence[Attempt | None], note: str = ""
) -> Checkpoint:
    from wfe_mcp.engine.turns import turn_in
    from wfe_mcp.workspace.checkpoints import keep

    with engine.store.read() as tx:
        record = engine.load(tx, run_id).record
    root = Path(record.worktree)
    snapshot, fault = _snapshot(engine, root, {"run": record.id, "why": why})
    note = f"{note} ({fault})" if note and fault else note or fault
    with engine.store.tx() as tx, turn_in(engine, tx, record.id, by) as current:
        first = current.run.last_seq + 1
        for attempt in attempts:
            current.give(
                c.TakeCheckpoint(
                    why=why, phase=attempt.phase if attempt else None, attempt=attempt.number if attempt else 0, note=note,
                    commit=snapshot.commit if snapshot else None, tree=snapshot.tree if snapshot else None,
                    skipped=len(snapshot.skipped) if snapshot else 0, by=by, at=current.at,
                )
            )  # fmt: skip
    if snapshot is not None:
        for number in range(len(attempts)):
            try:
                keep(root, ref_of(record.id, first + number), snapshot.commit)
            except Refused as refused:  # it is made again at the next chance
                log.warning("%s of %s has no ref yet: %s", name_of(first + number), record.id, refused.message)
        _prune_now_and_then(engine, record.id)
    with engine.store.read() as tx:
        return _checkpoint(tx.events(record.id, after=first - 1, limit=1)[0])


def _snapshot(engine: Engine, root: Path, note: dict[str, str]) -> tuple[Snapshot | None, str]:
    """The files as they are, or why they are not saved."""
    try:
        return engine.snapshots.take(root, note, limits_of(engine), engine.clock()), ""
    except Refused as refused:
        return None, f"the state alone: {refused.message}"


def _checkpoint(event: EventRecord) -> Checkpoint:
    told = event.payload
    return Checkpoint(
        event.seq, told["why"], told["phase"], told["attempt"], told["commit"], told["tree"], told["skipped"],
        told["note"], event,
    )  # fmt: skip
