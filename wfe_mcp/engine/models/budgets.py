"""Budget checks for model calls: estimate, reserve, and pause the run over a cap.

    estimate ──► caps of the run and of the day ──► a reserved row, or the run is paused

Rules:
1. The most a call may use is reserved in the transaction that checks it: of two concurrent calls that together
   exceed a cap, one is not made.
2. Over a cap the run is paused, in that same transaction and before the call. Only the user can resume it.
3. A model without a known price counts tokens, never a guess in dollars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfe_mcp.core import commands as c
from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.moves import refusal
from wfe_mcp.engine.kernel.engine import SYSTEM, Engine
from wfe_mcp.engine.kernel.transaction import change_run_in
from wfe_mcp.jobs.job_context import Suspended
from wfe_mcp.store.records.calls import NewCall, Used

if TYPE_CHECKING:
    from wfe_mcp.engine.models.caps import Cap
    from wfe_mcp.providers.call import Connection, Estimate, Usage
    from wfe_mcp.store import Tx


@dataclass(frozen=True, slots=True)
class Overspend:
    """A call that would go over ``cap``: what is spent (with what is in flight), and what it may use at most."""

    cap: Cap
    spent: float
    estimate: float

    def message(self, call: str, run: str | None) -> str:
        """Why the call is not made, and what to do."""
        cap = self.cap
        about = f"{call} may use up to {cap.amount(self.estimate)}, {cap.amount(self.spent)} of {cap.amount(cap.limit)} ({cap.name}) are spent"
        if run is None:
            return f"{about}. A person raises it in {cap.where}."
        if cap.since is None:
            option = "--max-cost" if cap.unit == "usd" else "--max-tokens"
            return f"{about}. Raise it and continue: wfe-mcp resume {run} {option} N"
        return f"{about}. A person raises it in {cap.where}, or waits for {cap.until}; then: wfe-mcp resume {run}"


class OverBudget(Suspended):
    """The call was not made; its run, if it has one, is paused. ``overspend`` says why."""

    def __init__(self, overspend: Overspend, message: str) -> None:
        super().__init__(message)
        self.overspend = overspend

    def as_refused(self) -> Refused:
        """The refusal for a caller outside a job."""
        return Refused("needs_human", str(self), "Ask the user.")


def worst_case(connection: Connection, estimate: Estimate) -> Used:
    """What a call may use at most."""
    return price_usage(connection, _usage(estimate))


def price_usage(connection: Connection, usage: Usage) -> Used:
    """What a call used, with its price: what the provider itself says, else by the list of prices, else None."""
    # The list of prices is loaded with the first call.
    from wfe_mcp.providers.prices import cost_usd

    cost = cost_usd(connection.kind, connection.model, usage, base_url=connection.base_url)
    return Used(
        usage.requests, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, cost
    )


def overspend(tx: Tx, call: NewCall, limits: list[Cap]) -> Overspend | None:
    """The first cap that ``call`` could go over; None when it may be made."""
    for cap in limits:
        estimate = call.reserved_usd if cap.unit == "usd" else call.reserved_tokens
        if estimate is None:
            continue
        of_run = cap.since is None
        usage = (
            tx.model_calls.usage(run_id=call.run_id)
            if of_run
            else tx.figures.usage(cap.since, project_id=cap.project_id, starters=cap.starters)
            if cap.since is not None and cap.starters
            else tx.model_calls.usage(project_id=cap.project_id, since=cap.since)
        )
        spent = cap.spent(usage)
        # A call without an estimate is refused too once nothing is left.
        if spent + estimate > cap.limit or spent >= cap.limit:
            return Overspend(cap, spent, estimate)
    return None


def pause_over_budget(engine: Engine, tx: Tx, run_id: str, reason: str) -> None:
    """Pause the run for the user, in this transaction; a run that is paused or over already stays as it is."""
    with change_run_in(engine, tx, run_id, SYSTEM) as current:
        # For people: only they can raise the cap, and an agent that resumed would come back here.
        command = c.Pause(reason=reason, for_human=True, by=SYSTEM, at=current.at)
        if refusal(current.state, command) is None:
            current.give(command)


def _usage(estimate: Estimate) -> Usage:
    from wfe_mcp.providers.call import Usage

    return Usage(1, estimate.input_tokens, estimate.output_tokens)
