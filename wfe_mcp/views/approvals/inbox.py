"""The inbox: a row for each thing of a run that a person must do, with the question and the exact commands.

The terminal, the page and the HTTP API show these rows. Which runs have one is decided by ``engine.runs.needs`` alone.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import compress
from urllib.parse import quote

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import AttemptStatus, RunId
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.readers import for_person
from wfe_mcp.core.texts import in_short
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.runs.needs import TRUST, Need, Stop, Who
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store.records.runs import RequestRecord, StepStatus
from wfe_mcp.views.approvals.request import listed_question, names_attempt, waiting_line, waits_since
from wfe_mcp.views.approvals.unusual import ProjectFacts, project_facts
from wfe_mcp.views.moves.blockers import Blocker, blocker_for, blockers, lacking_of
from wfe_mcp.views.moves.calls import user_command_lines, user_moves
from wfe_mcp.views.runs.requests import (
    InboxView,
    StoppedRun,
    UnaskedDecision,
    WaitingDecision,
    WaitingOpinion,
    WaitingTask,
    WaitingTrust,
)
from wfe_mcp.views.values.model import second, view_of

_DECISIONS = c.Retry | c.Skip | c.ForceAccept | c.Overrule
_OF_THE_RUN = {Stop.STOPPED, Stop.PAUSED}

_QUESTIONS: dict[Stop, str] = {
    Stop.STOPPED: '"{title}" is {what}.{choice} {why}',
    Stop.PAUSED: 'Resume "{title}"?{choice} It is paused{why}',
    Stop.HELD: 'Continue "{title}"? {phase} is completed, and the run waits after each phase.',
    Stop.MANUAL: 'Do the work of {phase} of "{title}" in place of a model: {what}',
    Stop.NEEDS_TRUST: 'Trust what {phase} of "{title}" uses? {why}',
    Stop.UNTRUSTED_STEP: 'Trust what {phase} of "{title}" runs? {what}',
    Stop.NEEDS_CREDENTIAL: 'Store a credential for {phase} of "{title}"? {what}',
    Stop.CHANGED_FILE: 'Restore or accept a changed file of "{title}"? {what}',
}
"""What is asked, by what the run waits for."""
_FAILED = '{phase} of "{title}" failed.{choice} {why}'


def inbox_view(
    runs: Iterable[tuple[Engine, Overview]], requests: Sequence[RequestRecord] = (), trust: Sequence[WaitingTrust] = ()
) -> InboxView:
    """Everything of ``runs`` that waits for a person, each kind oldest first. ``requests``: the open ones, of any run."""
    asked = {(str(request.run_id), request.phase): request for request in requests}
    since = {request.id: request.created_at for request in requests}
    facts = dict[str, ProjectFacts]()
    rows = list[_Row]()
    for engine, overview in sorted(runs, key=lambda each: (each[1].loaded.record.updated_at, each[1].loaded.record.id)):
        for need in overview.needs:
            if need.who is Who.HUMAN and need.stop is not Stop.FAILED_WITH_RUN:  # the line of its run says it
                with suppress(Refused):  # the run was removed meanwhile
                    rows += _rows(engine, overview, need, asked, facts)
    decisions = [row for row in rows if isinstance(row, WaitingDecision)]
    stopped = sorted((row for row in rows if isinstance(row, StoppedRun)), key=lambda each: each.since)
    # One review continues all runs that wait for a configuration: it is asked for once, and names them.
    asked = {waiting.folder for waiting in trust if waiting.is_configuration}
    waits_for_trust = [row.kind in TRUST and row.project in asked for row in stopped]
    return InboxView(
        decisions=tuple(sorted(decisions, key=lambda each: (each.asked_at, since[each.request], each.request))),
        unasked=tuple(row for row in rows if isinstance(row, UnaskedDecision)),
        tasks=tuple(row for row in rows if isinstance(row, WaitingTask)),
        opinions=tuple(row for row in rows if isinstance(row, WaitingOpinion)),
        stopped=tuple(row for row, waits in zip(stopped, waits_for_trust, strict=True) if not waits),
        trust=tuple(
            replace(
                waiting,
                runs=tuple(row.title for row in compress(stopped, waits_for_trust) if row.project == waiting.folder),
            )
            for waiting in trust
        ),
    )


_Row = WaitingDecision | UnaskedDecision | WaitingTask | WaitingOpinion | StoppedRun


def _rows(
    engine: Engine,
    overview: Overview,
    need: Need,
    asked: dict[tuple[str, PhasePath], RequestRecord],
    facts: dict[str, ProjectFacts],
) -> Sequence[_Row]:
    record, phase, folder = overview.loaded.record, need.phase, str(engine.root)
    about = {"run": record.id, "phase": phase, "project": folder, "for_others": ""}
    place = f"{record.id} {'' if phase is None else shell_path(phase)}"
    match need.stop:
        case Stop.APPROVAL if phase is not None:
            request = asked.get((record.id, phase))
            if request is not None:
                if engine.project_id not in facts:
                    facts[engine.project_id] = project_facts(engine)
                line = waiting_line(engine, overview, request, facts[engine.project_id])
                if line is not None:
                    return (line,)
            attempt, command = overview.loaded.state.current(phase), f"wfe-mcp approve {place}"
            since, question = second(waits_since(engine, overview, attempt)), listed_question(overview, attempt)
            return (view_of(UnaskedDecision, record, **about, since=since, question=question, command=command),)
        case Stop.HUMAN_TASK if phase is not None:
            since = second(waits_since(engine, overview, overview.loaded.state.current(phase)))
            title, command = overview.plan.phase(phase).title or phase, f"wfe-mcp submit {place} --path FILE"
            more = {"title": title, "about": record.title, "since": since, "command": command}
            return (view_of(WaitingTask, record, **about, **more),)
        case Stop.PERSONS_OPINION if phase is not None:
            return tuple(
                view_of(
                    WaitingOpinion,
                    record,
                    **about,
                    reviewer=person.reviewer,
                    path=opinion_path(record.id, phase, person.reviewer),
                    command=f"wfe-mcp opinion answer {place} --reviewer {person.reviewer}",
                )
                for person in overview.asked_persons[phase]
            )
        case _:
            return (_stopped_run(engine, overview, need, folder),)


def opinion_path(run: str, phase: str, reviewer: str) -> str:
    """Where on the page a person answers as ``reviewer``."""
    return f"opinion/{quote(run, safe='')}/{quote(reviewer, safe='')}?phase={quote(phase, safe='')}"


_STOPS: dict[Stop, tuple[str, ...]] = {
    Stop.PAUSED: ("RunPaused",),
    Stop.STOPPED: ("RunBlocked", "RunFailed"),
    Stop.HELD: ("PhaseCompleted", "RolledBack"),
    **dict.fromkeys((Stop.FAILED, Stop.REPAIRED), ("AttemptFailed", "HumanAwaited", "RolledBack")),
}
"""What a run waits for → the events of which the last one began that; of a phase, those that name its attempt."""


def _stopped_since(engine: Engine, overview: Overview, need: Need) -> datetime:
    """When the run, or its phase, stopped; where no event says so, its last change."""
    record, state = overview.loaded.record, overview.loaded.state
    with engine.store.read() as tx:
        events = tx.events.of_types(record.id, *_STOPS.get(need.stop, ()))
    attempt = state.current(need.phase) if need.phase else None
    stops = (event.at for event in events if attempt is None or names_attempt(event, attempt))
    return max(stops, default=record.updated_at)


def _stopped_run(engine: Engine, overview: Overview, need: Need, folder: str) -> StoppedRun:
    record = overview.loaded.record
    blocker = blocker_for(overview, need)
    assert blocker is not None, "what waits for a person has a sentence"
    moves = _decisions(overview, need)
    commands = _commands(overview, need, blocker, user_command_lines(overview, moves))
    why = for_person(in_short(_step_error(overview, need.phase) or blocker.why))
    text = _QUESTIONS.get(need.stop, _FAILED).format(
        phase=need.phase, title=record.title, what=blocker.what, why=why, choice=_choice(moves)
    )
    return view_of(
        StoppedRun,
        record,
        run=record.id,
        phase=need.phase or "",
        kind=str(need.stop),
        question=text.strip(),
        state=str(overview.loaded.state.status),
        since=second(_stopped_since(engine, overview, need)),
        project=folder,
        blockers=tuple(obstacle.sentence for obstacle in blockers(overview))
        if need.stop in _OF_THE_RUN
        else (blocker.sentence,),
        for_others="",
        command=commands[0],
        commands=commands,
    )


def _step_error(overview: Overview, phase: PhasePath | None) -> str:
    """Why the step failed that failed its phase, without the names of step and phase, which the question has."""
    attempt = overview.loaded.state.current(phase) if phase else None
    rows = [row for row in overview.steps if attempt and (row.phase, row.attempt) == (attempt.phase, attempt.number)]
    return next((row.error or "" for row in rows if row.status is StepStatus.FAILED), "")


def damaged_run(engine: Engine, run: RunId, title: str, refused: Refused) -> StoppedRun:
    """The row of a run whose record cannot be read."""
    return StoppedRun(
        run=run,
        kind="damaged",
        title=title,
        template="",
        state="",
        project=str(engine.root),
        question=refused.message,
        blockers=(refused.text,),
        since="",
        updated_at="",
        command=f"wfe-mcp verify {run}",
        commands=(f"wfe-mcp verify {run}",),
    )


def _decisions(overview: Overview, need: Need) -> list[c.PhaseCommand]:
    """What a person can decide about what failed: of the whole run where it stopped or is paused."""
    return [
        move
        for attempt in overview.loaded.state.open_attempts
        if attempt.status is AttemptStatus.FAILED and (need.stop in _OF_THE_RUN or attempt.phase == need.phase)
        for move in user_moves(overview, attempt)
        if isinstance(move, _DECISIONS)
    ]


def _commands(overview: Overview, need: Need, blocker: Blocker, decides: tuple[str, ...]) -> tuple[str, ...]:
    """The exact commands that a person can type, the likeliest first."""
    run, state = overview.loaded.record.id, overview.loaded.state
    if need.stop is Stop.PAUSED:
        return (*decides, f"wfe-mcp resume {run}")
    if need.stop is Stop.STOPPED:
        late = (f"wfe-mcp resume {run} --timeout 1h",) if state.time_is_over(overview.loaded.record.updated_at) else ()
        return (*late, *decides, f"wfe-mcp status {run}")
    if need.stop is Stop.CHANGED_FILE and need.phase is not None:
        place = f"{run} {shell_path(need.phase)}"
        return (f"wfe-mcp artifact restore {place}", f"wfe-mcp artifact accept {place}")
    if need.stop in TRUST:
        return ("wfe-mcp trust",)
    if need.stop is Stop.NEEDS_CREDENTIAL and (faults := lacking_of(overview, need.phase)):
        return tuple(fault.command for fault in faults)
    return decides or (blocker.command or f"wfe-mcp status {run}",)


_VERBS = {
    "retry": "retry",
    "skip": "skip",
    "force-accept": "force-accept",
    "opinion overrule": "overrule the reviewers",
}


def _choice(moves: Sequence[c.PhaseCommand]) -> str:
    """The decisions as a question; empty where there is nothing to choose."""
    names = list(dict.fromkeys(_VERBS[move.call.command] for move in moves))
    if not names:
        return ""
    *first, last = names
    text = f"{', '.join(first)} or {last}" if first else last
    return f" {text.capitalize()}?"
