"""The models of rules: retries, ``on_fail`` and ``next``."""

from typing import Annotated, Any, Literal

from pydantic import Tag

from wfe_mcp.workflow.model.base import (
    Condition,
    Duration,
    Json,
    PhaseId,
    Shape,
    discriminate_by,
    optional,
    required_key,
)


class Retry(Shape):
    """Attempts before the rules of ``on_fail``."""

    effect = "order"

    max_attempts: int = optional(3, "Attempts in total, of this iteration.", example=2, ge=1)
    backoff: Literal["none", "exponential"] = optional(
        "none", "Wait between attempts, longer each time.", example="exponential"
    )
    initial: Duration = optional("2s", "The first wait.", example="5s")
    max: Duration = optional("60s", "The longest wait.", example="2m")


class StepRetry(Shape):
    """Retries of one step, within one attempt of its phase, also when the effect is uncertain."""

    effect = "order"

    max_attempts: int = optional(3, "Attempts in total.", example=5, ge=1, le=100)
    backoff: Literal["none", "fixed", "linear", "exponential"] = optional(
        "exponential", "How the wait between attempts grows: not at all, by `initial`, or doubling.", example="linear"
    )
    initial: Duration = optional("1s", "The first wait.", example="500ms")
    max: Duration = optional("60s", "The longest wait.", example="30s")


FailedStage = Literal["before", "after"] | None
_STAGE = (
    "Only for failures at gates before work (`before`), or only for all others (`after`); "
    "`max_attempts` counts those alone."
)


class RetryRule(Shape):
    """Open a new attempt."""

    effect = "order"

    do: Literal["retry"] = required_key("`retry`: a new attempt with feedback.")
    max_attempts: int = optional(3, "Attempts in total, of this iteration.", example=2, ge=1)
    stage: FailedStage = optional(None, _STAGE, example="before")


class GotoRule(Shape):
    """Jump back to an earlier phase: iteration n+1."""

    effect = "order"

    do: Literal["goto"] = required_key("`goto`: back to an earlier phase, as the next iteration.")
    phase: PhaseId = required_key("The phase itself or an earlier one.", example="plan")
    max: int = optional(1, "Jumps by this rule in the whole run.", example=2, ge=1)
    stage: FailedStage = optional(None, _STAGE, example="after")


class WaitHumanRule(Shape):
    """Stop until the user reopens the phase."""

    do: Literal["wait_human"] = required_key("`wait_human`: only the user reopens the phase.", effect="order")


def embedded_template() -> Any:
    """The field of a rule or phase that holds the template it runs."""
    return optional(
        None,
        "The template itself; embedded when a run starts, so that no later version changes it.",
        example={
            "format": "wfe/1",
            "name": "quick_fix",
            "version": "1.0.0",
            "phases": [{"id": "build", "prompt": "Build it.", "output": {"artifact": "change", "schema": "change@1"}}],
        },
        effect="inner",
    )


class SubflowRule(Shape):
    """Run another template inside the failed phase, then retry; when it fails, the next rule applies."""

    do: Literal["subflow"] = required_key("`subflow`: run another template, then retry.", effect="order")
    template: str = required_key(
        "The template to run, `name` or `name@version`.", example="quick_fix", effect="runs", min_length=1
    )
    with_: Json[dict[str, Any]] = optional(
        {},
        "Its inputs; `phase.feedback` ends with why the phase failed.",
        example={"problem": "${phase.feedback[0].message}"},
        effect="passes",
        alias="with",
    )
    max_attempts: int = optional(1, "How often, in this iteration.", example=2, effect="order", ge=1)
    same_blocker: int = optional(
        2,
        "How often it may report the same blocker (`blocker@1`) in the run; once more, and the next rule applies.",
        example=1,
        effect="order",
        ge=1,
    )
    definition: dict[str, Any] | None = embedded_template()


class CompensateRule(Shape):
    """Run the phase's ``compensate`` steps, then apply the next rule."""

    do: Literal["compensate"] = required_key("`compensate`: run the phase's `compensate` steps.", effect="order")


class BackoffRule(Shape):
    """Retry after a growing wait."""

    effect = "order"

    do: Literal["backoff"] = required_key("`backoff`: a new attempt after a wait that doubles.")
    max_attempts: int = optional(3, "Attempts in total, of this iteration.", example=4, ge=1)
    initial: Duration = optional("2s", "The first wait.", example="10s")
    max: Duration = optional("5m", "The longest wait.", example="10m")
    stage: FailedStage = optional(None, _STAGE, example="before")


class PauseRule(Shape):
    """Pause the run."""

    do: Literal["pause"] = required_key("`pause`: the run pauses.", effect="order")


class BlockRule(Shape):
    """Block the run; the user can reopen it."""

    do: Literal["block"] = required_key("`block`: the run is blocked; the user can reopen it.", effect="order")


class FailureRule(Shape):
    """End the run as failed."""

    do: Literal["fail"] = required_key("`fail`: the run ends as failed.", effect="order")


OnFail = Annotated[
    Annotated[RetryRule, Tag("<retry>")]
    | Annotated[GotoRule, Tag("<goto>")]
    | Annotated[WaitHumanRule, Tag("<wait_human>")]
    | Annotated[SubflowRule, Tag("<subflow>")]
    | Annotated[CompensateRule, Tag("<compensate>")]
    | Annotated[BackoffRule, Tag("<backoff>")]
    | Annotated[PauseRule, Tag("<pause>")]
    | Annotated[BlockRule, Tag("<block>")]
    | Annotated[FailureRule, Tag("<fail>")],
    discriminate_by("do"),
]


class NextStep(Shape):
    """The next phase when this one completes; the first matching rule applies."""

    effect = "skips"

    if_: Condition | None = optional(
        None,
        "The condition, exactly one `${…}`; without it the rule always matches.",
        example="${size(artifacts.change.files) == 0}",
        alias="if",
    )
    goto: str = required_key("The phase itself, an earlier phase, or `$complete` (top level only).", example="plan")
    max: int | None = optional(
        None,
        "Jumps by this rule; beyond it, the run is blocked. Absent: `max_iterations` limits it.",
        example=2,
        effect="limit",
        ge=1,
    )
