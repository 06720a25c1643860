"""Answers about checkpoints and rollbacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.core.units import plural
from wfe_mcp.engine.files import checkpoints
from wfe_mcp.engine.history import rollback
from wfe_mcp.views import runs as run_views
from wfe_mcp.views.checkpoints import CheckpointList, checkpoint_view, not_kept, not_kept_words
from wfe_mcp.views.envelopes import envelope_of, standing_of
from wfe_mcp.views.model import view_of
from wfe_mcp.views.run_models import FilesRestored, RollbackPreview, RollbackView

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.views.envelope import Envelope

_PATHS = 20
_TOLD = 5


def go_back(engine: Engine, by: By, run: str, to: str, files: bool = True, *, discard: bool = False) -> Envelope:
    """Roll back to a checkpoint, or to the last start of a phase."""
    return _told(engine, rollback.rollback(engine, by, run, to, files=files, discard=discard), "Rolled back to")


def preview(engine: Engine, run: str, to: str, files: bool = True) -> Envelope:
    """What a rollback would do now; nothing is changed."""
    would = rollback.prospect(engine, run, to, files=files)
    paths = would.paths or ()
    view = view_of(
        RollbackPreview,
        would,
        phases=would.places[:_PATHS],
        files=would.paths is not None,
        paths=paths[:_PATHS],
        more_paths=max(0, len(paths) - _PATHS),
    )
    begin = ", ".join(view.phases) or "no phase"
    told = f"A rollback to {would.what} would change the state of {begin}"
    told += f" and {plural(len(paths), 'file')}" if view.files else f"; {would.note}" if would.note else ""
    return envelope_of(standing_of(engine, would.loaded.record.id), told, view)


def undo(engine: Engine, by: By, run: str, *, files: bool = False, discard: bool = False) -> Envelope:
    """Undo the last command."""
    return _told(engine, rollback.undo(engine, by, run, files=files, discard=discard), "Undid")


def redo(engine: Engine, by: By, run: str, *, files: bool = False, discard: bool = False) -> Envelope:
    """Redo the last undo."""
    return _told(engine, rollback.redo(engine, by, run, files=files, discard=discard), "Redid")


def checkpoint(engine: Engine, by: By, run: str, note: str = "") -> Envelope:
    """Take a checkpoint now."""
    standing_of(engine, run)  # an interrupted rollback is completed first
    taken = checkpoints.take_checkpoint(engine, run, by, note)
    found = standing_of(engine, run)
    told = f"{taken.name}: {'state and files' if taken.commit else taken.note}"
    left = not_kept(Path(found.loaded.record.worktree), taken.commit) if taken.skipped else ()
    told += f"; {not_kept_words(left[:_TOLD], taken.skipped)}" if left else ""
    return envelope_of(found, told, {"checkpoint": checkpoint_view(taken, not_kept=left)})


def checkpoints_told(engine: Engine, run: str) -> Envelope:
    """The checkpoints of a run, newest first; ``files``: whether its files are still kept."""
    from wfe_mcp.workspace.git.checkpoints import kept

    found = standing_of(engine, run)
    record = found.loaded.record
    with engine.store.read() as tx:
        taken = checkpoints.checkpoints_of(tx, record.id)
    commits = set(kept(engine.root, record.id).values()) if engine.project.is_git else set[str]()
    rows = tuple(checkpoint_view(one, files=one.commit in commits) for one in reversed(taken))
    told = plural(len(rows), "checkpoint")
    if not engine.project.is_git:
        told += "; without git a rollback restores the state alone"
    return envelope_of(found, told, CheckpointList(checkpoints=rows))


def _told(engine: Engine, went: rollback.Went, how: str) -> Envelope:
    found = standing_of(engine, went.loaded.record.id)
    files = None
    told = f"{how} {went.what}"
    if went.restored is not None:
        paths = [change.path for change in went.restored.changes]
        files = FilesRestored(
            restored=len(paths),
            paths=tuple(paths[:_PATHS]),
            before=went.safety,
            left=tuple(each.path for each in went.restored.left[:_PATHS]),
        )
        told += f": {plural(len(paths), 'file')} restored; the files before are in {went.safety}"
    else:
        told += f"; {went.note}" if went.note else ""
    told += f"; not undone: {', '.join(went.effects)}" if went.effects else ""
    view = RollbackView(
        to=went.to, changed=went.places[:_PATHS], run=run_views.brief(found), files=files, effects=went.effects
    )
    return envelope_of(found, told, view)
