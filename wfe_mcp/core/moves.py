"""Which commands are legal now: the tables of ``transitions.py``, then a guard for each command.

Rules:
1. Two tables say which command is possible in which status; every other one is refused with ``illegal_transition``.
2. A guard for each command checks what else must hold (caller, revision, a free place). A guard changes nothing.
3. ``legal_moves`` lists exactly what ``refusal`` lets through. ``next``, hints, blockers and buttons are made from it.

Guards of rollback, undo, redo and fork.

Rules:
1. An agent can reverse what agents did. Only the user can reverse a decision of the user, or one the user was asked for.
2. While a rollback restores files, every other command waits; the results of jobs are recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate, gate_of
from wfe_mcp.core.blockers import BlockerFound
from wfe_mcp.core.command import PROGRAMS, Caller
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.forking import fork_refused
from wfe_mcp.core.guards import GUARDS, missing, not_of_a_loop, time_is_over
from wfe_mcp.core.model import Assurance, Attempt, AttemptStatus, By, Channel, RunState, RunStatus, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.parts import require_parts
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.core.questions import questions
from wfe_mcp.core.refusals import illegal, unknown_phase
from wfe_mcp.core.rollback import changed_places
from wfe_mcp.core.transitions import ATTEMPT_MOVES, RECORDING, REOPENING, RUN_MOVES
from wfe_mcp.core.units import shorten_names

USER = By("user", Channel.CLI, Assurance.PASSKEY)
"""The user with every proof that a gate can ask for: what is legal for this caller, the user can do."""
_WORK = frozenset({"StartPhase", "LoseLease", "Submit", "RefuseSubmission", "Withdraw", "Edit"})
"""What a worker does with a phase. A loop itself has no worker."""


def caller(by: By) -> Caller:
    """Whose calls hold for ``by``. A caller at a terminal without a PIN is no more than an agent."""
    if by.channel is Channel.SYSTEM:
        return "server"
    return "human" if by.assurance else "agent"


def refusal(state: RunState, command: c.Command) -> Refused | None:
    """Why ``command`` is not legal now, or None. The hint names only what is legal for the same caller."""
    name = type(command).__name__
    unfinished = rollback_refusal(state, command, RECORDING)
    if unfinished is not None:
        return unfinished
    if name not in RUN_MOVES[state.status]:
        return _run_refusal(state, command, name)
    if name in REOPENING and _is_timed_out(state, command):
        return time_is_over(command)
    if isinstance(command, c.PhaseCommand):
        refused = _phase_refusal(state, command, name)
        if refused is not None:
            return refused
    guard = GUARDS.get(type(command)) or HISTORY_GUARDS.get(type(command))
    return guard(state, command) if guard is not None else None


def legal_moves(state: RunState, by: By, at: datetime, among: Sequence[Attempt] | None = None) -> tuple[c.Command, ...]:
    """The commands that ``by`` can give now, those of the run last. What only a caller can fill in has a stand-in.

    A person can also retry a phase in a closed item of a loop. An agent has no legal move there, so nothing is looked up.
    ``among``: of the open attempts only these.
    """
    open_now = state.open_attempts if among is None else among
    phases = {attempt.phase for attempt in open_now}
    closed = (
        [tries[-1] for path, tries in state.attempts.items() if path not in phases] if caller(by) == "human" else []
    )
    moves = (move for attempt in (*open_now, *closed) for move in phase_moves(state, attempt, by, at))
    return (*moves, *(move for move in _of_run(state, by, at) if refusal(state, move) is None))


def phase_moves(state: RunState, attempt: Attempt, by: By, at: datetime) -> tuple[c.PhaseCommand, ...]:
    """Those of ``legal_moves`` for ``attempt``, the newest of its phase."""
    return tuple(move for move in _of_phase(state, attempt, by, at) if refusal(state, move) is None)


def with_commands_of_the_user(state: RunState, command: c.Command, refused: Refused) -> Refused:
    """``refused``, with what only the user can do: all legal moves where the phase has failed, else what was asked for.

    Where a guard gives no hint, it is what the caller can do instead.
    """
    phase = command.phase if isinstance(command, c.PhaseCommand) and command.phase in state.attempts else None
    if refused.code == "illegal_transition" and not refused.hint and caller(command.by) != "server":
        by, at = command.by, command.at
        legal = (
            _possible(legal_moves(state, by, at), by) if phase is None else _hint(state, state.current(phase), by, at)
        )
        refused = replace(refused, hint=legal)
    if caller(command.by) != "agent":
        return refused
    if phase is not None and refused.code in {"needs_human", "illegal_transition"}:
        attempt = state.current(phase)
        moves = phase_moves(state, attempt, USER, command.at) if attempt.status is AttemptStatus.FAILED else ()
        if names := [move.call.command for move in moves]:
            return replace(refused, hint=f"The user decides in a terminal: {command_with_others(names, 'RUN', phase)}")
    if refused.code != "needs_human" or refused.hint:
        return refused
    return replace(refused, hint=f"Ask the user to run: {command_with_others([command.call.command], 'RUN', phase)}")


def command_with_others(names: Iterable[str], run: str, phase: PhasePath | None) -> str:
    """A command to paste, and the names that may stand in its place: ``wfe-mcp retry RUN fix (or: skip, edit)``."""
    first, *others = dict.fromkeys(names)
    more = f" (or: {', '.join(others)})" if others else ""
    place = run if phase is None else f"{run} {shell_path(phase)}"
    return f"wfe-mcp {first} {place}{_OPTIONS.get(first, '')}{more}"


_OPTIONS = {
    "auto": " on",
    "submit": " --path FILE",
    "reject": " --feedback TEXT",
    "skip": " --reason TEXT",
    "force-accept": " --reason TEXT",
    "opinion overrule": " --reason TEXT",
}
"""Command → what it must have besides."""


def action(move: c.Command) -> str:
    """The argument ``action`` of ``control_run`` that gives ``move``; empty for other tools."""
    if isinstance(move, c.SetAuto):
        return "auto_on" if move.auto else "auto_off"
    return move.call.action


def example(kind: type[c.PhaseCommand], attempt: Attempt, by: By, at: datetime) -> c.PhaseCommand:
    """The command for ``attempt``. What only a caller can fill in has a stand-in."""
    return _EXAMPLES[kind](attempt, {"by": by, "at": at, **attempt.on})


def _run_refusal(state: RunState, command: c.Command, name: str) -> Refused:
    if _is_timed_out(state, command) and caller(command.by) != "server":
        return time_is_over(command)
    is_open = state.status in {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED}
    when = f" while the run is {state.status}" if is_open else f": the run is {state.status}"
    message = f"{_cannot(name)}{when}."
    if caller(command.by) == "server":
        return illegal(message, "")
    if state.is_over and state.status is not RunStatus.CANCELLED:
        named = command.phase if isinstance(command, c.PhaseCommand) else ""
        return illegal(message, f"Only the user can reopen this run: wfe-mcp retry RUN {_to_reopen(state, named)}")
    by = command.by
    asked_for_pin = caller(by) == "agent" and by.channel not in PROGRAMS
    legal = legal_moves(state, USER if asked_for_pin else by, command.at)
    return illegal(message, _possible(legal, by) or "Start a new run.")


def _to_reopen(state: RunState, named: str) -> str:
    """The phase whose retry reopens a run that is over: the one ``named``, else one that failed, else the last one that ended."""
    ended = {
        path: tries[-1].status for path, tries in state.attempts.items() if "Retry" in ATTEMPT_MOVES[tries[-1].status]
    }
    failed = [path for path, status in ended.items() if status is AttemptStatus.FAILED]
    return shell_path(named if named in ended else [PhasePath("PHASE"), *ended, *failed][-1])


def _is_timed_out(state: RunState, command: c.Command) -> bool:
    return state.status is RunStatus.BLOCKED and state.time_is_over(command.at)


def _phase_refusal(state: RunState, command: c.PhaseCommand, name: str) -> Refused | None:
    if command.phase not in state.attempts:
        return unknown_phase(state, command.phase)
    attempt = state.current(command.phase)
    if command.attempt is not None and command.attempt != attempt.number:
        return Refused(
            "stale_revision",
            f"Attempt {command.attempt} of phase {command.phase!r} is closed; attempt {attempt.number} is the open one.",
            "Call status, then start_phase, and work on the open attempt.",
        )
    if state.phase(command.phase).loop is not None and name in _WORK:
        return not_of_a_loop(state, attempt)
    if name in ATTEMPT_MOVES[attempt.status]:
        return None
    closed = {
        AttemptStatus.SUPERSEDED: "is closed: its loop has restarted",
        AttemptStatus.ROLLED_BACK: "was rolled back",
    }
    if attempt.status in closed:
        return Refused(
            "stale_revision",
            f"Attempt {attempt.number} of phase {command.phase!r} {closed[attempt.status]}.",
            "Call status to see what is open.",
        )
    if name == "StartPhase" and attempt.status is AttemptStatus.PENDING:
        return Refused(
            "not_ready",
            f"Phase {command.phase!r} cannot start: it waits for {missing(state, attempt)}.",
            "Call status to see what is open.",
        )
    message = f"{_cannot(name, command.phase)} {_while(state, attempt, command.by)}."
    return illegal(message, _hint(state, attempt, command.by, command.at))


def _cannot(name: str, phase: PhasePath | None = None) -> str:
    what = f" {phase!r}" if phase else ""
    name = "Submit" if name == "RefuseSubmission" else name  # what the caller did
    verb = getattr(c, name).call.verb
    return f"You cannot {verb}{what}" if verb else f"{name}{what} is not possible"


def _while(state: RunState, attempt: Attempt, by: By) -> str:
    match attempt.status:
        case AttemptStatus.GATING:
            return "while its gates run"
        case AttemptStatus.AWAITING if current_gate(state, attempt) == "approval":
            if caller(by) == "human":
                return "while it awaits your approval"
            whose = "" if gate_of(state, attempt).assurance == "agent" else "the user's "
            return f"while it awaits {whose}approval"
        case AttemptStatus.AWAITING:
            return "while it waits for trusted configuration"
        case AttemptStatus.COMPLETED | AttemptStatus.SKIPPED | AttemptStatus.CANCELLED:
            return f"because it is {attempt.status}"
        case _:
            return f"while it is {attempt.status}"


def _hint(state: RunState, attempt: Attempt, by: By, at: datetime) -> str:
    """What the caller can do with the phase instead."""
    if caller(by) == "server":
        return ""
    legal = phase_moves(state, attempt, by, at)
    names = {type(move).__name__ for move in legal}
    if caller(by) == "agent" and "AskApproval" in names:
        first = "Ask the user with approve" if attempt.asked is None else "Wait for the decision"
        if gate_of(state, attempt).assurance == "agent":
            first = "Approve it with approve"
        return f"{first}, or withdraw your submission with reject." if "Withdraw" in names else f"{first}."
    return _possible(legal, by) or "Call status to see what is open."


def _possible(legal: Iterable[c.Command], by: By) -> str:
    """``Possible now: approve, reject.`` in the names of the caller's interface; empty when nothing is."""
    is_agent = by.channel in PROGRAMS
    calls = [(move.call, action(move)) for move in legal]
    names = [f"{call.tool} {what}".strip() if is_agent else call.command for call, what in calls]
    return f"Possible now: {', '.join(dict.fromkeys(filter(None, names)))}." if any(names) else ""


