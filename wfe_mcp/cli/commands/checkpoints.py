"""``wfe-mcp checkpoint`` and ``checkpoints``: take a checkpoint of a run, and list them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.views.checkpoints import CheckpointView

Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.")]
Prune = Annotated[bool, typer.Option("--prune", help="Remove files that need not be kept ([checkpoints]).")]


def checkpoint(invocation: Invocation, run: Run, note: Note = "") -> None:
    """Take a checkpoint of a run and its files now."""
    from wfe_mcp.views import rollback as history

    run = invocation.at(run)
    invocation.render(history.checkpoint(invocation.engine, invocation.by, run, note))


def checkpoints(invocation: Invocation, run: Run, prune: Prune = False) -> None:
    """List the checkpoints of a run, newest first."""
    from wfe_mcp.engine.files import checkpoints as engine_checkpoints
    from wfe_mcp.views import rollback as history
    from wfe_mcp.views.checkpoints import CheckpointList

    run = invocation.at(run)
    engine_checkpoints.keep_again(invocation.engine, run)
    gone = engine_checkpoints.prune(invocation.engine, run) if prune else None
    answer = history.checkpoint_list(invocation.engine, run)
    view = answer.shown(CheckpointList)
    if gone is not None:
        summary = f"{answer.summary}; removed the files of {len(gone)}"
        answer = replace(answer.showing(replace(view, pruned=tuple(gone))), summary=summary)

    def render(screen: Screen) -> None:
        now = invocation.engine.clock()
        screen.line(answer.summary, "bold")
        screen.table(
            ("checkpoint", "taken at", "phase", "time", "holds"),
            [_row(screen, each, now) for each in view.checkpoints],
        )

        without = next((each for each in view.checkpoints if each.files and each.skipped), None)
        if without is not None:
            screen.line(f"What a checkpoint leaves out: wfe-mcp show {run} --at {without.checkpoint} --files", "dim")

    invocation.render(answer, render)


def _row(screen: Screen, each: "CheckpointView", now: "datetime") -> tuple[str, ...]:
    place = f"{each.phase} #{each.attempt}" if each.phase else ""
    holds = "state and files" if each.files else "state"
    if each.skipped:
        holds += f", without {plural(each.skipped, 'file')}"
    holds += f" ({each.note})" if each.note else ""
    return each.checkpoint, each.why, place, screen.time(each.at, now), holds
