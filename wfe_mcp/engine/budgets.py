"""May this call to a model be made, or would it spend more than somebody allowed?

    caps    template limits.max_cost      ┐ the smaller one; a person's raise of this run counts instead of both
            [budget] cost_per_run         ┘
            [budget] tokens_per_run, cost_per_day, tokens_per_day

Rules:
1. What a call may use at most is reserved in the transaction that asks: of two calls side by side that together would
   go over a cap, one is not made.
2. Over a cap the run is paused, in that same transaction and before the call. Only a person lets it go on.
3. A model without a known price counts tokens, never a guess in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfe_mcp.core import commands as c
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.moves import refusal
from wfe_mcp.engine.requests import SYSTEM
from wfe_mcp.engine.turns import turn_in
from wfe_mcp.jobs.handling import Suspended
from wfe_mcp.store.call_records import UsageRecord, Used

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from wfe_mcp.core.model import RunState
    from wfe_mcp.engine.desk import Engine
    from wfe_mcp.engine.plans import Plan
    from wfe_mcp.providers.call import Connection, Estimate, Usage
    from wfe_mcp.store import Tx
    from wfe_mcp.store.call_records import NewCall
    from wfe_mcp.workspace.settings import LoadedSettings

__all__ = ["Cap", "OverBudget", "Overspend", "caps", "overspend", "pause_over_budget", "used", "worst_case"]


@dataclass(frozen=True, slots=True)
class Cap:
    """One limit. ``unit``: ``usd`` or ``tokens``; ``where``: what a person changes to raise it; ``since`` None: of the run.

    ``project_id``: whose calls of that day count; None are all projects.
    """

    name: str
    unit: str
    limit: float
    where: str
    since: datetime | None = None
    project_id: str | None = None

    def spent(self, usage: UsageRecord) -> float:
        """What counts against it."""
        return usage.spent_usd if self.unit == "usd" else usage.tokens

    def amount(self, value: float) -> str:
        """An amount in words."""
        return f"${value:,.2f}" if self.unit == "usd" else f"{value:,.0f} tokens"


@dataclass(frozen=True, slots=True)
class Overspend:
    """A call that would go over ``cap``: what is spent (with what is in flight), and what it may use at most."""

    cap: Cap
    spent: float
    estimate: float

    def told(self, call: str, run: str | None) -> str:
        """Why the call is not made, and what to do."""
        cap = self.cap
        about = f"{call} may use up to {cap.amount(self.estimate)}, {cap.amount(self.spent)} of {cap.amount(cap.limit)} ({cap.name}) are spent"
        if run is None:
            return f"{about}. A person raises it in {cap.where}."
        if cap.since is None:
            option = "--max-cost" if cap.unit == "usd" else "--max-tokens"
            return f"{about}. A person raises it and goes on: wfe-mcp resume {run} {option} N"
        return f"{about}. A person raises it in {cap.where}, or waits for tomorrow (UTC); then: wfe-mcp resume {run}"


class OverBudget(Suspended):
    """The call was not made; its run, if it has one, is paused. ``overspend`` says why."""

    def __init__(self, overspend: Overspend, message: str) -> None:
        super().__init__(message)
        self.overspend = overspend

    def refused(self) -> Refused:
        """The same for somebody who asked outside a job."""
        return Refused("needs_human", str(self), "Ask the user.")


def worst_case(connection: Connection, estimate: Estimate) -> Used:
    """What a call may use at most."""
    return used(connection, _usage(estimate))


def used(connection: Connection, usage: Usage) -> Used:
    """What a call used, with its price: what the provider itself says, else by the list of prices, else None."""
    # The list of prices is loaded with the first call.
    from wfe_mcp.providers.prices import cost_usd

    cost = cost_usd(connection.kind, connection.model, usage, base_url=connection.base_url)
    return Used(
        usage.requests, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, cost
    )


def caps(settings: LoadedSettings, project_id: str, now: datetime, run: tuple[Plan, RunState] | None) -> list[Cap]:
    """Every cap that holds for a call at ``now``: those of its run, when it has one, then those of the day."""
    budget = settings.settings.budget
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = [] if run is None else list(_of_run(settings, *run))
    for name, unit, limit in (("cost_per_day", "usd", budget.cost_per_day), ("tokens_per_day", "tokens", budget.tokens_per_day)):  # fmt: skip
        if limit is not None:
            where, from_project = _where(settings, name)
            found.append(Cap(name, unit, limit, where, today, project_id if from_project else None))
    return found


def overspend(tx: Tx, call: NewCall, limits: list[Cap]) -> Overspend | None:
    """The first cap that ``call`` could go over; None when it may be made."""
    for cap in limits:
        estimate = call.reserved_usd if cap.unit == "usd" else call.reserved_tokens
        if estimate is None:
            continue
        of: dict[str, Any] = (
            {"run_id": call.run_id} if cap.since is None else {"project_id": cap.project_id, "since": cap.since}
        )
        spent = cap.spent(tx.usage(**of))
        # A call without an estimate is still one too many once nothing is left.
        if spent + estimate > cap.limit or spent >= cap.limit:
            return Overspend(cap, spent, estimate)
    return None


def pause_over_budget(engine: Engine, tx: Tx, run_id: str, reason: str) -> None:
    """Pause the run for a person, in this transaction; a run that is paused or over already stays as it is."""
    with turn_in(engine, tx, run_id, SYSTEM) as current:
        command = c.Pause(reason=reason, for_human=True, by=SYSTEM, at=current.at)
        if refusal(current.state, command) is None:
            current.give(command)


def _of_run(settings: LoadedSettings, plan: Plan, state: RunState) -> Iterator[Cap]:
    budget = settings.settings.budget
    costs = [
        Cap(name, "usd", limit, where)
        for name, limit, where in (
            ("limits.max_cost", plan.template.limits.max_cost, f"template {plan.template.name}"),
            ("cost_per_run", budget.cost_per_run, _where(settings, "cost_per_run")[0]),
        )
        if limit is not None
    ]
    if state.max_cost_usd is not None:
        costs = [Cap("max_cost of this run", "usd", state.max_cost_usd, "the run")]
    if costs:
        yield min(costs, key=lambda cap: cap.limit)
    if state.max_tokens is not None:
        yield Cap("max_tokens of this run", "tokens", state.max_tokens, "the run")
    elif budget.tokens_per_run is not None:
        yield Cap("tokens_per_run", "tokens", budget.tokens_per_run, _where(settings, "tokens_per_run")[0])


def _where(settings: LoadedSettings, key: str) -> tuple[str, bool]:
    """The file or variable that says a cap, in words, and whether it is the project's."""
    origin = settings.origins.get(f"budget.{key}")
    if origin is None:
        return "[budget]", False
    return f"[budget] of {origin.where or origin.layer}", origin.layer == "project"


def _usage(estimate: Estimate) -> Usage:
    from wfe_mcp.providers.call import Usage

    return Usage(1, estimate.input_tokens, estimate.output_tokens)
