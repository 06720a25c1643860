"""The inbox of a database: all that waits for a person in its projects. The page, the API and the terminal show it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.dashboard.pages import opinion_path
from wfe_mcp.views.blockers import blockers
from wfe_mcp.views.envelopes import overview_of
from wfe_mcp.views.inbox import InboxView, StoppedRun, UnaskedDecision, WaitingOpinion, WaitingTask
from wfe_mcp.views.model import view_of

if TYPE_CHECKING:
    from wfe_mcp.dashboard.engines import Engines
    from wfe_mcp.engine.kernel.engine import Engine

_STOPPED = (RunStatus.BLOCKED, RunStatus.FAILED)
_MOST = 50


def everything_waiting(engines: Engines, only: Engine | None = None) -> InboxView:
    """What waits for a person in the projects of ``engines``; in that of ``only`` alone, where it is given."""
    folder = "" if only is None else str(only.root)

    def is_seen(project: str) -> bool:
        return not folder or project == folder

    runs = [each for each in engines.open_runs() if is_seen(each.project)]
    decisions = tuple(each for each in engines.open() if is_seen(each.project))
    asked = {(each.run, each.phase) for each in decisions}
    return InboxView(
        decisions=decisions,
        unasked=tuple(
            view_of(
                UnaskedDecision,
                run,
                run=run.id,
                phase=phase,
                since=run.updated_at,
                command=f"wfe-mcp approve {run.id} {typed(phase)}",
            )
            for run in runs
            for phase in run.awaiting
            if (run.id, phase) not in asked
        ),
        tasks=tuple(
            view_of(
                WaitingTask,
                run,
                run=run.id,
                phase=phase,
                title=title or phase,
                about=run.title,
                since=run.updated_at,
                command=f"wfe-mcp submit {run.id} {typed(phase)} --path FILE",
            )
            for run in runs
            for phase, title in run.tasks
        ),
        opinions=tuple(
            view_of(
                WaitingOpinion,
                run,
                run=run.id,
                phase=phase,
                reviewer=reviewer,
                path=opinion_path(run.id, phase, reviewer),
            )
            for run in runs
            for phase, reviewer in run.asked
        ),
        stopped=tuple(_stopped(engines, "" if only is None else only.project_id)),
        trust=tuple(each for each in engines.untrusted() if is_seen(each.folder)),
    )


def _stopped(engines: Engines, project: str) -> list[StoppedRun]:
    """The runs that continue only after a user acts, oldest change first."""
    with engines.engine.store.read() as tx:
        records = tx.runs.page(project or None, status=_STOPPED, limit=_MOST, archived=False).runs
    found: list[StoppedRun] = []
    for record in sorted(records, key=lambda each: each.updated_at):
        engine = engines.by_id(record.project_id)
        if engine is None:
            continue  # its folder is gone
        with suppress(Refused):  # it was removed meanwhile
            stands = overview_of(engine, record.id)
            stops = blockers(stands)
            state = "failed" if stands.loaded.state.status is RunStatus.FAILED else "blocked"
            found.append(
                view_of(
                    StoppedRun,
                    record,
                    run=record.id,
                    state=state,
                    project=str(engine.root),
                    blockers=tuple(each.sentence for each in stops),
                    why=next((each.why or each.sentence for each in stops), ""),
                    command=f"wfe-mcp status {typed(record.id)}",
                )
            )
    return found
