"""Recovery of interrupted rollbacks: finish one whose process died.

``rollback.py`` writes an event with the target at the start and another at the end. The steps between are here,
because every command must finish an interrupted rollback first.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.evaluation.reactions import enqueue_gates
from wfe_mcp.engine.files.checkpoints import limits_of, ref_of
from wfe_mcp.engine.history.rollback_preconditions import command_back
from wfe_mcp.engine.kernel.actors import SYSTEM
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.workspace.system.process import holder_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from wfe_mcp.core.model import GoingBack, RunId
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.workspace.git.restore import Restored, RestoreValues

_NAMED = 5


class RestoringRuns(set[str]):
    """The runs whose files this process is putting back."""


def is_interrupted(engine: Engine, loaded: LoadedRun) -> bool:
    """True when a rollback began here and its process is gone. An imported run touches no file."""
    return loaded.record.id not in engine.state_of(RestoringRuns) and _is_left(engine, loaded)


def _is_left(engine: Engine, loaded: LoadedRun) -> bool:
    going = loaded.state.going_back
    if going is None or loaded.record.origin_sha256 is not None:
        return False
    return going.holder == holder_id(engine.identity) or not engine.is_alive(going.holder)


def end_interrupted(engine: Engine, run_id: str) -> None:
    """Finish the rollback that another process began: first restore the files, including those it had restored.

    Of several concurrent calls one does it; for the others the rollback is still in progress.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
    if is_interrupted(engine, loaded):
        with alone(engine, loaded.record.id) as is_first:
            if is_first:
                _end(engine, loaded.record.id)


def _end(engine: Engine, run: RunId) -> None:
    from wfe_mcp.workspace.git.checkpoints import drop, keep
    from wfe_mcp.workspace.git.restore import restore
    from wfe_mcp.workspace.git.snapshot import available, read_snapshot

    with engine.store.read() as tx:
        loaded = engine.load(tx, run)
    going = loaded.state.going_back
    if going is None or not _is_left(engine, loaded):  # another process has just finished it
        return
    root = Path(loaded.record.worktree)
    fault = available(root) if root.is_dir() else f"'{root}' is gone."
    if _waited_in_a_backup(engine, run):
        fault = "The database was set back to a backup that it waited in. The files were left as they are."
    if fault is not None:
        abandon(engine, run, going, fault)
        return
    values: RestoreValues = {"safety": safety_ref(run, going), "limits": limits_of(engine), "at": engine.clock()}
    meanwhile: Restored | None = None
    note = ""
    try:
        restore(root, going.commit, expect=read_snapshot(root, going.safety).tree, **values)
    except Refused as refused:
        if "paths" not in refused.data:  # another process does it, or the disk fails: the next call retries
            raise
        paths = sorted(cast("list[str]", refused.data["paths"]))[:_NAMED]
        note = f"changed meanwhile: {', '.join(map(repr, paths))}"
        meanwhile = restore(root, going.commit, expect=None, **values)  # changed content is kept beside it
    with engine.store.tx() as tx, change_run_in(engine, tx, run, SYSTEM) as current:
        if current.state.going_back == going:
            tree = read_snapshot(root, going.commit).tree
            current.give(command_back(current, going.to, going.kind, files=True, safety=going.safety, tree=tree))
            enqueue_gates(current)
            if meanwhile is not None:
                _record_kept(current, meanwhile, note)
    drop(root, [values["safety"]])
    if meanwhile is not None:
        keep(root, ref_of(run, meanwhile.safety.commit), meanwhile.safety.commit)
        drop(root, [meanwhile.safety_name])


def _waited_in_a_backup(engine: Engine, run: RunId) -> bool:
    """True when the rollback began before a database restore: its files have changed since."""
    from wfe_mcp.engine.maintenance.restore_log import set_backs

    with engine.store.read() as tx:
        began = tx.events.of_types(run, "RollbackBegan")[-1].at
        return any(began <= one.to for one in set_backs(tx.settings_log.events()))


def _record_kept(current: RunChange, meanwhile: Restored, note: str) -> None:
    """Record changes made during the interruption as a checkpoint."""
    safety = meanwhile.safety
    current.give(  # no ``tree``: it is not what the files are since
        c.TakeCheckpoint(
            why="safety", commit=safety.commit, skipped=len(safety.skipped), note=note, by=SYSTEM, at=current.at
        )
    )


def abandon(engine: Engine, run: str, going: GoingBack, reason: str) -> None:
    """End ``going`` without restoring; ``reason``: why the files could not be put back."""
    with engine.store.tx() as tx, change_run_in(engine, tx, run, SYSTEM) as current:
        if current.state.going_back != going:
            return
        current.give(c.AbandonRollback(reason=reason, by=SYSTEM, at=current.at))
        enqueue_gates(current)


def safety_ref(run: str, going: GoingBack) -> str:
    """The ref that keeps the earlier files during the restore."""
    return f"{run}/safety-{going.to}"


_asking = threading.Lock()


@contextmanager
def alone(engine: Engine, run: str) -> Generator[bool]:
    """Mark the run as being restored in this process; False when it already is."""
    with _asking:
        restoring = engine.state_of(RestoringRuns)
        is_first = run not in restoring
        restoring.add(run)
    try:
        yield is_first
    finally:
        if is_first:
            restoring.discard(run)