def _of_phase(state: RunState, attempt: Attempt, by: By, at: datetime) -> Iterator[c.PhaseCommand]:
    """The commands that the tables let ``by`` give for ``attempt``."""
    who, possible = caller(by), RUN_MOVES[state.status].keys() & ATTEMPT_MOVES[attempt.status].keys()
    if who == "server" and "Answer" in possible:
        for due in questions(state):
            if due.phase == attempt.phase:
                blocker_found = BlockerFound(phase=due.phase, attempt=due.attempt, kind="lint", fingerprint="lint")
                blocker = blocker_found if due.kind == "blocker" else None
                yield c.Answer(kind=due.kind, rule=due.rule, value=True, blocker=blocker, by=by, at=at, **attempt.on)
    for kind in _EXAMPLES:
        if kind.__name__ in possible and who in kind.call.callers:
            yield example(kind, attempt, by, at)


def _of_run(state: RunState, by: By, at: datetime) -> Iterator[c.Command]:
    ends_at = at + timedelta(hours=1) if state.time_is_over(at) else None
    moves = (
        c.Proceed(by=by, at=at),
        c.Resume(by=by, at=at, ends_at=ends_at),
        c.SetAuto(auto=not state.auto, by=by, at=at),
        c.Pause(by=by, at=at),
        c.Cancel(by=by, at=at),
    )
    possible = RUN_MOVES[state.status]
    return (move for move in moves if type(move).__name__ in possible and caller(by) in move.call.callers)


