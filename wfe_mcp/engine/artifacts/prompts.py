"""Prompts: the text an agent gets when it starts a phase.

The prompt is rendered once per attempt, in one pass; values are fenced as data. What ``context`` names follows
the prompt. The same attempt always renders to the same bytes, because gates before work judge their sha256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wfe_mcp.core.errors import Refused
from wfe_mcp.engine.artifacts.expression_scope import feedback_of, roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wfe_mcp.core.model import Attempt
    from wfe_mcp.engine.kernel.run_change import RunChange
    from wfe_mcp.workflow.model import Phase, StepsPhase

_NEWEST_CHARS, _REMINDER_CHARS = 2_000, 300


def prompt_of(change: RunChange, attempt: Attempt) -> str:
    """The rendered prompt of ``attempt`` with its context. Refuses ``invalid_template`` when it cannot be rendered."""
    from wfe_mcp.workflow.expressions import ExpressionError, scan
    from wfe_mcp.workflow.model import StepsPhase
    from wfe_mcp.workflow.prompts import prompt_text, render

    phase, nonce = change.plan.phase(attempt.phase), change.run.id
    written = prompt_text(phase)
    try:
        asked = [part.text for part in scan(written) if part.is_expression]
        named = "\n".join([*asked, *(f"artifacts.{name}" for name in phase.context if isinstance(name, str))])
        values = roots(change, attempt, named, own_vars=False)  # the same before the steps run and after
        text = render(written, values, change.plan.expressions, nonce=nonce)
    except ExpressionError as exc:
        raise Refused("invalid_template", f"The prompt of phase {attempt.phase!r} cannot be rendered: {exc}",
                      "Ask the user to fix the template, or to skip the phase.", phase=attempt.phase) from exc  # fmt: skip
    listed = _steps_in_words(change, attempt, phase) if isinstance(phase, StepsPhase) else ""
    return "\n\n".join(
        part for part in (text, listed, *_handed_over(change, attempt, phase, values["artifacts"])) if part
    )


def _handed_over(change: RunChange, attempt: Attempt, phase: Phase, artifacts: Mapping[str, Any]) -> Iterator[str]:
    """The content that ``context`` names, in its order: current artifacts and frozen bundles."""
    from wfe_mcp.engine.artifacts.context_bundles import artifact_names, handed_bundle
    from wfe_mcp.workflow.prompts import render_context

    made = artifact_names(change.plan, attempt.phase)
    for entry in phase.context:
        if not isinstance(entry, str) or entry not in made:
            yield handed_bundle(change, attempt, entry)
        elif entry in artifacts:
            yield render_context([(entry, artifacts[entry])], nonce=change.run.id)


def _steps_in_words(change: RunChange, attempt: Attempt, phase: StepsPhase) -> str:
    """The steps the server will run, for the approver: with values where they are known, else as written."""
    from wfe_mcp.core.canonical import canonical_json
    from wfe_mcp.workflow.expressions import ExpressionError
    from wfe_mcp.workflow.prompts import fenced

    lines: list[str] = []
    for number, step in enumerate(phase.steps, 1):
        written: dict[str, Any] = step.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude={"id", "assign"}
        )
        values = roots(change, attempt, canonical_json(written), own_vars=False)
        try:
            given = cast("dict[str, Any]", change.plan.expressions.evaluate_json(written, values))
        except ExpressionError:
            given = written
        lines.append(f"{number}. {step.id}: {canonical_json(given)}")
    return fenced("\n".join(lines), "the steps", nonce=change.run.id)


def fenced_feedback(change: RunChange, attempt: Attempt) -> list[dict[str, Any]]:
    """Feedback of earlier attempts, each message between boundary lines: data, not instructions."""
    from wfe_mcp.workflow.prompts import fenced

    notes = feedback_of(change, attempt)
    # The newest explains why this attempt is open; earlier ones are shortened.
    limits = [*[_REMINDER_CHARS] * (len(notes) - 1), _NEWEST_CHARS]
    return [
        note | {"message": fenced(note["message"], f"feedback of {note['from']}", nonce=change.run.id, limit=limit)}
        for note, limit in zip(notes, limits, strict=False)
    ]
