"""Operations for what a person submits: the form of a phase, and an edited artifact."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.model import By
from wfe_mcp.core.paths import PhasePath, shell_path
from wfe_mcp.dashboard.api.access import Reads, Works
from wfe_mcp.dashboard.api.bodies import PhaseName, Signed
from wfe_mcp.dashboard.api.replies import answer_of, answer_reply, view_reply
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.engine.phases import edit as edits
from wfe_mcp.views.answers.tool_answers import submitted_answer
from wfe_mcp.views.moves.envelope import Envelope
from wfe_mcp.views.pages.artifact import FormView, submission_form
from wfe_mcp.views.reports.envelopes import overview_of
from wfe_mcp.views.runs.models import SubmittedView

router = APIRouter(tags=["artifacts"])


class EditedArtifact(Signed):
    """An artifact as a person edited it. ``note``: stored with the new revision."""

    phase: PhaseName
    artifact: dict[str, Any]
    note: str = ""


@router.get("/runs/{run}/form", response_model=answer_of(FormView))
def show_form(caller: Reads, run: str, phase: str) -> JSONResponse:
    """What a person may submit for a phase: its schema, what is there already, and what is wrong with it."""
    engine = caller.engine_of(run)
    view = submission_form(engine, overview_of(engine, run), phase)
    return view_reply(f"{phase}: {view.how or view.why}", view)


@router.post("/runs/{run}/edit_artifact", response_model=answer_of(SubmittedView))
def edit_artifact(caller: Works, run: str, body: EditedArtifact) -> JSONResponse:
    """Store an edited artifact as a new revision, with the PIN; its gates run again."""
    caller.refuse_program()
    if not (body.pin or caller.signs):  # also where an agent could submit again: what a person wrote is theirs
        command = f"wfe-mcp edit {run} {shell_path(body.phase)}"
        raise Refused("needs_human", "An edit is stored with your PIN.", f"Type it at the page, or run: {command}")
    return answer_reply(caller, caller.at_work(run), _edit, run, moves=True, **body.model_dump())


def _edit(engine: Engine, by: By, run: str, phase: str, artifact: dict[str, Any], note: str) -> Envelope:
    receipt = edits.edit(engine, by, run, PhasePath(phase), artifact, note)
    return submitted_answer(engine, receipt.loaded, phase, receipt.attempt, receipt.revision)
