"""Arguments and options that several commands share."""

from collections.abc import Collection
from typing import Annotated

import typer

from wfe_mcp.core.errors import Refused, nearest_hint

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
InProject = Annotated[str, typer.Option("--project", metavar="DIR", help="The project, instead of the current one.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run, or the first characters of its id.")]
Phase = Annotated[str, typer.Argument(metavar="PHASE", help="The phase, as status shows it.")]
PinFd = Annotated[
    int | None,
    typer.Option("--pin-fd", metavar="N", help="Read the PIN from file descriptor N instead of asking for it."),
]
Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or the first characters of their ids.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Kept with the revision.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]
PageSize = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")]
Cursor = Annotated[str, typer.Option("--cursor", metavar="C", help="Continue after a page (its cursor).")]
Pairs = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help="One input; repeatable.")]
Feedback = Annotated[str, typer.Option("--feedback", metavar="TEXT", help="What the next attempt must change.")]
OfTemplate = Annotated[str, typer.Option("--template", metavar="NAME", help="Only runs of this template.")]
TemplateName = Annotated[str, typer.Argument(metavar="NAME", help="The template, or one version: NAME@VERSION.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason; kept in the log.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Stat = Annotated[bool, typer.Option("--stat", help="Of the change only the files, without their lines.")]
Full = Annotated[
    bool,
    typer.Option(
        "--full", help="Every line of long files and texts, earlier artifacts, the facts of each gate, every id."
    ),
]
Raw = Annotated[bool, typer.Option("--raw", help="The artifact as JSON.")]


def seconds_of(duration: str) -> float | None:
    """The seconds of a duration that was typed; None for an empty one. Refuses ``bad_argument`` for anything else."""
    from wfe_mcp.workspace.config.layers import seconds

    if not duration:
        return None
    try:
        return seconds(duration)
    except ValueError:
        raise Refused("bad_argument", f"{duration!r} is not a duration.", 'Examples: "90s", "30m", "2h".') from None


def refuse_unknown(given: str, valid: Collection[str], message: str) -> None:
    """Refuse ``bad_argument`` with ``message`` unless ``given`` is one of ``valid``; the hint names the nearest."""
    if given not in valid:
        raise Refused("bad_argument", message, nearest_hint(given, valid, f"One of: {', '.join(valid)}."))


Force = Annotated[bool, typer.Option("--force", help="Write over pages that were edited manually.")]
