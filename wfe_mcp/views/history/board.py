"""Many runs at a glance: the columns of a board, and news since the last poll.

A run is at the first of its top phases that is open and not settled; a run that is over is in ``ended``.

Events of the log, tools and models that the server works with, and the opinions of reviewers: each once, when it is known how it
ended. Watchers poll; a poll costs three small queries.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from wfe_mcp.core.dataclass import dataclass
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.models.caps import dollars
from wfe_mcp.engine.runs.overview import Overview
from wfe_mcp.store.records.calls import CallRecord, CallStatus, OpinionRecord, ToolUse
from wfe_mcp.views.runs.calls import given_words
from wfe_mcp.views.runs.models import EventView, RunRow
from wfe_mcp.views.runs.run import event_view, phase_now, run_row
from wfe_mcp.views.values.model import view_model


@view_model
class BoardColumn:
    """The runs at a phase, newest first. ``title``: that of the phase in the newest of the runs that have it."""

    phase: str
    title: str
    runs: tuple[RunRow, ...] = ()


@view_model
class BoardView:
    """The board of ``template``: a column for each top phase of its runs, in their order; then the runs that are over.

    ``warnings``: the runs that are left out, since their record cannot be read.
    """

    template: str
    columns: tuple[BoardColumn, ...]
    ended: tuple[RunRow, ...] = ()
    warnings: tuple[str, ...] = ()


def board(template: str, overviews: Sequence[Overview], damaged: Iterable[Refused] = ()) -> BoardView:
    """The board of the runs, newest first. Phases that only older runs have come after those of the newest."""
    titles: dict[PhasePath, str] = {}
    at = dict["PhasePath", list[RunRow]]()
    ended = list[RunRow]()
    for run_overview in overviews:
        for phase in run_overview.loaded.state.spec.body(None):
            titles.setdefault(phase.path, run_overview.plan.phase(phase.path).title or str(phase.path))
        row = run_row(run_overview.loaded.record, run_overview)
        if run_overview.loaded.state.is_over:
            ended.append(row)
        else:
            at.setdefault(phase_now(run_overview.loaded.state), []).append(row)
    columns = tuple(
        BoardColumn(phase=path, title=title, runs=tuple(at.get(path, ()))) for path, title in titles.items()
    )
    return BoardView(template=template, columns=columns, ended=tuple(ended), warnings=tuple(no.text for no in damaged))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened. ``event``: the view of a row of the log; else ``phase`` and ``text`` describe it."""

    at: datetime
    phase: str = ""
    text: str = ""
    event: EventView | None = None


class Feed:
    """The news of one run, from event ``after`` on; of tools, models and opinions those since ``since``."""

    def __init__(self, engine: Engine, run: RunId, after: int, since: datetime) -> None:
        self._engine, self._run = engine, run
        self._after, self._since, self._began = after, since, since
        self._reported: set[str] = set()

    def news(self) -> list[Happening]:
        """What is new, oldest first."""
        with self._engine.store.read() as tx:
            events = tx.events.of_run(self._run, after=self._after)
            tools = tx.tool_calls.uses(self._run, self._since)
            calls = tx.model_calls.since(self._run, self._since)
            opinions = [opinion for opinion in tx.opinions.of_run(self._run) if opinion.at >= self._began]
        self._after = events[-1].seq if events else self._after
        happenings = [Happening(event.at, event=event_view(event)) for event in events]
        happenings += [_tool(tool) for tool in tools if tool.ok is not None and self._is_new(tool.id)]
        ended = (call for call in calls if call.status is not CallStatus.STARTED)
        happenings += [_call(call) for call in ended if self._is_new(call.id)]
        happenings += [_opinion(opinion) for opinion in opinions if self._is_new(opinion.id)]
        # What is still under way is asked for again; what ended before it need not be.
        under_way = [tool.started_at for tool in tools if tool.ok is None]
        under_way += [call.started_at for call in calls if call.status is CallStatus.STARTED]
        begun = [activity.started_at for activity in (*tools, *calls)]
        self._since = min(under_way, default=max(begun, default=self._since))
        return sorted(happenings, key=lambda happening: happening.at)

    def _is_new(self, row: str) -> bool:
        if row in self._reported:
            return False
        self._reported.add(row)
        return True


def _tool(use: ToolUse) -> Happening:
    ended = f"{'ok' if use.ok else 'failed'}, {_span(use.duration_ms or 0)}"
    return Happening(use.started_at, use.phase, f"{use.name} {given_words(use.given)}: {ended}")


def _call(call: CallRecord) -> Happening:
    at = call.finished_at or call.started_at
    took = _span(max(0, round((at - call.started_at).total_seconds() * 1000)))
    cost = "" if call.cost_usd is None else f", {dollars(call.cost_usd)}"
    used = f"{call.input_tokens + call.output_tokens:,} tokens{cost}, {took}"
    who = f"{call.provider} {call.model}".strip()
    text = f"{who}: {used}" if call.fault is None else f"{who} {call.status}: {call.fault}"
    return Happening(at, call.phase or "", text)


def _opinion(opinion: OpinionRecord) -> Happening:
    summary = str(opinion.value.get("summary", ""))
    return Happening(
        opinion.at,
        opinion.phase or "",
        f"opinion of {opinion.reviewer}: {opinion.verdict}" + (f", {summary}" if summary else ""),
    )


def _span(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
