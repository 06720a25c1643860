"""``wfe-mcp checkpoint`` and ``checkpoints``: where can a run go back to?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Run

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["checkpoint", "checkpoints"]

Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.")]
Prune = Annotated[bool, typer.Option("--prune", help="Let go of files that need not be kept ([checkpoints]).")]


def checkpoint(door: Door, run: Run, note: Note = "") -> None:
    """Take a checkpoint of the run and its files now."""
    from wfe_mcp.views import rollback as history

    run = door.at(run)
    door.tell(history.checkpoint(door.engine, door.by, run, note))


def checkpoints(door: Door, run: Run, prune: Prune = False) -> None:
    """List the checkpoints of the run, newest first: where wfe-mcp rollback can go back to."""
    from dataclasses import replace

    from wfe_mcp.engine.files import checkpoints as engine_checkpoints
    from wfe_mcp.views import rollback as history

    run = door.at(run)
    engine_checkpoints.keep_again(door.engine, run)
    gone = engine_checkpoints.prune(door.engine, run) if prune else None
    answer = history.checkpoints_told(door.engine, run)
    if gone is not None:
        told = f"{answer.summary}; the files of {len(gone)} are kept no longer"
        answer = replace(answer, summary=told, data=answer.data | {"pruned": gone})

    def tell(screen: "Screen") -> None:
        screen.line(answer.summary, "bold")
        screen.table(
            ("checkpoint", "when", "phase", "at", "holds"), [_row(each) for each in answer.data["checkpoints"]]
        )

        without = next((each for each in answer.data["checkpoints"] if each["files"] and "skipped" in each), None)
        if without is not None:
            at = without["checkpoint"]
            screen.line(f"What a checkpoint leaves out: wfe-mcp show {run} --at {at} --files", "dim")

    door.tell(answer, tell)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    place = f"{each['phase']} #{each['attempt']}" if "phase" in each else ""
    holds = "state and files" if each["files"] else "state"
    if "skipped" in each:
        holds += f", without {each['skipped']} file(s)"
    return each["checkpoint"], each["why"], place, each["at"], f"{holds} ({each['note']})" if "note" in each else holds
