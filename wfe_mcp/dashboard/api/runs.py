"""Operations on runs: list, start, look, work, decide as an agent may, control; and what pages show of them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.blockers import Settled
from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By, RunId, RunStatus
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Caller, Reads, Works
from wfe_mcp.dashboard.api.bodies import Body, PhaseName, ReasonGiven, Signed, SignedOfProject
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply, reply, view_reply
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.views.answers import rollback as history, tool_answers as answers
from wfe_mcp.views.answers.rollback import checkpoint_list
from wfe_mcp.views.approvals import answers as decisions
from wfe_mcp.views.artifacts.artifacts import ClaimView
from wfe_mcp.views.artifacts.context_pack import ContextPack, context_pack
from wfe_mcp.views.history.board import BoardView, board
from wfe_mcp.views.history.graph import GraphView, LineageView, TimelineView, graph_view, lineage_view, timeline_view
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.project.activity import EventList, EvidenceList, evidence_list
from wfe_mcp.views.reports import envelopes
from wfe_mcp.views.reports.envelopes import envelope_of, overview_of, overviews_of, refusal
from wfe_mcp.views.reports.run_rows import among_statuses, of_stuck, run_list, run_rows
from wfe_mcp.views.runs.checkpoints import CheckpointList
from wfe_mcp.views.runs.inputs import InputList, input_list
from wfe_mcp.views.runs.models import RollbackView, RunList, RunView, SubmittedView
from wfe_mcp.views.runs.run import event_view
from wfe_mcp.workspace.config.checks import time_before

router = APIRouter(tags=["runs"])

GATES_WAIT_S = 20.0
POLL_S = 0.2

WaitS = Annotated[int, Query(ge=0, le=45, description="wait so many seconds for a change")]


class NewRun(SignedOfProject):
    """A run to start. ``template``: without one, the default template of the project."""

    template: str = ""
    inputs: dict[str, Any] = Field({})
    title: str = Field("", description="what the run is about; without one, the inputs say it")
    driver: str = Field("", description="a role whose model works the phases; without one, the client that claims them")
    auto: bool | None = None
    roles: dict[str, str] = Field(
        {}, description="role of the template → a configured role, a provider or PROVIDER/MODEL"
    )
    idempotency_key: str = Field("", description="the same key returns the same run")
    triggered_by: str = ""
    external_id: str = ""


class PhaseToStart(Body):
    """The phase to claim; without one, the first that is ready."""

    phase: str = ""


class Submission(Signed):
    """An artifact, or the path of a file in the project that holds it."""

    phase: PhaseName
    artifact: dict[str, Any] | None = None
    path: str = ""
    attempt: int | None = Field(None, ge=1)
    note: str = ""
    attach: list[str] = Field([], description="files of the project to keep as proof")


class ApprovalAsked(Body):
    """The approval to ask a person for."""

    phase: PhaseName
    sha256: str = ""
    comment: str = ""


class Rejection(Body):
    """The submission to withdraw."""

    phase: PhaseName
    feedback: str


class Retry(Signed):
    """The phase to try again. ``role``: another model. ``from_step``: of a phase of steps, the first to run again.

    ``blockers``: what becomes of its open blockers.
    """

    phase: PhaseName
    role: str = ""
    feedback: str = ""
    from_step: str = ""
    blockers: Settled | None = None


class Control(Signed):
    """What to do with the run. A person who resumes it can raise its limits."""

    action: Literal["pause", "resume", "cancel", "proceed", "auto_on", "auto_off"]
    phase: str = ""
    reason: str = ""
    max_cost_usd: float | None = Field(None, gt=0)
    max_tokens: int | None = Field(None, gt=0)
    timeout_s: float | None = Field(None, gt=0)


class RollBack(Signed):
    """A checkpoint, or a phase: its last start. ``files`` false: the state only. ``discard``: replace unsaved changes.

    ``shown``: that of the preview; where the run has gone on since, it is refused (``stale_revision``).
    """

    to: str
    files: bool = True
    discard: bool = False
    shown: int | None = Field(None, ge=1)


@router.get("/runs", response_model=answer_of(RunList))
def list_runs(
    caller: Reads,
    project: str = "",
    template: str = "",
    status: Annotated[list[RunStatus] | None, Query()] = None,
    triggered_by: str = "",
    external_id: str = "",
    reached: Annotated[
        list[str] | None, Query(description="only runs in one of these states of their template")
    ] = None,
    archived: bool = False,
    stuck: Annotated[
        bool, Query(description="only runs without progress for runs.stuck_after that wait for no person")
    ] = False,
    since: Annotated[str, Query(description="started at or after: 2h, 7d, or 2026-11-20[T08:00]")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str = "",
) -> JSONResponse:
    """The runs of a project, or of every project that the token opens, newest first."""
    wanted = caller.list_project(project)
    engine = caller.engine(wanted)
    shown = of_stuck(status or ()) if stuck else status or ()
    silent = caller.access.engines_of(caller.token).stuck(wanted, caller.sees) if stuck else None
    with engine.store.read() as tx:
        page = tx.runs.page(
            wanted or None,
            template or None,
            among_statuses(shown),
            _begin_of(since, engine),
            limit,
            cursor or None,
            triggered_by=triggered_by or None,
            external_id=external_id or None,
            archived=archived,
            reached=reached or (),
            among=caller.projects,
            but=() if wanted else tx.projects.forgotten(),
            ids=None if silent is None else [run.id for _, run in silent.runs],
        )
    rows = run_rows(engine, page.runs, lambda run: caller.engine(run.project_id), shown)
    return view_reply(plural(len(rows), "run"), run_list(rows, page))


@router.post("/runs", response_model=answer_of(RunView))
def start_run(caller: Works, body: NewRun) -> JSONResponse:
    """Start a run from a template."""
    values = body.model_dump(exclude={"project"})
    return answer_reply(caller, caller.works(body.project), answers.start_run, **values)


@router.get("/runs/{run}", response_model=answer_of(RunView))
async def show_run(
    caller: Reads, run: str, detail: Literal["brief", "full"] = "full", wait_s: WaitS = 0
) -> JSONResponse:
    """A run: its phases, what it waits for, and the calls that are legal now."""
    engine = await run_in_threadpool(caller.engine_of, run)
    if wait_s:
        before = await run_in_threadpool(envelopes.moment, engine, run)
        await _until(caller, lambda: envelopes.has_moved(engine, before) or not envelopes.sleeps(engine, run), wait_s)
    return await run_in_threadpool(answer_reply, caller, engine, answers.status, run, detail=detail)


@router.get("/runs/{run}/events", response_model=answer_of(EventList))
def list_events(
    caller: Reads, run: str, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 500
) -> JSONResponse:
    """The log of a run after an event, oldest first."""
    engine = caller.engine_of(run)
    with engine.store.read() as tx:
        events = tx.events.of_run(RunId(run), after, limit)
    return view_reply(f"{len(events)} events", EventList(events=tuple(map(event_view, events))))


@router.get("/runs/{run}/evidence", response_model=answer_of(EvidenceList))
def list_evidence(caller: Reads, run: str, phase: str = "", attempt: int | None = None) -> JSONResponse:
    """What the gates and steps of a run saw, oldest first."""
    evidence = evidence_list(caller.engine_of(run), run, phase, attempt)
    return view_reply(f"{len(evidence.evidence)} pieces of evidence", evidence)


@router.get("/runs/{run}/context", response_model=answer_of(ContextPack))
def show_context(caller: Reads, run: str, phase: str = "") -> JSONResponse:
    """What who works a phase next must know: task, goal, reports, why the run came back, commits, changed files, blockers."""
    return answer_reply(caller, caller.engine_of(run), _context, run, phase)


@router.post("/runs/{run}/start_phase", response_model=answer_of(ClaimView))
def start_phase(caller: Works, run: str, body: PhaseToStart) -> JSONResponse:
    """Claim a phase: its prompt, the schema of its artifact, its gates."""
    return answer_reply(caller, caller.at_work(run), answers.start_phase, run, **body.model_dump())


@router.post("/runs/{run}/submit_artifact", response_model=answer_of(SubmittedView))
async def submit_artifact(caller: Works, run: str, body: Submission) -> JSONResponse:
    """Submit an artifact; the answer waits up to 20 seconds for the gates. A person's own phase needs the PIN."""
    engine = await run_in_threadpool(caller.at_work, run)
    try:
        by = await run_in_threadpool(caller.mover, engine, run, body.pin)
        envelope = await run_in_threadpool(answers.submit_artifact, engine, by, run, **body.model_dump(exclude={"pin"}))
        if envelope.state == "gating":
            submitted = envelope.view_as(SubmittedView)
            await _until(
                caller, partial(envelopes.gates_are_done, engine, run, body.phase, submitted.attempt), GATES_WAIT_S
            )
            envelope = await run_in_threadpool(
                answers.submitted_answer, engine, run, body.phase, submitted.attempt, submitted.revision
            )
    except Refused as refused:
        envelope = await run_in_threadpool(refusal, engine, caller.asking(refused), run, body.phase)
    return reply(envelope)


