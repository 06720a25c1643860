"""Rollback, undo and redo: restore the state of a run together with the files of its project.

    judge ──► safety snapshot, unrecorded changes refused ──► CheckpointTaken, RollbackBegan ──► files ──► RolledBack

Rules:
1. Files are touched only between the two events. A crash in between leaves a run whose log names the target: the next
   command, or a server that starts, restores the rest of the files and ends the rollback.
2. The files before it are saved as a checkpoint first, so that an undo restores every byte.
3. Changes in no checkpoint are discarded only when a person asks for it (``discard``).
4. External calls cannot be undone: when a step made one, an agent needs the user.
5. Events of one decision are not split: the target is after the last of them.
6. A passkey signs where it begins. What begins and ends it is then the server's, as after a crash.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wfe_mcp.core import commands as c, events as e, undo as steps_back
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.forking import end_of_decision
from wfe_mcp.core.model import Assurance, AttemptStatus, By, Channel, GoingBack, RunState, TakesBack
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.rollback import changed_places
from wfe_mcp.core.transitions import RUN_MOVES
from wfe_mcp.core.undo import LogEntry
from wfe_mcp.engine.evaluation.reactions import enqueue_gates
from wfe_mcp.engine.files.checkpoints import TAKEN, keep_again, limits_of, name_of, ref_of
from wfe_mcp.engine.history import rollback_recovery as recovery
from wfe_mcp.engine.history.as_of import event_named, is_event_name
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.run_change import RunChange
from wfe_mcp.engine.kernel.transaction import change_run, refuse_change
from wfe_mcp.store import Tx
from wfe_mcp.store.records.runs import LoadedRun
from wfe_mcp.workspace.files.paths import readable
from wfe_mcp.workspace.git.checkpoints import drop, keep
from wfe_mcp.workspace.git.restore import RestoreResult, RestoreValues, repositories_left, restorable
from wfe_mcp.workspace.git.snapshot import Snapshot
from wfe_mcp.workspace.git.working_tree import changed_paths, changes_between, parts_of, tree_hash
from wfe_mcp.workspace.system.process import holder_id

_NOT_BEGUN = {AttemptStatus.PENDING, AttemptStatus.READY}
_WHERE = "wfe-mcp checkpoints {run} lists where the run can go back to."


@dataclass(frozen=True, slots=True)
class Went:
    """A finished rollback. ``places``: phases whose state changed. ``note``: why files were not restored.

    ``effects``: steps whose external calls remain. ``safety``: the checkpoint of the files before it.
    """

    loaded: LoadedRun
    to: int
    what: str
    places: tuple[PhasePath, ...]
    restored: RestoreResult | None = None
    safety: str = ""
    note: str = ""
    effects: tuple[str, ...] = ()


def rollback(
    engine: Engine, by: By, run_id: str, to: str, *, files: bool = True, discard: bool = False, shown: int | None = None
) -> Went:
    """Roll back to the checkpoint ``to``, or the last start of phase ``to``. ``discard``: unrecorded changes too.

    ``shown``: the last event of the run when ``prospect`` was shown; once there is another, it is ``stale_revision``.
    """
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        aim = _aim(engine, tx, loaded, to, files=files)
    return _go(engine, by, loaded.record.id, replace(aim, shown=shown), discard=discard)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a rollback, undo or redo would do now. ``places``: phases whose state would change.

    ``paths``: files that would change, also those in no checkpoint; None where the files stay as they are, and ``note``
    says why, else which repositories inside stay. ``deleted``: those of them that would be deleted; ``unrecorded``: those with changes that no checkpoint has,
    for which it is refused. ``command``: the same at a terminal; ``ways``: what to do about ``unrecorded``. ``judged_again``: whose gates run again.
    """

    loaded: LoadedRun
    to: int
    what: str
    places: tuple[PhasePath, ...]
    paths: tuple[str, ...] | None
    note: str
    command: str
    deleted: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()
    ways: str = ""
    judged_again: tuple[PhasePath, ...] = ()


