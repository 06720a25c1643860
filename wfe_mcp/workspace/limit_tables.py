"""What may a config.toml say of how much may be done at once, of how much may be spent, and of providers that are out?

The descriptions are the reference page's text: docs/reference/configuration.md is made from them.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wfe_mcp.workspace.checks import Duration
from wfe_mcp.workspace.provider_tables import Count

__all__ = ["BudgetSettings", "LimitedQueue", "OutageSettings", "QueueSettings"]

LimitedQueue = Literal["llm", "agent", "vision", "command", "step", "webhook"]
"""The queues that may be limited. Timers are not: they keep the times of runs."""


def _amount(amount: float) -> float:
    if not 0 < amount < float("inf"):
        raise ValueError("an amount above zero, in US dollars")
    return amount


Amount = Annotated[float, AfterValidator(_amount)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class QueueSettings(_Table):
    """One ``[queues.<name>]`` table: how much of one kind of work this project does at once."""

    concurrency: Count | None = Field(default=None, description="Jobs at the same time, over all servers and workers.")
    per_minute: Count | None = Field(default=None, description="Jobs that may begin in any minute.")
    timeout: Duration | None = Field(
        default=None,
        description='The longest that one job may take: `"5m"`. Absent: 5 minutes for `llm` and `vision`, 10 for `agent`, none for the others, which have time-outs of their own.',
    )


class BudgetSettings(_Table):
    """``[budget]``: what calls to models may use before a person is asked. A call that could go over a cap is not made."""

    cost_per_run: Amount | None = Field(
        default=None,
        description="US dollars that one run may cost. The smaller of this and the template's `limits.max_cost` counts.",
    )
    cost_per_day: Amount | None = Field(
        default=None,
        description="US dollars in one day (UTC): of all projects when your own file says it, else of this project.",
    )
    tokens_per_run: Count | None = Field(default=None, description="Tokens of one run, input and output together.")
    tokens_per_day: Count | None = Field(default=None, description="Tokens in one day, counted as `cost_per_day`.")


class OutageSettings(_Table):
    """``[outage]``: what happens when a provider, and its fallbacks, do not answer."""

    wait: Duration = Field(
        default="2m",
        description='How long a run is paused then before it goes on by itself: `"2m"`. A provider that says when to come back is heard instead.',
    )
