"""Operations that steer a run: accept, overrule, second opinions, undo, redo, checkpoints, forks, comparison, tool calls.

What only a person may do needs the PIN, typed at the page; without it the answer is what an agent gets.
"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import RunId, TakesBack
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.core.units import plural
from wfe_mcp.dashboard.api.access import Reads, Works
from wfe_mcp.dashboard.api.bodies import Body, ReasonGiven, Signed
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply, reply, view_reply
from wfe_mcp.views.answers import opinions, rollback as history, tool_answers
from wfe_mcp.views.history.comparison import ComparisonView, comparison
from wfe_mcp.views.moves.outlook import PromiseView, Way, promise_view
from wfe_mcp.views.reports.envelopes import overview_of, refusal
from wfe_mcp.views.runs.calls import PhaseToolCall, ToolCallList, tool_call_view
from wfe_mcp.views.runs.models import RollbackPreview, RollbackView, RunView

router = APIRouter(tags=["runs"])


class StepBack(Signed):
    """``files``: restore the files too. ``discard``: replace unsaved changes, which are saved first.

    ``shown``: that of the preview; where the run has gone on since, it is refused (``stale_revision``).
    """

    files: bool = False
    discard: bool = False
    shown: int | None = Field(None, ge=1)


class Fork(Signed):
    """Where to begin: an event of the log (12) or a checkpoint (cp-12); without one, the last event."""

    at: str = ""
    title: str = ""
    idempotency_key: str = Field("", description="the same key returns the same run")


class OpinionQuestion(Body):
    """About a phase or the whole run. Without ``question``: whether the work may continue; without ``reviewers``: one role."""

    phase: str = ""
    question: str = Field("", max_length=10_000)
    reviewers: list[str] = Field([], max_length=8, description="configured roles")


class Note(Body):
    """Why the checkpoint is taken."""

    note: str = ""


@router.get("/runs/{run}/promise", response_model=answer_of(PromiseView))
def promise(caller: Reads, run: str, way: Way, phase: str = "", to: str = "", from_step: str = "") -> JSONResponse:
    """What a decision would lead to now; nothing is changed. `to`: where a rejection goes back to."""
    engine = caller.engine_of(run)
    view = promise_view(engine, overview_of(engine, run), way, phase, to=to, from_step=from_step)
    return view_reply(view.leads_to or "That is refused now.", view)


@router.post("/runs/{run}/force_accept", response_model=answer_of())
def force_accept(caller: Works, run: str, body: ReasonGiven) -> JSONResponse:
    """Accept a phase although its gates fail, with the PIN; the run is tainted from then on."""
    caller.refuse_program()
    return answer_reply(caller, caller.at_work(run), tool_answers.force_accept, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/overrule", response_model=answer_of())
def overrule(caller: Works, run: str, body: ReasonGiven) -> JSONResponse:
    """Overrule the reviewers of a phase, with the PIN."""
    caller.refuse_program()
    return answer_reply(caller, caller.at_work(run), tool_answers.overrule, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/second_opinion", response_model=answer_of())
def ask_for_opinion(caller: Works, run: str, body: OpinionQuestion) -> JSONResponse:
    """Ask other models about a run or a phase. Advice: it never counts for a gate. Until it comes, `data.job` is its id."""
    return answer_reply(caller, caller.at_work(run), opinions.ask_opinion, run, **body.model_dump())


@router.get("/runs/{run}/second_opinion", response_model=answer_of())
def look_at_opinion(caller: Reads, run: str, job: str) -> JSONResponse:
    """Whether the opinion with the id `job` has come, and what it says."""
    engine = caller.engine_of(run)
    try:
        return reply(opinions.opinion_answer(engine, job, of_run=run))
    except Refused as refused:
        return reply(refusal(engine, refused, run))


@router.get("/runs/{run}/rollback", response_model=answer_of(RollbackPreview))
def preview_rollback(
    caller: Reads, run: str, to: str = "", files: bool = True, kind: TakesBack = "rollback"
) -> JSONResponse:
    """What a rollback to a checkpoint (cp-12) or to the last start of a phase, an undo or a redo would do now.

    Nothing is changed.
    """
    return reply(history.preview(caller.engine_of(run), run, to, files, kind))


@router.post("/runs/{run}/undo", response_model=answer_of(RollbackView))
def undo(caller: Works, run: str, body: StepBack) -> JSONResponse:
    """Undo the last command; decisions of a person need the PIN, or at a server the passkey."""
    return answer_reply(caller, caller.at_work(run), history.undo, run, moves=True, **body.model_dump())


@router.get("/runs/{run}/undo_delivery", response_model=answer_of(RunView))
def preview_undo_delivery(caller: Reads, run: str) -> JSONResponse:
    """What an undo of a delivery would do now: the operations that it would reverse, or after a merge the run that reverts it.

    Nothing is changed.
    """
    return answer_reply(caller, caller.engine_of(run), history.undo_delivery, run, dry_run=True)


@router.post("/runs/{run}/undo_delivery", response_model=answer_of(RunView))
def undo_delivery(caller: Works, run: str, body: Signed) -> JSONResponse:
    """Undo what the steps of a run delivered, with the PIN: before its merge; after it by a run that reverts it."""
    caller.refuse_program()
    return answer_reply(caller, caller.at_work(run), history.undo_delivery, run, **body.model_dump())


@router.post("/runs/{run}/redo", response_model=answer_of(RollbackView))
def redo(caller: Works, run: str, body: StepBack) -> JSONResponse:
    """Redo the last undo."""
    return answer_reply(caller, caller.at_work(run), history.redo, run, moves=True, **body.model_dump())


@router.post("/runs/{run}/checkpoint", response_model=answer_of())
def take_checkpoint(caller: Works, run: str, body: Note) -> JSONResponse:
    """Take a checkpoint of the run and its files now."""
    return answer_reply(caller, caller.at_work(run), history.checkpoint, run, **body.model_dump())


@router.post("/runs/{run}/fork", response_model=answer_of(RunView))
def fork_run(caller: Works, run: str, body: Fork) -> JSONResponse:
    """Start a new run from the state of this one, in the folder where this one works."""
    caller.at_work(run)
    there = caller.access.engines_of(caller.token).engine_of_run(run)
    return answer_reply(caller, there, tool_answers.fork, run, **body.model_dump())


@router.get("/compare", response_model=answer_of(ComparisonView))
def compare_runs(caller: Reads, left: str, right: str) -> JSONResponse:
    """Two runs of a project side by side: inputs, phases, times, costs and artifacts."""
    engine, other = caller.engine_of(left), caller.engine_of(right)
    if engine.project_id != other.project_id:
        raise Refused(
            "bad_argument", f"{left} and {right} are runs of different projects.", "Compare two of one project."
        )
    view = comparison(engine, overview_of(engine, left), overview_of(engine, right))
    unlike = sum(not phase.same for phase in view.phases)
    return view_reply(f"{unlike} of {plural(len(view.phases), 'phase')} differ", view)


@router.get("/runs/{run}/tool_calls", response_model=answer_of(ToolCallList))
def list_tool_calls(caller: Reads, run: str, phase: str = "", attempt: int | None = None) -> JSONResponse:
    """Every use of a tool by a model in a run, with its input and output, oldest first."""
    engine = caller.engine_of(run)
    with engine.store.read() as tx:
        records = tx.tool_calls.filter(RunId(run), PhasePath(phase) if phase else None, attempt)
    calls = tuple(
        PhaseToolCall(phase=str(call.phase), attempt=call.attempt, call=tool_call_view(call)) for call in records
    )
    return view_reply(plural(len(calls), "tool call"), ToolCallList(calls=calls))
