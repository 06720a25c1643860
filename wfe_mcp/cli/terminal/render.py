"""Answers as a person reads them: the result, what is unusual, the facts, and the commands that make sense now."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from wfe_mcp.cli.terminal.text import exact, shorten
from wfe_mcp.core.errors import Suggestion
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.texts import in_short
from wfe_mcp.core.units import about, duration, plural
from wfe_mcp.engine.runs.needs import Stop
from wfe_mcp.views.moves.calls import TOOL_COMMANDS, command_line
from wfe_mcp.views.moves.envelope import Envelope, Next
from wfe_mcp.views.runs import models
from wfe_mcp.views.runs.operations import operation_line
from wfe_mcp.views.runs.recoveries import blocker_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from wfe_mcp.cli.terminal.screen import Screen
    from wfe_mcp.store.records.runs import RunRecord
    from wfe_mcp.views.history.board import BoardView
    from wfe_mcp.views.moves.blockers import Blocker
    from wfe_mcp.views.runs.requests import Unusual

AGENT_GOES_ON = "tell your agent: Continue with wfe."

_NEVER_ALONE = {Stop.NO_WORKER, Stop.NO_RUNNER, Stop.RUNNER, Stop.OUTAGE}
"""What is not worked on before the user does something, or before a time that the user wants to know."""
_NAMED_ANYWAY = {*_NEVER_ALONE, Stop.OTHER_RUN}
"""Sentences that say more than the command below them."""

_TOOL = re.compile(rf"\b({'|'.join(name for name in TOOL_COMMANDS if '_' in name)})\b(\([^)]*\))?")
_COMMAND = re.compile(r"\bwfe-mcp [a-z]")


def render(screen: Screen, answer: Envelope, record: RunRecord | None, now: datetime) -> None:
    """Show any answer: its result, the run it is about, and what comes next."""
    if answer.error is not None:
        blockers = [f"  ! {text}" for text, _ in _blockers(answer)]
        (first, *rest), steps = refusal_lines(answer)
        screen.talk(first, *blockers, *rest)
        screen.next(*steps)
        return
    submitted = answer.view if isinstance(answer.view, models.SubmittedView) else None
    screen.line(answer.summary if record is None or submitted is None else _render_submitted(answer, submitted), "bold")
    if isinstance(answer.view, models.RunList):
        runs_table(screen, answer.view.runs, now)
    screen.table(
        (), [verdict_row(verdict) for verdict in (() if submitted is None else submitted.verdicts)], "  ", state_at=1
    )
    if record is None:
        screen.next(*next_lines(answer))
        return
    if submitted is not None:
        screen.line(f"{_quote(record.title)} {run_is(answer)}.")
    unusual(screen, answer)
    is_for_agent = submitted is None and answer.waiting_on == "agent" and answer.run_state == "running"
    screen.next(*([AGENT_GOES_ON] if is_for_agent else next_lines(answer)))


def render_status(screen: Screen, answer: Envelope, record: RunRecord, now: datetime) -> None:
    """Show where a run is: who acts next, its phases, and what you can do."""
    screen.line(f"{record.id} {_quote(record.title)}: {headline(answer, record, now)}", "bold")
    screen.line(f"  {record.template} in {record.worktree}", "dim")
    unusual(screen, answer)
    view = answer.view_as(models.RunView)
    for text in view.unproved:
        screen.line(f"  ! {text}", "yellow")
    screen.table((), [_phase_row(phase) for phase in view.phases], "  ", state_at=1)
    if view.spent:
        screen.line(f"  models: {view.spent}")
    if view.reached:
        screen.line(f"  state: {view.reached}")
    lines = [(blocker_line(recovery), "yellow") for recovery in view.recoveries]
    for text, colour in (*lines, *((operation_line(operation), "") for operation in view.operations)):
        screen.line(f"  {text}", colour)
    outputs_lines(screen, view.outputs, record.id)
    screen.next(*_left_to_commit(answer, record))
    show_turn(screen, answer, record)


def show_turn(screen: Screen, answer: Envelope, record: RunRecord) -> None:
    """Show whose turn it is: the commands that make sense now, or that you have nothing to do."""
    if record.ended_at is None and not Path(record.worktree).is_dir():
        return  # no one works there, and the warning above names both ways on
    if any(stop.stop in _NEVER_ALONE for _, stop in _blockers(answer)):
        screen.next(*next_lines(answer))
    elif answer.run_state != "paused" and answer.waiting_on in {"agent", "job", "reviewer"} and _is_worked(answer):
        if not any(stop.is_by_hand for _, stop in _blockers(answer)):
            screen.line("You have nothing to do.")
    elif answer.waiting_on == "agent" and answer.run_state != "paused":
        screen.next(AGENT_GOES_ON)
    elif answer.waiting_on != "none":
        screen.next(*next_lines(answer))


def _left_to_commit(answer: Envelope, record: RunRecord) -> Iterator[str]:
    """The signed approvals of a completed run that git does not have."""
    if answer.run_state != "completed":
        return
    from wfe_mcp.engine.approvals.proof_files import uncommitted_proofs  # what checks signatures: not for an open run

    if folder := uncommitted_proofs(record.worktree, record.id):
        yield f"commit {folder} with the work: anyone can verify its signed approvals there"


def outputs_lines(screen: Screen, outputs: models.OutputsView | None, run: str) -> None:
    """The outputs of a completed run, a line each."""
    if outputs is None:
        return
    for name, value in outputs.values.items():
        screen.line(f"  output {name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    for name in outputs.left_out:
        screen.line(f"  output {name}: wfe-mcp artifact show {run} outputs --pointer /{name}", is_pasted=True)
    for text in outputs.unknown:
        screen.line(f"  ! output {text}", "yellow")


def headline(answer: Envelope, record: RunRecord, now: datetime) -> str:
    """Who acts next and for how long, or how the run ended."""
    view = models.run_view(answer.view)
    more = "" if view is None else view.marks
    if answer.run_state == "completed":
        took = duration(((record.ended_at or record.updated_at) - record.created_at).total_seconds())
        return f"completed in {took}{more}"
    if answer.run_state == "cancelled":
        return f"cancelled{more}"
    return f"{_acts(answer)}, {about((now - record.updated_at).total_seconds())}{more}"


def run_is(answer: Envelope) -> str:
    """``is completed``, ``is waiting for you``: what a run does now, in a sentence about it."""
    if answer.waiting_on == "agent" and _is_worked(answer):
        return "is with the agent"
    view = models.run_view(answer.view)
    return f"is {_acts(answer)}" if view is None or answer.waiting_on != "job" else f"waits for {view.brief_waits_for}"


_WAITING = {
    "human": "waiting for you",
    "agent": "waiting for the agent",
    "job": "waiting for the server",
    "reviewer": "waiting for a reviewer",
}
"""``waiting_on`` in words, where the answer shows no run."""


def _acts(answer: Envelope) -> str:
    state = answer.run_state or answer.state or ""
    view = models.run_view(answer.view)
    acts = _WAITING.get(answer.waiting_on or "", "finished") if view is None else view.acts
    if state not in {"running", "waiting"}:
        return f"{state}, {acts}" if answer.waiting_on in {"human", "job"} else state
    return "the agent is working" if answer.waiting_on == "agent" and _is_worked(answer) else acts


def _is_worked(answer: Envelope) -> bool:
    """Whether a phase is in progress, with its worker; one with phases inside it is only as much as these are."""
    view = models.run_view(answer.view)
    phases = () if view is None else view.phases
    return any(
        phase.state in {"running", "gating"}
        and not phase.left
        and not any(inner.phase.startswith(f"{phase.phase}[") for inner in phases)
        for phase in phases
    )


def _blockers(answer: Envelope) -> tuple[tuple[str, Blocker], ...]:
    """What stops the run, each with its sentence as it is shown."""
    view = models.run_view(answer.view)
    return () if view is None else tuple(zip(map(for_person, view.blockers), view.stops, strict=True))


def next_lines(answer: Envelope) -> list[str]:
    """The commands that make sense now, best first."""
    # An agent waits for the user with status; the user decides instead.
    moves = [move for move in answer.next if not (move.tool == "status" and answer.waiting_on == "human")]
    asked = [stop.next for _, stop in _blockers(answer) if stop.next]
    return list(dict.fromkeys([*(command_line(move) for move in moves), *asked]))


def refusal_lines(answer: Envelope) -> tuple[list[str], list[str]]:
    """A refusal, for standard error: what happened and why with its details, and what to do next."""
    error = answer.error
    assert error is not None, "only refusals come here"
    about = {name: value for name, value in (("run", answer.run), ("phase", answer.phase)) if value}
    hint = _TOOL.sub(
        lambda found: command_line(Next(found[1], {} if found[1] == "status" else about)), for_person(error.hint)
    )
    first, _, rest = for_person(error.message).strip().partition("\n")
    near = f" {hint}" if isinstance(error.hint, Suggestion) else ""
    lines = [f"error: {first}{near} [{error.code}]"]
    lines += [f"  {line}" for line in rest.splitlines()]
    lines += [
        f"  {detail.path or '(whole)'}: {detail.message}"
        + (f"; expected {detail.expected!r}" if detail.expected not in (None, []) else "")
        + (f", got {shorten(repr(detail.got), 80)}" if detail.got is not None else "")
        for detail in error.details
    ]
    wanted = [lower_first(hint)] if hint and not near else []
    if wanted and (_COMMAND.search(hint) or error.code == "needs_human"):
        return lines, wanted  # it says the step itself; the moves of the run are others
    return lines, [*wanted, *next_lines(answer)][:2]


def lower_first(hint: str) -> str:
    """A hint behind ``Next:``; names and abbreviations keep their capitals."""
    return hint[:1].lower() + hint[1:] if hint[1:2].islower() else hint


def origin_lines(origin: models.OriginView | None) -> Iterator[str]:
    """Where an imported run comes from."""
    if origin is None:
        return
    place = f"; its project there: {origin.worktree}" if origin.worktree else ""
    yield f"imported {exact(origin.at)} by {origin.by} ({origin.channel}) from {origin.from_}{place}; its decisions were made there"
    yield from (f"  its statement: {statement}" for statement in origin.statements)
    yield from (f"  not carried: {note.path}: {note.message}" for note in origin.not_carried)


def verdict_row(verdict: models.VerdictView) -> tuple[str, str, str]:
    """A gate with the level of its evidence, its verdict, and why."""
    message = shorten(for_person(verdict.message), 300)
    return f"{verdict.gate} ({verdict.level})" if verdict.level else verdict.gate, verdict.verdict, message


def runs_table(
    screen: Screen, runs: Iterable[models.RunRow], now: datetime, names: Mapping[str, str] | None = None
) -> None:
    """Runs, one a row. ``names``: project → its name, where the list has the runs of several."""
    listed = list(runs)
    has_folders = not names and any(run.folder for run in listed)
    screen.table(
        ("run", "project", "status", "state", "waits for", "updated", "phase", "folder", "title"),
        [
            (
                run.run,
                (names or {}).get(run.project, "-"),
                run.state + _marks(run),
                run.reached or "-",
                run.waits_for or "-",
                screen.time(run.updated_at, now),
                _phase_of(run),
                (run.folder or "here") if has_folders else "-",
                run.title,
            )
            for run in listed
        ],
        optional=("project", "state", "folder"),
    )


def _phase_of(run: models.RunRow) -> str:
    """The phase that a run is at, and how many it is done with."""
    of = "" if run.phases is None else f"{run.phases_done}/{run.phases}"
    of += f", {run.phases_skipped} skipped" if run.phases_skipped else ""
    return f"{run.phase} {of}".strip() or "-"


def board_table(screen: Screen, view: BoardView, now: datetime) -> None:
    """The board of a template: its phases in their order with the runs at each, then the runs that are over."""
    columns = [(column.title, column.runs) for column in view.columns] + ([("ended", view.ended)] if view.ended else [])
    rows: list[tuple[str, ...]] = []
    for name, runs in columns:
        rows += [
            (name, run.run, run.state + _marks(run), run.waits_for or "-", screen.time(run.updated_at, now), run.title)
            for run in runs
        ] or [(name, "-", "-", "-", "-", "-")]
    screen.table(("phase", "run", "status", "waits for", "updated", "title"), rows)


def decisions_table(screen: Screen, listed: models.RunList, now: datetime) -> None:
    """What waits for the user's decision, one a row, oldest first; what is unusual as far as the record tells: more shows once it is opened."""
    screen.table(
        ("asked of you", "since", "unusual so far"),
        [
            (decision.question, screen.time(decision.asked_at, now), weights(decision.unusual) or "-")
            for decision in listed.decisions
        ],
    )
    if listed.more_decisions:
        screen.line(f"{plural(listed.more_decisions, 'more decision')} in wfe-mcp inbox", "dim")


