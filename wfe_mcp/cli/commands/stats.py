"""``wfe-mcp stats``: how do phases fare, and what did the models cost?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["stats"]

Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Only runs and calls begun at or after: 2h, 7d, or 2026-11-20.")
]
OfRun = Annotated[str, typer.Argument(metavar="[RUN]", help="Only this run.")]
Template = Annotated[str, typer.Option("--template", metavar="NAME", help="Only runs of this template.")]
Everywhere = Annotated[bool, typer.Option("--all", help="Of all projects of the database, not only this one.")]


def stats(
    door: Door, run: OfRun = "", template: Template = "", since: Since = "", everywhere: Everywhere = False
) -> None:
    """Show per phase how often it was tried and passed, how long it took and for whom it waited, and what models cost.

    Times are medians and 90th percentiles; docs/reference/stats.md defines each figure.
    """
    from wfe_mcp.cli.commands.runs import moment
    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.models.caps import dollars
    from wfe_mcp.views import stats as figures
    from wfe_mcp.views import usage
    from wfe_mcp.views.envelope import Envelope

    begun = moment(since, door.engine.clock()) if since else None
    one = RunId(door.at(run)) if run else None
    kept = template or None
    data = usage.stats(door.engine, since=begun, everywhere=everywhere, template=kept, run=one)
    data["phases"] = figures.phases(door.engine, since=begun, everywhere=everywhere, template=kept, run=one)
    total = data["total"]
    told = f"{total['calls']} call(s) to models, {dollars(total['cost_usd'])}, {_tokens(total):,} tokens"
    answer = Envelope(True, run=one, summary=told, data=data)

    def tell(screen: "Screen") -> None:
        screen.line(told, "bold")
        for note in _notes(total):
            screen.line(f"! {note}", "yellow")
        screen.table(_HEADER, [_row(line) for line in data["phases"]])
        if data["phases"]:
            screen.line("Times: median / 90th percentile of the tasks that had any.", "dim")
        for by in usage.GROUPS:
            rows = [
                (line[by] or "(none)", line["calls"], dollars(line["cost_usd"]), f"{_tokens(line):,}")
                for line in data[f"by_{by}"]
            ]
            screen.table((by, "calls", "cost", "tokens"), rows)

    door.tell(answer, tell)


_WAITS = ("human", "reviewer", "checks", "job", "agent", "paused")
_HEADER = ("template", "phase", "runs", "tries", "first try", "in the end", "worked", *(f"for {one}" if one != "paused" else one for one in _WAITS), "tokens", "cost")  # fmt: skip


def _row(line: dict[str, Any]) -> tuple[object, ...]:
    from wfe_mcp.engine.models.caps import dollars

    spent = (f"{line['tokens']:,}", dollars(line["cost_usd"])) if line["tokens"] else ("", "")
    return (
        line["template"], line["phase"], line["runs"], line["attempts"], _rate(line["first_try"]), _rate(line["in_the_end"]),
        _times(line["working"]), *(_times(line["waiting"].get(one)) for one in _WAITS), *spent,
    )  # fmt: skip


def _rate(rate: dict[str, Any]) -> str:
    return f"{rate['passed']} of {rate['of']}" if rate["of"] else "open"


def _times(found: dict[str, Any] | None) -> str:
    return "" if found is None else f"{_time(found['median_s'])} / {_time(found['p90_s'])}"


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _tokens(line: dict[str, Any]) -> int:
    return int(line.get("input_tokens", 0)) + int(line.get("output_tokens", 0))


def _notes(total: dict[str, Any]) -> list[str]:
    from wfe_mcp.engine.models.caps import dollars

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
