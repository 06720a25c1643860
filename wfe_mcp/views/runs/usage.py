"""Views of model usage: tokens, cost, and distance to the caps."""

from dataclasses import field
from datetime import datetime

from wfe_mcp.core.model import RunId
from wfe_mcp.core.units import plural
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.caps import Spending, dollars
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.engine.statistics.phase_sums import count_ended
from wfe_mcp.engine.statistics.usage_sums import usage_by_key
from wfe_mcp.store.jobs.model_calls import UsageBy, in_order
from wfe_mcp.store.records.calls import UsageRecord
from wfe_mcp.views.values.model import INLINE, view_model, view_of

GROUPS: tuple[UsageBy, ...] = ("template", "role", "model", "day")
"""By what ``stats`` adds up."""


@view_model
class UsageView:
    """What some calls used together."""

    calls: int
    cost_usd: float
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    in_flight: int = 0
    failed: int = 0
    lost: int = 0
    unpriced: int = 0
    reserved_usd: float = 0.0
    reserved_tokens: int = 0

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.input_tokens + self.output_tokens

    @property
    def is_open(self) -> int:
        """Calls whose cost is not known yet."""
        return self.in_flight + self.lost


@view_model
class CapView:
    """A cap and what is spent of it."""

    cap: str
    limit: float
    unit: str
    spent: float


@view_model
class PhaseUsage:
    """What the calls of one phase used; ``phase`` is empty for calls of the run itself."""

    phase: str
    used: UsageView = field(metadata=INLINE)


@view_model
class RunUsage:
    """What a run has used, phase by phase, and its caps."""

    total: UsageView = field(metadata=INLINE)
    by_phase: tuple[PhaseUsage, ...]
    caps: tuple[CapView, ...] = ()


@view_model
class UsageLine:
    """What the calls for one template, by one role, to one model or on one day used; its name is empty for the others."""

    template: str | None = None
    role: str | None = None
    model: str | None = None
    day: str | None = None
    used: UsageView = field(metadata=INLINE)

    @property
    def name(self) -> str:
        """The template, role, model or day."""
        return self.template or self.role or self.model or self.day or ""


@view_model
class UsageStats:
    """What calls to models used, in all and by template, role, model, day."""

    total: UsageView
    by_template: tuple[UsageLine, ...]
    by_role: tuple[UsageLine, ...]
    by_model: tuple[UsageLine, ...]
    by_day: tuple[UsageLine, ...]


def usage_view(usage: UsageRecord) -> UsageView:
    """What some calls used together."""
    return view_of(UsageView, usage, cost_usd=round(usage.cost_usd, 6), reserved_usd=round(usage.reserved_usd, 6))


def tokens_and_cost(usage: UsageRecord | None) -> tuple[int | None, float | None]:
    """What calls used; None without a call. The cost is None, not 0, where no call of a model with a known price is among them."""
    if usage is None or not usage.calls:
        return None, None
    return usage.tokens, None if usage.unpriced and not usage.cost_usd else round(usage.cost_usd, 6)


def usage_of_run(engine: Engine, overview: Overview, until: datetime | None = None) -> RunUsage:
    """What a run has used, phase by phase, and its caps; with ``until`` by calls that had begun by then."""
    assert overview.spending is not None, "asked where a model was called"
    with engine.store.read() as tx:
        by_phase = tx.model_calls.usage_by("phase", run_id=overview.loaded.record.id, until=until)
    usage = overview.spending.usage
    caps = (
        CapView(cap=cap.name, limit=cap.limit, unit=cap.unit, spent=round(cap.spent(usage), 6))
        for cap in overview.spending.caps
    )
    phases = (PhaseUsage(phase=phase, used=usage_view(used)) for phase, used in by_phase)
    return RunUsage(total=usage_view(usage), by_phase=tuple(phases), caps=tuple(caps))


def usage_lines(view: RunUsage | None) -> list[str]:
    """``usage_of_run`` in words."""
    if view is None:
        return []
    return [
        f"models: {_words(view.total)}",
        *(f"cap {cap.cap}: {cap.spent:g} of {cap.limit:g} {cap.unit}" for cap in view.caps),
        *(f"{line.phase or 'the run'}: {_words(line.used)}" for line in view.by_phase),
    ]


def _words(view: UsageView) -> str:
    summary = f"{dollars(view.cost_usd)}, {view.tokens:,} tokens, {plural(view.calls, 'call')}"
    summary += f", {view.is_open} in flight or lost (up to {dollars(view.reserved_usd)} more)" if view.is_open else ""
    return summary + (f", {view.unpriced} without a known price" if view.unpriced else "")


def spent_line(spending: Spending | None) -> str:
    """What a run has spent of what it may: ``$0.42 of $2.00, 12,345 tokens``, and whether dollars are all of it. Empty before its first call."""
    if spending is None:
        return ""
    caps = {cap.unit: cap for cap in spending.caps}
    cost, tokens = dollars(spending.usage.spent_usd), f"{spending.usage.tokens:,}"
    if "usd" in caps:
        cost = f"{dollars(caps['usd'].spent(spending.usage))} of {dollars(caps['usd'].limit)}"
    if "tokens" in caps:
        tokens = f"{caps['tokens'].spent(spending.usage):,.0f} of {caps['tokens'].limit:,.0f}"
    unpriced = spending.usage.unpriced
    return f"{cost}, {tokens} tokens" + (f", {plural(unpriced, 'call')} without a known price" if unpriced else "")


def stats(
    engine: Engine,
    *,
    since: datetime | None = None,
    everywhere: bool = False,
    template: str | None = None,
    run: RunId | None = None,
) -> UsageStats:
    """What this project's calls to models used (all projects': ``everywhere``), in all and by template, role, model, day.

    ``template``, ``run``: only those of its runs, or of one.
    """
    groups: dict[UsageBy, dict[str, UsageRecord]] = {by: {} for by in GROUPS}

    def add(by: UsageBy, key: str, more: UsageRecord) -> None:
        groups[by][key] = groups[by].get(key, UsageRecord()) + more

    if run is not None:
        with engine.store.read() as tx:
            groups |= {
                by: dict(tx.model_calls.usage_by(by, run_id=run, since=since, template=template)) for by in GROUPS
            }
    else:
        count_ended(engine, everywhere=everywhere)
        for key, more in usage_by_key(
            engine, "model", None if everywhere else engine.project_id, template, since
        ).items():
            if key.of == "day":
                add("day", key.day, more)
            else:
                add("template", key.template, more)
                add("role", key.role, more)
                add("model", key.model, more)
    total = sum(groups["model"].values(), UsageRecord())
    lines = {
        f"by_{by}": tuple(UsageLine(**{by: key}, used=usage_view(usage)) for key, usage in in_order(by, group.items()))
        for by, group in groups.items()
    }
    return UsageStats(total=usage_view(total), **lines)
