"""Before and after a rollback: what blocks it, and how one is finished whose process died.

``rollback.py`` writes an event with the target at the start and another at the end. The steps between are here,
because every command must finish an interrupted rollback first.

    a person's decision, a stop, another worker, another run in the folder, a running job, an external call,
    files in no checkpoint

All are checked before git does anything, and again in the transaction that begins the rollback.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core import commands as c, events as e, undo as steps_back
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, By, Channel, GoingBack, RunId, RunState, TakesBack
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.readers import by_own_pin
from wfe_mcp.core.rollback import changed_places
from wfe_mcp.engine.evaluation.reactions import enqueue_gates
from wfe_mcp.engine.files.checkpoints import limits_of, ref_of
from wfe_mcp.engine.files.tree_binding import is_recorded
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.leases import held_by_another
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.engine.phases.steps import has_steps, is_repeatable
from wfe_mcp.store.records.jobs import JobStatus
from wfe_mcp.workspace.system.process import holder_id

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.core.undo import LogEntry
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.workspace.git.restore import RestoreResult, RestoreValues
    from wfe_mcp.workspace.git.snapshot import Snapshot


_NAMED = 5


class RestoringRuns(set[str]):
    """The runs whose files this process is putting back."""


def is_interrupted(engine: Engine, loaded: LoadedRun) -> bool:
    """True when a rollback began here and its process is gone. An imported run touches no file."""
    return loaded.record.id not in engine.shared_state_of(RestoringRuns) and _is_left(engine, loaded)


def _is_left(engine: Engine, loaded: LoadedRun) -> bool:
    going = loaded.state.going_back
    if going is None or loaded.record.origin_sha256 is not None:
        return False
    # Our own: an earlier call of this process that did not end it.
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
    if fault is None and not (_is_kept(root, going.safety) and _is_kept(root, going.commit)):
        fault = "Git no longer has the snapshots that it needs. The files were left as they are."
    if _waited_in_a_backup(engine, run):
        fault = "The database was set back to a backup that it waited in. The files were left as they are."
    if fault is not None:
        abandon(engine, run, going, fault)
        return
    values: RestoreValues = {"safety": safety_ref(run, going), "limits": limits_of(engine), "at": engine.clock()}
    meanwhile: RestoreResult | None = None
    note = ""
    try:
        # What the killed restore has written already is wanted content, and no conflict.
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
    # Only now: until the event is there, the next try needs the files from before.
    drop(root, [values["safety"]])
    if meanwhile is not None:
        keep(root, ref_of(run, meanwhile.safety.commit), meanwhile.safety.commit)
        drop(root, [meanwhile.safety_name])


def _is_kept(root: Path, commit: str) -> bool:
    """Whether git still has the snapshot: not where its refs were removed, nor in a new clone."""
    from wfe_mcp.workspace.git.snapshot import read_snapshot

    try:
        read_snapshot(root, commit)
    except Refused as refused:
        if refused.code != "bad_argument":
            raise
        return False
    return True


def _waited_in_a_backup(engine: Engine, run: RunId) -> bool:
    """True when the rollback began before a database restore: its files have changed since."""
    from wfe_mcp.engine.maintenance.restore_log import set_backs

    with engine.store.read() as tx:
        began = tx.events.of_types(run, "RollbackBegan")[-1].at
        return any(began <= set_back.to for set_back in set_backs(tx.settings_log.events()))


def _record_kept(current: RunChange, meanwhile: RestoreResult, note: str) -> None:
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
        restoring = engine.shared_state_of(RestoringRuns)
        is_first = run not in restoring
        restoring.add(run)
    try:
        yield is_first
    finally:
        if is_first:
            restoring.discard(run)


_WRITES = {"gate", "step", "work", "files"}
_PATHS = 50
_HAPPENED = {"done", "running", "unknown", "failed"}


@dataclass(frozen=True, slots=True)
class Aim:
    """The target. ``commit``: its files; None: there are none, and ``note`` says why. ``shown``: the run's last event when it was shown."""

    to: int
    kind: TakesBack
    commit: str | None
    note: str
    what: str
    command: str
    shown: int | None = None


