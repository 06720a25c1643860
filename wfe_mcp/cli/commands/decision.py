"""``wfe-mcp decision``: decisions about the architecture. Accepted ones are in the prompts of what they are about."""

from wfe_mcp.cli.commands.work import (
    Description,
    ItemId,
    ItemTitle,
    Scopes,
    Status,
    WhyGiven,
    change,
    list_items,
    render_item,
)
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.core.errors import Refused


def list_all(invocation: Invocation, status: Status = "") -> None:
    """List the decisions that are proposed or accepted."""
    list_items(invocation, "decision", status)


def show(invocation: Invocation, item: ItemId) -> None:
    """Show a decision with its history."""
    from wfe_mcp.views.work.answers import item_answer

    render_item(invocation, item_answer(invocation.engine, item, whole=True))


def add(invocation: Invocation, title: ItemTitle, body: Description = "", scopes: Scopes = None) -> None:
    """Propose a decision; --body says why, and what follows from it."""
    from wfe_mcp.views.work.answers import add as add_item

    values = {"title": title, "body": body, "scopes": scopes or []}
    render_item(invocation, add_item(invocation.engine, invocation.by, "decision", values))


def accept(invocation: Invocation, item: ItemId, pin_fd: PinFd = None) -> None:
    """Accept a decision: prompts repeat it from now on.

    It asks for your PIN.
    """
    change(invocation, item, {}, "accepted", "", pin_fd)


def deprecate(invocation: Invocation, item: ItemId, reason: WhyGiven = "", pin_fd: PinFd = None) -> None:
    """Say that a decision no longer holds, or is not taken.

    It asks for your PIN.
    """
    change(invocation, item, {}, "deprecated", reason, pin_fd)


def replace(invocation: Invocation, item: ItemId, by: ItemId, pin_fd: PinFd = None) -> None:
    """Say which decision takes the place of another.

    It asks for your PIN.
    """
    from wfe_mcp.views.work.answers import item_answer
    from wfe_mcp.views.work.models import ItemView

    old, new = (item_answer(invocation.engine, item_id).view_as(ItemView).line for item_id in (item, by))
    if new.kind != "decision" or new.id == old.id:
        what = f"{new.id} is the decision itself." if new.id == old.id else f"{new.id} is a {new.kind}, no decision."
        raise Refused("bad_argument", what, "Find decisions: wfe-mcp decision list")
    change(invocation, item, {}, "superseded", f"replaced by {new.id}", pin_fd)
