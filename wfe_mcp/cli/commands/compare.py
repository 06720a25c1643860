"""``wfe-mcp compare``: how do two runs differ?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Door
from wfe_mcp.cli.terminal.options import Run

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["compare"]

Other = Annotated[str, typer.Argument(metavar="RUN2", help="The run to put beside it.")]
_VALUE_CHARS = 160


def compare(door: Door, run: Run, other: Other) -> None:
    """Put RUN2 beside RUN: what went in, how each phase went, what it took and cost, which artifacts differ."""
    from wfe_mcp.views.comparison import comparison
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.envelopes import standing_of

    found = [standing_of(door.engine, door.at(named)) for named in (run, other)]
    data = comparison(door.engine, *found)
    unlike = [each for each in data["phases"] if not each["same"]]
    told = (
        f"{len(unlike)} of {len(data['phases'])} phases went another way" if unlike else "All phases went the same way"
    )
    answer = Envelope(True, summary=f"{told}: {' beside '.join(each['run'] for each in data['runs'])}", data=data)
    door.tell(answer, lambda screen: _tell(screen, answer.summary, data))


def _tell(screen: "Screen", summary: str, data: dict[str, Any]) -> None:
    from wfe_mcp.cli.terminal.changes import tell_changes

    screen.line(summary, "bold")
    screen.table(
        ("run", "title", "template", "state", "iteration", "took", "working", "waiting", "tokens", "cost"),
        [
            (each["run"], each["title"], f"{each['template']} {each['version']}", each["state"], each["iteration"],
             span(each["total_s"]), *_spent(each))
            for each in data["runs"]
        ],
    )  # fmt: skip
    for what in ("template", "inputs"):
        screen.line(f"{what}: {'differs' if data[what] else 'the same'}", "" if data[what] else "dim")
        tell_changes(screen, data[what], _VALUE_CHARS, "  ")
    screen.table(
        (
            "phase",
            "run",
            "state",
            "tries",
            "gates",
            "working",
            "waiting",
            "tokens",
            "cost",
            "artifact",
        ),
        [row for phase in data["phases"] for row in _rows(phase, data["runs"])],
    )
    unlike = [each["phase"] for each in data["phases"] if each.get("artifact") == "differs"]
    if unlike:
        from wfe_mcp.core.paths import typed

        one, two = (each["run"] for each in data["runs"])
        screen.line(f"how it differs: wfe-mcp artifact diff {two} {typed(unlike[0])} --against {one}", "cyan")


def _rows(phase: dict[str, Any], runs: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """A line where nothing is to be compared, else one for each run that has the phase."""
    rows: list[tuple[object, ...]] = []
    for run, side in zip(runs, phase["sides"], strict=True):
        if side:
            rows.append(
                (phase["phase"] if not rows else "", run["run"], side["state"], side["attempts"],
                 ", ".join(side.get("gates", [])), *_spent(side), "" if rows else phase.get("artifact", ""))
            )  # fmt: skip
    return rows


def _spent(side: dict[str, Any]) -> tuple[str, ...]:
    from wfe_mcp.engine.models.caps import dollars

    seconds = dict(side.get("seconds", {}))
    working = span(seconds.pop("working", 0.0))
    waiting = ", ".join(f"{name} {span(spent)}" for name, spent in seconds.items())
    models = (f"{side['tokens']:,}", dollars(side["cost_usd"])) if "tokens" in side else ("", "")
    return (working, waiting, *models)


def span(seconds: float) -> str:
    """A time in words: the two largest units of it."""
    if seconds < 60:
        return f"{seconds:.3g} s" if seconds else ""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"
