"""``wfe-mcp rollback``, ``undo``, ``redo`` and ``checkpoints``: return a run to an earlier state."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, Run
from wfe_mcp.cli.terminal.render import lower_first
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.views.runs.models import RollbackPreview

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.core.model import By, TakesBack
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.runs.checkpoints import CheckpointView


To = Annotated[str, typer.Argument(metavar="TO", help="A checkpoint (cp-12), or a phase: its last start.")]
MaybeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the only open one.")]
NoFiles = Annotated[bool, typer.Option("--no-files", help="Leave the files as they are.")]
Files = Annotated[bool, typer.Option("--files", help="Restore the files too, where a checkpoint has them.")]
Discard = Annotated[
    bool,
    typer.Option(
        "--discard", help="Replace changes since the last checkpoint; they are saved first. Asks for your PIN."
    ),
]

Delivery = Annotated[
    bool,
    typer.Option(
        "--delivery",
        help="Instead: undo what its steps delivered: push, commit, branch; after the merge by a run that reverts it. Asks for your PIN.",
    ),
]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show which phases and files would change, and change nothing.")
]


def rollback(
    invocation: Invocation,
    run: Run,
    to: To,
    no_files: NoFiles = False,
    discard: Discard = False,
    dry_run: DryRun = False,
    pin_fd: PinFd = None,
) -> None:
    """Restore a run and its files to a checkpoint.

    It asks for your PIN where that reverses your decision. The present state is saved as a checkpoint first; wfe-mcp undo restores it.
    """
    run = invocation.resolve_run(run)
    _take_back(invocation, run, "rollback", pin_fd, to=to, files=not no_files, dry_run=dry_run, discard=discard)


def undo(
    invocation: Invocation,
    run: MaybeRun = "",
    files: Files = False,
    discard: Discard = False,
    delivery: Delivery = False,
    dry_run: DryRun = False,
    pin_fd: PinFd = None,
) -> None:
    """Undo the last command in a run.

    Your own decisions need your PIN. The undo of a rollback restores its files too; after any other command files change only with --files.
    """
    run = _run(invocation, run)
    if delivery:
        from wfe_mcp.views.answers import rollback as history

        if dry_run:
            invocation.render(history.undo_delivery(invocation.engine, invocation.by, run, dry_run=True))
            return
        invocation.render(
            invocation.as_needed(
                lambda by: history.undo_delivery(invocation.engine, by, run), pin_fd, f"undo the delivery of {run}"
            )
        )
        return
    _take_back(invocation, run, "undo", pin_fd, files=files, dry_run=dry_run, discard=discard)


def redo(
    invocation: Invocation,
    run: MaybeRun = "",
    files: Files = False,
    discard: Discard = False,
    dry_run: DryRun = False,
    pin_fd: PinFd = None,
) -> None:
    """Redo what was undone last in a run."""
    run = _run(invocation, run)
    _take_back(invocation, run, "redo", pin_fd, files=files, dry_run=dry_run, discard=discard)


def _take_back(
    invocation: Invocation,
    run: str,
    kind: "TakesBack",
    pin_fd: int | None,
    *,
    to: str = "",
    files: bool,
    dry_run: bool,
    discard: bool,
) -> None:
    """Go that way, or with ``dry_run`` show what it would do; that is shown, too, before it asks for the PIN."""
    from wfe_mcp.views.answers import rollback as history

    way = {"rollback": partial(history.go_back, to=to), "undo": history.undo, "redo": history.redo}[kind]
    shown: int | None = None

    def go(by: "By") -> "Envelope":
        return way(invocation.engine, by, run, files=files, discard=discard, shown=shown)

    def show_plan() -> str:
        nonlocal shown
        answer = history.preview(invocation.engine, run, to, files, kind, discard=discard)
        invocation.screen.talk(*_foreseen(answer))
        view = answer.view_as(RollbackPreview)
        shown = view.shown
        if view.ways and not discard:  # no PIN for what is refused
            raise Refused("conflict", "Files changed since the last checkpoint. Nothing restored.", view.ways)
        return f"{'roll back to' if kind == 'rollback' else kind} {view.what}"

    def render(screen: Screen) -> None:
        for line in _foreseen(answer):
            screen.line(line)
        view = answer.view_as(RollbackPreview)
        screen.next(
            lower_first(view.ways) if view.ways and not discard else f"{view.command}{' --discard' if discard else ''}"
        )

    if dry_run:
        answer = history.preview(invocation.engine, run, to, files, kind, discard=discard)
        invocation.render(answer, render)
    else:
        invocation.render(invocation.as_needed(go, pin_fd, show_plan, person=discard))


def _foreseen(answer: "Envelope") -> "list[str]":
    """What would change: the phases and how many files in a line, then the files."""
    view = answer.view_as(RollbackPreview)
    more = [f"  and {view.more_paths} more"] if view.more_paths else []
    return [answer.summary, *(f"  {path}{_fate(view, path)}" for path in view.paths), *more]


def _fate(view: "RollbackPreview", path: str) -> str:
    """What is lost of a file: it would be deleted, or no checkpoint has its changes."""
    fate = [text for text, paths in (("deleted", view.deleted), ("in no checkpoint", view.unrecorded)) if path in paths]
    return f" ({', '.join(fate)})" if fate else ""


def _run(invocation: Invocation, run: str) -> str:
    """The run that was named, else the only open one."""
    if run:
        return invocation.resolve_run(run)
    with invocation.engine.store.read() as tx:
        ids = tx.runs.open_ids(invocation.engine.project_id)
    if len(ids) != 1:
        raise Refused(
            "bad_argument",
            f"{plural(len(ids), 'run')} {'is' if len(ids) == 1 else 'are'} open here.",
            "Name the run: wfe-mcp list",
        )
    return invocation.resolve_run(ids[0])


Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove files that need not be kept ([checkpoints]).")]


def checkpoint(invocation: Invocation, run: Run, note: Note = "") -> None:
    """Take a checkpoint of a run and its files now."""
    from wfe_mcp.views.answers import rollback as history

    run = invocation.resolve_run(run)
    invocation.render(history.checkpoint(invocation.engine, invocation.by, run, note))


def checkpoints(invocation: Invocation, run: Run, prune: Prune = False) -> None:
    """List the checkpoints of a run, newest first."""
    from wfe_mcp.engine.files import checkpoints as engine_checkpoints
    from wfe_mcp.views.answers import rollback as history
    from wfe_mcp.views.runs.checkpoints import CheckpointList

    run = invocation.resolve_run(run)
    engine_checkpoints.keep_again(invocation.engine, run)
    gone = engine_checkpoints.prune(invocation.engine, run) if prune else None
    answer = history.checkpoint_list(invocation.engine, run)
    view = answer.view_as(CheckpointList)
    if gone is not None:
        summary = f"{answer.summary}; removed the files of {len(gone)}"
        answer = replace(answer.showing(replace(view, pruned=tuple(gone))), summary=summary)

    def render(screen: Screen) -> None:
        now = invocation.engine.clock()
        screen.line(answer.summary, "bold")
        screen.table(
            ("checkpoint", "taken at", "phase", "time", "holds"), [_row(screen, row, now) for row in view.checkpoints]
        )

        without = next((row for row in view.checkpoints if row.files and row.skipped), None)
        if without is not None:
            screen.line(f"What a checkpoint leaves out: wfe-mcp show {run} --at {without.checkpoint} --files", "dim")

    invocation.render(answer, render)


def _row(screen: Screen, row: "CheckpointView", now: "datetime") -> tuple[str, ...]:
    place = f"{row.phase} #{row.attempt}" if row.phase else ""
    holds = "state and files" if row.files else "state"
    if row.skipped:
        holds += f", without {plural(row.skipped, 'file')}"
    holds += f" ({row.note})" if row.note else ""
    return row.checkpoint, row.why, place, screen.time(row.at, now), holds
