"""Why a run does not move and who it waits for, as sentences; each names the command that is legal for the user, where there is one.

A sentence ends with the command that is legal for the user, where there is one.

Whether that process lives cannot be known here (a phase of a dead process of this machine is taken over at once), so its
lease counts until it ends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.consequences import failure_of
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import typed
from wfe_mcp.providers.manual_files import places_of
from wfe_mcp.views.moves.calls import USER, user_commands, user_moves
from wfe_mcp.workspace.files.mirror import attempt_folder
from wfe_mcp.workspace.system.process import parse_holder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import UnionType

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.runs.overview import Overview


_STOPPED = {RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED}
_DECISIONS = c.Retry | c.Skip | c.ForceAccept | c.Overrule | c.Edit


class Stop(StrEnum):
    """What keeps a run from moving."""

    IMPORTED = "imported"
    STOPPED = "stopped"
    OUT_OF_TIME = "out_of_time"
    GOING_BACK = "going_back"
    REPAIRED = "repaired"
    FAILED = "failed"
    FAILED_WITH_RUN = "failed_with_run"
    HELD = "held"
    PERSONS_OPINION = "persons_opinion"
    NO_OPINION = "no_opinion"
    HUMAN_TASK = "human_task"
    NEEDS_TRUST = "needs_trust"
    APPROVAL = "approval"
    MANUAL = "manual"
    OBSTACLE = "obstacle"


_SENTENCES: dict[Stop, tuple[str, str]] = {
    Stop.IMPORTED: ("Imported, so it cannot continue here", ". Start a new run: "),
    Stop.STOPPED: ("The run is {what}: {why}", ""),
    Stop.OUT_OF_TIME: ("Extend its time", ": "),
    Stop.GOING_BACK: ("The run is going back to event {what}; its files are being restored", ""),
    Stop.REPAIRED: ("{phase} failed ({why}); {what}", ""),
    Stop.FAILED: ("{phase} failed ({why})", "; decide: "),
    Stop.FAILED_WITH_RUN: ("{phase} failed", "; decide: "),
    Stop.HELD: ("{phase} is completed and held", "; continue: "),
    Stop.PERSONS_OPINION: ("{phase} waits for the opinion of a person. {what}", "; decide without it: "),
    Stop.NO_OPINION: (
        "{phase} waits for reviewers that did not answer ({why}); they are asked again",
        "; decide without them: ",
    ),
    Stop.HUMAN_TASK: ("{phase} is the user's task", ": "),
    Stop.NEEDS_TRUST: ("{phase} needs trust ({why}): wfe-mcp init or wfe-mcp trust, in a browser wfe-mcp ui", ""),
    Stop.APPROVAL: ("{phase} awaits approval ({why}) of {what}", ": "),
    Stop.MANUAL: ("{phase} is manual: {what}", ", or: "),
    Stop.OBSTACLE: ("{what}", ""),
}
"""The sentence about each, and what comes before its command."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stops a run. ``phase``: the one that it is about. ``what``, ``why``: what its sentence says beside.

    ``command``: what the user can call. ``next``: the one command that is proposed to the user.
    """

    stop: Stop
    phase: PhasePath | None = None
    what: str = ""
    why: str = ""
    command: str = ""
    next: str = ""

    @property
    def sentence(self) -> str:
        """The sentence, with the command at its end."""
        text, leads_to = _SENTENCES[self.stop]
        filled = text.format(phase=self.phase, what=self.what, why=self.why)
        return f"{filled}{leads_to}{self.command}" if self.command else filled

    @property
    def is_by_hand(self) -> bool:
        """True where a person may use its files or its command in place of a model."""
        return self.stop in {Stop.MANUAL, Stop.PERSONS_OPINION, Stop.NO_OPINION}


def blockers(found: Overview) -> tuple[Blocker, ...]:
    """What stops the run: its own state, then each phase, then what is outside it."""
    if found.origin is not None:
        if found.loaded.state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
            return ()
        return (Blocker(Stop.IMPORTED, command=found.way_on),)
    of_phases = (blocker_of(found, attempt) for attempt in found.loaded.state.open_attempts)
    manual = (manual_prompt(found, path) for path in found.by_hand)
    outside = (Blocker(Stop.OBSTACLE, what=text) for text in found.obstacles)
    return (*_of_run(found), *(each for each in of_phases if each is not None), *manual, *outside)


def sentences(found: Overview) -> tuple[str, ...]:
    """What stops the run, in sentences."""
    return tuple(each.sentence for each in blockers(found))


def manual_prompt(found: Overview, path: PhasePath) -> Blocker:
    """Where the prompt of a phase is that a person works in place of a model, and where the answer goes."""
    attempt, run = found.loaded.state.current(path), found.loaded.record.id
    prompt, answers = places_of(attempt_folder(run, path, attempt.number))
    what = f"its prompt is in {prompt} ; save the output to {answers[0]} (it is picked up by itself)"
    return Blocker(Stop.MANUAL, path, what, command=f"wfe-mcp submit {run} {typed(path)} --path FILE")


def blocker_of(found: Overview, attempt: Attempt) -> Blocker | None:
    """What stops one phase; None where nothing does."""
    state, phase = found.loaded.state, attempt.phase
    match attempt.status:
        case AttemptStatus.AWAITING:
            return _awaiting(found, attempt)
        case AttemptStatus.FAILED if attempt.repair:
            now = f"{attempt.recovery} runs inside it" if attempt.repair == "recover" else "it is being undone"
            return Blocker(Stop.REPAIRED, phase, now, _first_line(attempt.reason))
        case AttemptStatus.FAILED:
            return _failed_blocker(found, attempt)
        case AttemptStatus.COMPLETED if attempt.held:
            proceed = c.Proceed(phase=phase, by=USER, at=found.loaded.record.updated_at)
            command = "" if refusal(state, proceed) else f"wfe-mcp proceed {found.loaded.record.id}"
            return Blocker(Stop.HELD, phase, command=command)
        case AttemptStatus.GATING if phase in found.asked_persons:
            return _opinion_by_hand(found, attempt)
        case AttemptStatus.GATING if phase in found.unanswered:
            overrule = _command(found, attempt, c.Overrule)
            return Blocker(Stop.NO_OPINION, phase, why=_first_line(found.unanswered[phase]), command=overrule)
        case AttemptStatus.READY | AttemptStatus.RUNNING if state.phase(phase).kind == "human":
            return Blocker(Stop.HUMAN_TASK, phase, command=_command(found, attempt, c.StartPhase))
        case _:
            return None


def _of_run(found: Overview) -> Iterator[Blocker]:
    state = found.loaded.state
    if state.status in _STOPPED:
        yield Blocker(Stop.STOPPED, what=state.status, why=state.reason or "stopped")
        if state.time_is_over(found.loaded.record.updated_at):
            command = f"wfe-mcp resume {found.loaded.record.id} --timeout 1h"
            yield Blocker(Stop.OUT_OF_TIME, command=command, next=command)
    if state.going_back is not None:
        yield Blocker(Stop.GOING_BACK, what=str(state.going_back.to))


def _failed_blocker(found: Overview, attempt: Attempt) -> Blocker | None:
    state, decide = found.loaded.state, _command(found, attempt, _DECISIONS)
    # Where the run stopped for the same reason, the sentence about the run says it.
    if state.status in _STOPPED and (state.reason == attempt.reason or state.reason == failure_of(attempt)):
        return Blocker(Stop.FAILED_WITH_RUN, attempt.phase, command=decide) if decide else None
    return Blocker(Stop.FAILED, attempt.phase, why=_first_line(attempt.reason), command=decide)


def _opinion_by_hand(found: Overview, attempt: Attempt) -> Blocker:
    answer = f"wfe-mcp opinion answer {found.loaded.record.id} {typed(attempt.phase)} --reviewer"
    persons = found.asked_persons[attempt.phase]
    asked = "; ".join(
        f"As {one.reviewer}: read {one.question} , save the opinion to {one.answer} , then: {answer} {one.reviewer}"
        for one in persons
    )
    overrule, first = _command(found, attempt, c.Overrule), next(iter(persons)).reviewer
    return Blocker(Stop.PERSONS_OPINION, attempt.phase, asked, command=overrule, next=f"{answer} {first}")


def _awaiting(found: Overview, attempt: Attempt) -> Blocker:
    if current_gate(found.loaded.state, attempt) != "approval":
        return Blocker(Stop.NEEDS_TRUST, attempt.phase, why=_first_line(attempt.reason))
    assurance = getattr(found.plan.gates(attempt)[attempt.gate], "assurance", "human")
    approve = _command(found, attempt, c.AskApproval)
    return Blocker(Stop.APPROVAL, attempt.phase, str(attempt.sha256)[:12], assurance, approve, approve)


def _command(found: Overview, attempt: Attempt, kinds: type[c.PhaseCommand] | UnionType) -> str:
    return user_commands(found, [move for move in user_moves(found, attempt) if isinstance(move, kinds)])


def _first_line(reason: str) -> str:
    """The first line: the output of a check follows in further lines."""
    return reason.partition("\n")[0][:200]


_HELD = {AttemptStatus.RUNNING, AttemptStatus.GATING}


def elsewhere(engine: Engine, found: Overview, phase: str | None = None) -> tuple[str, ...]:
    """A sentence for each open phase, or for ``phase`` alone, whose holder is on another machine."""
    return tuple(
        sentence
        for attempt in found.loaded.state.open_attempts
        if phase in (None, attempt.phase) and attempt.status in _HELD and (sentence := _sentence(engine, attempt))
    )


def _sentence(engine: Engine, attempt: Attempt) -> str:
    process = parse_holder(attempt.holder or "")
    if process is None or process.host == engine.identity.host:
        return ""
    until = attempt.lease_until
    ends = "" if until is None else f" Its lease ends {until:%Y-%m-%d %H:%M} UTC; then this server can take it over."
    return f"{attempt.phase} is held by a server on another machine, {process.host}: continue there.{ends}"


WAITS = {"agent": "the agent", "human": "you", "job": "the server", "reviewer": "a model", "none": "-"}
"""``waiting_on`` of a run → who that is, where no more is known."""
_WORKED = {AttemptStatus.READY, AttemptStatus.RUNNING}


def waits_for(found: Overview) -> str:
    """Who ``found`` waits for. Background work is a model that works or judges, a check, or steps of the server."""
    if found.waiting_on != "job":
        return WAITS[found.waiting_on]
    state = found.loaded.state
    open_now = [one for one in state.open_attempts if one.phase not in state.loops]
    if any(
        one.status in _WORKED and state.is_served(one.phase) and state.phase(one.phase).kind != "steps"
        for one in open_now
    ):
        return "a model"
    gates = {current_gate(state, one) for one in open_now if one.status is AttemptStatus.GATING}
    return "a model" if gates == {"opinion"} else "a check" if gates else "the server"


BEFORE_WORK = "No phase had been claimed then, so no attempt accounts for it."
_NAMED = 5


def changed_before_work(engine: Engine, found: Overview) -> tuple[str, ...]:
    """One sentence, or none where nothing changed."""
    from wfe_mcp.engine.files.tree_binding import changed_before_work as changed

    with engine.store.read() as tx:
        paths = changed(engine, tx, found.loaded)
    return (f"{shortened(paths)} changed after the run started and before its first phase began.",) if paths else ()


def shortened(paths: Sequence[str]) -> str:
    """The first paths, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
