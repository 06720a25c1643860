"""``wfe-mcp log``: what happened to a run, in order?"""

from typing import Annotated, Any

import typer

from wfe_mcp.cli.door import Door
from wfe_mcp.cli.options import Run
from wfe_mcp.cli.text import shortened

__all__ = ["event_line", "log"]

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]
After = Annotated[int, typer.Option("--after", min=0, metavar="SEQ", help="Only events after this number.")]


def log(door: Door, run: Run, limit: Limit = 1000, after: After = 0) -> None:
    """List the events of the run, oldest first: the record that verify checks."""
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.runs import event_view

    run = door.at(run)
    with door.engine.store.read() as tx:
        record = tx.find_run(door.engine.project_id, run)
        events = [event_view(event) for event in tx.events(record.id, after=after, limit=limit)]
    last = events[-1]["seq"] if events else after
    more = {"after": last} if last < record.last_seq else {}
    answer = Envelope(True, run=run, run_state=str(record.status), state=str(record.status),
                      summary=f"{len(events)} of {record.last_seq} events", data={"events": events, **more})  # fmt: skip

    def show(screen: Any) -> None:
        for event in events:
            screen.line(event_line(event))
        if more:
            screen.line(f"more: wfe-mcp log {run} --after {last}")

    door.tell(answer, show)


def event_line(event: dict[str, Any]) -> str:
    """One event: number, time, what, where, by whom and how sure that is."""
    payload: dict[str, Any] = event["payload"]
    phase = f" {payload['phase']}" if "phase" in payload else ""
    attempt = f"/{payload['attempt']}" if phase and "attempt" in payload else ""
    said = next((str(payload[key]) for key in ("reason", "comment") if payload.get(key)), "")
    if "verdict" in payload:
        said = f"{payload['verdict']['kind']}: {payload['verdict'].get('message', '')}"
    by = f"  {event['actor']} ({event['channel']}, {event['assurance']})" if event["channel"] != "system" else ""
    return f"{event['seq']:>4}  {event['at'][:19]}Z  {event['type']}{phase}{attempt}{by}" + (
        f"  {shortened(said, 100)}" if said else ""
    )
