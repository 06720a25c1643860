"""Guards: what must hold for a command besides the tables of ``transitions.py``.

One guard for each command checks the caller, the revision and the free places. A guard changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wfe_mcp.core import approval_guards, commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import around
from wfe_mcp.core.leases import busy_phases, refuse_later_item, refuse_taken
from wfe_mcp.core.loops import open_inside
from wfe_mcp.core.model import Attempt, AttemptStatus, Channel, RunState, RunStatus, Stage
from wfe_mcp.core.paths import PhasePath, items_around, shell_path
from wfe_mcp.core.prompts import prompt_edit_refused
from wfe_mcp.core.questions import open_needs, questions
from wfe_mcp.core.recovery import open_blockers
from wfe_mcp.core.refusals import illegal, needs_user, unknown_phase
from wfe_mcp.core.spec import PhaseSpec, RunSpec
from wfe_mcp.core.states import going_back_refused


def missing(state: RunState, attempt: Attempt) -> str:
    """What a pending phase waits for, as a phrase."""
    if attempt.not_before is not None:
        return f"its next attempt at {attempt.not_before.isoformat(timespec='seconds')}"
    anew = sorted(around(state.spec, attempt.phase).intersection(state.anew))
    needed = (*open_needs(state, attempt.phase), *(path for path in anew if not state.current(path).is_settled))
    if needed:
        return ", ".join(f"{need!r} ({state.current(need).status})" for need in dict.fromkeys(needed))
    return "the paused run to be resumed" if state.status is RunStatus.PAUSED else "its condition"


def _start(state: RunState, command: c.StartPhase) -> Refused | None:
    attempt, spec = state.current(command.phase), state.phase(command.phase)
    if spec.kind == "human" and not command.by.is_human:
        return Refused(
            "needs_human",
            f"{command.phase!r} is the user's task.",
            f"Ask the user to run: wfe-mcp submit RUN {shell_path(command.phase)} --path FILE",
        )
    worked = _worked_by_server(state, command)
    if worked is not None:
        return worked
    if state.time_is_over(command.at):
        return time_is_over(command)
    if attempt.status is AttemptStatus.RUNNING:
        # Claiming is idempotent: the same call brings the prompt again.
        if attempt.holder == command.holder:
            return None
        return Refused(
            "leased",
            f"Phase {command.phase!r} is held by {attempt.holder}.",
            "Take another ready phase, or wait: the lease ends with its holder.",
        )
    if state.status is RunStatus.PAUSED:
        return illegal(
            f"You cannot start {command.phase!r} while the run is paused.", "Resume it first: wfe-mcp resume RUN"
        )
    refused = refuse_taken(state, command.phase) or refuse_later_item(state, command.phase)
    if refused is not None:
        return refused
    busy = busy_phases(state, besides=command.phase)
    if len(busy) >= state.spec.max_parallel:
        return Refused(
            "not_ready",
            f"max_parallel is {state.spec.max_parallel}, and {len(busy)} {'phase is' if len(busy) == 1 else 'phases are'} open: {', '.join(busy)}.",
            f"Finish {busy[0]!r} first.",
        )
    return None


def not_of_a_loop(state: RunState, attempt: Attempt) -> Refused:
    """The refusal of work on a loop: the work is that of the phases inside."""
    inner = ", ".join(f"{other.phase} ({other.status})" for other in open_inside(state, attempt)[:5])
    spec = state.phase(attempt.phase).loop
    what = "runs another template" if spec is not None and spec.flow else "is a loop"
    return illegal(
        f"Phase {attempt.phase!r} {what}; work on a phase inside.",
        f"Open inside: {inner}." if inner else "None of them is open now.",
    )


def _users_task(state: RunState, command: c.PhaseCommand) -> Refused | None:
    """An agent submits nothing to a phase of a person, nor uses up the tries of one that is begun."""
    if state.phase(command.phase).kind == "human" and not command.by.is_human:
        return needs_user(f"{command.phase!r} is the user's task.")
    return None


def _fail_attempt(state: RunState, command: c.FailAttempt) -> Refused | None:
    if state.is_served(command.phase):
        return _worked_by_server(state, command)
    return illegal(f"The server does not work on phase {command.phase!r}.", "")


def _worked_by_server(state: RunState, command: c.PhaseCommand) -> Refused | None:
    if not state.is_served(command.phase) or command.by.channel is Channel.SYSTEM:
        return None
    if (
        state.phase(command.phase).kind != "steps"
        and isinstance(command, c.Submit)
        and command.by.channel is Channel.CLI
    ):
        return None  # a person at a terminal submits in place of the model
    return illegal(
        f"The server works on phase {command.phase!r}, not the client.", "Call status(wait_s=45) to follow it."
    )


def _answer(state: RunState, command: c.Answer) -> Refused | None:
    for question in questions(state):
        if (question.kind, question.phase, question.rule) == (command.kind, command.phase, command.rule):
            return None
    return illegal(f"No condition of phase {command.phase!r} is due.", "")


def _end_compensation(state: RunState, command: c.EndCompensation) -> Refused | None:
    if state.current(command.phase).repair == "compensate" and command.by.channel is Channel.SYSTEM:
        return None
    return illegal(f"Phase {command.phase!r} is not being compensated.", "")


def _open_gates(state: RunState, command: c.OpenGates) -> Refused | None:
    attempt = state.current(command.phase)
    if attempt.stage is not None and attempt.sha256 is None:
        return None
    return illegal(f"The prompt of phase {command.phase!r} is already being checked.", "")


def _edit(state: RunState, command: c.Edit) -> Refused | None:
    attempt = state.current(command.phase)
    if _is_stopped(state, attempt) and not command.by.is_human:
        return needs_user(f"Phase {command.phase!r} waits for the user.")
    # Before work there is only a prompt to edit, afterwards only an artifact.
    if (attempt.stage is Stage.BEFORE) is (command.prompt is None):
        what = "artifact to edit yet" if command.prompt is None else "prompt to edit any more: work has begun"
        return illegal(f"Phase {command.phase!r} has no {what}.", "")
    if command.prompt is None and not _has_text(state, attempt):
        return illegal(f"Phase {command.phase!r} has no artifact that you can edit.", "")
    if command.prompt is None:
        return _is_left(state, command.phase) or refuse_taken(state, command.phase)
    return prompt_edit_refused(state, attempt, command) or _is_left(state, command.phase)


def _has_text(state: RunState, attempt: Attempt) -> bool:
    """Whether an edit has something to start from: a revision of the attempt, or a refused draft of the phase."""
    drafts = any(tried.invalid for tried in state.attempts[attempt.phase])
    return state.phase(attempt.phase).kind != "steps" and (attempt.revision > 0 or drafts)


def _is_stopped(state: RunState, attempt: Attempt) -> bool:
    """True where an agent cannot continue. A failed attempt of a paused run still waits for its ``on_fail``."""
    return attempt.status is AttemptStatus.FAILED or state.is_over


def _retry(state: RunState, command: c.Retry) -> Refused | None:
    attempt = state.current(command.phase)
    if command.role is not None and state.phase(command.phase).kind not in {"agent", "llm"}:
        return Refused(
            "bad_argument",
            f"Phase {command.phase!r} is of kind {state.phase(command.phase).kind!r}, which takes no role.",
            "Retry it without a role.",
        )
    closed = _loop_is_closed(state, command.phase)
    if closed is not None:
        return illegal(
            f"Phase {closed!r} around {command.phase!r} is {state.current(closed).status}.",
            f"Retry {closed!r} instead: it restarts with all phases inside.",
        )
    moved = going_back_refused(state, command.phase)
    if moved is not None:
        return moved
    if command.blockers is not None and not open_blockers(state, command.phase):
        return illegal(
            f"Phase {command.phase!r} has no open blocker.", "See those that are over: wfe-mcp recovery list --all"
        )
    if command.by.is_human:
        return None
    if command.blockers is not None:
        return needs_user(f"Only the user can say that the blockers of {command.phase!r} are {command.blockers}.")
    if state.phase(command.phase).loop is not None:
        return needs_user(f"Phase {command.phase!r} holds other phases: only the user can restart this loop.")
    if _is_stopped(state, attempt) or attempt.status in {AttemptStatus.COMPLETED, AttemptStatus.SKIPPED}:
        return needs_user(f"Phase {command.phase!r} is {attempt.status}: only the user can reopen it.")
    return None


def _loop_is_closed(state: RunState, path: PhasePath) -> PhasePath | None:
    """The first loop around ``path`` that failed, was skipped or was cancelled, or a closed recovery; None where all are open."""
    closed = {AttemptStatus.FAILED, AttemptStatus.SKIPPED, AttemptStatus.CANCELLED}
    for loop, key in items_around(path):
        if state.phase(loop).loop is None:
            if loop not in state.loops or key not in state.loops[loop].open:
                return loop
        elif state.current(loop).status in closed:
            return loop
    return None


def _is_left(state: RunState, path: PhasePath) -> Refused | None:
    """A phase in a closed item only continues by a retry, which opens the item again."""
    if state.is_open(path):
        return None
    return illegal(f"The item of phase {path!r} failed and is closed.", "Retry the phase first.")


def _skip(state: RunState, command: c.Skip) -> Refused | None:
    attempt, policy = state.current(command.phase), state.phase(command.phase).skip
    if policy == "never":
        return illegal(f"Phase {command.phase!r} cannot be skipped (skip: never).", "")
    if kept := next(_kept_inside(state.spec, state.phase(command.phase)), ""):
        return illegal(
            f"Phase {command.phase!r} cannot be skipped: {kept!r} inside it cannot be (skip: never).",
            "Retry, edit or accept by force what is open in it, or cancel the run.",
        )
    refused = _is_left(state, command.phase)
    if refused is not None:
        return refused
    if not command.by.is_human and any(_is_stopped(state, inner) for inner in open_inside(state, attempt)):
        return needs_user(f"A phase in loop {command.phase!r} waits for the user.")
    if not command.by.is_human and (policy == "human" or _is_stopped(state, attempt)):
        return needs_user(f"Only the user can skip phase {command.phase!r}.")
    several = approval_guards.several_refused(state, attempt, skips=True)
    return several or _without_reason("Skipping a phase", command.reason)


def _without_reason(move: str, reason: str) -> Refused | None:
    if reason.strip():
        return None
    return Refused("bad_argument", f"{move} needs a reason: the run's record keeps it.", "Give a reason.")


def _kept_inside(spec: RunSpec, loop: PhaseSpec) -> Iterator[str]:
    """The phases inside a loop that no one may skip; one that begins only by a jump may be left out."""
    for phase in () if loop.loop is None else spec.body(loop.path):  # below others are the phases of their recovery
        if not phase.goto_only:
            yield from [phase.path] if phase.skip == "never" else _kept_inside(spec, phase)


def _force(state: RunState, command: c.ForceAccept) -> Refused | None:
    attempt = state.current(command.phase)
    if not command.by.is_human:
        return needs_user("Only the user can overrule a gate.")
    refused = _without_reason("force-accept", command.reason) or _is_left(state, command.phase)
    if refused is not None:
        return refused
    has_artifact = attempt.revision or command.revision or state.phase(command.phase).loop is not None
    if attempt.stage is not Stage.BEFORE and not has_artifact:
        return Refused(
            "conflict", f"Phase {command.phase!r} has no artifact to accept.", "Submit an artifact, or skip the phase."
        )
    return approval_guards.several_refused(state, attempt)


def _overrule(state: RunState, command: c.Overrule) -> Refused | None:
    attempt = state.current(command.phase)
    if attempt.sha256 is None or approval_guards.current_gate(state, attempt) != "opinion":
        return illegal(
            f"Phase {command.phase!r} is not at an opinion gate.",
            "Only opinions can be overruled; use force-accept for other gates.",
        )
    if not command.by.is_human:
        return needs_user("Only the user can overrule an opinion.")
    return _without_reason("Overruling an opinion", command.reason) or _is_left(state, command.phase)


def _time_out(state: RunState, command: c.TimeOut) -> Refused | None:
    attempt = state.current(command.phase)
    by_run = state.time_is_over(command.at) and state.status is not RunStatus.PAUSED  # TimeOutRun ends it
    if attempt.deadline is not None and command.at >= attempt.deadline and not by_run:
        return None
    return illegal(f"Phase {command.phase!r} has not timed out.", "")


def _wake(state: RunState, command: c.Wake) -> Refused | None:
    attempt = state.current(command.phase)
    if any(question.phase == command.phase for question in questions(state)):
        return illegal(f"The condition 'when' of phase {command.phase!r} is due first.", "")
    if attempt.not_before is not None and command.at >= attempt.not_before:
        return None
    return illegal(f"Phase {command.phase!r} has no scheduled retry.", "")


def _proceed(state: RunState, command: c.Proceed) -> Refused | None:
    if command.phase is not None and command.phase not in state.attempts:
        return unknown_phase(state, command.phase)
    if not stopped_phases(state, command.phase):
        return illegal("No completed phase waits for proceed.", "")
    return None if command.by.is_human else needs_user("Only the user can continue this run.")


def stopped_phases(state: RunState, only: PhasePath | None = None) -> tuple[Attempt, ...]:
    """Completed attempts that wait for ``proceed``: held ones, and the one whose ``next`` blocked the run."""
    return tuple(
        attempt
        for attempt in state.open_attempts
        if attempt.status is AttemptStatus.COMPLETED
        and (attempt.held or (state.status is RunStatus.BLOCKED and not attempt.judged))
        and only in {None, attempt.phase}
    )


def _set_auto(state: RunState, command: c.SetAuto) -> Refused | None:
    # Turning it off only adds stops, so any caller may.
    if command.auto and not state.auto and not command.by.is_human:
        return needs_user("Automatic mode is off. Only the user can turn it on.")
    return None


def time_is_over(command: c.Command) -> Refused:
    """The refusal of what cannot go on before the user extends the time of the run."""
    code = "illegal_transition" if command.by.is_human else "needs_human"
    return Refused(code, "The time limit of this run is over.", EXTEND)


EXTEND = "Only the user can extend it: wfe-mcp resume RUN --timeout 1h"


def _resume(state: RunState, command: c.Resume) -> Refused | None:
    if state.status is RunStatus.BLOCKED and not state.time_is_over(command.at):
        return illegal(f"You cannot resume while the run is blocked: {state.reason}", "")
    if state.time_is_over(command.at) and (command.ends_at is None or not command.by.is_human):
        return time_is_over(command)
    if command.ends_at is not None and command.ends_at <= command.at:
        return Refused("bad_argument", "The new time limit is over already.", "Give a longer --timeout, such as 2h.")
    if command.by.is_human:
        return None
    if state.paused_by_human:
        return needs_user(f"Only the user can resume this run. It was paused: {state.reason or 'by the user'}")
    if (command.max_cost_usd, command.max_tokens, command.ends_at) != (None, None, None):
        return needs_user("Only the user can raise the limits of a run.")
    return None


GUARDS: Mapping[type[c.Command], Callable[[RunState, Any], Refused | None]] = {
    c.StartPhase: _start,
    c.Submit: lambda state, command: _users_task(state, command) or _worked_by_server(state, command),
    c.RefuseSubmission: _users_task,
    c.Answer: _answer,
    c.OpenGates: _open_gates,
    c.RecordVerdict: approval_guards.verdict_refused,
    c.Approve: approval_guards.approval_refused,
    c.AskApproval: lambda state, command: approval_guards.not_an_approval(state, state.current(command.phase)),
    c.HandOver: approval_guards.hand_over_refused,
    c.Reject: approval_guards.rejection_refused,
    c.Withdraw: approval_guards.withdrawal_refused,
    c.Edit: _edit,
    c.Retry: _retry,
    c.Skip: _skip,
    c.ForceAccept: _force,
    c.Overrule: _overrule,
    c.TimeOut: _time_out,
    c.FailAttempt: _fail_attempt,
    c.Wake: _wake,
    c.EndCompensation: _end_compensation,
    c.Proceed: _proceed,
    c.SetAuto: _set_auto,
    c.Resume: _resume,
    c.TimeOutRun: lambda state, command: (
        None if state.time_is_over(command.at) else illegal("The run has not timed out.", "")
    ),
}
