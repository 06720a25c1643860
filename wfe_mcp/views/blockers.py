"""Why a run does not move, as sentences; each ends with the command that is legal for the user, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.approval_guards import current_gate
from wfe_mcp.core.model import AttemptStatus, RunStatus
from wfe_mcp.core.moves import refusal
from wfe_mcp.core.paths import typed
from wfe_mcp.providers.manual_files import places_of
from wfe_mcp.views.move_calls import USER, user_commands, user_moves
from wfe_mcp.workspace.files.mirror import attempt_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import UnionType

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.core.paths import PhasePath
    from wfe_mcp.engine.runs.overview import Overview

_STOPPED = {RunStatus.PAUSED, RunStatus.BLOCKED, RunStatus.FAILED}
_DECISIONS = c.Retry | c.Skip | c.ForceAccept | c.Overrule | c.Edit


def blockers(found: Overview) -> tuple[str, ...]:
    """What stops the run: its own state, then each phase, then what is outside it."""
    if found.origin is not None:
        if found.loaded.state.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
            return ()
        return (f"Imported, so it cannot continue here. Start a new run: {found.way_on}",)
    of_phases = (_of_phase(found, attempt) for attempt in found.loaded.state.open_attempts)
    manual = (manual_prompt(found, path) for path in found.by_hand)
    return (*_of_run(found), *(text for text in of_phases if text), *manual, *found.obstacles)


def manual_prompt(found: Overview, path: PhasePath) -> str:
    """Where the prompt of a phase is that a person works in place of a model, and where the answer goes."""
    attempt, run = found.loaded.state.current(path), found.loaded.record.id
    prompt, answers = places_of(attempt_folder(run, path, attempt.number))
    return (
        f"{path} is manual: its prompt is in {prompt} ; save the output to {answers[0]} (it is picked up by itself), "
        f"or: wfe-mcp submit {run} {typed(path)} --path FILE"
    )


def _of_run(found: Overview) -> Iterator[str]:
    state = found.loaded.state
    if state.status in _STOPPED:
        yield f"The run is {state.status}: {state.reason or 'stopped'}"
        if state.time_is_over(found.loaded.record.updated_at):
            yield f"Extend its time: wfe-mcp resume {found.loaded.record.id} --timeout 1h"
    if state.going_back is not None:
        yield f"The run is going back to event {state.going_back.to}; its files are being restored"


def _of_phase(found: Overview, attempt: Attempt) -> str:
    state, run = found.loaded.state, found.loaded.record.id
    match attempt.status:
        case AttemptStatus.AWAITING:
            return _awaiting(found, attempt)
        case AttemptStatus.FAILED if attempt.repair:
            now = f"{attempt.recovery} runs inside it" if attempt.repair == "recover" else "it is being undone"
            return f"{attempt.phase} failed ({_first_line(attempt.reason)}); {now}"
        case AttemptStatus.FAILED:
            decide = _command(found, attempt, _DECISIONS)
            why = _first_line(attempt.reason)
            if state.status in _STOPPED and why in state.reason:  # the sentence about the run says it
                return decide and f"{attempt.phase} failed; decide: {decide}"
            return f"{attempt.phase} failed ({why}){decide and f'; decide: {decide}'}"
        case AttemptStatus.COMPLETED if attempt.held:
            proceed = c.Proceed(phase=attempt.phase, by=USER, at=found.loaded.record.updated_at)
            command = "" if refusal(state, proceed) else f"; continue: wfe-mcp proceed {run}"
            return f"{attempt.phase} is completed and held{command}"
        case AttemptStatus.GATING if attempt.phase in found.asked_persons:
            return _opinion_by_hand(found, attempt)
        case AttemptStatus.GATING if attempt.phase in found.unanswered:
            overrule = _command(found, attempt, c.Overrule)
            why = _first_line(found.unanswered[attempt.phase])
            message = f"{attempt.phase} waits for reviewers that did not answer ({why}); they are asked again"
            return f"{message}{overrule and f'; decide without them: {overrule}'}"
        case AttemptStatus.READY | AttemptStatus.RUNNING if state.phase(attempt.phase).kind == "human":
            submit = _command(found, attempt, c.StartPhase)
            return f"{attempt.phase} is the user's task{submit and f': {submit}'}"
        case _:
            return ""


def _opinion_by_hand(found: Overview, attempt: Attempt) -> str:
    answer = f"wfe-mcp opinion answer {found.loaded.record.id} {typed(attempt.phase)} --reviewer"
    asked = "; ".join(
        f"As {one.reviewer}: read {one.question} , save the opinion to {one.answer} , then: {answer} {one.reviewer}"
        for one in found.asked_persons[attempt.phase]
    )
    overrule = _command(found, attempt, c.Overrule)
    return (
        f"{attempt.phase} waits for the opinion of a person. {asked}{overrule and f'; decide without it: {overrule}'}"
    )


def _awaiting(found: Overview, attempt: Attempt) -> str:
    if current_gate(found.loaded.state, attempt) != "approval":
        return f"{attempt.phase} needs trust ({_first_line(attempt.reason)}): wfe-mcp init or wfe-mcp trust, in a browser wfe-mcp ui"
    assurance = getattr(found.plan.gates(attempt)[attempt.gate], "assurance", "human")
    approve = _command(found, attempt, c.AskApproval)
    return f"{attempt.phase} awaits approval ({assurance}) of {str(attempt.sha256)[:12]}{approve and f': {approve}'}"


def _command(found: Overview, attempt: Attempt, kinds: type[c.PhaseCommand] | UnionType) -> str:
    return user_commands(found, [move for move in user_moves(found, attempt) if isinstance(move, kinds)])


def _first_line(reason: str) -> str:
    """The first line: the output of a check follows in further lines."""
    return reason.partition("\n")[0][:200]
