"""``wfe-mcp claim``: what is claimed about the work: add, test, show and list claims, and take falsified ones up again."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfe_mcp.cli.commands.work import (
    Description,
    ItemId,
    ItemTitle,
    Parent,
    Status,
    Tags,
    change,
    list_items,
    render_item,
)
from wfe_mcp.cli.terminal.invocation import Invocation
from wfe_mcp.cli.terminal.options import PinFd
from wfe_mcp.cli.terminal.screen import Screen
from wfe_mcp.cli.terminal.waiting import at_work
from wfe_mcp.core.errors import Detail, Refused

if TYPE_CHECKING:
    from wfe_mcp.views.work.pages import Falsified

TestGiven = Annotated[
    list[str] | None,
    typer.Option("--test", metavar="JSON", help='A test: {"type": "script", "check": "NAME"}; repeatable.'),
]
Reference = Annotated[
    str, typer.Argument(metavar="[REF]", help="What shows it: a file of the project, an address, evidence of a run.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What it shows, in a line.")]
Supports = Annotated[
    bool | None,
    typer.Option("--supports/--contradicts", help="Your judgement; it asks for your PIN.", show_default=False),
]
ListName = Annotated[str, typer.Option("--list", metavar="NAME", help="The list of the claim that you answer.")]
FollowUps = Annotated[list[str], typer.Argument(metavar="ITEM...", help="What has to be done before it is retried.")]


def list_all(invocation: Invocation, status: Status = "") -> None:
    """List the claims that hold, wait or were falsified."""
    list_items(invocation, "claim", status)


def show(invocation: Invocation, item: ItemId) -> None:
    """Show a claim with its tests, its evidence and its history."""
    from wfe_mcp.views.work.answers import item_answer

    render_item(invocation, item_answer(invocation.engine, item, whole=True))


def add(
    invocation: Invocation,
    title: ItemTitle,
    tests: TestGiven = None,
    body: Description = "",
    parent: Parent = "",
    tags: Tags = None,
) -> None:
    """Add a claim with its tests; --parent names the item that it is about."""
    from wfe_mcp.views.work.answers import add as add_item

    values: dict[str, Any] = {"title": title, "body": body, "parent": parent, "tags": tags or []}
    if tests:
        values["tests"] = [_test(number, text) for number, text in enumerate(tests)]
    render_item(invocation, add_item(invocation.engine, invocation.by, "claim", values))


def try_out(invocation: Invocation, item: ItemId) -> None:
    """Run the tests of a claim; exit code 0 where it is validated.

    The job continues in a server or `wfe-mcp worker` when you end the command.
    """
    from wfe_mcp.engine.background.queues import find_job
    from wfe_mcp.engine.evaluation.claim_tests import enqueue_test
    from wfe_mcp.store.records.jobs import JobStatus
    from wfe_mcp.views.moves.envelope import Envelope
    from wfe_mcp.views.work.answers import item_answer
    from wfe_mcp.views.work.models import ItemView

    engine = invocation.engine
    claim, job = enqueue_test(engine, item)
    with at_work(invocation) as pause, invocation.screen.busy(f"{claim.id} is tested; Ctrl-C returns it to the queue"):
        while (state := find_job(engine, job.id).job).status in {JobStatus.QUEUED, JobStatus.RUNNING}:
            pause()
    if state.status is not JobStatus.DONE:
        raise Refused("conflict", f"Job {state.id} is {state.status}: {state.error or state.cancel_reason}", "")
    answer = item_answer(engine, item, whole=True)
    is_validated = answer.view_as(ItemView).line.status == "validated"
    render_item(invocation, Envelope(is_validated, summary=answer.summary, next=answer.next, view=answer.view))


def retry(invocation: Invocation, item: ItemId) -> None:
    """Take a falsified claim up again, once all of its follow-ups are done."""
    change(invocation, item, {}, "pending", "", None)


def follow_up(invocation: Invocation, item: ItemId, others: FollowUps) -> None:
    """Name the items that have to be done before a claim is taken up again."""
    from wfe_mcp.views.work.answers import change as change_item, item_answer
    from wfe_mcp.views.work.models import ItemView

    needs = [*item_answer(invocation.engine, item).view_as(ItemView).needs, *others]
    render_item(invocation, change_item(invocation.engine, invocation.by, item, {"needs": needs}))


def evidence(
    invocation: Invocation,
    item: ItemId,
    ref: Reference = "",
    reason: Reason = "",
    supports: Supports = None,
    answered: ListName = "",
    pin_fd: PinFd = None,
) -> None:
    """Give evidence for or against a claim, or answer one of its lists.

    Anyone names evidence; that it supports or contradicts the claim, only you say.
    """
    from wfe_mcp.views.work.answers import change as change_item

    if not (ref or reason):
        raise typer.BadParameter("says what shows it, where no REF does", param_hint="--reason")
    if answered and supports is None:
        raise typer.BadParameter("says what you found: add --supports or --contradicts", param_hint="--list")
    entry = {"ref": ref, "reason": reason, "supports": supports, "test": answered}
    values = {"evidence": [{name: value for name, value in entry.items() if value not in ("", None)}]}
    what = f"say that {reason or ref!r} {'supports' if supports else 'contradicts'} {item}"
    answer = invocation.as_needed(lambda by: change_item(invocation.engine, by, item, values), pin_fd, what)
    render_item(invocation, answer)


def ledger(invocation: Invocation) -> None:
    """Show which claims were falsified, and why.

    With when that was, at which commit, and what has to be done before one is taken up again.
    """
    from wfe_mcp.views.work.pages import Ledger, ledger as read_ledger

    answer = read_ledger(invocation.engine)
    view = answer.view_as(Ledger)

    def render(screen: Screen) -> None:
        screen.line(answer.summary, "bold")
        now = invocation.engine.clock()
        rows = [
            (claim.id, claim.status, screen.time(claim.at, now), claim.commit[:12], _follows(claim))
            for claim in view.falsified
        ]
        if rows:
            screen.table(("claim", "now", "falsified", "commit", "follow-ups"), rows)
        for claim in view.falsified:
            screen.line(f"  {claim.id} {claim.title}: {claim.why}")

    invocation.render(answer, render)


def _follows(claim: "Falsified") -> str:
    return ", ".join(f"{item.id} {item.status}" for item in claim.follow_ups) or "none"


def _test(number: int, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as fault:
        raise Refused(
            "bad_argument",
            f"Test {number + 1} is no JSON: {fault}.",
            """Such as --test '{"type": "script", "check": "NAME"}'.""",
            (Detail(f"/item/tests/{number}", "is no JSON", "an object", text[:200]),),
        ) from None