def judge(current: RunChange, aim: Aim) -> tuple[str, ...]:
    """Refuses a blocked rollback, and one that was shown before the run continued; else returns the external calls that cannot be undone."""
    if aim.shown not in {None, current.run.last_seq}:
        raise Refused(
            "stale_revision",
            "Nothing was changed. The run continued after you were shown what this would do.",
            "Look again at what it would do now, then decide.",
        )
    files = aim.commit is not None
    command = command_back(current, aim.to, aim.kind, files=files)
    refused = refusal(current.state, command)
    if refused is not None:
        raise _with_command(refused, current.by, aim)
    places = changed_places(current.state, command.then, files=files)
    _refuse_others(current, places, aim)
    effects = _effects(current, places, command.then)
    if effects and not current.by.is_human:
        raise _with_command(
            Refused("needs_human", f"What {effects[0]} has done outside is not undone, and might be done twice."),
            current.by,
            aim,
        )
    return effects


def read_files(root: Path, commit: str, aim: Aim) -> Snapshot:
    """The files to go back to. Refuses ``unavailable`` where git no longer has them."""
    from wfe_mcp.workspace.git.snapshot import read_snapshot

    try:
        return read_snapshot(root, commit)
    except Refused as refused:
        if refused.code == "unavailable":
            raise
        raise Refused(
            "unavailable",
            f"The files of {aim.what} are no longer kept.",
            "Go back without the files, or to a newer checkpoint.",
        ) from None


def _with_command(refused: Refused, by: By, aim: Aim) -> Refused:
    if refused.code != "needs_human":
        return refused
    hint = by_own_pin(aim.command, at_cli=by.channel is Channel.CLI)
    return Refused(refused.code, refused.message, hint, data={"command": aim.command})


def _refuse_others(current: RunChange, places: Sequence[PhasePath], aim: Aim) -> None:
    """Refuse while another agent, another run or a job works on the files."""
    engine, run = current.engine, current.run
    for path in places:
        attempt = current.attempt(path)
        others = attempt.holder not in {None, engine.holder} and not current.state.is_served(path)
        at_work = attempt.status is AttemptStatus.RUNNING and engine.holds(current.tx, attempt)
        # A person may: what the holder submits later is refused, as its attempt is over.
        if others and at_work and not current.by.is_human:
            held = held_by_another(current.tx, run.id, attempt, "Only its holder, or a person, goes back over it.")
            # At a terminal it may be that person: then the command asks for the PIN.
            at_cli = current.by.channel is Channel.CLI
            raise _with_command(Refused("needs_human", held.message), current.by, aim) if at_cli else held
    if aim.commit is None:
        return
    for other in current.tx.runs.open_attempts((AttemptStatus.RUNNING, AttemptStatus.GATING)):
        if other.run_id == run.id or not (other.status is AttemptStatus.GATING or engine.holds(current.tx, other)):
            continue
        there = current.tx.runs.load(other.run_id, to_change=False)  # it only has to be looked at
        if there is not None and there.record.worktree == run.worktree:
            raise Refused(
                "leased",
                f"Run {other.run_id} works in this folder: its phase {other.phase!r} is {other.status}.",
                f"Finish or cancel run {other.run_id} first, or go back without the files.",
            )
    for job in current.tx.jobs.filter(run.id, statuses=(JobStatus.RUNNING,)):
        if job.kind in _WRITES:
            raise Refused(
                "leased",
                f"A job of this run is at work in the files: {job.kind} of {job.phase!r}.",
                f"Wait until it ends, or end it: wfe-mcp jobs cancel {job.id}",
                data={"job": job.id},
            )


