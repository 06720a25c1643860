"""The tools that submit and read artifacts."""

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope

GATES_WAIT_S = 20.0
"""How long a submission waits for its gates, which saves a call per phase."""


async def submit_artifact(
    call: ToolRequest,
    run: str,
    phase: Annotated[str, Field(description="path, e.g. build[T-1].code")],
    attempt: Annotated[int | None, Field(ge=1, description="from start_phase")] = None,
    artifact: Annotated[dict[str, Any] | None, Field(description="matches output.schema of start_phase")] = None,
    path: Annotated[str, Field(description="instead: a file of the project")] = "",
    note: str = "",
    attach: Annotated[list[str] | None, Field(description="project files to keep as proof")] = None,
) -> Envelope:
    """Submit a phase's result (plan, change, review, report). Validates it, stores a revision, runs gates and tests.
    Give artifact or path.
    """
    found = await call.answer(
        views.tool_answers.submit_artifact,
        run=run,
        phase=phase,
        attempt=attempt,
        artifact=artifact,
        path=path,
        note=note,
        attach=attach,
    )
    if found.run is None or found.state != "gating":
        return found
    made = found.shown(views.run_models.SubmittedView)
    done = partial(views.waiting.gates_are_done, call.engine, found.run, phase, made.attempt)
    await call.until(done, GATES_WAIT_S, f"The gates of '{phase}' are judging attempt {made.attempt}.")
    return await call.place.in_thread(
        partial(views.tool_answers.submitted, call.engine, found.run, phase, made.attempt, made.revision)
    )


async def read_artifact(
    call: ToolRequest,
    run: str,
    phase: str = "",
    artifact: Annotated[str, Field(description="context:pack: reports, commits, changes, blockers so far")] = "",
    revision: Annotated[int | None, Field(ge=1)] = None,
    pointer: Annotated[str, Field(description="JSON pointer to a part")] = "",
    against: Annotated[
        str, Field(description="diff with: revision, attempt:2, iteration:1, or run[:phase][@revision]")
    ] = "",
) -> Envelope:
    """Read an artifact (plan, spec, review), one part of it, or its diff against another revision. Without a name: list
    them.
    """
    return await call.answer(
        views.tool_answers.read_artifact,
        run=run,
        phase=phase,
        artifact=artifact,
        revision=revision,
        pointer=pointer,
        against=against,
    )