@router.post("/runs/{run}/approve", response_model=answer_of())
def approve(caller: Works, run: str, body: ApprovalAsked) -> JSONResponse:
    """Ask for an approval. A token never approves for a person: the answer is ``needs_human`` with the command."""
    return answer_reply(caller, caller.at_work(run), decisions.ask_approval, run, **body.model_dump())


@router.post("/runs/{run}/reject", response_model=answer_of())
def reject(caller: Works, run: str, body: Rejection) -> JSONResponse:
    """Withdraw a submission of your own, with feedback."""
    return answer_reply(caller, caller.at_work(run), decisions.reject, run, **body.model_dump())


@router.post("/runs/{run}/retry_phase", response_model=answer_of())
def retry_phase(caller: Works, run: str, body: Retry) -> JSONResponse:
    """Open a new attempt at a phase."""
    return answer_reply(caller, caller.at_work(run), answers.retry_phase, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/skip_phase", response_model=answer_of())
def skip_phase(caller: Works, run: str, body: ReasonGiven) -> JSONResponse:
    """Leave a phase out, where the template lets an agent do so."""
    return answer_reply(caller, caller.at_work(run), answers.skip_phase, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/control", response_model=answer_of(RunView))
def control(caller: Works, run: str, body: Control) -> JSONResponse:
    """Pause, resume, cancel, proceed, or switch automatic mode."""
    return answer_reply(caller, caller.at_work(run), answers.control_run, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/rollback", response_model=answer_of(RollbackView))
def roll_back(caller: Works, run: str, body: RollBack) -> JSONResponse:
    """Roll the run and its files back to a checkpoint or the last start of a phase."""
    return answer_reply(caller, caller.at_work(run), history.go_back, run, moves=True, **body.model_dump())


def _context(engine: Engine, by: By, run: str, phase: str = "") -> Envelope:
    del by
    overview = overview_of(engine, run)
    pack = context_pack(engine, overview, phase, whole=True)
    return envelope_of(overview, f"Context of {pack.duty.phase}", pack)


def _begin_of(since: str, engine: Engine) -> datetime | None:
    try:
        return time_before(since, engine.clock()) if since else None
    except ValueError as error:
        raise Refused("bad_argument", f"since: {error}.", "Take a duration such as 7d, or a date.") from None


async def _until(caller: Caller, is_so: Callable[[], bool], within_s: float) -> None:
    """Poll until ``is_so``, the time is over, or the server ends; a thread is in use only while it looks."""
    with anyio.move_on_after(within_s):
        # Other processes change the run, without a signal.
        while not (caller.access.is_ending or await run_in_threadpool(is_so)):  # noqa: ASYNC110
            await anyio.sleep(POLL_S)


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
    engine = caller.engine_of(run)
    view = lineage_view(engine, overview_of(engine, run))
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
