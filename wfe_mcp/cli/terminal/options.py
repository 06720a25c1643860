"""Arguments and options that several commands share."""

from typing import Annotated

import typer

__all__ = ["AsJson", "InProject", "Phase", "PinFd", "Reason", "Run", "Yes"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
InProject = Annotated[str, typer.Option("--project", metavar="DIR", help="The project, instead of the current one.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run, or the first characters of its id.")]
Phase = Annotated[str, typer.Argument(metavar="PHASE", help="The phase, as status shows it.")]
PinFd = Annotated[
    int | None,
    typer.Option("--pin-fd", metavar="N", help="Read the PIN from file descriptor N instead of asking for it."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason; kept in the log.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
