"""``wfe-mcp grant``: standing grants, by which you approve beforehand."""

from datetime import timedelta
from typing import Annotated

import typer

from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd, seconds_of
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.core.units import plural
from wfe_mcp.views.values.model import plain

Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template whose approval it gives.")]
OfPhase = Annotated[str, typer.Argument(metavar="PHASE", help="The phase that asks, as the template names it.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The grant: g-1.")]
When = Annotated[
    str, typer.Option("--when", metavar="CONDITION", help="Over what the server saw: '${size(change.files) <= 3}'.")
]
Uses = Annotated[int, typer.Option("--uses", metavar="N", help="How many approvals it gives at most.")]
Expires = Annotated[str, typer.Option("--expires", metavar="DURATION", help="How long it is valid: 8h, 30d.")]


def add(
    invocation: Invocation,
    template: Template,
    phase: OfPhase,
    when: When,
    uses: Uses = 1,
    expires: Expires = "8h",
    pin_fd: PinFd = None,
) -> None:
    """Approve a phase beforehand, with your PIN.

    The server then gives the approval by itself: so often, until then, and only where the condition is true. That reads change
    (files, added, removed), evidence, opinions and attempt, which the server made. What is unusual it leaves to you, and steps, and
    what takes several people, a phrase or a passkey.
    """
    from wfe_mcp.engine.grants.drafts import draft_grant
    from wfe_mcp.engine.grants.grants import give_grant
    from wfe_mcp.views.approvals.grants import seen_sha256, words_of

    engine = invocation.engine
    until = engine.clock() + timedelta(seconds=seconds_of(expires) or 0)
    draft = draft_grant(engine, template, phase, when, uses, until)
    words = words_of(draft)
    for line in words:
        invocation.screen.aside(line)
    by = invocation.person(pin_fd, f"let the server approve {phase} of {template} for you")
    grant = give_grant(engine, by, draft, seen_sha256(draft))
    summary = f"Grant {grant.id}: {plural(uses, 'use')}, until {grant.expires_at}. End it: wfe-mcp grant end {grant.id}"
    invocation.answer(summary, data={"id": grant.id, "expires_at": grant.expires_at, "signed": words})


def list_all(invocation: Invocation) -> None:
    """List the standing grants of this project, newest first."""
    from wfe_mcp.views.approvals.grants import grant_list

    view = grant_list(invocation.engine)
    heads = ("grant", "approves", "state", "used", "until", "by", "where")
    rows = [
        (
            *(grant.id, f"{grant.template} {grant.phase}", grant.state, f"{grant.used} of {grant.uses}"),
            *(grant.expires_at, grant.actor, grant.when),
        )
        for grant in view.grants
    ]
    empty = "No grants: each approval is asked for."
    summary = plural(len(rows), "grant")
    invocation.answer(summary, lambda screen: screen.table(heads, rows, empty=empty), data=plain(view))


def show(invocation: Invocation, id_: Id) -> None:
    """Show a grant and each approval that it gave."""
    from wfe_mcp.views.approvals.grants import grant_shown

    line, words = grant_shown(invocation.engine, id_)

    def render(screen: Screen) -> None:
        screen.line(f"Grant {line.id} of {line.actor}, {line.state}: used {line.used} of {line.uses}")
        for text in words:
            screen.line(f"  {text}")
        for use in line.approvals:
            screen.line(f"  {use.number}. {use.at}  {use.run} {use.phase}, attempt {use.attempt}")

    invocation.answer(f"Grant {line.id}: {line.state}", render, data=plain(line))


def end(invocation: Invocation, id_: Id, pin_fd: PinFd = None) -> None:
    """End a grant now, with your PIN. What it approved stays approved."""
    from wfe_mcp.engine.grants.grants import end_grant, grant_to_end

    engine = invocation.engine
    with engine.store.read() as tx:
        grant_to_end(tx, engine.project_id, id_)  # no PIN for what is refused
    by = invocation.person(pin_fd, f"end grant {id_}")
    ended = end_grant(engine, by, id_)
    invocation.answer(f"Grant {id_} is ended.", data={"id": id_, "ended_at": ended.ended_at})
