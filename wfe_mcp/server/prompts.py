"""Which sentences can a person pick instead of typing them? Clients show them as slash commands."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver.prompts import Prompt
from pydantic import Field

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.server.project_session import ProjectSession

__all__ = ["add_prompts"]

_LOOP = (
    "Then follow next[0] of every answer: start_phase, do the work, submit_artifact. When an answer says needs_human, "
    "tell me what error.hint says and wait with status(wait_s=45)."
)


def add_prompts(server: MCPServer[None], place: ProjectSession) -> None:
    """Register the four prompts."""
    for prompt in _prompts():
        server.add_prompt(prompt)

    async def handoff(run: Annotated[str, Field(description="Which run; without it the newest open one")] = "") -> str:
        """Write down where a run stands, for whoever goes on."""
        try:
            engine = await place.engine()
            page = await place.in_thread(partial(_page, engine, run))
        except Refused as refused:
            return f"There is no page to hand over for wfe run {run}: {refused.message} {refused.hint}"
        return f"{_HANDOFF}\n\n{page}"

    server.add_prompt(Prompt.from_function(handoff, title="Hand a run over"))


_HANDOFF = (
    "Hand this wfe run over to whoever goes on. The page below is what the server confirms; keep it as it is, and add below it "
    "what you know beyond it: what was tried and failed, and why. Do not repeat it, and claim nothing the page contradicts."
)


def _page(engine: Engine, run: str) -> str:
    from wfe_mcp.views.handoff import handoff, run_of

    return handoff(engine, run_of(engine, run))


@cache
def _prompts() -> tuple[Prompt, ...]:
    return (
        Prompt.from_function(start, title="Start a workflow"),
        Prompt.from_function(go_on, name="continue", title="Continue a run"),
        Prompt.from_function(review, title="Review an artifact"),
    )


def start(
    goal: Annotated[str, Field(description="What should be done")],
    template: Annotated[str, Field(description="Which workflow; without it the best fit is chosen")] = "",
) -> str:
    """Begin planned, tested, reviewed work."""
    choose = (
        f"start_run(template={template!r})"
        if template
        else "list_templates, choose the one that fits best, and start_run"
    )
    return f"Start a wfe workflow for this goal: {goal}\n\nCall {choose}. {_LOOP}"


def go_on(run: Annotated[str, Field(description="Which run; without it the open one")] = "") -> str:
    """Take up an open run where it stands."""
    which = f"status(run={run!r})" if run else "status, and choose the open run (ask me when there are several)"
    return f"Continue the wfe workflow. Call {which}. {_LOOP}"


def review(
    run: Annotated[str, Field(description="Which run")],
    phase: Annotated[str, Field(description="Which phase; without it the one that waits for me")] = "",
) -> str:
    """Look at what waits for a decision. The decision stays with the person."""
    what = f"phase {phase!r}" if phase else "the phase that waits for me"
    return (
        f"Help me to review {what} of wfe run {run}. Call status(run={run!r}, detail='full') and read_artifact, then tell "
        "me in short: what was asked for, what is delivered, what the gates found, what is risky or missing. Do not "
        "approve or reject: I decide. At the end name the command or call that asks me."
    )
