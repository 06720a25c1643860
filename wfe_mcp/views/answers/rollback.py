"""Answers about checkpoints and rollbacks."""

from pathlib import Path

from wfe_mcp.core.model import By, TakesBack
from wfe_mcp.core.units import join_names, plural
from wfe_mcp.engine.factory import create_beside
from wfe_mcp.engine.files import checkpoints
from wfe_mcp.engine.history import rollback
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.reports.envelopes import envelope_of, overview_of
from wfe_mcp.views.runs import run as run_views
from wfe_mcp.views.runs.checkpoints import CheckpointList, checkpoint_view, not_kept, not_kept_words
from wfe_mcp.views.runs.models import FilesRestored, RollbackPreview, RollbackView
from wfe_mcp.views.runs.operations import operation_views
from wfe_mcp.views.values.model import view_of
from wfe_mcp.workspace.git.checkpoints import list_checkpoints
from wfe_mcp.workspace.git.restore import repositories_left
from wfe_mcp.workspace.system.location import project_at

_PATHS = 20
_LISTED = 5
_KINDS: dict[TakesBack, str] = {"rollback": "A rollback to", "undo": "An undo of", "redo": "A redo of"}


def go_back(
    engine: Engine,
    by: By,
    run: str,
    to: str,
    files: bool = True,
    *,
    discard: bool = False,
    shown: int | None = None,
) -> Envelope:
    """Roll back to a checkpoint, or to the last start of a phase. ``shown``: what ``preview`` said."""
    went = rollback.rollback(engine, by, run, to, files=files, discard=discard, shown=shown)
    return _answer(engine, went, "Rolled back to")


def preview(
    engine: Engine, run: str, to: str = "", files: bool = True, kind: TakesBack = "rollback", *, discard: bool = False
) -> Envelope:
    """What a rollback, undo or redo would do now; nothing is changed. ``discard``: also changes that no checkpoint has."""
    would = rollback.prospect(engine, run, to, files=files, kind=kind)
    paths = would.paths or ()
    view = view_of(
        RollbackPreview,
        would,
        shown=would.loaded.record.last_seq,
        phases=would.places[:_PATHS],
        files=would.paths is not None,
        paths=paths[:_PATHS],
        more_paths=max(0, len(paths) - _PATHS),
        deleted=would.deleted[:_PATHS],
        unrecorded=would.unrecorded[:_PATHS],
    )
    begin = ", ".join(view.phases) or "no phase"
    summary = f"{_KINDS[kind]} {would.what} would change the state of {begin}"
    summary += f" and {plural(len(paths), 'file')}" if view.files else ""
    summary += f"; the gates of {', '.join(would.judged_again)} run again" if would.judged_again else ""
    summary += f"; {would.note}" if would.note else ""
    if own := len(would.unrecorded):
        then = "they are replaced, and an undo has them" if discard else "so it is refused"
        summary += f"; {own} of them {'has' if own == 1 else 'have'} changes that no checkpoint has, {then}"
    summary += _what_stays(engine, would.loaded.record.id)
    return envelope_of(overview_of(engine, would.loaded.record.id), summary, view)


def undo(
    engine: Engine, by: By, run: str, *, files: bool = False, discard: bool = False, shown: int | None = None
) -> Envelope:
    """Undo the last command."""
    return _answer(engine, rollback.undo(engine, by, run, files=files, discard=discard, shown=shown), "Undid")


def undo_delivery(engine: Engine, by: By, run: str, *, dry_run: bool = False) -> Envelope:
    """Undo what a run delivered; with ``dry_run`` say what that would be. After a merge: the run that reverts it."""
    from wfe_mcp.engine.delivery.operations import merge_in, merges_left, merges_of_newest_base, to_reverse
    from wfe_mcp.engine.delivery.undo import looked_for, undo_delivery as reverse, undoable
    from wfe_mcp.engine.runs.reverting import PlannedRevert, planned_revert, start_revert

    operations = looked_for(engine, run, by if by.is_human and not dry_run else None)
    merges = merges_of_newest_base(merges_left(engine, operations))
    merge = merges[-1] if merges else merge_in(operations)
    if merge is not None and (merges or not to_reverse(operations)):
        where, them = f"{merge.commit[:12]} was merged into {merge.target['base']}", "it"
        if len(merges) > 1:
            where, them = (
                f"{len(merges)} changes were merged into {merge.target['base']}, the last is {merge.commit[:12]}",
                "them",
            )
        if dry_run:
            planned, run_overview = planned_revert(engine, run, operations), overview_of(engine, run)
            what = (
                f"an undo of the delivery would open a run that reverts {them}"
                if isinstance(planned, PlannedRevert)
                else f"run {planned.record.id} reverts {them}"
            )
            return envelope_of(run_overview, f"{where}: {what}", run_views.full(run_overview))
        record = start_revert(
            engine, by, run, lambda folder: create_beside(engine, project_at(folder), engine.holder)
        ).record
        run_overview = overview_of(engine, record.id)
        return envelope_of(
            run_overview, f"{where}: run {record.id} reverts {them}, in {record.worktree}", run_views.full(run_overview)
        )
    run_overview = undoable(engine, run) if dry_run else reverse(engine, by, run)
    views = operation_views(run_overview)
    listed = ", ".join(f"{view.kind} {view.target}" for view in views)
    would = "An undo of the delivery would reverse" if dry_run else "Reversed"
    after = overview_of(engine, run)
    return envelope_of(after, f"{would} {plural(len(views), 'operation')}: {listed}", run_views.full(after))


