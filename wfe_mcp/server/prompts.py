"""MCP prompts: ready sentences for the user, which clients show as slash commands.

The icon of the server and its prompts: the one of the decision page, as a data address.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver.prompts import Prompt
from mcp_types import Icon
from pydantic import Field

from wfe_mcp.core.errors import Refused

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from wfe_mcp.engine.kernel.engine import Engine
    from wfe_mcp.server.project_session import ProjectSession


_LOOP = (
    "Then follow next[0] of every answer: start_phase, do the work, submit_artifact. When an answer says needs_human, "
    "show me error.hint and wait with status(run=…, wait_s=45)."
)


def add_prompts(server: MCPServer[None], place: ProjectSession) -> None:
    """Register the four prompts."""
    for prompt in _prompts():
        server.add_prompt(prompt)

    async def handoff(run: Annotated[str, Field(description="Which run; without it the newest open one")] = "") -> str:
        """Describe the state of a run for the agent that continues it."""
        try:
            engine = await place.engine()
            page = await place.in_thread(partial(_page, engine, run))
        except Refused as refused:
            return " ".join(("wfe run", *filter(None, (run,)), f"cannot be handed over: {refused.text}"))
        return f"{_HANDOFF}\n\n{page}"

    server.add_prompt(Prompt.from_function(handoff, title="Hand a run over", icons=ICONS))


_HANDOFF = (
    "Hand this wfe run over to the agent that continues it. The page below is what the server confirms; keep it unchanged, and "
    "add below it what you know beyond it: what was tried and failed, and why. Do not repeat or contradict the page."
)


def _page(engine: Engine, run: str) -> str:
    from wfe_mcp.views.reports.handoff import handoff, run_of

    return handoff(engine, run_of(engine, run))


@cache
def _prompts() -> tuple[Prompt, ...]:
    return (
        Prompt.from_function(start, title="Start a workflow", icons=ICONS),
        Prompt.from_function(go_on, name="continue", title="Continue a run", icons=ICONS),
        Prompt.from_function(review, title="Review an artifact", icons=ICONS),
    )


def start(
    goal: Annotated[str, Field(description="What should be done")],
    template: Annotated[str, Field(description="Which workflow; without it the best fit is chosen")] = "",
) -> str:
    """Start planned, tested, reviewed work."""
    choose = (
        f"start_run(template={template!r})"
        if template
        else "list_templates, choose the one that fits best, and start_run"
    )
    return f"Start a wfe workflow for this goal: {goal}\n\nCall {choose}. {_LOOP}"


def go_on(run: Annotated[str, Field(description="Which run; without it the open one")] = "") -> str:
    """Continue an open run."""
    which = f"status(run={run!r})" if run else "status, and choose the open run (ask me when there are several)"
    return f"Continue the wfe workflow. Call {which}. {_LOOP}"


def review(
    run: Annotated[str, Field(description="Which run")],
    phase: Annotated[str, Field(description="Which phase; without it the one that waits for me")] = "",
) -> str:
    """Review what waits for a decision. The user decides."""
    what = f"phase {phase!r}" if phase else "the phase that waits for me"
    return (
        f"Help me to review {what} of wfe run {run}. Call status(run={run!r}, detail='full') and read_artifact, then tell "
        "me briefly: what was requested, what is delivered, what the gates found, what is risky or missing. Do not "
        "approve or reject: I decide. At the end give the command or call that asks me."
    )


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -3 22 22"><rect x="1" y="5" width="6" height="6" rx="1" '
    'fill="#5b6cf0"/><path d="m15 2 6 6-6 6-6-6Z" fill="none" stroke="#5b6cf0" stroke-width="1.8" '
    'stroke-linejoin="round"/></svg>'
)
"""Kept here too: reading the page's file would cost the start of the server a file. A test keeps both equal."""

ICONS = [
    Icon(src=f"data:image/svg+xml;base64,{b64encode(SVG.encode()).decode()}", mime_type="image/svg+xml", sizes=["any"])
]