def prospect(
    engine: Engine, run_id: str, to: str = "", *, files: bool = True, kind: TakesBack = "rollback"
) -> Prospect:
    """What ``rollback`` to ``to``, ``undo`` or ``redo`` would do now, or refuse: nothing is changed, nor locked until then."""
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        refuse_change(engine, loaded.record)
        known = recovery.known_tree(recovery.log_of(tx, loaded.record.id))
        aim = (
            _aim(engine, tx, loaded, to, files=files)
            if kind == "rollback"
            else _step_aim(tx, loaded, kind, files=files)
        )
        then = tx.events.replay(loaded.record.id, until=aim.to)
    if (refused := _refused_to_all(engine, loaded, aim, then)) is not None:
        raise refused
    paths: tuple[str, ...] | None = None
    deleted = unrecorded = tuple[str, ...]()
    note = aim.note if aim.commit is None else "this folder is too large to compare its files"
    if aim.commit is not None:
        root = Path(loaded.record.worktree)
        wanted, now = recovery.read_files(root, aim.commit, aim), tree_hash(root)
        if now is not None:
            present = parts_of(now)[0]
            changes = restorable(root, sorted(changes_between(root, present, wanted.tree)[0]), wanted)
            paths = tuple(readable(change.path) for change in changes)
            deleted = tuple(readable(change.path) for change in changes if change.new is None)
            note = repositories_left(wanted.skipped)
            own = set(changed_paths(root, known, present)) if known else set[str]()
            unrecorded = tuple(path for path in paths if path in own)
    places = changed_places(loaded.state, then, files=aim.commit is not None)
    ways = recovery.ways_with_unrecorded(loaded.record.id, aim) if unrecorded else ""
    gating = [attempt.phase for attempt in then.open_attempts if attempt.status is AttemptStatus.GATING]
    again = tuple(path for path in places if path in gating)
    return Prospect(loaded, aim.to, aim.what, places, paths, note, aim.command, deleted, unrecorded, ways, again)


def _refused_to_all(engine: Engine, loaded: LoadedRun, aim: recovery.Aim, then: RunState) -> Refused | None:
    """Why not even the user can go back to ``aim``, where the run is ``then``; None where they can."""
    user = By("", Channel.CLI, Assurance.HUMAN)
    command = c.Rollback(to=aim.to, then=then, kind=aim.kind, files=aim.commit is not None, by=user, at=engine.clock())
    return refusal(loaded.state, command)


def undo(
    engine: Engine, by: By, run_id: str, *, files: bool = False, discard: bool = False, shown: int | None = None
) -> Went:
    """Undo the last command. The file changes of a rollback are undone too; other files only with ``files``."""
    return _step(engine, by, run_id, "undo", files=files, discard=discard, shown=shown)


def redo(
    engine: Engine, by: By, run_id: str, *, files: bool = False, discard: bool = False, shown: int | None = None
) -> Went:
    """Redo the last undone command."""
    return _step(engine, by, run_id, "redo", files=files, discard=discard, shown=shown)


def steps_named(tx: Tx, loaded: LoadedRun) -> dict[TakesBack, str]:
    """What ``undo`` and ``redo`` would reverse now; a kind with nothing to reverse, or that a run does not take, is left out."""
    named = dict[TakesBack, str]()
    if c.Rollback.__name__ not in RUN_MOVES[loaded.state.status] or loaded.record.origin_sha256 is not None:
        return named
    log = recovery.log_of(tx, loaded.record.id)
    for kind, step_of in _STEPS.items():
        with suppress(Refused):
            named[kind] = _name_step(log, step_of(log), kind)
    return named


_STEPS: dict[TakesBack, Callable[[Sequence[LogEntry]], steps_back.UndoStep]] = {
    "undo": steps_back.undo,
    "redo": steps_back.redo,
}


def _name_step(log: Sequence[LogEntry], step: steps_back.UndoStep, kind: TakesBack) -> str:
    entry = step.what if kind == "undo" else steps_back.undo(log[: step.first - 1]).what  # what the undo reverted
    return steps_back.describe_command(entry)


def _step(
    engine: Engine, by: By, run_id: str, kind: TakesBack, *, files: bool, discard: bool, shown: int | None
) -> Went:
    with engine.store.read() as tx:
        loaded = engine.load(tx, run_id)
        aim = _step_aim(tx, loaded, kind, files=files)
    return _go(engine, by, loaded.record.id, replace(aim, shown=shown), discard=discard)


def _step_aim(tx: Tx, loaded: LoadedRun, kind: TakesBack, *, files: bool) -> recovery.Aim:
    log = recovery.log_of(tx, loaded.record.id)
    step = _STEPS[kind](log)
    event = step.what.event
    commit = event.safety if isinstance(event, e.RolledBack) else _files_before(log, step) if files else None
    note = "" if commit else "the files stay as they are"
    command = f"wfe-mcp {kind} {loaded.record.id}{' --files' if files else ''}"
    return recovery.Aim(step.to, kind, commit, note, _name_step(log, step, kind), command)


