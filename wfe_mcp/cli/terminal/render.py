"""How does a person read an answer?

The same facts as the envelope, in the order of the three questions: where are we, who is waited for, what comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.cli.terminal.text import shortened
from wfe_mcp.views.move_calls import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.views.envelope import Envelope

__all__ = ["origin_lines", "refusal_lines", "tell", "verdict_line", "where"]

_WAITING = {
    "agent": "the agent", "human": "you", "job": "a job (gates run while a server, watch or submit works)",
    "reviewer": "a reviewer", "none": "nobody",
}  # fmt: skip


def tell(screen: Screen, envelope: Envelope) -> None:
    """Show any answer about a run."""
    if envelope.error is None:
        screen.line(envelope.summary, "bold")
    else:
        screen.line(f"{envelope.error.code}: {envelope.error.message}", "red")
        if envelope.error.hint:
            screen.line(envelope.error.hint)
    where(screen, envelope)
    data = envelope.data
    _phases(screen, data.get("phases", []))
    _runs(screen, data.get("runs", []))
    for text in (*data.get("blockers", []), *data.get("warnings", [])):
        screen.line(f"! {text}", "yellow")
    for verdict in data.get("verdicts", []):
        screen.line(f"  {verdict_line(verdict)}")
    if "spent" in data:
        screen.line(f"  models: {data['spent']}")
    if "last_verdict" in data and envelope.error is None:
        screen.line(f"  last verdict, {data['last_verdict']['phase']}: {verdict_line(data['last_verdict'])}")
    for line in _next_lines(envelope):
        screen.line(line, "cyan")


def where(screen: Screen, envelope: Envelope) -> None:
    """Which run, in which state, and who is waited for."""
    state = envelope.run_state or envelope.state
    if envelope.run and state:
        told = f"run {envelope.run}: {state}"
        if envelope.phase:
            told += f"; phase {envelope.phase}: {envelope.state}"
        screen.line(f"{told}; waiting for {_WAITING.get(envelope.waiting_on or 'none', envelope.waiting_on)}")


def refusal_lines(envelope: Envelope) -> list[str]:
    """A no, for standard error."""
    error = envelope.error
    assert error is not None, "only refusals come here"
    lines = [f"{error.code}: {error.message}"]
    lines += [
        f"  {detail.path or '(whole)'}: {detail.message}"
        + (f" (expected {detail.expected!r})" if detail.expected is not None else "")
        + (f" (got {shortened(repr(detail.got), 80)})" if detail.got is not None else "")
        for detail in error.details
    ]
    return lines + ([error.hint] if error.hint else []) + list(_next_lines(envelope))


def origin_lines(data: dict[str, Any]) -> Iterator[str]:
    """Where a forked or imported run comes from, for people."""
    if "forked_from" in data:
        yield f"forked from {data['forked_from']['run']} at event {data['forked_from']['event']}"
    origin = data.get("imported")
    if origin is None:
        return
    place = f", where it was worked in {origin['worktree']}" if "worktree" in origin else ""
    yield f"imported {origin['at']} by {origin['by']} ({origin['channel']}) from {origin['from']}{place}; what was decided in it was decided there"
    for one in origin.get("statements", ()):
        yield f"  it says: {one}"
    for one in origin.get("not_carried", ()):
        yield f"  not carried: {one['path']}: {one['message']}"


def verdict_line(verdict: dict[str, Any]) -> str:
    """What one gate said."""
    told = f"{verdict.get('gate', 'gate')} {verdict['verdict']}"
    return told + (f": {shortened(verdict['message'], 300)}" if verdict.get("message") else "")


def _next_lines(envelope: Envelope) -> Iterator[str]:
    # An agent waits for the person with status; the person is told what to do by the blockers.
    moves = [move for move in envelope.next if not (move.tool == "status" and envelope.waiting_on == "human")]
    for line in dict.fromkeys(command_line(move) for move in moves):
        yield f"next: {line}"


def _phases(screen: Screen, phases: list[dict[str, Any]]) -> None:
    rows = [
        (
            phase["phase"],
            phase["state"] + (f" ({phase['stage']} work)" if "stage" in phase else "") + _flags(phase),
            phase["attempt"],
            shortened(str(phase.get("reason", "")), 80),
        )
        for phase in phases
    ]
    screen.table(("phase", "state", "attempt", "reason") if any(row[3] for row in rows) else ("phase", "state", "attempt"),
                 rows if any(row[3] for row in rows) else [row[:3] for row in rows])  # fmt: skip


def _flags(phase: dict[str, Any]) -> str:
    items = f" {phase['items']} items" if "items" in phase else ""
    return items + (" HELD" if phase.get("held") else "") + (" FORCED" if phase.get("forced") else "")


def _runs(screen: Screen, runs: list[dict[str, Any]]) -> None:
    screen.table(
        ("run", "state", "template", "waits for", "title", "updated"),
        [
            (run["run"], run["state"] + _marks(run), run["template"], run.get("waiting_on", ""), shortened(run["title"], 60), run["updated_at"])
            for run in runs
        ],
    )  # fmt: skip


def _marks(run: dict[str, Any]) -> str:
    marks = {"stale": " STALE", "archived": " archived", "imported": " imported"}
    return "".join(mark for name, mark in marks.items() if run.get(name))
