"""Guards of verdicts and of the decisions at a gate; ``guards.py`` has those of the other commands."""

from collections.abc import Iterator, Sequence

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.graph import outwards
from wfe_mcp.core.model import Assurance, Attempt, AttemptStatus, Channel, RunState, Stage
from wfe_mcp.core.outcomes import GateOutcome
from wfe_mcp.core.refusals import illegal, needs_user, unknown_phase
from wfe_mcp.core.spec import GateSpec, PhaseSpec, RunSpec
from wfe_mcp.core.states import going_back_refused

_NEEDS = {
    "agent": "an approval",
    "client": "the user's form",
    "human": "the user's approval",
    "passkey": "a passkey signature",
}
_MORE = {"passkey": "A PIN is not enough. Sign on the decision page, whose address wfe-mcp ui shows."}

_SEVERAL = "What several people approve, one alone can neither skip nor accept by force."


def current_gate(state: RunState, attempt: Attempt) -> str:
    """The kind of the gate that judges ``attempt`` now; empty when it is under no gate or past the last one."""
    if attempt.stage is None:
        return ""
    gates = gates_left(state, attempt)
    return gates[0].kind if gates else ""


def gate_of(state: RunState, attempt: Attempt) -> GateSpec:
    """The gate that judges ``attempt`` now, which is under one."""
    return gates_left(state, attempt)[0]


def gates_left(state: RunState, attempt: Attempt) -> tuple[GateSpec, ...]:
    """The gates of its stage that ``attempt`` has not passed; where it is at none, those on the artifact."""
    spec = state.phase(attempt.phase)
    return (spec.gates_before if attempt.stage is Stage.BEFORE else spec.gates)[attempt.gate :]


def several_refused(state: RunState, attempt: Attempt, *, skips: bool = False) -> Refused | None:
    """Why one person cannot let ``attempt`` go on: several must approve it, or a phase in its loop, and have not done so.

    ``skips``: it would pass the gates of both stages.
    """
    spec, specs = state.phase(attempt.phase), gates_left(state, attempt)
    if skips and not attempt.gates_before_passed:
        specs = (*(specs if attempt.stage is Stage.BEFORE else spec.gates_before), *spec.gates)
    if not _is_decided_inside(state, attempt):
        specs = (*specs, *_gates_inside(state.spec, spec))
    people = max((gate.people for gate in specs), default=1)
    if people == 1:
        return None
    return Refused(
        "needs_human",
        f"Phase {attempt.phase!r} needs the approval of {people} people. {_SEVERAL}",
        "Each of them decides on it with their own key: wfe-mcp inbox",
        data={"people": people, "approved_by": [*attempt.approvals]},
    )


def _is_decided_inside(state: RunState, attempt: Attempt) -> bool:
    """Whether all phases of all items of a loop are settled; True for a phase that is no loop."""
    if state.phase(attempt.phase).loop is None:
        return True
    loop = state.loops.get(attempt.phase)
    return (
        loop is not None
        and loop.begun == len(loop.keys)
        and all(other.is_settled for other in state.attempts_in(attempt.phase, loop.keys))
    )


def _gates_inside(spec: RunSpec, loop: PhaseSpec) -> Iterator[GateSpec]:
    for phase in spec.body(loop.path):
        yield from (*phase.gates_before, *phase.gates)
        if phase.loop is not None:  # below others are the phases of their recovery
            yield from _gates_inside(spec, phase)


def several_people(state: RunState, attempt: Attempt) -> str:
    """Who has approved, and how many more are needed, in a sentence; empty where the gate asks for one person."""
    people = gate_of(state, attempt).people
    return people_line(attempt.approvals, people) if people > 1 else ""


