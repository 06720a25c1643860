"""``wfe-mcp stats``: what did the models cost?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.door import Door

if TYPE_CHECKING:
    from wfe_mcp.cli.screen import Screen

__all__ = ["stats"]

Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Only calls at or after: 2h, 7d, or 2026-11-20[T08:00].")
]
Everywhere = Annotated[bool, typer.Option("--all", help="Of all projects of the database, not only this one.")]


def stats(door: Door, since: Since = "", everywhere: Everywhere = False) -> None:
    """Show what calls to models used and cost: in all, and by template, role, model and day (UTC)."""
    from wfe_mcp.cli.runs import moment
    from wfe_mcp.engine.caps import dollars
    from wfe_mcp.views import usage
    from wfe_mcp.views.envelope import Envelope

    begun = moment(since, door.engine.clock()) if since else None
    data = usage.stats(door.engine, since=begun, everywhere=everywhere)
    total = data["total"]
    told = f"{total['calls']} call(s) to models, {dollars(total['cost_usd'])}, {_tokens(total):,} tokens"
    answer = Envelope(True, summary=told, data=data)

    def tell(screen: "Screen") -> None:
        screen.line(told, "bold")
        for note in _notes(total):
            screen.line(f"! {note}", "yellow")
        for by in usage.GROUPS:
            rows = [
                (line[by] or "(none)", line["calls"], dollars(line["cost_usd"]), f"{_tokens(line):,}")
                for line in data[f"by_{by}"]
            ]
            screen.table((by, "calls", "cost", "tokens"), rows)

    door.tell(answer, tell)


def _tokens(line: dict[str, Any]) -> int:
    return int(line.get("input_tokens", 0)) + int(line.get("output_tokens", 0))


def _notes(total: dict[str, Any]) -> list[str]:
    from wfe_mcp.engine.caps import dollars

    notes: list[str] = []
    if "unpriced" in total:
        notes.append(
            f"{total['unpriced']} call(s) were made to models without a known price: their tokens count, no cost."
        )
    open_ = total.get("in_flight", 0) + total.get("lost", 0)
    if open_:
        reserved = dollars(total.get("reserved_usd", 0.0))
        notes.append(
            f"{open_} call(s) are in flight or were lost with their process: they may have cost up to {reserved} more."
        )
    return notes
