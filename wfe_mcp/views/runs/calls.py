"""The calls of a phase: those of its steps, and the tools that a model or the client used.

In an attempt's view they are shortened; ``steps:2`` of a phase lists those of its attempt 2, and a pointer such as
``/0/output``, or ``/fetch/output`` by the step's id, gives a part whole. No artifact can have such a name.
"""

import json
from collections.abc import Iterable
from dataclasses import field, replace

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.texts import cut
from wfe_mcp.core.units import duration
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store.records.runs import StepRecord, StepStatus
from wfe_mcp.views.runs.models import StepView
from wfe_mcp.views.values.model import INLINE, Json, PartView, part_view, plain, view_model, view_of

STEPS = "steps:"
_FAILED = {StepStatus.FAILED, StepStatus.UNKNOWN}
_LISTED = 40
_LISTED_CHARS = 120


@view_model
class CallView:
    """One call, with its input and its answer."""

    step: str
    does: str
    state: str
    error: str = ""
    input: Json = None
    output: Json = None
    took: str = ""


@view_model
class CallsView:
    """The calls of an attempt: shortened, or the part of them that a pointer names."""

    artifact: str
    phase: str
    attempt: int
    calls: int
    part: PartView | None = field(default=None, metadata=INLINE)
    content: tuple[CallView, ...] | None = None
    hint: str = ""
    left_out: int = 0


def has_failed(rows: Iterable[StepRecord]) -> bool:
    """True where a call of the attempt failed: then all its calls are shown."""
    return any(row.status in _FAILED for row in rows)


def steps_part(overview: Overview, phase: str, name: str, pointer: str) -> CallsView:
    """The calls called ``name`` (``steps:2``) of ``phase``: shortened, or what ``pointer`` names, whole.

    Refuses ``unknown_artifact``.
    """
    number = name.removeprefix(STEPS)
    attempt = int(number) if number.isdecimal() else 0
    rows = [row for row in overview.steps if row.attempt == attempt and phase in {"", row.phase}]
    places: set[PhasePath] = {row.phase for row in rows}
    if len(places) > 1:
        several = ", ".join(sorted(places))
        raise Refused(
            "unknown_artifact",
            f"{name!r} may be calls of several phases: {several[:500]}.",
            f"Name the phase too: phase {min(places)} in a call, --phase {min(places)} at a terminal.",
        )
    if not places:
        known = dict.fromkeys(f"{STEPS}{row.attempt} of {row.phase}" for row in overview.steps)
        raise Refused(
            "unknown_artifact",
            f"No calls are called {name!r} in phase {phase!r}.",
            f"Calls: {', '.join(known)[:500] or 'there are none'}.",
        )
    calls = tuple(view_of(CallView, row, state=str(row.status), took=took(row)) for row in rows)
    view = CallsView(artifact=name, phase=places.pop(), attempt=attempt, calls=len(calls))
    if pointer:
        first, _, rest = pointer.removeprefix("/").partition("/")
        number = next((str(at) for at, call in enumerate(calls) if call.step == first), first)
        return replace(view, part=part_view(plain(calls), f"/{number}{rest and '/'}{rest}"))
    short = (
        replace(
            model_call,
            input=clipped_json(model_call.input, _LISTED_CHARS),
            output=clipped_json(model_call.output, _LISTED_CHARS),
        )
        for model_call in calls[:_LISTED]
    )
    return replace(
        view,
        content=tuple(short),
        hint=f"one whole: pointer /{calls[0].step}, its answer: /{calls[0].step}/output",
        left_out=max(0, len(calls) - _LISTED),
    )


def call_lines(step: StepView) -> list[str]:
    """Input and answer of a call that an attempt's view shows, as lines."""
    return [f"{what}: {text}" for what, text in (("input", step.input), ("answer", step.output)) if text]


def took(row: StepRecord) -> str:
    """How long a call took; empty where it has not ended."""
    if row.started_at is None or row.finished_at is None:
        return ""
    return duration((row.finished_at - row.started_at).total_seconds())


def clipped_json(value: Json, chars: int) -> str:
    """The beginning of ``value`` as JSON, at most ``chars`` characters; empty for none."""
    if value is None or not chars:
        return ""
    return cut(json.dumps(value, ensure_ascii=False), chars)
