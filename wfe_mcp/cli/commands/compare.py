"""``wfe-mcp compare``: two runs side by side."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.core.units import duration, plural

if TYPE_CHECKING:
    from wfe_mcp.cli.terminal.screen import Screen

__all__ = ["compare"]

Other = Annotated[str, typer.Argument(metavar="RUN2", help="The run to compare with.")]
_VALUE_CHARS = 160


def compare(invocation: Invocation, run: Run, other: Other) -> None:
    """Compare two runs: inputs, phases, times, costs and artifacts."""
    from wfe_mcp.views.comparison import comparison
    from wfe_mcp.views.envelope import Envelope
    from wfe_mcp.views.envelopes import standing_of

    found = [standing_of(invocation.engine, invocation.at(named)) for named in (run, other)]
    data = comparison(invocation.engine, *found)
    unlike = [each for each in data["phases"] if not each["same"]]
    told = _count(len(unlike), len(data["phases"]))
    answer = Envelope(True, summary=f"{told}: {' and '.join(each['run'] for each in data['runs'])}", data=data)
    invocation.render(answer, lambda screen: _tell(screen, told, data))


def _count(unlike: int, total: int) -> str:
    if not unlike:
        return "No phase differs"
    if unlike < total:
        return f"{unlike} of {total} phases differ{'s' if unlike == 1 else ''}"
    return {1: "The phase differs", 2: "Both phases differ"}.get(total, f"All {total} phases differ")


def _tell(screen: "Screen", told: str, data: dict[str, Any]) -> None:
    from wfe_mcp.cli.terminal.changes import render_changes

    screen.line(f"{told}.", "bold")
    one, two = data["runs"]
    rows = [(name, of(one), of(two)) for name, of in _RUN_ROWS]
    rows += [(phase["phase"], *_sides(phase)) for phase in data["phases"]]
    screen.table((), [("", one["run"], two["run"]), *(row for row in rows if any(row[1:]))])
    for what in ("template", "inputs"):
        if data[what]:
            screen.line(f"{what}: differs")
            render_changes(screen, data[what], _VALUE_CHARS, "  ")
    unlike = [each["phase"] for each in data["phases"] if each.get("artifact") == "differs"]
    if unlike:
        from wfe_mcp.core.paths import typed

        screen.next(f"wfe-mcp artifact diff {two['run']} {typed(unlike[0])} --against {one['run']}")


def _took(run: dict[str, Any]) -> str:
    return duration(run["total_s"]) + ("" if run["state"] == "completed" else f", {run['state']}")


def _models(run: dict[str, Any]) -> str:
    from wfe_mcp.engine.models.caps import dollars

    return f"{run['tokens']:,} tokens, {dollars(run['cost_usd'])}" if "tokens" in run else ""


_RUN_ROWS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("title", lambda run: run["title"]),
    ("template", lambda run: f"{run['template']} {run['version']}"),
    ("took", _took),
    ("models", _models),
)


def _sides(phase: dict[str, Any]) -> list[str]:
    """Each run's attempts at the phase, its state unless completed, its time, gates and artifact."""
    shown: list[str] = []
    for side in phase["sides"]:
        if not side:
            shown.append("-")
            continue
        texts = [plural(side["attempts"], "attempt") if side["state"] not in {"pending", "ready"} else "not started"]
        texts += [side["state"]] if side["state"] not in {"completed", "pending", "ready"} else []
        texts += [f"{name} {duration(seconds)}" for name, seconds in side.get("seconds", {}).items()]
        texts += [", ".join(side["gates"])] if side.get("gates") else []
        texts += [_models(side)] if "tokens" in side else []
        shown.append(", ".join(texts))
    if "artifact" in phase and shown[1] != "-":
        shown[1] += {"same": ", same artifact", "differs": ", other artifact"}.get(phase["artifact"], "")
    return shown
