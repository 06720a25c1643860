"""Caps on model usage, and what a run has used.

template limits.max_cost      ┐ the smaller one; the user's raise for this run replaces both
[budget] cost_per_run         ┘
[budget] tokens_per_run, cost_per_day, tokens_per_day; [server.limits] cost_per_day, cost_per_month
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.model import Channel, RunId, RunState
from wfe_mcp.engine.access.limits import holders, periods

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.kernel.template_cache import CompiledTemplate
    from wfe_mcp.store import Tx
    from wfe_mcp.store.maintenance.figures import Starter
    from wfe_mcp.store.records.calls import UsageRecord
    from wfe_mcp.store.records.runs import LoadedRun
    from wfe_mcp.workspace.config.settings import LoadedSettings


@dataclass(frozen=True, slots=True)
class Cap:
    """One limit. ``unit``: ``usd`` or ``tokens``; ``where``: the setting that raises it; ``since`` None: of the run.

    ``project_id``: whose calls since then count; None are all projects; ``starters``: of whose runs. ``until``: when it
    frees. ``before``: what the runs had used from which this one was forked.
    """

    name: str
    unit: str
    limit: float
    where: str
    since: datetime | None = None
    project_id: str | None = None
    before: float = 0.0
    starters: tuple[Starter, ...] = ()
    until: str = "tomorrow (UTC)"

    def spent(self, usage: UsageRecord) -> float:
        """What counts against it."""
        return self.before + (usage.spent_usd if self.unit == "usd" else usage.tokens)

    def amount(self, value: float) -> str:
        """An amount in words."""
        return dollars(value) if self.unit == "usd" else f"{value:,.0f} tokens"


@dataclass(frozen=True, slots=True)
class Spending:
    """What a run has used, and its own caps."""

    usage: UsageRecord
    caps: tuple[Cap, ...]


def spending(engine: Engine, tx: Tx, loaded: LoadedRun, plan: CompiledTemplate) -> Spending | None:
    """What the run has used; None while it has called no model."""
    usage = tx.model_calls.usage(run_id=loaded.record.id)
    if not usage.calls:
        return None
    return Spending(usage, tuple(_of_run(engine.settings(tx), plan, loaded.state)))


def dollars(amount: float) -> str:
    """An amount in words: cents, and less than ten of them more exactly."""
    return f"${amount:,.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}"


def caps(
    settings: LoadedSettings, project_id: str, now: datetime, run: tuple[CompiledTemplate, RunState] | None
) -> list[Cap]:
    """Every cap that holds for a call at ``now``: those of its run, when it has one, then those of the day."""
    budget = settings.settings.budget
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    limits = [] if run is None else list(_of_run(settings, *run))
    for name, unit, limit in (
        ("cost_per_day", "usd", budget.cost_per_day),
        ("tokens_per_day", "tokens", budget.tokens_per_day),
    ):
        if limit is not None:
            where, from_project = _cap_source(settings, name)
            limits.append(Cap(name, unit, limit, where, today, project_id if from_project else None))
    return limits


def server_caps(engine: Engine, tx: Tx, settings: LoadedSettings, run_id: RunId | None) -> list[Cap]:
    """The caps of ``[server.limits]`` on a call of the project, for a run that somebody started or for none."""
    if not settings.settings.server.limits.model_fields_set:
        return []
    starter = None if run_id is None else tx.figures.starter(run_id)
    whose = holders(engine, tx, settings.settings.server.limits, *(starter or ("", Channel.MCP)))
    return [
        Cap(
            f"{holder.name} {key}",
            "usd",
            limit,
            holder.setting,
            since,
            holder.project_id,
            starters=holder.starters,
            until=until,
        )
        for holder in whose
        for key, since, until in periods(engine.clock())
        if (limit := holder.most(key)) is not None
    ]


def _of_run(settings: LoadedSettings, plan: CompiledTemplate, state: RunState) -> Iterator[Cap]:
    for cap in _limits(settings, plan, state):
        origin = state.origin
        before = 0.0 if origin is None else origin.spent_usd if cap.unit == "usd" else origin.spent_tokens
        yield replace(cap, before=before)


def _limits(settings: LoadedSettings, plan: CompiledTemplate, state: RunState) -> Iterator[Cap]:
    budget = settings.settings.budget
    costs = [
        Cap(name, "usd", limit, where)
        for name, limit, where in (
            ("limits.max_cost", plan.template.limits.max_cost, f"template {plan.template.name}"),
            ("cost_per_run", budget.cost_per_run, _cap_source(settings, "cost_per_run")[0]),
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
        yield Cap("tokens_per_run", "tokens", budget.tokens_per_run, _cap_source(settings, "tokens_per_run")[0])


def _cap_source(settings: LoadedSettings, key: str) -> tuple[str, bool]:
    """The file or variable that says a cap, in words, and whether it is the project's."""
    origin = settings.origins.get(f"budget.{key}")
    if origin is None:
        return "[budget]", False
    return f"[budget] of {origin.where or origin.layer}", origin.layer == "project"
