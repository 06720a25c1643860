"""``wfe-mcp stats``: attempts, times and model costs per phase."""

from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.commands.runs import moment
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import OfTemplate
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import duration, plural

if TYPE_CHECKING:
    from wfe_mcp.core.errors import Refused
    from wfe_mcp.engine.statistics.phase_timing import For
    from wfe_mcp.views.history.stats import PhaseStats, Rate, Spread
    from wfe_mcp.views.runs.usage import UsageView

Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="Only runs and calls started at or after: 2h, 7d, or 2026-11-20.")
]
OfRun = Annotated[str, typer.Argument(metavar="[RUN]", help="Only this run.")]
Everywhere = Annotated[bool, typer.Option("--all", help="All projects of the database, not only this one.")]


def stats(
    invocation: Invocation,
    run: OfRun = "",
    template: OfTemplate = "",
    since: Since = "",
    everywhere: Everywhere = False,
) -> None:
    """Show attempts, times and model costs per phase.

    Times are medians; --json adds 90th percentiles. docs/reference/stats.md defines each figure.
    """
    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.models.caps import dollars
    from wfe_mcp.views.history import stats as figures
    from wfe_mcp.views.runs import usage

    begun = moment(since, invocation.engine.clock()) if since else None
    run_id = RunId(invocation.resolve_run(run)) if run else None
    kept = template or None
    used = usage.stats(invocation.engine, since=begun, everywhere=everywhere, template=kept, run=run_id)
    damaged: dict[RunId, Refused] = {}
    phases = figures.phases(
        invocation.engine, since=begun, everywhere=everywhere, template=kept, run=run_id, damaged=damaged
    )
    warnings = tuple(refused.text for refused in damaged.values())
    total = used.total
    spent = f"{plural(total.calls, 'model call')}, {dollars(total.cost_usd)}, {plural(total.tokens, 'token')}"
    summary = spent if total.calls else "no model calls"

    def render(screen: Screen) -> None:
        screen.line(f"{summary[0].upper()}{summary[1:]}. Medians; 90th percentiles: --json", "bold")
        for note in (*_notes(total), *warnings):
            screen.line(f"! {note}", "yellow")
        screen.table(_HEADER, [_row(line) for line in phases], optional=_HEADER)
        groups = (used.by_template, used.by_role, used.by_model, used.by_day)
        for by, lines in zip(usage.GROUPS, groups, strict=True):
            rows = [
                (line.name or "(none)", line.used.calls, dollars(line.used.cost_usd), f"{line.used.tokens:,}")
                for line in lines
            ]
            screen.table((by, "calls", "cost", "tokens"), rows)

    view = figures.StatsView(usage=used, phases=phases, warnings=warnings)
    invocation.answer(summary, render, run=run_id, view=view)


_WAITS: "dict[For, str]" = {
    "agent": "agent",
    "checks": "checks",
    "reviewer": "reviewer",
    "job": "jobs",
    "human": "you",
    "paused": "paused",
}
_HEADER = ("phase", "attempts", "passed first", "passed", "worked", *_WAITS.values(), "tokens", "cost")


def _row(line: "PhaseStats") -> tuple[object, ...]:
    from wfe_mcp.engine.models.caps import dollars

    spent = (f"{line.tokens:,}", dollars(line.cost_usd)) if line.tokens else ("-", "-")
    return (
        f"{line.template}/{line.phase}",
        line.attempts,
        _rate(line.first_try),
        _rate(line.in_the_end),
        _median(line.working),
        *(_median(line.waiting.get(wait)) for wait in _WAITS),
        *spent,
    )


def _rate(rate: "Rate") -> str:
    return f"{rate.passed} of {rate.of}" if rate.of else "-"


def _median(spread: "Spread | None") -> str:
    return "-" if spread is None else duration(spread.median_s)


def _notes(total: "UsageView") -> list[str]:
    from wfe_mcp.engine.models.caps import dollars

    notes: list[str] = []
    if total.unpriced:
        notes.append(
            f"{plural(total.unpriced, 'call')} to models without a known price: tokens are counted, cost is not."
        )
    if total.is_open:
        reserved = dollars(total.reserved_usd)
        notes.append(f"{plural(total.is_open, 'call')} in flight or lost with a process: up to {reserved} more.")
    return notes