def people_line(approvals: Sequence[str], people: int) -> str:
    """``1 of 2 people approved: ada; one more person is needed``."""
    missing = people - len(approvals)
    more = (
        "no more person is" if missing < 1 else "one more person is" if missing == 1 else f"{missing} more people are"
    )
    named = f": {', '.join(approvals)}" if approvals else ""
    return f"{len(approvals)} of {people} people approved{named}; {more} needed"


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
    refused = not_an_approval(state, attempt)
    if refused is not None:
        return refused
    if command.sha256 != attempt.sha256:
        return _of_another_revision(command.sha256, attempt, "Review the open revision and decide again.")
    gate = gate_of(state, attempt)
    if command.by.assurance < Assurance[gate.assurance.upper()]:
        return Refused(
            "needs_human",
            f"Phase {command.phase!r} needs {_NEEDS[gate.assurance]} (assurance {gate.assurance!r}); this call has {command.by.assurance.name.lower()!r}.",
            _MORE.get(gate.assurance, ""),
        )
    if attempt.asked is None:
        return illegal(f"No request for phase {command.phase!r} is open.", "Ask for the approval first.")
    return None if gate.people == 1 else _person_refused(attempt, gate, command)


def _person_refused(attempt: Attempt, gate: GateSpec, command: c.Approve) -> Refused | None:
    """Why this approval adds no person to those who approved."""
    if not command.by.is_human or not command.person:
        why, hint = "this call names no person", "Each of them decides with a key that is pinned under their name."
    elif command.person in attempt.approvals:
        why = f"{command.person} has approved it already"
        hint = (
            "Another person decides, with a key or passkey that is pinned under their name: wfe-mcp approvers list. "
            "Until then you can take yours back: reject it."
        )
    else:
        return None
    return Refused(
        "needs_human",
        f"Phase {attempt.phase!r} needs {gate.people} different people, and {why}: {people_line(attempt.approvals, gate.people)}.",
        hint,
        data={"people": gate.people, "approved_by": [*attempt.approvals]},
    )


def lacks_credential(attempt: Attempt) -> bool:
    """Whether the open gate of ``attempt`` waits for a credential."""
    return (
        attempt.status is AttemptStatus.AWAITING
        and bool(attempt.verdicts)
        and attempt.verdicts[-1].outcome is GateOutcome.NEEDS_CREDENTIAL
    )


def not_an_approval(state: RunState, attempt: Attempt) -> Refused | None:
    """Why the gate of ``attempt`` asks for no approval; None where it does."""
    gate = current_gate(state, attempt)
    if gate == "approval":
        return None
    if lacks_credential(attempt):
        waits = f"Gate {gate or '?'!r} of phase {attempt.phase!r} waits for a credential, not for approval."
        return Refused("unavailable", f"{waits} {attempt.verdicts[-1].message}")
    return Refused(
        "needs_trust",
        f"Gate {gate or '?'!r} of phase {attempt.phase!r} needs trusted configuration, not approval.",
        "Ask the user to run: wfe-mcp trust (in a browser: wfe-mcp ui)",
    )


def _of_another_revision(sha256: str, attempt: Attempt, hint: str = "") -> Refused:
    open_now = str(attempt.sha256)[:12]
    return Refused("stale_revision", f"The decision is for {sha256[:12]}; the open revision is {open_now}.", hint)


def hand_over_refused(state: RunState, command: c.HandOver) -> Refused | None:
    """Why the request cannot be handed on: another one is open, or none."""
    if state.current(command.phase).asked == command.request:
        return None
    return Refused("stale_revision", f"The request {command.request} is closed.", "Look at the open one.")


def rejection_refused(state: RunState, command: c.Reject) -> Refused | None:
    """Why this rejection does not count."""
    attempt = state.current(command.phase)
    if not command.by.is_human and command.by.channel is not Channel.FORM:
        return needs_user("Only the user can reject; an agent can withdraw its own submission.")
    # Without a sha256 it rejects whatever is open; an approval always names one.
    if command.sha256 is not None and command.sha256 != attempt.sha256:
        return _of_another_revision(command.sha256, attempt)
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
