"""The events that the value of an expression causes: conditions, locks, items, outputs, and the rules of ``next``."""

from wfe_mcp.core import commands as c, events as e
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.consequences import deadline, jump
from wfe_mcp.core.event import OfAttempt
from wfe_mcp.core.loops import loop_opened, pass_judged
from wfe_mcp.core.model import Attempt, RunState
from wfe_mcp.core.recovery import blocker_found, recovery_opened


def answer_events(state: RunState, command: c.Answer) -> list[e.Event]:
    """The events that the value causes."""
    attempt = state.current(command.phase)
    on = attempt.on
    if command.kind == "recovery":
        return [recovery_opened(attempt, command.items, command.error)]
    if command.kind == "blocker":
        return blocker_found(state, attempt, command.blocker)
    if command.error and command.kind != "next":
        what = {
            "when": "The condition 'when'",
            "locks": "The names of its locks",
            "items": "The items of the loop",
            "outputs": "The outputs",
            "until": "The condition 'until'",
        }
        reason = f"{what[command.kind]} could not be evaluated: {command.error}"
        return [e.AttemptFailed(kind=FailKind.ERROR, reason=reason, **on)]
    match command.kind:
        case "when" if command.value:
            return [e.WhenAnswered(value=True, **on)]
        case "when":
            return [
                e.WhenAnswered(value=False, **on),
                e.PhaseSkipped(reason="its condition 'when' is false", follows=True, **on),
            ]
        case "locks":
            return [e.LocksNamed(locks=tuple(sorted(set(command.keys))), **on)]
        case "items":
            ends = deadline(state, state.phase(attempt.phase), command.at)
            return [loop_opened(attempt, command.keys, command.items, command.at, ends)]
        case "outputs":
            return [e.RevisionSubmitted(revision=command.revision, sha256=command.sha256, **on)]
        case "until":
            return [pass_judged(state, attempt, holds=command.value)]
        case _:
            return _next(state, attempt, command, on)


def _next(state: RunState, attempt: Attempt, command: c.Answer, on: OfAttempt) -> list[e.Event]:
    if command.error:
        return [
            e.RunBlocked(
                reason=f"Rule {command.rule + 1} of 'next' in {attempt.phase!r} could not be evaluated: {command.error}"
            )
        ]
    rules = state.phase(attempt.phase).next
    if command.value:
        return jump(state, attempt, command.rule, rules[command.rule])
    return [e.NextJudged(rule=command.rule, done=command.rule == len(rules) - 1, **on)]