def weights(unusual: Sequence[Unusual]) -> str:
    """How many unusual things have which weight."""
    counts = Counter(entry.weight for entry in unusual)
    return ", ".join(f"{count} {weight}" for weight, count in counts.items())


def _render_submitted(answer: Envelope, view: models.SubmittedView) -> str:
    # it is open again only where its jump has reopened it
    went_back = answer.state in {"pending", "ready"}
    state = "completed, and the run went back" if went_back else state_word(answer.state or "", view.verdicts)
    return f"Submitted {answer.phase}, revision {view.revision} of attempt {view.attempt}: {state}"


def state_word(state: str, verdicts: Sequence[models.VerdictView]) -> str:
    """The state of a phase: an approval, or a gate that a person must see to, keeps it waiting."""
    if state != "awaiting":
        return state.replace("_", " ")
    return "waiting for you" if any(verdict.verdict == state for verdict in verdicts) else "awaiting approval"


def _quote(title: str) -> str:
    return f'"{title}"'


def unusual(screen: Screen, answer: Envelope) -> None:
    """Show what keeps the run from going on, and warnings; what ``Next:`` says is left out."""
    commands = next_lines(answer)
    view = models.run_view(answer.view)
    weaker = () if view is None else view.gates_weakened
    if weaker:
        screen.line(f"  ! {plural(len(weaker), 'gate')} weakened: {'; '.join(weaker)}", "red")
    blockers = (text for text, stop in _blockers(answer) if stop.stop in _NAMED_ANYWAY or stop.command not in commands)
    for text in (*blockers, *(() if view is None else map(for_person, view.warnings))):
        screen.line(screen.complete(f"  ! {text}"), "yellow")


