"""Guards of verdicts and of the decisions at a gate; ``guards.py`` has those of the other commands."""

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import Assurance, Attempt, Channel, RunState, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.refusals import illegal, needs_user, unknown_phase
from wfe_mcp.core.states import going_back_refused

_NEEDS = {
    "agent": "an approval",
    "client": "the user's form",
    "human": "the user's approval",
    "passkey": "a passkey signature",
}
_MORE = {"passkey": "A PIN is not enough. Sign on the decision page, whose address wfe-mcp ui shows."}


def current_gate(state: RunState, attempt: Attempt) -> str:
    """The kind of the gate that judges ``attempt`` now; empty when it is under no gate or past the last one."""
    if attempt.stage is None:
        return ""
    spec = state.phase(attempt.phase)
    gates = spec.gates_before if attempt.stage is Stage.BEFORE else spec.gates
    return gates[attempt.gate].kind if attempt.gate < len(gates) else ""


def verdict_refused(state: RunState, command: c.RecordVerdict) -> Refused | None:
    """Why a verdict does not count."""
    attempt = state.current(command.phase)
    # A prompt that cannot be rendered has no sha256; its only verdict is an error.
    sha256 = "" if attempt.sha256 is None and command.outcome is GateOutcome.ERROR else attempt.sha256
    if (attempt.stage, attempt.gate, sha256) != (command.stage, command.gate, command.sha256):
        return Refused("stale_revision", f"The verdict on phase {command.phase!r} is for an older revision or gate.")
    return None


def approval_refused(state: RunState, command: c.Approve) -> Refused | None:
    """Why this approval does not count."""
    attempt = state.current(command.phase)
    found = not_an_approval(state, attempt)
    if found is not None:
        return found
    if command.sha256 != attempt.sha256:
        return Refused(
            "stale_revision",
            f"The decision is for {command.sha256[:12]}; the open revision is {str(attempt.sha256)[:12]}.",
            "Review the open revision and decide again.",
        )
    spec = state.phase(command.phase)
    gate = (spec.gates_before if attempt.stage is Stage.BEFORE else spec.gates)[attempt.gate]
    if command.by.assurance < Assurance[gate.assurance.upper()]:
        return Refused(
            "needs_human",
            f"Phase {command.phase!r} needs {_NEEDS[gate.assurance]} (assurance {gate.assurance!r}); this call has {command.by.assurance.name.lower()!r}.",
            _MORE.get(gate.assurance, ""),
        )
    if attempt.asked is None:
        return illegal(f"No request for phase {command.phase!r} is open.", "Ask for the approval first.")
    return None


def not_an_approval(state: RunState, attempt: Attempt) -> Refused | None:
    """Why the gate of ``attempt`` asks for no approval; None where it does."""
    gate = current_gate(state, attempt)
    if gate == "approval":
        return None
    return Refused(
        "needs_trust",
        f"Gate {gate or '?'!r} of phase {attempt.phase!r} needs trusted configuration, not approval.",
        "Ask the user to run: wfe-mcp trust (in a browser: wfe-mcp ui)",
    )


def rejection_refused(state: RunState, command: c.Reject) -> Refused | None:
    """Why this rejection does not count."""
    attempt = state.current(command.phase)
    if not command.by.is_human and command.by.channel is not Channel.FORM:
        return needs_user("Only the user can reject; an agent can withdraw its own submission.")
    # Without a sha256 it rejects whatever is open; an approval always names one.
    if command.sha256 is not None and command.sha256 != attempt.sha256:
        return Refused(
            "stale_revision",
            f"The decision is for {command.sha256[:12]}; the open revision is {str(attempt.sha256)[:12]}.",
        )
    if command.to is None:
        return None
    if command.to not in state.attempts:
        return unknown_phase(state, command.to)
    if command.to != command.phase and command.to not in outwards(state.spec, command.phase):
        return Refused(
            "bad_argument",
            f"{command.to!r} is not before {command.phase!r}.",
            "Name an earlier phase that this phase needs.",
        )
    return None if command.to == command.phase else going_back_refused(state, command.to)


def withdrawal_refused(state: RunState, command: c.Withdraw) -> Refused | None:
    """Why there is nothing to withdraw."""
    if state.current(command.phase).stage is Stage.BEFORE:
        return illegal(f"Phase {command.phase!r} has no submission to withdraw yet.", "")
    return None
