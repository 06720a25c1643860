"""The page of the state machine: every move, and what follows it."""

from collections.abc import Iterator, Mapping

from scripts import markdown as md
from scripts.event_changes import EVENT_CHANGES


def transitions() -> Iterator[str]:
    """The lines of the page."""
    from wfe_mcp.core.decide import HANDLERS
    from wfe_mcp.core.transitions import ATTEMPT_MOVES, RUN_MOVES

    calls = {kind.__name__: kind.call for kind in HANDLERS if kind.call.command}
    yield "# Transitions"
    yield ""
    yield "Which command is possible for an attempt and for a run in which status, and where it can lead. Every other one is"
    yield "refused with `illegal_transition`; the hint names the calls that are possible for the same caller. A command of"
    yield "this page can still be refused for what else must hold: the caller, the revision, a free place."
    yield from (
        "",
        "## Calls",
        "",
        "How a caller names a command. The server alone gives the commands that are not here.",
        "",
    )
    yield from md.table(
        ("command", "for", "MCP tool", "terminal"),
        [
            (
                name,
                ", ".join(who for who in call.callers if who != "server"),
                md.code(f"{call.tool} {call.action}".strip()) if call.tool else "",
                md.code(f"wfe-mcp {call.command}") if call.command else "",
            )
            for name, call in calls.items()
        ],
    )
    for title, moves in (("Attempts", ATTEMPT_MOVES), ("Runs", RUN_MOVES)):
        yield from ("", f"## {title}", "")
        yield from md.table(("in status", "these commands", "lead to"), _grouped(moves))
    yield ""
    yield "`superseded +new`: the attempt is closed and the next one opens. A failed attempt continues by itself through"
    yield "`on_fail`, a completed one through `next`, one under gates from gate to gate."
    yield from ("", "## Events", "")
    yield "What each event of the log changes: the status of the attempt that it names, those of other attempts, and the"
    yield "status of the run. Without an entry the run keeps its status, or is `running` or `waiting` by its attempts."
    yield ""
    yield from md.table(
        ("event", "its attempt", "other attempts", "run"),
        [
            (name, _led(change.own), _led(change.others), change.run.replace(" | ", ", "))
            for name, change in EVENT_CHANGES.items()
        ],
    )
    yield from ("", "## Commands", "")
    known = sorted((each.__name__, str(each.__doc__)) for each in HANDLERS)
    rows = [
        *known,
        ("goto", "A rule or a person goes back to this phase or an earlier one: iteration n+1."),
        ("rollback", "The run goes back to a checkpoint, see `Rollback`."),
    ]
    yield from md.table(("command", "meaning"), [(name, md.first_sentence(meaning)) for name, meaning in rows])


def _led(rows: Mapping[str, str]) -> str:
    """Statuses before → after, grouped by the status after."""
    ends = dict.fromkeys(rows.values())
    groups = [(", ".join(before for before in rows if rows[before] == end), end.replace(" | ", ", ")) for end in ends]
    return "; ".join(f"{before} → {end}" for before, end in groups)


def _grouped(moves: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """One row per status and target, in the order of the code's table."""
    for status, cells in moves.items():
        for target in dict.fromkeys(cells.values()):
            names = [move for move, leads in cells.items() if leads == target]
            yield md.code(status), ", ".join(names), target.replace(" | ", ", ")
        if not cells:
            yield md.code(status), "none: it is over", ""