_EXAMPLES: Mapping[type[c.PhaseCommand], Callable[[Attempt, c.OnAttempt], c.PhaseCommand]] = {
    c.StartPhase: lambda attempt, of: c.StartPhase(holder=attempt.holder or "holder", **of),
    c.Submit: lambda attempt, of: c.Submit(revision=attempt.revision + 1, sha256="1" * 64, **of),
    c.AskApproval: lambda _, of: c.AskApproval(request="request", **of),
    c.Approve: lambda attempt, of: c.Approve(
        sha256=attempt.sha256 or "", person=f"person {len(attempt.approvals) + 1}", **of
    ),
    c.HandOver: lambda attempt, of: c.HandOver(request=attempt.asked or "", to="bob", giver="ada", **of),
    c.Reject: lambda _, of: c.Reject(feedback="", **of),
    c.Withdraw: lambda _, of: c.Withdraw(**of),
    c.Retry: lambda _, of: c.Retry(**of),
    c.Skip: lambda _, of: c.Skip(reason="skipped", **of),
    c.ForceAccept: lambda attempt, of: (
        c.ForceAccept(reason="forced", revision=1, sha256="3" * 64, **of)
        if _is_drafted(attempt)
        else c.ForceAccept(reason="forced", **of)
    ),
    c.Overrule: lambda _, of: c.Overrule(reason="overruled", **of),
    c.OpenGates: lambda _, of: c.OpenGates(sha256="0" * 64, **of),
    c.RecordVerdict: lambda attempt, of: c.RecordVerdict(
        stage=attempt.stage or Stage.AFTER,
        gate=attempt.gate,
        outcome=GateOutcome.PASS,
        sha256=attempt.sha256 or "",
        **of,
    ),
    c.RefuseSubmission: lambda _, of: c.RefuseSubmission(reason="invalid", **of),
    c.TimeOut: lambda _, of: c.TimeOut(**of),
    c.FailAttempt: lambda _, of: c.FailAttempt(reason="failed", **of),
    c.Wake: lambda _, of: c.Wake(**of),
    c.EndCompensation: lambda _, of: c.EndCompensation(**of),
    c.LoseLease: lambda _, of: c.LoseLease(**of),
    c.TreeChange: lambda attempt, of: c.TreeChange(tree=attempt.tree, **of),
    c.Edit: lambda attempt, of: c.Edit(
        revision=attempt.revision + 1, sha256="2" * 64, prompt="2" * 64 if attempt.stage is Stage.BEFORE else None, **of
    ),
}
"""Command of a phase → an example of it. ``Answer`` comes from the conditions that are due."""

