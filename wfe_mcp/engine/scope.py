"""What may an expression or a prompt of this phase see?

    inputs vars artifacts run phase item env

``artifacts.x`` is the latest revision of a completed attempt of a transitively needed phase; in the phase's own gates,
``on_fail`` and ``next`` it is the revision under judgement (design §5).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wfe_mcp.core.graph import upstream
from wfe_mcp.core.model import AttemptStatus

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.turn import Turn

__all__ = ["feedback_of", "roots"]


def roots(turn: Turn, attempt: Attempt, *, own: bool = False) -> dict[str, Any]:
    """The values by root name. ``own`` adds the artifact of ``attempt`` itself."""
    run = turn.run
    return {
        "inputs": turn.inputs,
        "vars": {},
        "artifacts": _artifacts(turn, attempt, own=own),
        "run": {
            "id": run.id, "title": run.title, "iteration": turn.state.iteration, "template": run.template,
            "started_at": run.created_at.isoformat(),
        },
        "phase": {
            "id": attempt.phase, "path": attempt.phase, "attempt": attempt.number,
            "feedback": feedback_of(turn, attempt),
        },
        "item": {},
        "env": turn.frozen.get("env", {}),
    }  # fmt: skip


def feedback_of(turn: Turn, attempt: Attempt) -> list[dict[str, Any]]:
    """What this try is told of earlier ones: ``[{from, attempt, message, artifact}]``, oldest first."""
    return [
        {"from": note.source, "attempt": note.attempt, "message": note.message}
        | ({"artifact": turn.plan.artifact_name(note.source)} if note.artifact is not None else {})
        for note in attempt.feedback
    ]


def _artifacts(turn: Turn, attempt: Attempt, *, own: bool) -> dict[str, Any]:
    paths = [path for path in turn.state.attempts if path in upstream(turn.state.spec, attempt.phase)]
    tries = [turn.state.current(path) for path in paths]
    judged = [other for other in tries if other.status is AttemptStatus.COMPLETED] + ([attempt] if own else [])
    found: dict[str, Any] = {}
    for other in judged:
        name = turn.plan.artifact_name(other.phase)
        if name is not None and other.revision:
            revision = turn.tx.revision(turn.run.id, other.phase, other.revision)
            if revision is not None:
                found[name] = json.loads(revision.content)
    return found
