"""What a person decided in one change of a run: the facts that their key signs (``approvals/statements.py``)."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from wfe_mcp.core import commands as c

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.run_change import RunChange

_SCALARS = (str, int, float, bool)
_ENGINES = {"holder_alive"}
"""What a command says of the engine's own knowledge: the person does not decide it, and it may change while they sign."""


def facts_of(change: RunChange) -> dict[str, object]:
    """What the caller decided in this change of a run."""
    decided = [one for one in change.commands if not isinstance(one, c.AskApproval)] or change.commands
    first = decided[0] if decided else None
    facts: dict[str, object] = {
        "kind": _word(first) if first is not None else "records",
        "decision": [_described(one) for one in decided],
        "comment": _comment(first),
    }
    path = getattr(first, "phase", None)
    before = change.loaded_before.state
    if path is not None and path in before.attempts:
        attempt, spec = before.current(path), before.phase(path)
        gates = [*spec.gates_before, *spec.gates]
        facts |= {
            "artifact": attempt.sha256 or "",
            "tree": attempt.tree or "",
            "gates": [{each.name: getattr(gate, each.name) for each in fields(gate)} for gate in gates],
            "decision": [_placed(one, attempt) for one in cast("list[dict[str, object]]", facts["decision"])],
        }
    return facts | change.facts


def _placed(described: dict[str, object], attempt: Attempt) -> dict[str, object]:
    """With the attempt, and the gate that waited."""
    if described.get("phase") != attempt.phase:
        return described
    stage = {"stage": str(attempt.stage), "gate": attempt.gate} if attempt.stage is not None else {}
    return {"attempt": attempt.number, **stage, **described}


def _word(command: c.Command) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(command).__name__).lower()


def _described(command: c.Command) -> dict[str, object]:
    """The command and its plain values."""
    values = {each.name: getattr(command, each.name) for each in fields(command) if each.name not in _ENGINES}
    described: dict[str, object] = {"do": _word(command)}
    return described | {name: value for name, value in values.items() if isinstance(value, _SCALARS) and value != ""}


def _comment(command: c.Command | None) -> str:
    texts = (getattr(command, name, "") for name in ("comment", "feedback", "reason"))
    return next((text for text in texts if text), "")
