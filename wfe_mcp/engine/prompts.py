"""What is the agent told when it starts a phase?

The prompt is rendered once per attempt, in one pass; values are fenced as data. What ``context`` names is handed over
below it. The same attempt always renders to the same bytes, because gates before work judge their sha256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.scope import feedback_of, roots

if TYPE_CHECKING:
    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.turn import Turn

__all__ = ["fenced_feedback", "prompt_of"]


def prompt_of(turn: Turn, attempt: Attempt) -> str:
    """The rendered prompt of ``attempt`` with its context. Refuses ``invalid_template`` when it cannot be rendered."""
    from wfe_mcp.workflow.expressions import ExpressionError, scan
    from wfe_mcp.workflow.prompts import prompt_text, render, render_context

    phase, nonce = turn.plan.phase(attempt.phase), turn.run.id
    written = prompt_text(phase)
    try:
        asked = [part.text for part in scan(written) if part.is_expression]
        values = roots(turn, attempt, "\n".join([*asked, *(f"artifacts.{name}" for name in phase.context)]))
        text = render(written, values, turn.plan.expressions, nonce=nonce)
    except ExpressionError as exc:
        raise Refused("invalid_template", f"The prompt of phase {attempt.phase!r} cannot be rendered: {exc}",
                      "Ask the user to mend the template, or to skip the phase.", phase=attempt.phase) from exc  # fmt: skip
    named = [(name, values["artifacts"][name]) for name in phase.context if name in values["artifacts"]]
    context = render_context(named, nonce=nonce)
    return f"{text}\n\n{context}" if context else text


def fenced_feedback(turn: Turn, attempt: Attempt) -> list[dict[str, Any]]:
    """What this try is told of earlier ones, each message between boundary lines: data, not instructions."""
    from wfe_mcp.workflow.prompts import fenced

    return [
        note | {"message": fenced(note["message"], f"feedback of {note['from']}", nonce=turn.run.id, limit=3_000)}
        for note in feedback_of(turn, attempt)
    ]