def _aim(engine: Engine, tx: Tx, loaded: LoadedRun, to: str, *, files: bool) -> recovery.Aim:
    run = loaded.record.id
    named = f"wfe-mcp rollback {run} {shell_path(to)}"
    if PhasePath(to) in loaded.state.attempts:
        seq, what = _start_of(tx, loaded, PhasePath(to)), f"the last start of {to}"
    elif not is_event_name(to):
        raise Refused(
            "bad_argument",
            f"{to!r:.80} is neither a checkpoint nor a phase of this run.",
            nearest_hint(to, loaded.state.attempts, then=_WHERE.format(run=run)),
        )
    else:
        seq = end_of_decision(recovery.log_of(tx, run), event_named(tx, loaded.record, to).seq)
        what = to
    event = tx.events.of_run(run, after=seq - 1, limit=1)[0]
    if not files:
        return recovery.Aim(seq, "rollback", None, "the files stay as they are", what, f"{named} --no-files")
    if event.type == TAKEN:
        note = "" if event.payload["commit"] else event.payload["note"]
        return recovery.Aim(seq, "rollback", event.payload["commit"], note, what, named)
    if engine.project.is_git and PhasePath(to) not in loaded.state.attempts:
        raise Refused(
            "bad_argument",
            f"Event {seq} is no checkpoint: no files belong to it.",
            f"Name a checkpoint (wfe-mcp checkpoints {run}), or go back without the files.",
        )
    why = "no checkpoint was taken there" if engine.project.is_git else "the project has no git"
    return recovery.Aim(seq, "rollback", None, f"the files stay as they are: {why}", what, named)


def _start_of(tx: Tx, loaded: LoadedRun, path: PhasePath) -> int:
    """The first start of the newest started attempt of ``path``; taking over a lost claim is no new start."""
    run = loaded.record.id
    begun = [
        (event.payload["attempt"], event.seq)
        for kind in ("PhaseStarted", "LoopOpened")
        for event in tx.events.of_types(run, kind)
        if event.payload["phase"] == path
    ]
    origin = loaded.state.origin
    if not begun and origin is not None and loaded.state.current(path).status not in _NOT_BEGUN:
        raise Refused(
            "not_ready",
            f"Phase {path!r} began in run '{origin.run}', before run '{run}' was forked from it.",
            f"Fork that one from an earlier event: wfe-mcp log {origin.run}",
        )
    if not begun:
        raise Refused(
            "not_ready", f"Phase {path!r} has not begun yet: there is nothing to go back to.", _WHERE.format(run=run)
        )
    newest = max(begun)[0]
    first = min(seq for attempt, seq in begun if attempt == newest)
    wanted = ("start", path, newest)
    taken = [
        event.seq
        for event in tx.events.of_types(run, TAKEN)
        if (event.payload["why"], event.payload["phase"], event.payload["attempt"]) == wanted
    ]
    return next((seq for seq in taken if seq > first), first)


def _files_before(log: Sequence[LogEntry], step: steps_back.UndoStep) -> str | None:
    """The files before ``step``: where it starts a phase those that its start saved, else those of the newest checkpoint up to it."""
    start, earlier = step.what.event, reversed(log[: step.to])
    of_start = ("start", start.phase, start.attempt) if isinstance(start, e.PhaseStarted) else None
    taken = [entry.event for entry in log[step.to :] if isinstance(entry.event, e.CheckpointTaken)]
    own = (event for event in taken if (event.why, event.phase, event.attempt) == of_start)
    before = (entry.event for entry in earlier if isinstance(entry.event, e.CheckpointTaken))
    return next((event.commit for event in (*own, *before) if event.commit), None)


def _go(engine: Engine, by: By, run: str, aim: recovery.Aim, *, discard: bool) -> Went:
    if discard and not by.is_human:
        raise Refused(
            "needs_human",
            "Only the user can discard changes since the last checkpoint.",
            f"Ask the user to run: {aim.command} --discard",
        )
    if aim.commit is None:
        with engine.store.read() as tx:
            root = Path(engine.load(tx, run).record.worktree)
        code = tree_hash(root)
        with change_run(engine, run, by) as current:
            before, effects = current.state, recovery.judge(current, aim)
            current.give(recovery.command_back(current, aim.to, aim.kind, files=False, code=code))
        return Went(
            current.loaded, aim.to, aim.what, changed_places(before, current.state), note=aim.note, effects=effects
        )
    return _with_files(engine, by, run, aim, aim.commit, discard=discard)


