"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from wfe_mcp.core.errors import Refused

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
Stat = Annotated[bool, typer.Option("--stat", help="Of the change only the files, without their lines.")]
Full = Annotated[bool, typer.Option("--full", help="Every line, also of long files and texts.")]
Raw = Annotated[bool, typer.Option("--raw", help="The artifact as JSON.")]


def seconds_of(duration: str) -> float | None:
    """The seconds of a duration that was typed; None for an empty one. Refuses ``bad_argument`` for anything else."""
    from wfe_mcp.workspace.config.checks import seconds

    if not duration:
        return None
    try:
        return seconds(duration)
    except ValueError:
        raise Refused("bad_argument", f"{duration!r} is not a duration.", 'Examples: "90s", "30m", "2h".') from None
