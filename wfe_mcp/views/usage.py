"""Views of model usage: tokens, cost, and distance to the caps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfe_mcp.core.units import plural
from wfe_mcp.engine.models.caps import dollars

if TYPE_CHECKING:
    from datetime import datetime

    from wfe_mcp.core.model import RunId
    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.engine.models.caps import Spending
    from wfe_mcp.engine.runs.overview import Overview
    from wfe_mcp.store.jobs.model_calls import UsageBy
    from wfe_mcp.store.records.calls import UsageRecord

__all__ = ["GROUPS", "spent_line", "stats", "usage_lines", "usage_of_run", "usage_view"]

GROUPS: tuple[UsageBy, ...] = ("template", "role", "model", "day")
"""By what ``stats`` adds up."""


def usage_view(usage: UsageRecord) -> dict[str, Any]:
    """What some calls used together; what is zero is left out, but for the cost."""
    view: dict[str, Any] = {"calls": usage.calls, "cost_usd": round(usage.cost_usd, 6)}
    optional = {
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens,
        "in_flight": usage.in_flight, "failed": usage.failed, "lost": usage.lost, "unpriced": usage.unpriced,
        "reserved_usd": round(usage.reserved_usd, 6), "reserved_tokens": usage.reserved_tokens,
    }  # fmt: skip
    return view | {key: value for key, value in optional.items() if value}


def usage_of_run(engine: Engine, found: Overview, until: datetime | None = None) -> dict[str, Any]:
    """What a run has used, phase by phase, and its caps; with ``until`` by calls that had begun by then."""
    assert found.spending is not None, "asked where a model was called"
    with engine.store.read() as tx:
        by_phase = tx.usage_by("phase", run_id=found.loaded.record.id, until=until)
    caps = [{"cap": cap.name, "limit": cap.limit, "unit": cap.unit, "spent": round(cap.spent(found.spending.usage), 6)} for cap in found.spending.caps]  # fmt: skip
    phases = [{"phase": phase, **usage_view(used)} for phase, used in by_phase]
    return usage_view(found.spending.usage) | {"by_phase": phases} | ({"caps": caps} if caps else {})


def usage_lines(view: dict[str, Any] | None) -> list[str]:
    """``usage_of_run`` in words."""
    if view is None:
        return []
    caps = [f"cap {cap['cap']}: {cap['spent']:g} of {cap['limit']:g} {cap['unit']}" for cap in view.get("caps", [])]
    return [
        f"models: {_words(view)}",
        *caps,
        *(f"{line['phase'] or 'the run'}: {_words(line)}" for line in view["by_phase"]),
    ]


def _words(view: dict[str, Any]) -> str:
    tokens = view.get("input_tokens", 0) + view.get("output_tokens", 0)
    told = f"{dollars(view['cost_usd'])}, {tokens:,} tokens, {plural(view['calls'], 'call')}"
    reserved = view.get("reserved_usd", 0.0)
    open_ = view.get("in_flight", 0) + view.get("lost", 0)
    told += f", {open_} in flight or lost (up to {dollars(reserved)} more)" if open_ else ""
    return told + (f", {view['unpriced']} without a known price" if "unpriced" in view else "")


def spent_line(spending: Spending | None) -> str:
    """What a run has spent of what it may: ``$0.42 of $2.00, 12,345 tokens``. Empty before its first call."""
    if spending is None:
        return ""
    caps = {cap.unit: cap for cap in spending.caps}
    cost, tokens = dollars(spending.usage.spent_usd), f"{spending.usage.tokens:,}"
    if "usd" in caps:
        cost = f"{dollars(caps['usd'].spent(spending.usage))} of {dollars(caps['usd'].limit)}"
    if "tokens" in caps:
        tokens = f"{caps['tokens'].spent(spending.usage):,.0f} of {caps['tokens'].limit:,.0f}"
    return f"{cost}, {tokens} tokens"


def stats(
    engine: Engine, *, since: datetime | None = None, everywhere: bool = False, template: str | None = None,
    run: RunId | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What this project's calls to models used (all projects': ``everywhere``), in all and by template, role, model, day.

    ``template``, ``run``: only those of its runs, or of one.
    """
    project = None if everywhere else engine.project_id
    with engine.store.read() as tx:
        total = tx.usage(project_id=project, since=since, template=template, run_id=run)
        groups = {by: tx.usage_by(by, project_id=project, since=since, template=template, run_id=run) for by in GROUPS}
    lines = {f"by_{by}": [{by: key, **usage_view(used)} for key, used in found] for by, found in groups.items()}
    return {"total": usage_view(total), **lines}
