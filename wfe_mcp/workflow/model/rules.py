"""The models of rules: retries, ``on_fail`` and ``next``."""

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from wfe_mcp.workflow.model.base import Condition, Duration, Json, PhaseId, Shape, optional, tagged


class Retry(Shape):
    """Attempts before the rules of ``on_fail``."""

    max_attempts: int = optional(3, "Attempts in total, of this iteration.", ge=1)
    backoff: Literal["none", "exponential"] = optional("none", "Wait between attempts, longer each time.")
    initial: Duration = optional("2s", "The first wait.")
    max: Duration = optional("60s", "The longest wait.")


class StepRetry(Shape):
    """Retries of one step, within one attempt of its phase, also when the effect is uncertain."""

    max_attempts: int = optional(3, "Attempts in total.", ge=1, le=100)
    backoff: Literal["none", "fixed", "linear", "exponential"] = optional(
        "exponential", "How the wait between attempts grows: not at all, by `initial`, or doubling."
    )
    initial: Duration = optional("1s", "The first wait.")
    max: Duration = optional("60s", "The longest wait.")


FailedStage = Annotated[
    Literal["before", "after"] | None,
    Field(
        description="Only for failures at gates before work (`before`), or only for all others (`after`); "
        "`max_attempts` counts those alone.",
    ),
]


class RetryRule(Shape):
    """Open a new attempt."""

    do: Literal["retry"] = Field(description="`retry`: a new attempt with feedback.")
    max_attempts: int = optional(3, "Attempts in total, of this iteration.", ge=1)
    stage: FailedStage = None


class GotoRule(Shape):
    """Jump back to an earlier phase: iteration n+1."""

    do: Literal["goto"] = Field(description="`goto`: back to an earlier phase, as the next iteration.")
    phase: PhaseId = Field(description="The phase itself or an earlier one.")
    max: int = optional(1, "Jumps by this rule in the whole run.", ge=1)


class WaitHumanRule(Shape):
    """Stop until the user reopens the phase."""

    do: Literal["wait_human"] = Field(description="`wait_human`: only the user reopens the phase.")


class SubflowRule(Shape):
    """Run another template inside the failed phase, then retry; when it fails, the next rule applies."""

    do: Literal["subflow"] = Field(description="`subflow`: run another template, then retry.")
    template: str = Field(min_length=1, description="The template to run, `name` or `name@version`.")
    with_: Json[dict[str, Any]] = optional(
        {}, "Its inputs; `phase.feedback` ends with why the phase failed.", alias="with"
    )
    max_attempts: int = optional(1, "How often, in this iteration.", ge=1)
    same_blocker: int = optional(
        2,
        "How often it may report the same blocker (`blocker@1`) in the run; once more, and the next rule applies.",
        ge=1,
    )
    definition: dict[str, Any] | None = optional(
        None, "The template itself; embedded when a run starts, so that no later version changes it."
    )


class CompensateRule(Shape):
    """Run the phase's ``compensate`` steps, then apply the next rule."""

    do: Literal["compensate"] = Field(description="`compensate`: run the phase's `compensate` steps.")


class BackoffRule(Shape):
    """Retry after a growing wait."""

    do: Literal["backoff"] = Field(description="`backoff`: a new attempt after a wait that doubles.")
    max_attempts: int = optional(3, "Attempts in total, of this iteration.", ge=1)
    initial: Duration = optional("2s", "The first wait.")
    max: Duration = optional("5m", "The longest wait.")
    stage: FailedStage = None


class PauseRule(Shape):
    """Pause the run."""

    do: Literal["pause"] = Field(description="`pause`: the run pauses.")


class BlockRule(Shape):
    """Block the run; the user can reopen it."""

    do: Literal["block"] = Field(description="`block`: the run is blocked; the user can reopen it.")


class FailureRule(Shape):
    """End the run as failed."""

    do: Literal["fail"] = Field(description="`fail`: the run ends as failed.")


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
    tagged("do"),
]


class NextStep(Shape):
    """The next phase when this one completes; the first matching rule applies."""

    if_: Condition | None = optional(
        None, "The condition, exactly one `${…}`; without it the rule always matches.", alias="if"
    )
    goto: str = Field(description="The phase itself, an earlier phase, or `$complete` (top level only).")
    max: int | None = optional(
        None, "Jumps by this rule; beyond it, the run is blocked. Absent: `max_iterations` limits it.", ge=1
    )
