"""``wfe-mcp list``: which runs did this project have?"""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.core.errors import Refused, nearest

__all__ = ["list_runs", "moment"]

Template = Annotated[str, typer.Option("--template", metavar="NAME", help="Only runs of this template.")]
Status = Annotated[list[str] | None, typer.Option("--status", metavar="STATUS", help="Only runs in it; repeatable.")]
Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Begun at or after: 2h, 7d, or 2026-11-20[T08:00].")
]
Stale = Annotated[bool, typer.Option("--stale", help="Only open runs untouched for runs.stale_after.")]
Archived = Annotated[bool, typer.Option("--archived", help="Those that were put away too.")]
TriggeredBy = Annotated[str, typer.Option("--triggered-by", metavar="TEXT", help="Only runs started because of it.")]
ExternalId = Annotated[str, typer.Option("--external-id", metavar="TEXT", help="Only the runs of this id elsewhere.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]
Cursor = Annotated[str, typer.Option("--cursor", metavar="RUN", help="Go on after this run (the answer's cursor).")]


def list_runs(
    door: Door,
    template: Template = "",
    status: Status = None,
    since: Since = "",
    stale: Stale = False,
    archived: Archived = False,
    triggered_by: TriggeredBy = "",
    external_id: ExternalId = "",
    limit: Limit = 20,
    cursor: Cursor = "",
) -> None:
    """List the runs of this project, newest first."""
    from wfe_mcp.core.model import RunStatus
    from wfe_mcp.engine.runs.archive import MAY_BE_STALE, stale_before, stale_of
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.runs import run_row

    names = [name for given in status or [] for name in given.split(",")]
    for name in names:
        if name not in set(RunStatus):
            near = nearest(name, set(RunStatus))
            hint = f"Did you mean {near[0]}?" if near else f"One of: {', '.join(RunStatus)}."
            raise Refused("bad_argument", f"{name!r} is no status of a run.", hint)
    wanted = [RunStatus(name) for name in names]
    if stale:
        wanted = [status for status in MAY_BE_STALE if status in wanted or not wanted]
        if not wanted:
            raise Refused("bad_argument", "A run that is over is never stale.", "Leave --status or --stale out.")
    begun = moment(since, door.engine.clock()) if since else None
    with door.engine.store.read() as tx:
        page = tx.list_runs(
            door.engine.project_id, template or None, wanted or None, begun, limit, cursor or None,
            untouched_since=stale_before(door.engine) if stale else None, triggered_by=triggered_by or None,
            external_id=external_id or None, archived=archived,
        )  # fmt: skip
    are_stale = stale_of(door.engine, page.runs)
    rows = [run_row(record, stale=record.id in are_stale) for record in page.runs]
    data = {"runs": rows} | ({"cursor": page.cursor} if page.cursor else {})
    more = f"; more: --cursor {page.cursor}" if page.cursor else ""
    door.tell(Envelope(True, summary=f"{len(rows)} run(s){more}", data=data))


def moment(text: str, now: datetime) -> datetime:
    """A time, or a duration before ``now``. A date without a zone is this machine's."""
    from wfe_mcp.workspace.config.settings import seconds

    try:
        return now - timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(now.tzinfo)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a duration (2h, 7d) nor a time", param_hint="--since") from None
