"""``wfe-mcp log``: the events of a run, oldest first."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import Limit, Run
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.text import exact, shorten

if TYPE_CHECKING:
    from wfe_mcp.core.events import Event
    from wfe_mcp.store.records.runs import StepRecord
    from wfe_mcp.views.runs.models import EventView, StepView

_VALUE_CHARS = 160
_CALL_CHARS = 400
_SENTENCE_CHARS = 160

After = Annotated[int, typer.Option("--after", min=0, metavar="SEQ", help="Only events after this number.")]
At = Annotated[
    str, typer.Option("--at", metavar="N", help="Up to event N, or a checkpoint (cp-12), and the state then.")
]
Step = Annotated[bool, typer.Option("--step", help="What each event changed; on a terminal one after the other.")]

Exact = Annotated[bool, typer.Option("--exact", help="On a terminal too: UTC times to the second.")]


def log(
    invocation: Invocation,
    run: Run,
    limit: Limit = 1000,
    after: After = 0,
    at: At = "",
    step: Step = False,
    exact_times: Exact = False,
) -> None:
    """List the events of a run, oldest first."""
    from wfe_mcp.engine.history.as_of import moment
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.reports.report import moment_line
    from wfe_mcp.views.runs.run import event_view

    run = invocation.resolve_run(run)
    with invocation.engine.store.read() as tx:
        record = tx.runs.find(invocation.engine.project_id, run)
        then = moment(invocation.engine, tx, run, at) if at else None
        upto = record.last_seq if then is None else then.event.seq
        events = [
            event_view(event)
            for event in tx.events.of_run(record.id, after=min(after, upto), limit=min(limit, max(0, upto - after)))
        ]
        events = _with_calls(events, tx.steps.of_run(record.id))
        if step and events:
            changes = list(_changes(tx.events.core_events(record.id, events[-1].seq), after))
            events = [replace(event, changes=tuple(change)) for event, change in zip(events, changes, strict=True)]
    last = events[-1].seq if events else after
    more = {"after": last} if last < upto else {}
    state = str(record.status if then is None else then.overview.loaded.state.status)
    as_of = {} if then is None else {"as_of": {"event": upto, "of": then.of, "state": moment_line(then)}}
    answer = Envelope(
        True,
        run=run,
        run_state=state,
        state=state,
        summary=f"{len(events)} of {record.last_seq} events",
        view={"events": events, **as_of, **more},
    )

    def render(screen: Screen) -> None:
        if step and sys.stdin.isatty() and sys.stdout.isatty():
            _walk(screen, events)
            return
        if not events:
            upto_words = "" if then is None else f" up to {upto}"
            screen.line(f"No event after {after}{upto_words}" + ("." if upto_words else f": the log has {upto}."))
        if step:
            for event in events:
                screen.line(event_line(event))
                _render_changes(screen, event)
        else:
            now = invocation.clock()
            rows: list[tuple[str, ...]] = []
            for event in events:
                seq, when, text, kind, by = _row(event, "" if exact_times else screen.time(event.at, now))
                rows += [(seq, when, kind, by, text), *(("", "", "", "", line) for line in _call_texts(event))]
            screen.table(("seq", "time", "event", "by", "what happened"), rows)
        if then is not None:
            screen.line(moment_line(then), "bold")
        if more:
            screen.next(
                f"wfe-mcp log {run} --after {last}" + (f" --at {at}" if at else "") + (" --step" if step else "")
            )

    invocation.render(answer, render)


def _with_calls(events: "list[EventView]", steps: "list[StepRecord]") -> "list[EventView]":
    """The events, with the calls of a phase of steps at the event that ended them: its failure, or its artifact."""
    from wfe_mcp.views.runs.calls import has_failed
    from wfe_mcp.views.runs.run import step_view

    def calls_of(event: "EventView") -> "tuple[StepView, ...]":
        on = (event.payload.get("phase"), event.payload.get("attempt"))
        rows = [row for row in steps if (row.phase, row.attempt) == on]
        ended = event.type == ("AttemptFailed" if has_failed(rows) else "RevisionSubmitted")
        return tuple(step_view(row, _CALL_CHARS) for row in rows) if ended else ()

    return [replace(event, steps=calls_of(event)) for event in events] if steps else events


def _call_texts(event: "EventView") -> Iterator[str]:

    for step in event.steps:
        took = f", {step.took}" if step.took else ""
        error = f": {step.error}" if step.error else ""
        yield shorten(f"  step {step.step} {step.state}: {step.does}{took}{error}", _CALL_CHARS)
        yield from (shorten(f"    {line}", _CALL_CHARS) for line in step.call_lines)


def _changes(happened: "Iterable[Event]", after: int) -> Iterator[list[dict[str, Any]]]:
    """What each event after number ``after`` changed."""
    from wfe_mcp.views.history.comparison import step_differences

    for seq, (_, changes) in enumerate(step_differences(happened), 1):
        if seq > after:
            yield changes


def _render_changes(screen: Screen, event: "EventView") -> None:
    if event.changes is not None:
        from wfe_mcp.cli.terminal.changes import render_changes

        render_changes(screen, event.changes, _VALUE_CHARS, "        ")


def _walk(screen: Screen, events: "list[EventView]") -> None:
    """Step through events: Enter or n is the next one, p the one before, a number that event, q ends."""
    place = 0
    while place < len(events):
        screen.line(event_line(events[place]), "bold")
        _render_changes(screen, events[place])
        screen.flush()
        try:
            answer = input(f"{place + 1} of {len(events)}: Enter next, p back, q end > ").strip().lower()
        except EOFError:
            return
        if answer.isdecimal():
            numbers = [event.seq for event in events]
            place = numbers.index(int(answer)) if int(answer) in numbers else place
        elif answer in {"", "n", "p"}:
            place = max(0, place - 1) if answer == "p" else place + 1
        elif answer == "q":
            return


def event_line(event: "EventView") -> str:
    """One event in a line: number, time, what happened, its type, the actor."""
    return "  ".join(filter(None, _row(event)))


def _row(event: "EventView", time: str = "") -> tuple[str, ...]:
    """Number, time, what happened, the type, the actor with channel and assurance. ``time``: exact if empty."""
    by = f"{event.actor} ({event.channel}, {event.assurance})" if event.channel != "system" else ""
    return f"{event.seq:>3}", time or exact(event.at), shorten(event.text, _SENTENCE_CHARS), event.type, by
