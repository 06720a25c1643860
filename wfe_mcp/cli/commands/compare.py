"""``wfe-mcp compare``: two runs side by side."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from wfe_mcp.cli.terminal.changes import render_changes
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import duration, plural

if TYPE_CHECKING:
    from wfe_mcp.views.history.comparison import ComparisonView, PhaseComparison, PhaseSide, RunSide

Other = Annotated[str, typer.Argument(metavar="RUN2", help="The run to compare with.")]
_VALUE_CHARS = 160


def compare(invocation: Invocation, run: Run, other: Other) -> None:
    """Compare two runs: inputs, phases, times, costs and artifacts."""
    from wfe_mcp.views.history.comparison import comparison

    overviews = [invocation.overview(invocation.resolve_run(named)) for named in (run, other)]
    view = comparison(invocation.engine, *overviews)
    unlike = [phase for phase in view.phases if not phase.same]
    summary = _count(len(unlike), len(view.phases))
    invocation.answer(
        f"{summary}: {' and '.join(side.row.run for side in view.runs)}",
        lambda screen: _render(screen, summary, view),
        view=view,
    )


def _count(unlike: int, total: int) -> str:
    if not unlike:
        return "No phase differs"
    if unlike < total:
        return f"{unlike} of {total} phases differ{'s' if unlike == 1 else ''}"
    return {1: "The phase differs", 2: "Both phases differ"}.get(total, f"All {total} phases differ")


def _render(screen: Screen, summary: str, view: "ComparisonView") -> None:
    screen.line(f"{summary}.", "bold")
    first, second = view.runs
    rows = [(name, of(first), of(second)) for name, of in _RUN_ROWS]
    rows += [(phase.phase, *_sides(phase)) for phase in view.phases]
    screen.table((), [("", first.row.run, second.row.run), *(row for row in rows if any(row[1:]))])
    for what, changes in (("template", view.template), ("inputs", view.inputs)):
        if changes:
            screen.line(f"{what}: differs")
            render_changes(screen, changes, _VALUE_CHARS, "  ")
    unlike = [pair.phase for pair in view.phases if pair.artifact == "differs"]
    if unlike:
        from wfe_mcp.core.paths import shell_path

        screen.next(f"wfe-mcp artifact diff {second.row.run} {shell_path(unlike[0])} --against {first.row.run}")


def _models(run: "RunSide | PhaseSide") -> str:
    from wfe_mcp.engine.models.caps import dollars

    return "" if run.tokens is None else f"{run.tokens:,} tokens, {dollars(run.cost_usd or 0.0)}"


_RUN_ROWS: tuple[tuple[str, Callable[["RunSide"], str]], ...] = (
    ("title", lambda run: run.row.title),
    ("template", lambda run: f"{run.row.template} {run.version}"),
    ("took", lambda run: duration(run.total_s) + ("" if run.row.state == "completed" else f", {run.row.state}")),
    ("models", _models),
)


def _sides(phase: "PhaseComparison") -> list[str]:
    """Each run's attempts at the phase, its state unless completed, its time, gates and artifact."""
    from wfe_mcp.views.history.comparison import NoPhase

    shown: list[str] = []
    for side in phase.sides:
        if isinstance(side, NoPhase):
            shown.append("-")
            continue
        texts = [plural(side.attempts, "attempt") if side.state not in {"pending", "ready"} else "not started"]
        texts += [side.state] if side.state not in {"completed", "pending", "ready"} else []
        texts += [f"{'you' if name == 'human' else name} {duration(seconds)}" for name, seconds in side.seconds.items()]
        texts += [", ".join(side.gates)] if side.gates else []
        texts += [] if side.tokens is None else [_models(side)]
        shown.append(", ".join(texts))
    if shown[1] != "-":
        shown[1] += {"same": ", same artifact", "differs": ", other artifact"}.get(phase.artifact, "")
    return shown