_OF_PHASES = [kind for kind in c.COMMANDS if issubclass(kind, c.PhaseCommand) and kind is not c.Answer]
require_parts("command", ((kind.__name__, "an example") for kind in _OF_PHASES if kind not in _EXAMPLES))


def _is_drafted(attempt: Attempt) -> bool:
    """True where ``force-accept`` makes a revision of a refused draft, as no valid artifact was submitted."""
    return attempt.invalid > 0 and not attempt.revision


_SHOWN = 3


def rollback_refusal(state: RunState, command: c.Command, recorded: frozenset[str]) -> Refused | None:
    """Why ``command`` waits for a rollback that restores files; ``recorded``: the commands of jobs, which do not wait."""
    if state.going_back is None or isinstance(command, c.Rollback | c.AbandonRollback):
        return None
    if command.by.channel is Channel.SYSTEM and type(command).__name__ in recorded:
        return None
    return Refused(
        "leased",
        f"The run is going back to event {state.going_back.to}: its files are being restored.",
        "Call status; an interrupted rollback continues by itself.",
    )


def _rollback(state: RunState, command: c.Rollback) -> Refused | None:
    going = state.going_back
    if going is not None:  # the caller was checked when it began
        same = (going.to, going.kind) == (command.to, command.kind) and not isinstance(command, c.BeginRollback)
        return (
            None if same else Refused("leased", f"The run is already going back to event {going.to}.", "Call status.")
        )
    if command.then.status in {RunStatus.PENDING, RunStatus.CANCELLED}:
        return Refused(
            "bad_argument",
            f"You cannot go back to event {command.to}: the run is {command.then.status} there.",
            "Name a later checkpoint: wfe-mcp checkpoints RUN",
        )
    return None if command.by.is_human else _takes_a_person(state, command)


def _takes_a_person(state: RunState, command: c.Rollback) -> Refused | None:
    if state.is_over:
        return _person(command, f"The run is {state.status}: only the user can reopen it.")
    if command.people:
        shown = shorten_names(command.people, _SHOWN)
        return _person(command, f"This reverses the user's decision, made or pending: {shown}.")
    for path in changed_places(state, command.then, files=command.files):
        attempt = state.current(path)
        if attempt.status is AttemptStatus.FAILED and attempt.human_only:
            return _person(command, f"Phase {path!r} waits for the user.")
    if command.kind == "rollback":
        return None
    if state.paused_by_human and command.then.status is not RunStatus.PAUSED:
        return _person(command, f"Only the user can resume this run. It was paused: {state.reason or 'by the user'}")
    if command.then.auto and not state.auto:
        return _person(command, "Automatic mode is off. Only the user can turn it on.")
    return None


def _abandon(state: RunState, _command: c.AbandonRollback) -> Refused | None:
    if state.going_back is not None:
        return None
    return Refused("illegal_transition", "The run is not going back.", "")


HISTORY_GUARDS: Mapping[type[c.Command], Callable[[RunState, Any], Refused | None]] = {
    c.Rollback: _rollback,
    c.BeginRollback: _rollback,
    c.AbandonRollback: _abandon,
    c.ForkRun: fork_refused,
}


def _person(command: c.Rollback, message: str) -> Refused:
    to = " TO" if command.kind == "rollback" else ""
    return Refused("needs_human", message, f"Ask the user to run: wfe-mcp {command.kind} RUN{to}")
