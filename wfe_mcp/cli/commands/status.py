"""``wfe-mcp status``: where are we, who is waited for, what comes next?"""

from dataclasses import replace
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Door

__all__ = ["status"]

Run = Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it the open runs of this project.")]
Full = Annotated[bool, typer.Option("--full", help="With --json: every phase, not only the open ones.")]


def status(door: Door, run: Run = "", full: Full = False) -> None:
    """Where does a run stand, who is waited for, and what comes next?"""
    from wfe_mcp.views.idle_status import quiet_status

    quiet = None if run else quiet_status(door.engine)
    if quiet is not None:
        door.tell(quiet)
        return
    from wfe_mcp.engine.approvals.decision_page import page_at
    from wfe_mcp.views import tool_answers as answers

    wanted = door.at(run) if run else ""
    answer = answers.status(door.engine, door.by, wanted, "full" if full else "brief")
    if answer.run and not door.screen.as_json:  # a person wants to see the whole way, an agent pays by the token
        answer = answers.status(door.engine, door.by, answer.run, "full")
        for phase in answer.data["phases"]:
            phase.pop("verdicts", None)
    page = page_at(door.engine, may_start=False)
    if page:
        answer = replace(answer, data=answer.data | {"page": page})
    door.tell(answer)
    if page and not door.screen.as_json:
        door.screen.line(f"Decision page: {page}")
