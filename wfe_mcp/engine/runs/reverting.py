"""The run that reverts what another one has merged: with gates, an approval and a delivery of its own.

    intended, with its folder ──► the folder ──► the run, by its idempotency key ──► observed

Each step looks what is there, so that after a crash the next undo continues, and no second run begins.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import ENDED, By, RunStatus
from wfe_mcp.core.operation_events import OperationIntended, OperationObserved
from wfe_mcp.core.titles import first_words
from wfe_mcp.delivery.fault import DeliveryFault, in_undo
from wfe_mcp.delivery.git import merges
from wfe_mcp.delivery.git.refs import has_same_files, tree_of
from wfe_mcp.engine.delivery.merge_step import changes_of
from wfe_mcp.engine.delivery.operations import REVERTED, Operation, merges_left, operations_of, record
from wfe_mcp.engine.delivery.place import DeliveryPlace, NotDelivered, delivering, note_on_item, place_of
from wfe_mcp.engine.delivery.undo import refuse_agent
from wfe_mcp.engine.files.worktree_folders import worktrees_folder
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.maintenance.worktrees import make_worktree, open_runs_in
from wfe_mcp.engine.runs.start import REVERT, refuse_missing, start_run
from wfe_mcp.engine.templates.catalogue import find_template
from wfe_mcp.engine.templates.overrides import configure_plan
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.workspace.config.settings import CONFIG_FILE
from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.repository import changes, head
from wfe_mcp.workspace.git.worktrees import needed_files

STARTED_BY = "undo"
_TITLE_CHARS = 120


class PlannedRevert(NamedTuple):
    """A run to begin. ``base``: the branch that it is delivered to, and ``start`` the commit there that it begins at; ``folder``: the
    work tree to make, empty for the project's own; ``merged``: the last commit that goes out. ``is_new``: no undo has begun it before.
    """

    place: DeliveryPlace
    key: str
    base: str
    start: str
    folder: str
    merged: str
    is_new: bool


def start_revert(engine: Engine, by: By, run: str, beside: Callable[[Path], Engine]) -> LoadedRun:
    """The run that takes the merged change of ``run`` back, started now or before. ``beside``: the engine of another folder.

    It works in the folder of ``engine`` where that has the files of the base and no open run, else in a work tree of its own.
    Refuses ``needs_human``; ``illegal_transition``: it was reverted already; ``conflict``: later commits changed the same
    places, with the paths; ``unavailable``: the project delivers nothing; ``invalid_template``: it lacks what the run needs.
    """
    refuse_agent(by, run)
    planned = planned_revert(engine, run, operations_of(engine, run))
    if isinstance(planned, LoadedRun):
        return planned
    place, key, folder, run = planned.place, planned.key, planned.folder, planned.place.run.id
    if planned.is_new:
        target = {"base": planned.base, "sha": planned.merged}
        record(engine, run, OperationIntended(key=key, kind=REVERTED, target=target, before={"folder": folder}), by)
    if folder:
        engine = beside(make_worktree(engine, folder, planned.start, detached=True).tree.path)
    loaded = start_run(
        engine,
        by,
        REVERT,
        {"run": run},
        title=first_words(f"Revert {place.run.title}", _TITLE_CHARS),
        idempotency_key=key,
        triggered_by=STARTED_BY,
        external_id=run,
    )
    record(engine, run, OperationObserved(key=key, after={"run": loaded.record.id}), by)
    if place.item is not None:
        note_on_item(place, {"runs": (*place.item.runs, loaded.record.id)})
    return loaded


def planned_revert(engine: Engine, run: str, operations: list[Operation]) -> LoadedRun | PlannedRevert:
    """The run that reverts what ``run`` merged, where one is at work, else the one that would begin now; nothing is begun.

    ``operations``: those of the run, with what was only looked for. Refuses as ``start_revert`` does, but for ``needs_human``.
    """
    with engine.store.read() as tx:
        record_of = engine.load(tx, run).record
    before, last = _earlier(engine, operations)
    if (there := _at_work(engine, record_of.id, operations, last)) is not None:
        return there
    is_new = not before or last is not None
    number = len(before) + 1 if is_new else len(before)
    try:
        place = place_of(engine, record_of)._replace(root=engine.root)
        base, start, changes_out = changes_of(place, record_of.id, operations)
        tree = merges.revert_tree(engine.root, start, changes_out)
        folder = _folder(place, start, number) if is_new else str(before[-1].before["folder"])
    except NotDelivered as reason:
        raise Refused("unavailable", f"Nothing is delivered here: {reason}.", reason.remedy, run=run) from None
    except DeliveryFault as fault:
        hint = f"When that is done: wfe-mcp undo {record_of.id} --delivery"
        raise Refused("conflict", in_undo(fault, record_of.id), hint, run=record_of.id) from None
    if is_new and tree == tree_of(engine.root, start):
        raise Refused(
            "illegal_transition",
            f"Nothing of what run {record_of.id} merged is on '{base}'.",
            "Its branches, where they were merged: wfe-mcp git cleanup",
            run=record_of.id,
        )
    if folder:
        _refuse_undelivered(place, folder, base, start)
    return PlannedRevert(place, f"{REVERTED}:{record_of.id}#{number}", base, start, folder, changes_out[0][1], is_new)


def _at_work(engine: Engine, run: str, operations: list[Operation], last: LoadedRun | None) -> LoadedRun | None:
    """The run that reverts what ``run`` merged, where ``last``, the newest, is at work; None where one can begin."""
    is_over = last is not None and last.state.status is RunStatus.COMPLETED
    if last is not None and is_over and not merges_left(engine, operations):
        raise Refused(
            "illegal_transition",
            f"Run {last.record.id} has reverted what {run} merged.",
            f"Look at it: wfe-mcp show {last.record.id}",
            run=run,
        )
    if last is not None and last.state.status not in ENDED:
        return last
    settings, inputs = engine.settings(), {"run": run}
    plan, roles = configure_plan(engine, find_template(engine, REVERT), settings, {}, inputs)
    refuse_missing(plan, settings, engine, roles, inputs)
    return None


def _earlier(engine: Engine, operations: list[Operation]) -> tuple[list[Operation], LoadedRun | None]:
    """The reverts of a run that were begun, and the run of the newest."""
    before = [operation for operation in operations if operation.kind == REVERTED]
    return before, _run_of(engine, before[-1]) if before else None


def _run_of(engine: Engine, operation: Operation) -> LoadedRun | None:
    if operation.after is None:
        return None
    with engine.store.read() as tx:
        return engine.load(tx, str(operation.after["run"]))


def _refuse_undelivered(place: DeliveryPlace, folder: str, base: str, start: str) -> None:
    """A run has only the phases that the configuration in its work tree, which may be that of the base, lets it have."""
    path, content = worktrees_folder(place.engine) / folder, None
    if not path.exists():
        (tracked,) = read_objects(place.root, [f"{start}:{CONFIG_FILE}"])
        if tracked is None and CONFIG_FILE in needed_files(place.root):
            return  # that of here is copied
        content = tracked and tracked[1]
    try:
        delivering(place.engine.settings(folder=path, content=content))
    except NotDelivered as reason:
        raise Refused(
            "unavailable",
            f"The run would begin in {path}, with the configuration of '{base}', and nothing is delivered there: {reason}.",
            f"Bring {place.root} to '{base}', without changes and open runs: then it begins there; or put a .wfe/config.toml that "
            f"delivers on '{base}'. Then: wfe-mcp undo {place.run.id} --delivery",
            run=place.run.id,
        ) from None


def _folder(place: DeliveryPlace, start: str, number: int) -> str:
    """The name of the work tree to make, another one for each run; empty where the folder of the project is free for it."""
    root, now = place.root, head(place.root)
    is_at_base = now is not None and has_same_files(root, now, start)
    is_free = is_at_base and not changes(root) and not open_runs_in(place.engine, root)
    return "" if is_free else f"revert-{place.run.id}" + (f"-{number}" if number > 1 else "")
