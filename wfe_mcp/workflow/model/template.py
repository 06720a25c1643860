"""The model of a template."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from wfe_mcp.workflow.model.base import Duration, Ident, Json, Label, Many, Shape, fault, optional
from wfe_mcp.workflow.model.phases import Defaults, LoopPhase, Phase


def _version(value: str) -> str:
    if not 0 < len(value) <= 64 or set(value) & set(" \t\r\n/\\@"):
        raise fault(
            '{found} is not a version: write something like "1.0.0" without spaces, slashes and @', found=repr(value)
        )
    return value


class Limits(Shape):
    """Limits of a run."""

    max_parallel: int = optional(1, "Phases worked at the same time.", ge=1)
    max_iterations: int = optional(10, "Iterations; beyond them, a jump blocks the run.", ge=1)
    max_invalid: int = optional(5, "Refused submissions before an attempt fails.", ge=1)
    timeout: Duration | None = optional(None, "The run may take at most this long.")
    max_cost: float | None = optional(None, "Model calls may cost at most this much, in US dollars.", gt=0)


class Role(Shape):
    """A worker or reviewer."""

    provider: Label | None = optional(
        None, "The configured role (provider and model) that fills it; absent: the connected client."
    )
    description: str = optional("", "One line for readers.")


class Webhook(Shape):
    """A receiver of events."""

    url: str = Field(min_length=1, description="Where to post.")
    events: Many[str] = optional((), "Event names; empty: all.")


class Template(Shape):
    """A workflow definition in the format ``wfe/1``. ``defaults`` are applied to its phases."""

    format: Literal["wfe/1"] = Field(description="The format, `wfe/1`.")
    name: Label = Field(description="The template's name, also its folder's.")
    version: Annotated[str, AfterValidator(_version), WithJsonSchema({"type": "string", "minLength": 1})] = Field(
        description="Any version text, such as `1.0.0`; a version is immutable."
    )
    title: str = optional("", "One line for readers.")
    description: str = optional("", "When to use it.")
    default: bool = optional(False, "Start this template when none is named.")
    inputs: dict[str, Any] = optional(
        {"type": "object"}, "A JSON Schema 2020-12 of the run's inputs; expressions use `inputs.<name>`."
    )
    roles: dict[Label, Role] = optional({}, "Roles that phases and gates name.")
    limits: Limits = optional(Limits(), "Limits of a run.")
    defaults: Defaults = optional(Defaults(), "Defaults of phase keys.")
    phases: Many[Phase] = Field(min_length=1, description="The phases, in order.")
    outputs: Json[dict[Ident, Any]] = optional({}, "Values of the completed run by name.")
    states: dict[Label, Many[Label]] = optional(
        {}, "States of what a run works on, each with those it may move to; phases reach them."
    )
    initial_state: Label | None = optional(None, "The one of `states` that a run begins in.")
    webhooks: Many[Webhook] = optional((), "Receivers of events.")


def all_phases(phases: Iterable[Phase]) -> Iterator[Phase]:
    """Every phase in declared order, those inside loops after their loop."""
    for phase in phases:
        yield phase
        if isinstance(phase, LoopPhase):
            yield from all_phases(phase.phases)
