"""Why a run does not move and who it waits for, as sentences; each names the command that is legal for the user, where there is one.

Whether the process that holds a phase lives cannot be known here (a phase of a dead process of this machine is taken over at once), so its
lease counts until it ends.
"""

from collections.abc import Sequence
from types import UnionType

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import several_people
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Attempt, AttemptStatus
from wfe_mcp.core.moves import USER, refusal
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.texts import in_short
from wfe_mcp.core.units import shorten_names
from wfe_mcp.engine.credentials.faults import CredentialFault
from wfe_mcp.engine.files.tree_binding import changed_before_work as paths_before_work
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.leases import holder_named
from wfe_mcp.engine.runs.needs import Need, Stop, Who, need_of
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.providers.manual_files import places_of
from wfe_mcp.store import Tx
from wfe_mcp.views.moves.calls import source_is_fixed, user_commands, user_moves
from wfe_mcp.workspace.files.mirror import attempt_folder
from wfe_mcp.workspace.system.process import parse_holder

_DECISIONS = c.Retry | c.Skip | c.ForceAccept | c.Overrule | c.Edit

_SENTENCES: dict[Stop, tuple[str, str]] = {
    Stop.IMPORTED: ("Imported, so it cannot continue here", ". Start a new run: "),
    Stop.STOPPED: ("The run is {what}: {why}", ""),
    Stop.PAUSED: ("The run is paused{why}", "; continue: "),
    Stop.OUTAGE: ("The run is paused: {why} It is tried again at {what}", "; at once with: "),
    Stop.OUT_OF_TIME: ("Extend its time", ": "),
    Stop.GOING_BACK: ("The run is going back to event {what}; its files are being restored", ""),
    Stop.REPAIRED: ("{phase} failed ({why}); {what}", ""),
    Stop.FAILED: ("{phase} failed ({why})", "; decide: "),
    Stop.FAILED_WITH_RUN: ("{phase} failed", "; decide: "),
    Stop.HELD: ("{phase} is completed and held", "; continue: "),
    Stop.PERSONS_OPINION: ("{phase} waits for the opinion of a person. {what}", "; decide without it: "),
    Stop.NO_OPINION: (
        "{phase} waits for reviewers that did not answer ({why}); they are asked again{what}",
        "; decide without them: ",
    ),
    Stop.HUMAN_TASK: ("{phase} is the user's task", ": "),
    Stop.NEEDS_TRUST: ("{phase} needs trust ({why}): wfe-mcp init or wfe-mcp trust, in a browser wfe-mcp ui", ""),
    Stop.NEEDS_CREDENTIAL: ("{phase} waits for a credential: {what}", ""),
    Stop.APPROVAL: ("{phase} awaits approval ({why}) of {what}", ": "),
    Stop.MANUAL: ("{phase} is manual: {what}", ", or: "),
    Stop.UNTRUSTED_STEP: ("{what}", ""),
    Stop.OTHER_RUN: ("{what}", ""),
    Stop.CHANGED_FILE: ("{what}", ""),
    Stop.STEP_AGAIN: ("{what}", ""),
    Stop.NO_WORKER: ("No process works the queue of this project, so this run waits", "; start one: "),
    Stop.RUNNER: ("The check of {phase} waits for a runner{what}", ""),
    Stop.NO_RUNNER: (
        "The check of {phase} waits for a runner{what}, and none has asked for work for a minute",
        "; start one on another machine: ",
    ),
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
        goes_on = "{why})" in text or (leads_to and text.endswith("{why}"))
        why = self.why.removesuffix(".") if goes_on else self.why
        filled = text.format(phase=self.phase, what=self.what, why=why)
        return f"{filled}{leads_to}{self.command}" if self.command else filled

    @property
    def is_by_hand(self) -> bool:
        """True where a person may use its files or its command in place of a model."""
        return self.stop in {Stop.MANUAL, Stop.PERSONS_OPINION, Stop.NO_OPINION}


def blockers(overview: Overview) -> tuple[Blocker, ...]:
    """What stops the run: its own state, then each phase, then what is outside it. What stops several phases alike is named once."""
    blocker_by_text: dict[str, Blocker] = {}
    for need in overview.needs:
        if (blocker := blocker_for(overview, need)) is not None:
            blocker_by_text.setdefault(blocker.sentence, blocker)
    return tuple(blocker_by_text.values())


def sentences(overview: Overview) -> tuple[str, ...]:
    """What stops the run, in sentences."""
    return tuple(blocker.sentence for blocker in blockers(overview))


def manual_prompt(overview: Overview, path: PhasePath) -> Blocker:
    """Where the prompt of a phase is that a person works in place of a model, and where the answer goes."""
    attempt, run = overview.loaded.state.current(path), overview.loaded.record.id
    prompt, answers = places_of(attempt_folder(run, path, attempt.number))
    what = f"its prompt is in {prompt} ; save the output to {answers[0]} (it is picked up by itself)"
    return Blocker(Stop.MANUAL, path, what, command=f"wfe-mcp submit {run} {shell_path(path)} --path FILE")


def blocker_of(overview: Overview, attempt: Attempt) -> Blocker | None:
    """What stops one phase; None where nothing does."""
    need = need_of(overview, attempt)
    return None if need is None else blocker_for(overview, need)


def blocker_for(overview: Overview, need: Need) -> Blocker | None:
    """What ``need`` says and which commands the user has; None where there is nothing to say."""
    record, state = overview.loaded.record, overview.loaded.state
    why = state.reason or "stopped"
    match need.stop:
        case Stop.WORK:
            return None
        case Stop.IMPORTED:
            return Blocker(need.stop, command=overview.way_on)
        case Stop.STOPPED:
            return Blocker(need.stop, what=state.status, why=why)
        case Stop.PAUSED | Stop.OUTAGE | Stop.OUT_OF_TIME:
            return _resume_blocker(overview, need.stop)
        case Stop.GOING_BACK:
            return Blocker(need.stop, what="" if state.going_back is None else str(state.going_back.to))
        case Stop.NO_WORKER | Stop.NO_RUNNER | Stop.RUNNER:
            return _absent(record.id, need)
        case Stop.UNTRUSTED_STEP:
            return Blocker(need.stop, need.phase, need.about, next="wfe-mcp trust")
        case Stop.OTHER_RUN | Stop.CHANGED_FILE | Stop.STEP_AGAIN:
            return Blocker(need.stop, need.phase, need.about)
        case Stop.MANUAL:
            assert need.phase is not None
            return manual_prompt(overview, need.phase)
        case _:
            assert need.phase is not None
            return _of_phase(overview, need.stop, state.current(need.phase))


def lacking_of(overview: Overview, phase: PhasePath | None) -> tuple[CredentialFault, ...]:
    """What is wrong with the credentials that ``phase`` waits for."""
    return tuple(dict.fromkeys(fault for path, faults in overview.lacking if path == phase for fault in faults))


def _absent(run: str, need: Need) -> Blocker:
    """No process does the work yet; one that runs checks is started on another machine."""
    if need.stop is Stop.NO_WORKER:
        command = f"wfe-mcp watch {run}"
        return Blocker(need.stop, command=command, next=command)
    labels, what = (f" --labels {need.about}", f" with the labels {need.about}") if need.about else ("", "")
    command = f"wfe-mcp runner --server URL{labels}" if need.stop is Stop.NO_RUNNER else ""
    return Blocker(need.stop, need.phase, what, command=command)


def _resume_blocker(overview: Overview, stop: Stop) -> Blocker:
    """A run that goes on when the user resumes it; after an outage it does so by itself, too."""
    reason, command = overview.loaded.state.reason, f"wfe-mcp resume {overview.loaded.record.id}"
    if stop is Stop.OUTAGE:
        at = f"{overview.resumes_at:%Y-%m-%d %H:%M:%S} UTC"
        return Blocker(stop, what=at, why=reason or "stopped", command=command)
    if stop is Stop.OUT_OF_TIME:
        command, reason = f"{command} --timeout 1h", ""
    return Blocker(stop, why=f": {reason}" if reason else "", command=command, next="" if reason else command)


def _of_phase(overview: Overview, stop: Stop, attempt: Attempt) -> Blocker | None:
    phase, why = attempt.phase, in_short(attempt.reason)
    match stop:
        case Stop.APPROVAL:
            people = several_people(overview.loaded.state, overview.as_counted(attempt))
            assurance = f"{overview.plan.assurance(attempt)}{f'; {people}' if people else ''}"
            approve = _command(overview, attempt, c.AskApproval)
            return Blocker(stop, phase, str(attempt.sha256)[:12], assurance, approve, approve)
        case Stop.REPAIRED:
            now = f"{attempt.recovery} runs inside it" if attempt.repair == "recover" else "it is being undone"
            return Blocker(stop, phase, now, why)
        case Stop.FAILED_WITH_RUN:
            decide = _command(overview, attempt, _DECISIONS)
            return Blocker(stop, phase, command=decide) if decide else None
        case Stop.FAILED:
            is_fixed = source_is_fixed(overview, attempt)
            also = "; the run's inputs stay as they are: start another run with corrected ones" if is_fixed else ""
            why = why.removesuffix(".") + also if also else why
            return Blocker(stop, phase, why=why, command=_command(overview, attempt, _DECISIONS))
        case Stop.HELD:
            proceed = c.Proceed(phase=phase, by=USER, at=overview.loaded.record.updated_at)
            command = "" if refusal(overview.loaded.state, proceed) else f"wfe-mcp proceed {overview.loaded.record.id}"
            return Blocker(stop, phase, command=command, next=command)
        case Stop.PERSONS_OPINION:
            return _opinion_by_hand(overview, attempt)
        case Stop.NO_OPINION:
            overrule = _command(overview, attempt, c.Overrule)
            why, when = overview.unanswered[phase]
            return Blocker(stop, phase, what=when, why=in_short(why), command=overrule)
        case Stop.NEEDS_CREDENTIAL:
            faults = lacking_of(overview, phase)
            what = "; ".join(fault.text for fault in faults) or "it is there now"
            return Blocker(stop, phase, what, next=faults[0].command if faults else "")
        case Stop.HUMAN_TASK:
            return Blocker(stop, phase, command=_command(overview, attempt, c.StartPhase))
        case _:
            return Blocker(stop, phase, why=why)


def _opinion_by_hand(overview: Overview, attempt: Attempt) -> Blocker:
    answer = f"wfe-mcp opinion answer {overview.loaded.record.id} {shell_path(attempt.phase)} --reviewer"
    persons = overview.asked_persons[attempt.phase]
    asked = "; ".join(
        f"As {person.reviewer}: read {person.question} , save the opinion to {person.answer} , then: {answer} {person.reviewer}"
        for person in persons
    )
    overrule, first = _command(overview, attempt, c.Overrule), next(iter(persons)).reviewer
    return Blocker(Stop.PERSONS_OPINION, attempt.phase, asked, command=overrule, next=f"{answer} {first}")


def _command(overview: Overview, attempt: Attempt, kinds: type[c.PhaseCommand] | UnionType) -> str:
    return user_commands(overview, [move for move in user_moves(overview, attempt) if isinstance(move, kinds)])


_HELD = {AttemptStatus.RUNNING, AttemptStatus.GATING}


def elsewhere(engine: Engine, overview: Overview, phase: str | None = None) -> tuple[str, ...]:
    """A sentence for each open phase, or for ``phase`` alone, whose holder is on another machine."""
    return tuple(
        sentence
        for attempt in overview.loaded.state.open_attempts
        if phase in (None, attempt.phase) and attempt.status in _HELD and (sentence := _sentence(engine, attempt))
    )


def _sentence(engine: Engine, attempt: Attempt) -> str:
    process = parse_holder(attempt.holder or "")
    if process is None or process.host == engine.identity.host:
        return ""
    until = attempt.lease_until
    ends = "" if until is None else f" Its lease ends {until:%Y-%m-%d %H:%M} UTC; then this server can take it over."
    return f"{attempt.phase} is held by a server on another machine, {process.host}: continue there.{ends}"


def held_by_others(engine: Engine, overview: Overview) -> tuple[str, ...]:
    """A sentence for each phase of an agent that another process of this machine works on, with its client."""
    state, run = overview.loaded.state, overview.loaded.record.id
    attempts = [
        attempt
        for attempt in state.open_attempts
        if attempt.status is AttemptStatus.RUNNING
        and attempt.holder not in {None, engine.holder}
        and attempt.phase not in overview.startable
        and not state.is_served(attempt.phase)
        and state.phase(attempt.phase).kind != "human"
        and not _sentence(engine, attempt)
    ]
    if not attempts:
        return ()
    with engine.store.read() as tx:
        return tuple(
            f"{phase_attempt.phase} is held by {holder_named(tx, run, phase_attempt)}." for phase_attempt in attempts
        )


_WHO: dict[Who, tuple[str, str]] = {
    Who.HUMAN: ("you", "waiting for you"),
    Who.AGENT: ("the agent", "waiting for the agent"),
    Who.RUN: ("run {run}", "waiting for run {run}"),
    Who.WORKER: ("a worker: none runs", "waiting for a worker: none runs"),
    Who.RUNNER: ("a runner", "waiting for a runner"),
    Who.OUTAGE: ("the end of an outage", "waiting for the end of an outage"),
    Who.MODEL: ("a model", "a model is working"),
    Who.CHECK: ("a check", "gates running"),
    Who.REVIEWER: ("a model", "waiting for a reviewer"),
    Who.SERVER: ("the server", "steps running"),
    Who.NONE: ("-", "finished"),
}
"""Who a run waits for, in the cell of a list and in a headline."""


def waits_for(overview: Overview) -> str:
    """Who ``overview`` waits for, as a list says it."""
    return _words(overview)[0]


def acts(overview: Overview) -> str:
    """What ``overview`` does now, as its headline says it. An imported run may be open where it is worked."""
    return _words(overview)[1] if overview.origin is None else "not continued here"


def _words(overview: Overview) -> tuple[str, str]:
    needs, who = overview.needs, overview.who
    run = next((need.run for need in needs if need.who is Who.RUN), "")
    listed, headline = _WHO[who]
    return listed.format(run=run), headline.format(run=run)


BEFORE_WORK = "No phase had been claimed then, so no attempt accounts for it."
_NAMED = 5


def changed_before_work(engine: Engine, tx: Tx, overview: Overview) -> tuple[str, ...]:
    """One sentence, or none where nothing changed."""
    paths = paths_before_work(engine, tx, overview.loaded)
    if paths:
        from wfe_mcp.engine.delivery.operations import folder_changes, operations_of

        known = folder_changes(operations_of(tx, overview.loaded.record.id))
        paths = paths_before_work(engine, tx, overview.loaded, known) if known else paths
    return (f"{shorten_paths(paths)} changed after the run started and before its first phase began.",) if paths else ()


def shorten_paths(paths: Sequence[str]) -> str:
    """The first paths, and how many more there are."""
    return shorten_names(paths, _NAMED)
