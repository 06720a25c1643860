"""The tools that submit, read and find artifacts, and that list and save workflow templates."""

from functools import partial
from typing import Annotated, Any, Literal

import anyio
from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.moves.envelope import Envelope

GATES_WAIT_S = 20.0
"""How long a submission waits for its gates, which saves a call per phase."""


async def submit_artifact(
    call: ToolRequest,
    run: str,
    phase: Annotated[str, Field(description="path, e.g. build[T-1].code")],
    attempt: Annotated[int | None, Field(ge=1, description="from start_phase")] = None,
    artifact: Annotated[dict[str, Any] | None, Field(description="matches output.schema of start_phase")] = None,
    path: Annotated[str, Field(description="instead: a project file, best in .wfe/ (no change there)")] = "",
    note: str = "",
    attach: Annotated[list[str] | None, Field(description="project files to keep as proof")] = None,
) -> Envelope:
    """Submit a phase's result (plan, change, review, report). Validates it, stores a revision, runs gates and tests.
    Give artifact or path.
    """
    envelope = await call.answer(
        views.tool_answers.submit_artifact,
        run=run,
        phase=phase,
        attempt=attempt,
        artifact=artifact,
        path=path,
        note=note,
        attach=attach,
    )
    if envelope.run is None or envelope.state != "gating":
        return envelope
    submitted = envelope.view_as(views.run_models.SubmittedView)
    done = partial(views.envelopes.gates_are_done, call.engine, envelope.run, phase, submitted.attempt)
    await call.until(done, GATES_WAIT_S, f"The gates of '{phase}' are judging attempt {submitted.attempt}.")
    return await call.place.in_thread(
        partial(
            views.tool_answers.submitted_answer, call.engine, envelope.run, phase, submitted.attempt, submitted.revision
        )
    )


async def read_artifact(
    call: ToolRequest,
    run: str,
    phase: str = "",
    artifact: Annotated[str, Field(description="or inputs; context:pack: reports, commits, changes, blockers")] = "",
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


STEP_S, PAUSE_S = 0.2, 0.1


async def find(
    call: ToolRequest,
    query: Annotated[str, Field(description='words, "a phrase", pre*; OR, NOT')],
    kind: Literal["run", "artifact", "event", "decision", "finding", "blocker", "attachment", "work_item"]
    | None = None,
    run: str = "",
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
    cursor: str = "",
) -> Envelope:
    """Search this project's history: runs, artifacts, events, decisions, findings."""
    answer = await call.answer(views.find.find_text, query=query, kind=kind or "", run=run, limit=limit, cursor=cursor)
    if isinstance(answer.view, views.find.FoundView) and answer.view.not_indexed:
        call.background(partial(_index_the_rest, call))
    return answer


async def _index_the_rest(call: ToolRequest) -> None:
    """Index runs that are older than the index, in the background, in small steps."""
    from wfe_mcp.engine.search.finding import catch_up  # it loads SQL

    while await call.place.in_thread(partial(catch_up, call.engine, within_s=STEP_S)) == "more":  # noqa: ASYNC110 - its own pace, no signal
        await anyio.sleep(PAUSE_S)


async def list_templates(call: ToolRequest, query: str = "", name: str = "") -> Envelope:
    """List workflow templates with one line and the inputs of each. Use before start_run to choose one; with name: the
    whole definition.
    """
    return await call.answer(views.reading.list_templates, query=query, name=name)


async def save_template(
    call: ToolRequest,
    definition: Annotated[dict[str, Any], Field(description="wfe/1; list_templates name=quick_fix shows one")],
    dry_run: Annotated[bool, Field(description="only validate")] = False,
) -> Envelope:
    """Create or change a workflow template: validate it and store a new version. Runs start from it once the user
    trusts it.
    """
    return await call.answer(views.tool_answers.save_template, definition=definition, dry_run=dry_run)
