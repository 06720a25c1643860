"""Prompts that gates judge before work: which were rejected, and whether a person's edit of one is taken."""

from wfe_mcp.core import commands as c
from wfe_mcp.core.attempt_states import FailKind
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import Attempt, AttemptStatus, RunState, Stage
from wfe_mcp.core.outcomes import VerdictKind


def is_rejected_prompt(state: RunState, attempt: Attempt) -> bool:
    """True where a person, or a reviewer of an opinion gate, rejected the prompt of ``attempt``."""
    if attempt.stage is not Stage.BEFORE or attempt.fail_kind is None or attempt.status is AttemptStatus.ROLLED_BACK:
        return False
    gates = state.phase(attempt.phase).gates_before
    failed = (gates[verdict.gate].kind for verdict in attempt.verdicts if verdict.kind is VerdictKind.FAIL)
    return attempt.fail_kind is FailKind.REJECTED or "opinion" in failed


def prompt_edit_refused(state: RunState, attempt: Attempt, command: c.Edit) -> Refused | None:
    """Why the edited prompt of ``attempt`` is not taken. One that was rejected is not put to the same reviewers again."""
    if not command.by.is_human:
        return Refused(
            "needs_human",
            "Only the user can edit a prompt that waits for its gates.",
            "Ask the user to run: wfe-mcp edit",
        )
    if state.phase(attempt.phase).kind == "steps":
        return Refused(
            "illegal_transition",
            f"The server runs the steps of phase {attempt.phase!r}; no agent gets its prompt.",
            "Approve it, or reject it with feedback.",
        )
    if attempt.sha256 is None:
        return Refused(
            "illegal_transition",
            f"Phase {attempt.phase!r} has no prompt: {attempt.reason or 'it is being made'}",
            "Fix what its template names, then retry the phase.",
        )
    if command.sha256 == attempt.sha256 and attempt.status is not AttemptStatus.FAILED:
        return Refused(
            "bad_argument", "The prompt is the same as before. Nothing was stored.", "Change it, or approve it."
        )
    tries = (one for one in state.attempts[attempt.phase] if one.sha256 == command.sha256)
    rejected = next((one for one in tries if is_rejected_prompt(state, one)), None)
    if rejected is None:
        return None
    return Refused(
        "conflict",
        f"This prompt was rejected in attempt {rejected.number}: {rejected.reason}",
        "Change what was rejected, and edit again.",
    )
