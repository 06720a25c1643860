"""``wfe-mcp stats``: attempts, times and model costs per phase."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.core.units import duration, plural

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["stats"]

Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Only runs and calls started at or after: 2h, 7d, or 2026-11-20.")
]
OfRun = Annotated[str, typer.Argument(metavar="[RUN]", help="Only this run.")]
Template = Annotated[str, typer.Option("--template", metavar="NAME", help="Only runs of this template.")]
Everywhere = Annotated[bool, typer.Option("--all", help="All projects of the database, not only this one.")]


def stats(
    invocation: Invocation, run: OfRun = "", template: Template = "", since: Since = "", everywhere: Everywhere = False
) -> None:
    """Show attempts, times and model costs per phase.

    Times are medians; --json adds 90th percentiles. docs/reference/stats.md defines each figure.
    """
    from wfe_mcp.cli.commands.runs import moment
    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.models.caps import dollars
    from wfe_mcp.views import stats as figures
    from wfe_mcp.views import usage
    from wfe_mcp.views.envelope import Envelope

    begun = moment(since, invocation.engine.clock()) if since else None
    one = RunId(invocation.at(run)) if run else None
    kept = template or None
    data = usage.stats(invocation.engine, since=begun, everywhere=everywhere, template=kept, run=one)
    data["phases"] = figures.phases(invocation.engine, since=begun, everywhere=everywhere, template=kept, run=one)
    total = data["total"]
    spent = f"{plural(total['calls'], 'model call')}, {dollars(total['cost_usd'])}, {plural(_tokens(total), 'token')}"
    told = spent if total["calls"] else "no model calls"
    answer = Envelope(True, run=one, summary=told, data=data)

    def tell(screen: "Screen") -> None:
        screen.line(f"{told[0].upper()}{told[1:]}. Medians; 90th percentiles: --json", "bold")
        for note in _notes(total):
            screen.line(f"! {note}", "yellow")
        rows = [_HEADER, *(_row(line) for line in data["phases"])]
        used = [column for column in range(len(_HEADER)) if any(row[column] != "-" for row in rows[1:])]
        header, *rest = [[row[column] for column in used] for row in rows]
        screen.table([str(name) for name in header], rest)
        for by in usage.GROUPS:
            rows = [
                (line[by] or "(none)", line["calls"], dollars(line["cost_usd"]), f"{_tokens(line):,}")
                for line in data[f"by_{by}"]
            ]
            screen.table((by, "calls", "cost", "tokens"), rows)

    invocation.render(answer, tell)


_WAITS = {
    "agent": "agent",
    "checks": "checks",
    "reviewer": "reviewer",
    "job": "jobs",
    "human": "you",
    "paused": "paused",
}
_HEADER = ("phase", "attempts", "passed first", "passed", "worked", *_WAITS.values(), "tokens", "cost")


def _row(line: dict[str, Any]) -> tuple[object, ...]:
    from wfe_mcp.engine.models.caps import dollars

    spent = (f"{line['tokens']:,}", dollars(line["cost_usd"])) if line["tokens"] else ("-", "-")
    return (
        f"{line['template']}/{line['phase']}", line["attempts"], _rate(line["first_try"]), _rate(line["in_the_end"]),
        _median(line["working"]), *(_median(line["waiting"].get(one)) for one in _WAITS), *spent,
    )  # fmt: skip


def _rate(rate: dict[str, Any]) -> str:
    return f"{rate['passed']} of {rate['of']}" if rate["of"] else "-"


def _median(found: dict[str, Any] | None) -> str:
    return "-" if found is None else duration(found["median_s"])


def _tokens(line: dict[str, Any]) -> int:
    return int(line.get("input_tokens", 0)) + int(line.get("output_tokens", 0))


def _notes(total: dict[str, Any]) -> list[str]:
    from wfe_mcp.engine.models.caps import dollars

    notes: list[str] = []
    if "unpriced" in total:
        notes.append(
            f"{plural(total['unpriced'], 'call')} to models without a known price: tokens are counted, cost is not."
        )
    open_ = total.get("in_flight", 0) + total.get("lost", 0)
    if open_:
        reserved = dollars(total.get("reserved_usd", 0.0))
        notes.append(f"{plural(open_, 'call')} in flight or lost with a process: up to {reserved} more.")
    return notes
