"""The operation that shows what waits for a person."""

from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunStatus
from wfe_mcp.core.paths import typed
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Caller, Reads
from wfe_mcp.dashboard.api.models import answer_of
from wfe_mcp.dashboard.api.replies import shown
from wfe_mcp.dashboard.pages import opinion_path
from wfe_mcp.views.blockers import blockers
from wfe_mcp.views.envelopes import standing_of
from wfe_mcp.views.inbox import (
    InboxView,
    StoppedRun,
    WaitingOpinion,
    WaitingTask,
    WaitingTrust,
    stopped_run,
)

router = APIRouter(tags=["inbox"])

_STOPPED = (RunStatus.BLOCKED, RunStatus.FAILED)
_MOST = 50


@router.get("/inbox", response_model=answer_of(InboxView))
def show_inbox(caller: Reads) -> JSONResponse:
    """What waits for a person in the projects that the token opens, each kind oldest first."""
    engines = caller.access.engines_of(caller.token)
    only = str(caller.engine().root) if caller.token.project else ""

    def is_seen(folder: str) -> bool:
        return not only or folder == only

    runs = [each for each in engines.open_runs() if is_seen(each.project)]
    view = InboxView(
        decisions=tuple(each for each in engines.open() if is_seen(each.project)),
        tasks=tuple(
            WaitingTask(
                run=run.id, phase=phase, title=title or phase, about=run.title, project=run.project, template=run.template,
                since=run.updated_at, command=f"wfe-mcp submit {run.id} {typed(phase)} --path FILE",
            )
            for run in runs for phase, title in run.tasks
        ),
        opinions=tuple(
            WaitingOpinion(
                run=run.id, phase=phase, reviewer=reviewer, title=run.title, project=run.project,
                path=opinion_path(run.id, phase, reviewer),
            )
            for run in runs for phase, reviewer in run.asked
        ),
        stopped=tuple(_stopped(caller)),
        trust=tuple(
            WaitingTrust(folder=each.folder, path=each.path, names=each.names)
            for each in engines.untrusted() if is_seen(each.folder)
        ),
    )  # fmt: skip
    waiting = len(view.decisions) + len(view.tasks) + len(view.opinions) + len(view.stopped) + len(view.trust)
    return shown(f"{plural(waiting, 'thing')} for a person", view)


def _stopped(caller: Caller) -> list[StoppedRun]:
    """The runs that go on only after somebody did something, oldest change first."""
    with caller.engine().store.read() as tx:
        records = tx.list_runs(caller.token.project or None, status=_STOPPED, limit=_MOST, archived=False).runs
    found: list[StoppedRun] = []
    for record in sorted(records, key=lambda each: each.updated_at):
        with suppress(Refused):  # it was removed meanwhile, or its folder is gone
            engine = caller.engine(record.project_id)
            stands = standing_of(engine, record.id)
            state = "failed" if stands.loaded.state.status is RunStatus.FAILED else "blocked"
            found.append(stopped_run(record, state, str(engine.root), blockers(stands)))
    return found