def _phase_row(phase: models.PhaseView) -> tuple[str, str, str]:
    state = state_word(phase.state, phase.verdicts) + (" before work" if phase.stage == "before" else "")
    if phase.state in {"pending", "ready"} and phase.attempt == 1:
        return phase.phase, state, _flags(phase).strip(", ")
    verdicts = [f"{gate} {verdict}" for gate, verdict, _ in map(verdict_row, phase.verdicts)]
    shown = f": {', '.join(verdicts)}" if verdicts and phase.state != "completed" else ""
    # Under gates it is why they waited before: they have begun again since.
    reason = f" ({in_short(for_person(phase.reason))})" if phase.reason and phase.state != "gating" else ""
    return phase.phase, state, f"attempt {phase.attempt}{_flags(phase)}{shown}{reason}"


def _flags(phase: models.PhaseView) -> str:
    items = f", {phase.items} items" if phase.items else ""
    items += ", its worker is gone" if phase.left else ""
    return items + (", held for you" if phase.held else "") + (", FORCED" if phase.forced else "")


def _marks(run: models.RunRow) -> str:
    marks = {
        " (tainted)": run.tainted,
        f" ({plural(run.weakened_gates, 'weakened gate')})": run.weakened_gates,
        " (stale)": run.stale,
        " (stuck)": run.stuck,
        " (folder missing)": run.missing,
        " (archived)": run.archived,
        " (imported)": run.imported,
    }
    return "".join(mark for mark, is_so in marks.items() if is_so)
