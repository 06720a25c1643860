"""``wfe-mcp rollback``, ``undo`` and ``redo``: go back, and on again."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import PinFd, Run

if TYPE_CHECKING:
    from wfe_mcp.core.model import By
    from wfe_mcp.views.envelope import Envelope

__all__ = ["redo", "rollback", "undo"]

To = Annotated[str, typer.Argument(metavar="TO", help="A checkpoint (cp-12), or a phase: where it last began.")]
MaybeRun = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the only open one.")]
NoFiles = Annotated[bool, typer.Option("--no-files", help="Leave the files as they are.")]
Files = Annotated[bool, typer.Option("--files", help="Put the files back too, as far as a checkpoint has them.")]
Discard = Annotated[
    bool, typer.Option("--discard", help="Also over changes that nobody recorded. Asks for your PIN; they are kept.")
]


def rollback(
    door: Door, run: Run, to: To, no_files: NoFiles = False, discard: Discard = False, pin_fd: PinFd = None
) -> None:
    """Take the run and its files back to where they were. Over a person's decision this asks for your PIN.

    What is there now is a checkpoint first: wfe-mcp undo brings back every byte.
    """
    from wfe_mcp.views import rollback as history

    run = door.at(run)

    def go(by: "By") -> "Envelope":
        return history.go_back(door.engine, by, run, to, not no_files, discard=discard)

    door.tell(door.as_needed(go, pin_fd, f"roll back to {to}", person=discard))


def undo(
    door: Door, run: MaybeRun = "", files: Files = False, discard: Discard = False, pin_fd: PinFd = None
) -> None:  # fmt: skip
    """Take back the last command in the run, again and again. What a person did takes their PIN.

    The undo of a rollback puts its files back too; after any other command the files stay, without --files.
    """
    from wfe_mcp.views import rollback as history

    run = _run(door, run)

    def go(by: "By") -> "Envelope":
        return history.undo(door.engine, by, run, files=files, discard=discard)

    door.tell(door.as_needed(go, pin_fd, "undo the last command", person=discard))


def redo(
    door: Door, run: MaybeRun = "", files: Files = False, discard: Discard = False, pin_fd: PinFd = None
) -> None:  # fmt: skip
    """Take back the last undo in the run."""
    from wfe_mcp.views import rollback as history

    run = _run(door, run)

    def go(by: "By") -> "Envelope":
        return history.redo(door.engine, by, run, files=files, discard=discard)

    door.tell(door.as_needed(go, pin_fd, "redo what was undone", person=discard))


def _run(door: Door, run: str) -> str:
    """The run that is meant: the one named, else the only open one."""
    from wfe_mcp.core.errors import Refused

    if run:
        return door.at(run)
    with door.engine.store.read() as tx:
        found = tx.open_run_ids(door.engine.project_id)
    if len(found) != 1:
        raise Refused("bad_argument", f"{len(found)} runs are open here.", "Name the run; wfe-mcp list shows them.")
    return door.at(found[0])