def _with_files(engine: Engine, by: By, run: str, aim: recovery.Aim, commit: str, *, discard: bool) -> Went:
    from wfe_mcp.workspace.git.restore import prepare, restore

    with change_run(engine, run, by) as current:  # refuses before git has done anything
        recovery.judge(current, aim)
        busy = refusal(current.state, c.TakeCheckpoint(why="safety", **current.given))
        if busy is not None:  # another call is still restoring files
            raise busy
        log, root = recovery.log_of(current.tx, run), Path(current.run.worktree)
    # safety files kept by two refs ──► CheckpointTaken, RollbackBegan ──► files ──► RolledBack ──► one ref dropped
    # killed before RollbackBegan: refs that no event names; no file has changed
    # killed after it: the next caller finishes the rollback (rollback_recovery.py)
    keep_again(engine, run)
    wanted = recovery.read_files(root, commit, aim)
    going = GoingBack(aim.to, commit, "", holder_id(engine.identity), aim.kind)
    # A rehearsal has a name of its own: another caller may be restoring the same meanwhile.
    values: RestoreValues = {
        "safety": recovery.safety_ref(run, going) + ("-asked" if current.is_rehearsed else ""),
        "limits": limits_of(engine),
        "at": engine.clock(),
    }
    try:
        # Files that no event recorded may be the user's work: only ``discard`` replaces them.
        restore_plan = prepare(root, commit, expect=None if discard else recovery.known_tree(log), **values)
    except Refused as refused:
        raise recovery.explain_unrecorded(engine, by, current.loaded, aim, refused) from None
    if not current.is_rehearsed:
        keep(root, ref_of(run, restore_plan.safety.commit), restore_plan.safety.commit)
    with recovery.alone(engine, run) as is_first:
        if not is_first:
            raise Refused(
                "leased",
                "Another call is putting the files of this run back.",
                "Ask for its status; it continues by itself.",
                run=run,
            )
        try:
            with change_run(engine, run, by) as current:
                # Judged again: the run may have changed while git worked.
                before, effects = current.state, recovery.judge(current, aim)
                seq = current.run.last_seq + 1
                _begin(current, aim, going, restore_plan.safety)
        finally:
            if current.is_rehearsed:
                drop(root, [values["safety"]])
        began = current.state.going_back
        assert began is not None, "it has just begun"
        try:
            # The files of the safety snapshot: what was written since is not in it, and must not be lost.
            done = restore(root, commit, expect=restore_plan.safety.tree, **values)
        except Refused as refused:
            recovery.abandon(engine, run, began, refused.message)
            raise
        with change_run(engine, run, SYSTEM if _is_by_passkey(by) else by) as current:
            current.give(
                recovery.command_back(current, aim.to, aim.kind, files=True, safety=began.safety, tree=wanted.tree)
            )
            # A gate job that ran meanwhile ended without a verdict: nothing is judged while the run goes back.
            enqueue_gates(current)
        drop(root, [values["safety"]])
    return Went(
        current.loaded, aim.to, aim.what, changed_places(before, current.state), done, name_of(seq), effects=effects
    )


def _begin(current: RunChange, aim: recovery.Aim, going: GoingBack, safety: Snapshot) -> None:
    """The checkpoint of the files that are replaced, and the begin of the rollback, which names their commit."""
    is_signed_once = _is_by_passkey(current.by)
    if is_signed_once:
        current.facts["replaces"] = safety.tree
    current.give(
        c.TakeCheckpoint(
            why="safety",
            commit=safety.commit,
            tree=safety.tree,
            skipped=len(safety.skipped),
            by=SYSTEM if is_signed_once else current.by,
            at=current.at,
        )
    )
    begin = recovery.command_back(current, aim.to, aim.kind, files=True, safety=safety.commit)
    current.give(
        c.BeginRollback(
            commit=going.commit,
            holder=going.holder,
            to=begin.to,
            then=begin.then,
            kind=begin.kind,
            people=begin.people,
            files=True,
            safety=begin.safety,
            **current.given,
        )
    )


def _is_by_passkey(by: By) -> bool:
    """Whether a passkey signs what ``by`` does: one transaction, where a rollback begins."""
    return by.channel is Channel.PASSKEY
