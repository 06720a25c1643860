"""The model of a template."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from wfe_mcp.workflow.model.base import Duration, Ident, Json, Label, Many, Shape, fault, optional, required_key
from wfe_mcp.workflow.model.phases import Defaults, LoopPhase, Phase


def _version(value: str) -> str:
    if not 0 < len(value) <= 64 or not value.isprintable() or set(value) & set(" /\\@"):
        raise fault(
            '{found} is not a version: write something like "1.0.0" without spaces, slashes, @ and control characters',
            found=repr(value[:64]),
        )
    return value


class Limits(Shape):
    """Limits of a run."""

    max_parallel: int = optional(1, "Phases worked at the same time.", example=2, effect="limit", ge=1)
    max_iterations: int = optional(
        10, "Iterations; beyond them, a jump blocks the run.", example=3, effect="limit", ge=1
    )
    max_invalid: int = optional(5, "Refused submissions before an attempt fails.", example=3, effect="limit", ge=1)
    timeout: Duration | None = optional(None, "The run may take at most this long.", example="8h", effect="limit")
    max_cost: float | None = optional(
        None, "Model calls may cost at most this much, in US dollars.", example=2.5, effect="spends", gt=0
    )


class Role(Shape):
    """A worker or reviewer."""

    provider: Label | None = optional(
        None,
        "The configured role (provider and model) that fills it; absent: the connected client.",
        example="second",
        effect="roles",
    )
    description: str = optional("", "One line for readers.", example="Judges, writes no code", effect="text")


class Webhook(Shape):
    """A receiver of events."""

    effect = "calls"

    url: str = required_key("Where to post.", example="https://example.org/hook", min_length=1)
    events: Many[str] = optional((), "Event names; empty: all.", example=["RunCompleted", "RunFailed"])


class Template(Shape):
    """A workflow definition in the format ``wfe/1``. ``defaults`` are applied to its phases."""

    format: Literal["wfe/1"] = required_key("The format, `wfe/1`.", effect="form")
    name: Label = required_key("The template's name, also its folder's.", example="tidy_up", effect="name")
    version: Annotated[str, AfterValidator(_version), WithJsonSchema({"type": "string", "minLength": 1})] = (
        required_key("Any version text, such as `1.0.0`; a version is immutable.", example="1.0.0", effect="name")
    )
    title: str = optional("", "One line for readers.", example="Plan, build, review", effect="text")
    description: str = optional(
        "", "When to use it.", example="For changes that touch more than one module.", effect="text"
    )
    default: bool = optional(False, "Start this template when none is named.", example=True, effect="text")
    inputs: dict[str, Any] = optional(
        {"type": "object"},
        'A JSON Schema 2020-12 of the run\'s inputs; expressions use `inputs.<name>`. A text with `"format": "path"` names '
        "a file or a folder of the project, which must be there at the start.",
        example={"type": "object", "required": ["goal"], "properties": {"goal": {"type": "string"}}},
        effect="form",
    )
    title_from: str = optional(
        "",
        "The input that says what a run is about: its first words are the run's title. `plan.title`: a text within an "
        "object. Absent: the title is made of all inputs.",
        example="goal",
        effect="text",
    )
    roles: dict[Label, Role] = optional(
        {},
        "Roles that phases and gates name.",
        example={"reviewer": {"description": "Judges, writes no code"}},
        noun="role",
    )
    limits: Limits = optional(Limits(), "Limits of a run.", example={"max_iterations": 3, "timeout": "8h"})
    defaults: Defaults = optional(Defaults(), "Defaults of phase keys.", example={"timeout": "1h", "skip": "never"})
    phases: Many[Phase] = required_key(
        "The phases, in order.",
        example=[{"id": "plan", "prompt": "Plan it.", "output": {"artifact": "plan", "schema": "plan@1"}}],
        min_length=1,
    )
    outputs: Json[dict[Ident, Any]] = optional(
        {}, "Values of the completed run by name.", example={"first": "${artifacts.plan.steps[0].title}"}, effect="form"
    )
    states: dict[Label, Many[Label]] = optional(
        {},
        "States of what a run works on, each with those it may move to; phases reach them.",
        example={"CREATED": ["DONE"], "DONE": []},
        effect="name",
    )
    initial_state: Label | None = optional(
        None, "The one of `states` that a run begins in.", example="CREATED", effect="name"
    )
    webhooks: Many[Webhook] = optional(
        (), "Receivers of events.", example=[{"url": "https://example.org/hook"}], noun="webhook"
    )


def all_phases(phases: Iterable[Phase]) -> Iterator[Phase]:
    """Every phase in declared order, those inside loops after their loop."""
    for phase in phases:
        yield phase
        if isinstance(phase, LoopPhase):
            yield from all_phases(phase.phases)
