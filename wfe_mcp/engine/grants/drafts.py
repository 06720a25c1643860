"""What a person may sign as a standing grant: a phase whose approval one can give, a condition that can be evaluated, an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from wfe_mcp.core.errors import Refused, nearest_hint
from wfe_mcp.core.model import Assurance
from wfe_mcp.core.texts import refuse_unkept
from wfe_mcp.engine.grants.facts import facts_of, holds
from wfe_mcp.engine.grants.grants import Grant
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
from wfe_mcp.engine.templates.catalogue import find_template
from wfe_mcp.workflow.expressions import ExpressionError, source_of

MOST_USES, MOST_DAYS = 1000, 90
_NOTHING = facts_of({"attempt": 1})
"""The facts of a first attempt without a change: each condition is tried on them."""
_READS = f"It reads: {', '.join(_NOTHING)}."


def draft_grant(engine: Engine, template: str, phase: str, when: str, uses: int, until: datetime) -> Grant:
    """The grant that a person would sign, valid ``until`` then. Refuses what no grant can approve, and a condition that cannot be evaluated."""
    now = engine.clock()
    if not 1 <= uses <= MOST_USES:
        raise Refused("bad_argument", f"{uses} uses are too few or too many.", f"Give 1 to {MOST_USES}.")
    if not now < until <= now + timedelta(days=MOST_DAYS):
        raise Refused(
            "bad_argument", "It would end too early or too late.", f"It is valid for {MOST_DAYS} days at most."
        )
    plan = find_template(engine, template)
    _refuse_phase(plan, phase)
    _refuse_condition(when)
    return Grant(
        "",
        plan.template.name,
        plan.own_sha256,
        phase,
        when,
        uses,
        now.isoformat(timespec="seconds"),
        until.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _refuse_phase(plan: CompiledTemplate, path: str) -> None:
    names = [name for name, phase in plan.phases.items() if any(gate.kind == "approval" for gate in _gates(phase))]
    if path not in names:
        hint = nearest_hint(path, names, f"These ask: {', '.join(names)}." if names else "None of its phases asks.")
        raise Refused("bad_argument", f"No phase {path!r} of {plan.template.name} asks for an approval.", hint)
    phase, approvals = plan.phases[path], [gate for gate in _gates(plan.phases[path]) if gate.kind == "approval"]
    why = (
        "its steps act outside the working tree"
        if phase.kind == "steps"
        else "it is of another template that runs inside this one"
        if any(path.startswith(f"{held}.") for held in plan.held)  # their bytes are not those that are signed
        else "several people approve it"
        if all(gate.people > 1 for gate in approvals)
        else "it asks for a phrase"
        if all(gate.phrase for gate in approvals)
        else "it asks for a passkey, and a grant is signed with your PIN"
        if all(Assurance[gate.assurance.upper()] > Assurance.HUMAN for gate in approvals)
        else ""
    )
    if why:
        raise Refused("bad_argument", f"No grant can approve phase {path!r}: {why}.", "It is decided each time.")


def _gates(phase: Any) -> list[Any]:
    return [*phase.prompt_gates, *phase.gates]


def _refuse_condition(when: str) -> None:
    refuse_unkept({"when": when})
    try:
        is_one = source_of(when) is not None
        if is_one:
            holds(when, _NOTHING)
    except ExpressionError as error:
        message = f"The condition cannot be evaluated: {error.reason}."
        raise Refused("bad_argument", message, _READS) from error
    if not is_one:
        hint = f"Write one expression: '${{size(change.files) <= 3 && change.added < 100}}'. {_READS}"
        raise Refused("bad_argument", f"{when[:80]!r} is no condition.", hint)
