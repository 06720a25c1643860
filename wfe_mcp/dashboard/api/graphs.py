"""Operations that show runs as the pages of the application need them: inputs, graph, timeline, lineage, checkpoints, board."""

from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads
from wfe_mcp.dashboard.api.replies import answer_of, reply, view_reply
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.answers.rollback import checkpoint_list
from wfe_mcp.views.history.board import BoardView, board
from wfe_mcp.views.history.graph import GraphView, LineageView, TimelineView, graph_view, lineage_view, timeline_view
from wfe_mcp.views.reports.envelopes import overview_of, overviews_of
from wfe_mcp.views.runs.checkpoints import CheckpointList
from wfe_mcp.views.runs.inputs import InputList, input_list

router = APIRouter(tags=["runs"])


@router.get("/runs/{run}/inputs", response_model=answer_of(InputList))
def list_inputs(caller: Reads, run: str) -> JSONResponse:
    """What a run was started with: the inputs that were given first, then those that are as in the template."""
    engine = caller.engine_of(run)
    view = input_list(engine, overview_of(engine, run))
    return view_reply(plural(len(view.inputs), "input"), view)


@router.get("/runs/{run}/graph", response_model=answer_of(GraphView))
def show_graph(caller: Reads, run: str) -> JSONResponse:
    """The phases of a run with what each needs, its gates in order, its state, tokens, cost and model."""
    engine = caller.engine_of(run)
    view = graph_view(engine, overview_of(engine, run))
    return view_reply(plural(len(view.nodes), "phase"), view)


@router.get("/runs/{run}/timeline", response_model=answer_of(TimelineView))
def show_timeline(caller: Reads, run: str) -> JSONResponse:
    """What the time of a run went to: work apart from waiting, phase by phase."""
    engine = caller.engine_of(run)
    view = timeline_view(engine, overview_of(engine, run))
    return view_reply(plural(len(view.tasks), "task"), view)


@router.get("/runs/{run}/attempts", response_model=answer_of(LineageView))
def list_attempts(caller: Reads, run: str) -> JSONResponse:
    """Every attempt of a run, superseded ones too."""
    view = lineage_view(overview_of(caller.engine_of(run), run))
    return view_reply(plural(len(view.attempts), "attempt"), view)


@router.get("/runs/{run}/checkpoints", response_model=answer_of(CheckpointList))
def list_checkpoints(caller: Reads, run: str) -> JSONResponse:
    """The checkpoints of a run, newest first."""
    return reply(checkpoint_list(caller.engine_of(run), run))


_MOST = 100


@router.get("/board", response_model=answer_of(BoardView))
def show_board(caller: Reads, template: str, project: str = "") -> JSONResponse:
    """The newest runs of a template, by the phase that each is at; of a project, or of every one that the token opens."""
    wanted = caller.list_project(project)
    engine = caller.engine(wanted)
    with engine.store.read() as tx:
        page = tx.runs.page(wanted or None, template, limit=_MOST, archived=False, among=caller.projects)
    runs = list[tuple[Engine, str]]()
    for run in page.runs:
        with suppress(Refused):  # its folder is gone
            runs.append((caller.engine(run.project_id), run.id))
    damaged: dict[str, Refused] = {**page.damaged}
    overviews = [overview for _, overview in overviews_of(runs, damaged)]
    return view_reply(f"{template}: {plural(len(overviews), 'run')}", board(template, overviews, damaged.values()))