def _effects(current: RunChange, places: Sequence[PhasePath], then: RunState) -> tuple[str, ...]:
    """The calls to the outside of all attempts that the phases made since, or continued with: a new one makes them again."""
    if not has_steps(current.state.spec):
        return ()
    first = {path: then.current(path).before + 1 if path in then.attempts else 1 for path in places}
    calls = (
        f"step {row.step!r} of {row.phase} ({row.does})"
        for row in current.tx.steps.of_run(current.run.id)
        if row.attempt >= first.get(row.phase, row.attempt + 1)
        and not is_repeatable(row)
        and row.carried is None
        and str(row.status) in _HAPPENED
    )
    return tuple(dict.fromkeys(calls))


def explain_unrecorded(engine: Engine, by: By, loaded: LoadedRun, aim: Aim, refused: Refused) -> Refused:
    """What an agent can do about files in no checkpoint; a person may discard them."""
    if refused.code != "conflict" or "paths" not in refused.data:
        return refused
    discard = f"{aim.command} --discard"
    paths = cast("list[str]", refused.data["paths"])
    data: dict[str, Any] = {name: refused.data[name] for name in ("diffstat", "safety")}
    data |= {"paths": paths[:_PATHS], "command": discard}
    at_cli = by.channel is Channel.CLI
    record = "wfe-mcp checkpoint RUN" if at_cli else "control_run action=checkpoint"
    without = ("with --no-files" if aim.kind == "rollback" else "without --files") if at_cli else "with files=false"
    works = any(
        attempt.status is AttemptStatus.RUNNING and attempt.holder == engine.holder
        for attempt in loaded.state.open_attempts
    )
    if by.is_human or works:
        hint = (
            ways_with_unrecorded(loaded.record.id, aim)
            if by.is_human
            else f"Yours? Record them first ({record}), then go back; or go back {without}."
        )
        return _refusal(refused, "conflict", hint, data)
    hint = f"They may be the user's: go back {without}, or ask the user to run: {discard}"
    return _refusal(refused, "needs_human", hint, data)


def ways_with_unrecorded(run: str, aim: Aim) -> str:
    """What the user can do about files in no checkpoint."""
    return (
        f"Save them first: wfe-mcp checkpoint {run}; or replace them, an undo has them: {aim.command} --discard; "
        f"or leave the files as they are: {_without_files(aim)}"
    )


def _without_files(aim: Aim) -> str:
    """The command that leaves the files as they are: by default a rollback restores them, and an undo does not."""
    return f"{aim.command} --no-files" if aim.kind == "rollback" else aim.command.removesuffix(" --files")


def _refusal(refused: Refused, code: Any, hint: str, data: dict[str, Any]) -> Refused:
    return Refused(code, refused.message, hint, refused.details, data=data)


def log_of(tx: Tx, run: str) -> list[LogEntry]:
    """The log of a run as the rules read it."""
    happened = zip(tx.events.log(RunId(run)), tx.events.core_events(RunId(run)), strict=True)
    return [
        steps_back.LogEntry(row.seq, event, By(row.actor, row.channel, row.assurance), row.at)
        for row, event in happened
    ]


def command_back(
    current: RunChange,
    to: int,
    kind: TakesBack,
    *,
    files: bool,
    safety: str | None = None,
    tree: str | None = None,
    code: str | None = None,
) -> c.Rollback:
    """The command for the log as of this transaction. ``code``: the tree of the files, where they stay as they are."""
    log = log_of(current.tx, current.run.id)
    then = current.tx.events.replay(current.run.id, until=to)
    people = steps_back.people_since(log, to, whole=kind != "rollback", files=files)
    return c.Rollback(
        to=to,
        then=then,
        kind=kind,
        people=people,
        files=files,
        safety=safety,
        tree=tree,
        changed=not files and code is not None and not is_recorded(code, {known_tree(log[:to])}, then),
        **current.given,
    )


def known_tree(log: Sequence[LogEntry]) -> str | None:
    """The files as the run last recorded them."""
    events = (entry.event for entry in reversed(log))
    return next(
        (event.tree for event in events if isinstance(event, e.CheckpointTaken | e.RolledBack) and event.tree), None
    )