def redo(
    engine: Engine, by: By, run: str, *, files: bool = False, discard: bool = False, shown: int | None = None
) -> Envelope:
    """Redo the last undo."""
    return _answer(engine, rollback.redo(engine, by, run, files=files, discard=discard, shown=shown), "Redid")


def checkpoint(engine: Engine, by: By, run: str, note: str = "") -> Envelope:
    """Take a checkpoint now."""
    overview_of(engine, run)  # an interrupted rollback is completed first
    taken = checkpoints.take_checkpoint(engine, run, by, note)
    overview = overview_of(engine, run)
    summary = f"{taken.name}: {'state and files' if taken.commit else taken.note}"
    left = not_kept(Path(overview.loaded.record.worktree), taken.commit) if taken.skipped else ()
    summary += f"; {not_kept_words(left[:_LISTED], taken.skipped)}" if left else ""
    return envelope_of(overview, summary, {"checkpoint": checkpoint_view(taken, not_kept=left)})


def checkpoint_list(engine: Engine, run: str) -> Envelope:
    """The checkpoints of a run, newest first; ``files``: whether its files are still kept."""
    overview = overview_of(engine, run)
    record = overview.loaded.record
    with engine.store.read() as tx:
        taken, steps = checkpoints.checkpoints_of(tx, record.id), rollback.steps_named(tx, overview.loaded)
    commits = set(list_checkpoints(engine.root, record.id).values()) if engine.project.is_git else set[str]()
    rows = tuple(
        checkpoint_view(checkpoint_record, files=checkpoint_record.commit in commits)
        for checkpoint_record in reversed(taken)
    )
    summary = plural(len(rows), "checkpoint")
    if not engine.project.is_git:
        summary += "; without git a rollback restores the state alone"
    return envelope_of(
        overview, summary, CheckpointList(checkpoints=rows, undo=steps.get("undo", ""), redo=steps.get("redo", ""))
    )


def _answer(engine: Engine, went: rollback.Went, how: str) -> Envelope:
    overview = overview_of(engine, went.loaded.record.id)
    files = None
    summary = f"{how} {went.what}"
    if went.restored is not None:
        paths = [change.path for change in went.restored.changes]
        files = FilesRestored(
            restored=len(paths),
            paths=tuple(paths[:_PATHS]),
            before=went.safety,
            left=tuple(path.path for path in went.restored.left[:_PATHS]),
        )
        summary += f": {plural(len(paths), 'file')} restored; the files before are in {went.safety}"
        stay = repositories_left(went.restored.safety.skipped)
        summary += f"; {stay}" if stay else ""
    else:
        summary += f"; {went.note}" if went.note else ""
    summary += f"; not undone: {', '.join(went.effects)}" if went.effects else ""
    summary += _what_stays(engine, went.loaded.record.id)
    view = RollbackView(
        to=went.to, changed=went.places[:_PATHS], run=run_views.brief(overview), files=files, effects=went.effects
    )
    return envelope_of(overview, summary, view)


def _what_stays(engine: Engine, run: str) -> str:
    """What of the delivery of ``run`` stays on the base, whatever its state becomes; empty before a merge."""
    from wfe_mcp.engine.delivery.operations import merges_left, operations_of

    merges = merges_left(engine, operations_of(engine, run))
    if not merges:
        return ""
    stays = f"{merges[0].commit[:12]} stays" if len(merges) == 1 else f"{len(merges)} merges stay"
    bases = join_names([*dict.fromkeys(str(merge.target["base"]) for merge in merges)])
    return f"; {stays} on {bases}: wfe-mcp undo {run} --delivery"
