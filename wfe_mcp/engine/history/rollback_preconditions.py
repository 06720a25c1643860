"""Preconditions of a rollback: what blocks it.

    a person's decision, a stop, another worker, another run in the folder, a running job, an external call,
    files in no checkpoint

All are checked before git does anything, and again in the transaction that begins the rollback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core import commands as c
from wfe_mcp.core import events as e
from wfe_mcp.core import undo as steps_back
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, By, Channel, RunId, RunState, TakesBack
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.rollback import changed_places
from wfe_mcp.engine.files.tree_binding import is_recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.core.undo import LogEntry
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.store import Tx

_WRITES = {"gate", "step", "work", "files"}
_PATHS = 50
_HAPPENED = {"done", "running", "unknown", "failed"}


@dataclass(frozen=True, slots=True)
class Aim:
    """The target. ``commit``: its files; None: there are none, and ``note`` says why."""

    to: int
    kind: TakesBack
    commit: str | None
    note: str
    what: str
    command: str


def judge(current: RunChange, aim: Aim) -> tuple[str, ...]:
    """Refuses a blocked rollback; else returns the external calls that cannot be undone."""
    files = aim.commit is not None
    command = command_back(current, aim.to, aim.kind, files=files)
    refused = refusal(current.state, command)
    if refused is not None:
        raise _with_command(refused, aim)
    places = changed_places(current.state, command.then, files=files)
    _refuse_others(current, places, files=files)
    effects = _effects(current, places)
    if effects and not current.by.is_human:
        raise _with_command(
            Refused("needs_human", f"What {effects[0]} has done outside is not undone, and might be done twice."), aim
        )
    return effects


def _with_command(refused: Refused, aim: Aim) -> Refused:
    if refused.code != "needs_human":
        return refused
    return Refused(
        refused.code,
        refused.message,
        f"Ask the user to run in a terminal of their own: {aim.command}",
        data={"command": aim.command},
    )


def _refuse_others(current: RunChange, places: Sequence[PhasePath], *, files: bool) -> None:
    """Refuse while another agent, another run or a job works on the files."""
    engine, run = current.engine, current.run
    for path in places:
        attempt = current.attempt(path)
        others = attempt.holder not in {None, engine.holder} and not current.state.is_served(path)
        at_work = attempt.status is AttemptStatus.RUNNING and engine.is_alive(attempt.holder, attempt.lease_until)
        if others and at_work and not current.by.is_human:
            raise Refused(
                "leased",
                f"Phase {path!r} is held by {attempt.holder}.",
                "Only its holder, or a person, goes back over it.",
            )
    if not files:
        return
    for other in current.tx.runs.open_attempts((AttemptStatus.RUNNING, AttemptStatus.GATING)):
        if other.run_id == run.id or not (
            other.status is AttemptStatus.GATING or engine.is_alive(other.holder, other.lease_until)
        ):
            continue
        there = current.tx.runs.load(other.run_id)
        if there is not None and there.record.worktree == run.worktree and other.phase not in there.state.loops:
            raise Refused(
                "leased",
                f"Run {other.run_id} works in this folder: its phase {other.phase!r} is {other.status}.",
                f"Finish, pause or cancel run {other.run_id} first, or go back without the files.",
            )
    from wfe_mcp.store.records.jobs import JobStatus

    for job in current.tx.jobs.filter(run.id, statuses=(JobStatus.RUNNING,)):
        if job.kind in _WRITES:
            raise Refused(
                "leased",
                f"A job of this run is at work in the files: {job.kind} of {job.phase!r}.",
                f"Wait until it ends, or end it: wfe-mcp jobs cancel {job.id}",
                data={"job": job.id},
            )


def _effects(current: RunChange, places: Sequence[PhasePath]) -> tuple[str, ...]:
    from wfe_mcp.engine.phases.steps import has_steps, is_repeatable

    if not has_steps(current.state.spec):
        return ()
    return tuple(
        f"step {row.step!r} of {path} ({row.does})"
        for path in places
        for row in current.tx.steps.of_run(current.run.id, path, current.attempt(path).number)
        if not is_repeatable(row) and row.carried is None and str(row.status) in _HAPPENED
    )


def unrecorded(engine: Engine, by: By, state: RunState, aim: Aim, refused: Refused) -> Refused:
    """What an agent can do about files in no checkpoint; a person may discard them."""
    if refused.code != "conflict" or "paths" not in refused.data:
        return refused
    discard = f"{aim.command} --discard"
    paths = cast("list[str]", refused.data["paths"])
    data: dict[str, Any] = {name: refused.data[name] for name in ("diffstat", "safety")}
    data |= {"paths": paths[:_PATHS], "command": discard}
    at_cli = by.channel is Channel.CLI
    record, without = (
        ("wfe-mcp checkpoint", "--no-files") if at_cli else ("control_run action=checkpoint", "files=false")
    )
    works = any(one.status is AttemptStatus.RUNNING and one.holder == engine.holder for one in state.open_attempts)
    if by.is_human or works:
        hint = (
            f"To let them go: {discard}; to keep them: {aim.command} --no-files"
            if by.is_human
            else f"Yours? Record them first ({record}), then go back; or go back with {without}."
        )
        return _refusal(refused, "conflict", hint, data)
    hint = f"They may be the user's: go back with {without}, or ask the user to run: {discard}"
    return _refusal(refused, "needs_human", hint, data)


def _refusal(refused: Refused, code: Any, hint: str, data: dict[str, Any]) -> Refused:
    return Refused(code, refused.message, hint, refused.details, data=data)


def log_of(tx: Tx, run: str) -> list[LogEntry]:
    """The log of a run as the rules read it."""
    happened = zip(tx.events.log(RunId(run)), tx.events.decoded(RunId(run)), strict=True)
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
        by=current.by,
        at=current.at,
        changed=not files and code is not None and not is_recorded(code, {known_tree(log[:to])}, then),
    )


def known_tree(log: Sequence[LogEntry]) -> str | None:
    """The files as the run last recorded them."""
    events = (entry.event for entry in reversed(log))
    return next(
        (event.tree for event in events if isinstance(event, e.CheckpointTaken | e.RolledBack) and event.tree), None
    )
